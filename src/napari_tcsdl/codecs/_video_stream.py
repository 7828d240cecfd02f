"""One video file: frames of whole numbers through FFmpeg (PyAV), in and out.

Grey video is the luma plane; chroma, where a format has it, stays at mid-grey. Nothing is scaled
and no range is converted: code k of a frame is sample k of the stream.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError
from ._scheduling import scheduling_kept

NO_VIDEO = "PyAV is not installed: pip install napari-tcsdl[video]"

_SMALLEST_SIDE = 72
"""[px] Smaller frames are padded: x265 4.2 overruns its memory on a single block of 64 px."""

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG: 0 is black and the largest code white."""

_RATE = 25
"""[frames/s] What the file says; constant quality does not depend on it."""

_CONTAINER_OPTIONS = {"fflags": "+bitexact"}
"""Else files hold random identifiers, and no two are alike."""

_HEAD = 64
"""Packets that are held back until it is known how far their order is from that of frames: more
than any of our encoders reorders."""


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is written.

    Attributes
    ----------
    encoder
        FFmpeg's name for it.
    container
        FFmpeg's name for the file format.
    pixel_format
        FFmpeg's name; one whose first plane is the luma.
    bits
        Of a sample.
    options
        Of the encoder.
    """

    encoder: str
    container: str
    pixel_format: str
    bits: int
    options: Mapping[str, str]


def pyav() -> Any:
    """Import PyAV, whose wheel holds GPL encoders, only when a video is asked for.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(NO_VIDEO) from error
    return av


def write_stream(
    frames: Iterable[NDArray[Any]],
    shape: tuple[int, int],
    settings: StreamSettings,
    file: Path | IO[bytes],
) -> dict[int, int]:
    """Encode frames of codes, one after the other, to one file.

    Parameters
    ----------
    frames
        Each (H, W), whole numbers of ``settings.bits``.
    shape
        (H, W) of each.
    settings
        Of the stream.
    file
        Where it goes. Packets are written as they come: memory holds those frames only that the
        encoder looks ahead.

    Returns
    -------
    dict
        By frame number the bytes of its packets.

    Raises
    ------
    InputError
        For frames that the encoder refuses.
    """
    av = pyav()
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 else prints a page to stderr; 1 = errors
    packet_bytes: dict[int, int] = {}
    how = {"format": settings.container, "container_options": _CONTAINER_OPTIONS}
    with _refusal(av, shape, settings.encoder), av.open(file, "w", **how) as container:
        stream = _stream(container, shape, settings)
        with scheduling_kept():
            stream.codec_context.open()
        for packet in _in_time(_packets(av, stream, frames, settings)):
            packet_bytes[packet.pts] = packet.size
            container.mux(packet)
    return packet_bytes


@contextmanager
def _refusal(av: Any, shape: tuple[int, int], encoder: str) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise InputError(
            f"got frames of {shape[0]} × {shape[1]} px, expected what {encoder} takes (it says: "
            f"{error.strerror}); crop the movie or install the newest PyAV"
        ) from error


def _stream(container: Any, shape: tuple[int, int], settings: StreamSettings) -> Any:
    stream = container.add_stream(settings.encoder, rate=_RATE)
    stream.height, stream.width = padded_shape(shape)
    stream.pix_fmt = settings.pixel_format
    stream.options = _sound_code(settings.encoder) | dict(settings.options)
    stream.codec_context.color_range = _FULL_RANGE
    stream.codec_context.thread_count = 1  # the same bytes each time, and honest CPU seconds
    return stream


@cache
def _sound_code(encoder: str) -> dict[str, str]:
    """Keep x264 off its AVX-512 code, where it would use that.

    It reads what happens to lie in memory (core 165, in its mbtree): bytes of the same frames
    then differ by up to 3 %. Its AVX2 code gives those of its plain C, as quickly.
    """
    if encoder != "libx264":
        return {}
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return {"x264-params": "asm=avx2"} if {"AVX512F", "X86_V4"} & set(found) else {}


def padded_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the even (H, W), no smaller than encoders take, that frames are padded to."""
    height, width = (max(side + side % 2, _SMALLEST_SIDE) for side in shape)
    return height, width


def _packets(
    av: Any, stream: Any, frames: Iterable[NDArray[Any]], settings: StreamSettings
) -> Iterator[Any]:
    for index, codes in enumerate(frames):
        picture = av.VideoFrame(stream.width, stream.height, settings.pixel_format)
        luma, *chroma = picture.planes
        samples = _samples(luma, settings.bits)
        below, right = samples.shape[0] - codes.shape[0], stream.width - codes.shape[1]
        samples[:, : stream.width] = np.pad(codes, ((0, below), (0, right)), mode="edge")
        for plane in chroma:
            _samples(plane, settings.bits)[:] = 1 << (settings.bits - 1)
        picture.pts = index
        picture.color_range = _FULL_RANGE
        yield from stream.encode(picture)
    yield from stream.encode(None)


def _in_time(packets: Iterable[Any]) -> Iterator[Any]:
    """Give packets, one a frame and in the order of decoding, their decode times.

    x265 leaves those of movies shorter than its reordering unset: some files then would be
    refused, others differ from run to run.
    """
    coming = iter(packets)
    head = list(islice(coming, _HEAD))
    delay = max((turn - packet.pts for turn, packet in enumerate(head)), default=0)
    if len(head) == _HEAD:  # later packets may be further from their turn, as encoders foretell
        delay = max(delay, -(head[0].dts or 0))
    for turn, packet in enumerate(chain(head, coming)):
        packet.dts = turn - delay
        yield packet


def _samples(plane: Any, bits: int) -> NDArray[Any]:
    """Return the samples of a plane as an array (rows, padded columns) over its memory."""
    samples = np.frombuffer(plane, np.dtype("<u2") if bits > 8 else np.uint8)
    return samples.reshape(plane.height, -1)


def read_stream(
    file: Path | IO[bytes], shape: tuple[int, ...], bits: int
) -> Iterator[NDArray[Any]]:
    """Decode the frames of a file that :func:`write_stream` made, one after the other.

    Parameters
    ----------
    file
        Where it is.
    shape
        (n, H, W) expected.
    bits
        Of a sample.

    Yields
    ------
    NDArray
        (H, W) codes, uint8 or uint16, which hold until the next are asked for.

    Raises
    ------
    CorruptFileError
        If it does not hold n frames.
    """
    av = pyav()
    expected, height, width = shape
    found = 0
    try:
        with av.open(file) as container:
            for picture in container.decode(video=0):
                found += 1
                if found <= expected:
                    yield _samples(picture.planes[0], bits)[:height, :width]
    except av.FFmpegError as error:
        raise CorruptFileError(
            f"got a damaged video file after {found} frames, expected {expected} frames "
            f"({error.strerror}); encode them again"
        ) from error
    if found != expected:
        raise CorruptFileError(
            f"got a video file of {found} frames, expected {expected}; encode them again"
        )
