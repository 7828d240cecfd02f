"""Video codecs, across frames: one whole file for a block or a movie, headers counted, by PyAV.

PyAV is the optional extra ``[video]``, imported only when a row is used: its wheel holds x264 and
x265, which are GPL. Each row is set to be hard to beat in PSNR, by which rivals are judged: strong
presets, tuning for the eye off where the encoder can, and one keyframe, the first; what was
measured is said at the row. Every encoder has one thread: the same bytes each time, and CPU
seconds that can be compared.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError
from ._video_stream import StreamSettings, pyav, read_stream, write_stream
from .base import VIDEO, Encoded, PixelMap, check_block, check_quality, pixel_map, shares
from .movies import Pieces, StoredMovie

_SIGNATURE = re.compile(rb"x26[45] (?:\(build \d+\) )?- (?:core \d+|[\w.+-]+)")
"""How x264 and x265 sign their streams."""


@dataclass(frozen=True)
class VideoCodec:
    """A row of video: what is said to FFmpeg.

    Attributes
    ----------
    name, label, licence, qualities, kind
        As :class:`~napari_tcsdl.codecs.base.Codec`. Qualities are quantisers: they fall.
    encoder, container
        FFmpeg's names.
    pixel_formats
        (bits, FFmpeg's name) that frames are stored in; see
        :func:`~napari_tcsdl.codecs.base.pixel_map`.
    options
        (option, value) for the encoder; ``{q}`` stands for the quality, ``{lam}`` for its Lagrange
        multiplier.
    """

    name: str
    label: str
    licence: str
    encoder: str
    container: str
    pixel_formats: tuple[tuple[int, str], ...]
    qualities: tuple[float, ...]
    options: tuple[tuple[str, str], ...]
    kind: str = VIDEO

    def missing(self) -> str | None:
        """Say what to install, if PyAV or the encoder in it is not there."""
        try:
            available = pyav().codecs_available
        except InputError as error:
            return str(error)
        if self.encoder in available:
            return None
        return f"this build of FFmpeg has no {self.encoder}: install the PyAV of PyPI"

    def version(self) -> str:
        """Of the encoder where its stream says it, and of the libavcodec that runs it."""
        return _version(self)

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Encode the block to one file; see :meth:`Codec.encode`."""
        check_block(frames)
        file = io.BytesIO()
        made = self._write(frames, frames, quality, value_range, file)
        packet_bytes = made.packet_bytes
        container = shares(len(file.getvalue()) - sum(packet_bytes.values()), len(frames))
        return Encoded(
            (file.getvalue(),),
            tuple(packet_bytes.get(index, 0) + share for index, share in enumerate(container)),
            made.words,
            quality,
            made.state,
        )

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """See :meth:`Codec.decode`."""
        state: _State = encoded.state
        decoded = np.empty(state.shape, np.float32)
        for index, frame in enumerate(_frames(io.BytesIO(encoded.files[0]), state)):
            decoded[index] = frame
        return decoded

    def encode_stream(
        self, pieces: Pieces, quality: float | None, value_range: tuple[float, float], path: Path
    ) -> StoredMovie:
        """Encode a whole movie to one video file; see :meth:`StreamCodec.encode_stream`."""
        frames = chain.from_iterable(pieces)
        made = self._write(frames, pieces, quality, value_range, path)
        return StoredMovie(path, path.stat().st_size, made.words, made.state)

    def decode_stream(self, stored: StoredMovie) -> Iterator[NDArray[np.float32]]:
        """See :meth:`StreamCodec.decode_stream`."""
        return _frames(stored.path, stored.state)

    def _write(
        self,
        frames: Iterable[NDArray[Any]],
        like: NDArray[Any] | Pieces,
        quality: float | None,
        value_range: tuple[float, float],
        file: Path | IO[bytes],
    ) -> _Made:
        """Encode frames that have the shape and pixel type of ``like`` together."""
        check_quality(self, quality)
        depths = tuple(dict(self.pixel_formats))
        pixels = pixel_map(like.dtype, value_range, depths, self.label)
        settings = self._stream(pixels.bits, float(quality or 0))
        n_frames, height, width = like.shape
        # Codes that are stored as they are may exceed the depth of the encoder, and would wrap.
        codes = (pixels.codes(frame) for frame in frames)
        packet_bytes = write_stream(codes, (height, width), settings, file)
        words = f"{self.version()}, {_words(settings)}, {pixels.words}"
        return _Made(_State(pixels, (n_frames, height, width)), words, packet_bytes)

    def _stream(self, bits: int, quality: float) -> StreamSettings:
        scale = {"q": f"{quality:g}", "lam": f"{_LAMBDA * quality:.0f}"}
        return StreamSettings(
            encoder=self.encoder,
            container=self.container,
            pixel_format=dict(self.pixel_formats)[bits],
            bits=bits,
            options={option: value.format(**scale) for option, value in self.options},
        )


@dataclass(frozen=True)
class _State:
    pixels: PixelMap
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Made:
    """What is known of a video file that was just written."""

    state: _State
    words: str
    packet_bytes: dict[int, int]


def _frames(file: Path | IO[bytes], state: _State) -> Iterator[NDArray[np.float32]]:
    for codes in read_stream(file, state.shape, state.pixels.bits):
        yield state.pixels.values(codes)


def _words(settings: StreamSettings) -> str:
    options = " ".join(f"{option}={value}" for option, value in settings.options.items())
    return f"{settings.container}, {settings.pixel_format}, full range, one thread, {options}"


@cache
def _version(codec: VideoCodec) -> str:
    """Encode one blank frame: x264 and x265 sign it; libavcodec alone names the others."""
    av = pyav()
    bits = codec.pixel_formats[0][0]
    settings = codec._stream(bits, codec.qualities[0])
    signed = {key: value.replace("info=0", "info=1") for key, value in settings.options.items()}
    blank = np.zeros((16, 16), np.uint8 if bits <= 8 else np.uint16)
    file = io.BytesIO()
    write_stream([blank], (16, 16), replace(settings, options=signed), file)
    signature = _SIGNATURE.search(file.getvalue())
    encoder = signature[0].decode() if signature else codec.encoder
    numbers = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"{encoder} (libavcodec {numbers}, PyAV {av.__version__})"


def _steps(first: float, last: float, step: float) -> tuple[float, ...]:
    """Quantisers from the coarsest to the finest."""
    return tuple(np.arange(first, last - step / 2, -step).tolist())


_ONE_KEYFRAME = ("g", "9999")

_FIXED_QUANTISER = (("qmin", "{q}"), ("qmax", "{q}"), ("lmin", "{lam}"), ("lmax", "{lam}"))
"""For FFmpeg's own encoders, which have no constant quality of their own."""

_LAMBDA = 118
"""FF_QP2LAMBDA: Lagrange multiplier of FFmpeg per step of the quantiser."""

_GPL_WHEEL = "comes with PyAV, optional: its wheels from PyPI hold GPL parts"

VIDEO_CODECS: tuple[VideoCodec, ...] = (
    # FFmpeg goes from 69 to 1. Huffman tables of its own save 40 % of the smallest size, trellis is
    # worth 0.5 to 1.7 dB there, and costs up to 1 dB at raw/10.
    VideoCodec(
        name="mjpeg_avi",
        label="Motion-JPEG AVI",
        licence=f"LGPL-2.1-or-later ({_GPL_WHEEL})",
        encoder="mjpeg",
        container="avi",
        pixel_formats=((8, "yuvj420p"),),
        qualities=_steps(69, 1, 1),
        options=(*_FIXED_QUANTISER, ("huffman", "optimal"), ("trellis", "2")),
    ),
    # 4 B-frames are worth 1.6 dB at the smallest size, trellis 2.6 dB, RD decisions 0.3 dB. Without
    # lmin and lmax they would be taken for another quantiser than that of the frames.
    VideoCodec(
        name="mpeg4_avi",
        label="MPEG-4 AVI",
        licence=f"LGPL-2.1-or-later ({_GPL_WHEEL})",
        encoder="mpeg4",
        container="avi",
        pixel_formats=((8, "yuv420p"),),
        qualities=_steps(31, 1, 1),
        options=(
            *_FIXED_QUANTISER,
            ("bf", "4"),
            ("mbd", "rd"),
            ("trellis", "2"),
            ("sc_threshold", "1000000000"),
            _ONE_KEYFRAME,
        ),
    ),
    # veryslow and 8 B-frames: 1 dB above medium at its best; tune=psnr: 0.5 dB.
    VideoCodec(
        name="h264_mp4",
        label="H.264 MP4",
        licence="GPL-2.0-or-later (x264, in the wheels of PyAV, optional)",
        encoder="libx264",
        container="mp4",
        pixel_formats=((8, "gray"), (10, "gray10le")),
        qualities=_steps(51, 0, 0.5),
        options=(
            ("preset", "veryslow"),
            ("tune", "psnr"),
            ("bf", "8"),
            ("sc_threshold", "0"),
            ("crf", "{q}"),
            _ONE_KEYFRAME,
        ),
    ),
    # slow: 1.7 dB above medium at its best; tune=psnr: 0.4 dB. 10 bits gain nothing on 8-bit data;
    # at 12 bits its coarsest quantisers lose flat frames. Not gray: x265 4.2 then reads beyond its
    # memory (x265 issue 775).
    VideoCodec(
        name="hevc_mp4",
        label="HEVC MP4",
        licence="GPL-2.0-or-later (x265, in the wheels of PyAV, optional)",
        encoder="libx265",
        container="mp4",
        pixel_formats=((8, "yuv420p"), (10, "yuv420p10le")),
        qualities=_steps(51, 0, 0.5),
        options=(
            ("preset", "slow"),
            ("tune", "psnr"),
            ("crf", "{q}"),
            ("x265-params", "log-level=error:info=0:pools=1:frame-threads=1:wpp=0:scenecut=0"),
            _ONE_KEYFRAME,
        ),
    ),
    # 10 bits on 8-bit data: 0.6 dB at raw/30. Half steps and 63.5 … 70 only through its own text.
    VideoCodec(
        name="av1_mp4",
        label="AV1 MP4",
        licence=f"BSD-3-Clause-Clear (SVT-AV1; {_GPL_WHEEL})",
        encoder="libsvtav1",
        container="mp4",
        pixel_formats=((10, "yuv420p10le"),),
        qualities=_steps(70, 1, 0.5),
        options=(("preset", "6"), ("svtav1-params", "lp=1:crf={q}"), _ONE_KEYFRAME),
    ),
    # cpu-used=4 is as good as 2 here, at half the time. This library is built for 8 bits only.
    VideoCodec(
        name="vp9_webm",
        label="VP9 WebM",
        licence=f"BSD-3-Clause (libvpx; {_GPL_WHEEL})",
        encoder="libvpx-vp9",
        container="webm",
        pixel_formats=((8, "yuv420p"),),
        qualities=_steps(63, 0, 1),
        options=(
            ("deadline", "good"),
            ("cpu-used", "4"),
            ("auto-alt-ref", "1"),
            ("lag-in-frames", "25"),
            ("b", "0"),
            ("crf", "{q}"),
            _ONE_KEYFRAME,
        ),
    ),
)
"""Rows of video, in the order of the tables."""
