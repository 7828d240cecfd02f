"""One video file in memory: frames of whole numbers through FFmpeg (PyAV), in and out.

Grey video is the luma plane; chroma, where a format has it, stays at mid-grey. Nothing is scaled
and no range is converted: code k of a frame is sample k of the stream.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError

NO_VIDEO = "PyAV is not installed: pip install napari-tcsdl[video]"

_SMALLEST_SIDE = 72
"""[px] Smaller frames are padded: x265 4.2 overruns its memory on a single block of 64 px."""

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG: 0 is black and the largest code white."""

_RATE = 25
"""[frames/s] What the file says; constant quality does not depend on it."""

_CONTAINER_OPTIONS = {"fflags": "+bitexact"}
"""Else files hold random identifiers, and no two are alike."""


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
    frames: Iterable[NDArray[Any]], shape: tuple[int, int], settings: StreamSettings
) -> tuple[bytes, dict[int, int]]:
    """Encode frames of codes, one after the other, to one file.

    Parameters
    ----------
    frames
        Each (H, W), whole numbers of ``settings.bits``.
    shape
        (H, W) of each.
    settings
        Of the stream.

    Returns
    -------
    tuple
        The file, and by frame number the bytes of its packets.

    Raises
    ------
    InputError
        For frames that the encoder refuses.
    """
    av = pyav()
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 else prints a page to stderr; 1 = errors
    file = io.BytesIO()
    packet_bytes: dict[int, int] = {}
    how = {"format": settings.container, "container_options": _CONTAINER_OPTIONS}
    with _refusal(av, shape, settings.encoder), av.open(file, "w", **how) as container:
        stream = _stream(container, shape, settings)
        packets = _in_time(_packets(av, stream, frames, settings))
        for packet in packets:
            packet_bytes[packet.pts] = packet.size
        container.mux(packets)
    return file.getvalue(), packet_bytes


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
    stream.options = dict(settings.options)
    stream.codec_context.color_range = _FULL_RANGE
    stream.codec_context.thread_count = 1  # the same bytes each time, and honest CPU seconds
    return stream


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


def _in_time(packets: Iterable[Any]) -> list[Any]:
    """Give packets, one a frame and in the order of decoding, their decode times.

    x265 leaves those of movies shorter than its reordering unset: some files then would be
    refused, others differ from run to run.
    """
    ordered = list(packets)
    delay = max((turn - packet.pts for turn, packet in enumerate(ordered)), default=0)
    for turn, packet in enumerate(ordered):
        packet.dts = turn - delay
    return ordered


def _samples(plane: Any, bits: int) -> NDArray[Any]:
    """Return the samples of a plane as an array (rows, padded columns) over its memory."""
    samples = np.frombuffer(plane, np.dtype("<u2") if bits > 8 else np.uint8)
    return samples.reshape(plane.height, -1)


def read_stream(file: bytes, shape: tuple[int, ...], bits: int) -> NDArray[Any]:
    """Decode the frames of a file that :func:`write_stream` made.

    Parameters
    ----------
    file
        Its bytes.
    shape
        (n, H, W) expected.
    bits
        Of a sample.

    Returns
    -------
    NDArray
        (n, H, W) codes, uint8 or uint16.

    Raises
    ------
    CorruptFileError
        If it does not hold n frames.
    """
    av = pyav()
    codes = np.empty(shape, np.uint8 if bits <= 8 else np.uint16)
    found = 0
    try:
        with av.open(io.BytesIO(file)) as container:
            for picture in container.decode(video=0):
                if found < len(codes):
                    samples = _samples(picture.planes[0], bits)
                    codes[found] = samples[: shape[1], : shape[2]]
                found += 1
    except av.FFmpegError as error:
        raise CorruptFileError(
            f"got a damaged video file after {found} frames, expected {len(codes)} frames "
            f"({error.strerror}); encode them again"
        ) from error
    if found != len(codes):
        raise CorruptFileError(
            f"got a video file of {found} frames, expected {len(codes)}; encode them again"
        )
    return codes
