"""Still-image codecs, frame by frame: one whole file a frame, headers counted.

Each is set as its RD-optimal self-respecting user would set it; where a choice was measured, the
field that holds it says so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from .._validation import InputError
from .base import IMAGE, Encoded, check_block, check_quality, geometric, pixel_map


@dataclass(frozen=True)
class StillImage:
    """What still-image codecs share; a row gives its fields, ``_write`` and ``_read``.

    Attributes
    ----------
    name, label, licence, qualities, kind
        As :class:`Codec`.
    library
        Attribute of imagecodecs that says whether this build holds the library.
    depths
        Bits that frames are stored in; see :func:`~napari_tcsdl.codecs.base.pixel_map`.
    longest_side
        [px], or None without a limit that a detector reaches.
    flags
        In words, for reports.
    unit
        What a quality counts, with its number put in for ``{}``.
    """

    name: str
    label: str
    licence: str
    library: str
    qualities: tuple[float, ...]
    depths: tuple[int, ...]
    flags: str
    unit: str = "quality {:g}"
    longest_side: int | None = None
    kind: str = IMAGE

    def missing(self) -> str | None:
        """Name the library, if this build of imagecodecs lacks it."""
        if getattr(imagecodecs, self.library).available:
            return None
        return f"{self.label} is not in this build of imagecodecs: install the one from PyPI"

    def version(self) -> str:
        """Of the library."""
        return str(getattr(imagecodecs, f"{self.library.lower()}_version")())

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Encode each frame; see :meth:`Codec.encode`."""
        check_block(frames)
        check_quality(self, quality)
        if self.longest_side is not None and max(frames.shape[1:]) > self.longest_side:
            raise InputError(
                f"got frames of {frames.shape[1]} × {frames.shape[2]} px, expected sides of at "
                f"most {self.longest_side} px for {self.label}; crop the movie"
            )
        pixels = pixel_map(frames.dtype, value_range, self.depths, self.label)
        level = float(quality or 0)
        # Encoders take no views, such as those of transposed movies.
        codes = (np.ascontiguousarray(pixels.codes(frame)) for frame in frames)
        files = tuple(bytes(self._write(frame, pixels.bits, level)) for frame in codes)
        return Encoded(
            files,
            tuple(len(file) for file in files),
            f"{self.version()}, {self.flags}, {self.unit.format(level)}, {pixels.words}",
            quality,
            pixels,
        )

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """See :meth:`Codec.decode`."""
        values: NDArray[np.float32] = np.stack(
            [encoded.state.values(self._read(file)) for file in encoded.files]
        )
        return values

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes | bytearray:
        raise NotImplementedError

    def _read(self, file: bytes) -> NDArray[Any]:
        raise NotImplementedError


class Jpeg(StillImage):
    """Baseline JPEG of one component, as the paper compares with."""

    def version(self) -> str:
        """Of libjpeg-turbo."""
        return super().version().replace("libjpeg_turbo", "libjpeg-turbo")

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes | bytearray:
        return imagecodecs.jpeg8_encode(codes, level=int(level), optimize=True)

    def _read(self, file: bytes) -> NDArray[Any]:
        codes: NDArray[Any] = imagecodecs.jpeg8_decode(file)
        return codes


class Jpeg2000(StillImage):
    """JPEG 2000 codestreams through Pillow, which hits sizes; PSNR layers cost the same bytes."""

    def missing(self) -> str | None:
        """Name the library, if this build of Pillow lacks it."""
        if features.check("jpg_2000"):
            return super().missing()
        return "JPEG 2000 is not in this build of Pillow: install the one from PyPI"

    def version(self) -> str:
        """Of OpenJPEG within Pillow."""
        return f"OpenJPEG {features.version('jpg_2000')}"

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes:
        file = io.BytesIO()
        ratio = 8 * codes.itemsize / level
        Image.fromarray(codes).save(
            file,
            "JPEG2000",
            quality_mode="rates",
            quality_layers=[ratio],
            irreversible=True,
            no_jp2=True,
        )
        return file.getvalue()

    def _read(self, file: bytes) -> NDArray[Any]:
        codes: NDArray[Any] = imagecodecs.jpeg2k_decode(file)
        return codes


class JpegXl(StillImage):
    """JPEG XL in its lossy mode (VarDCT)."""

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes | bytearray:
        return imagecodecs.jpegxl_encode(codes, distance=level, effort=7, numthreads=1)

    def _read(self, file: bytes) -> NDArray[Any]:
        codes: NDArray[Any] = imagecodecs.jpegxl_decode(file, numthreads=1)
        return codes


class Avif(StillImage):
    """AVIF of one component: given grey, imagecodecs would store it without loss."""

    def version(self) -> str:
        """Of libavif; its encoder is libaom."""
        return f"{super().version()} with libaom"

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes | bytearray:
        return imagecodecs.avif_encode(
            _threefold(codes),
            level=int(level),
            speed=6,
            bitspersample=bits,
            pixelformat="yuv400",
            codec="aom",
            numthreads=1,
        )

    def _read(self, file: bytes) -> NDArray[Any]:
        codes: NDArray[Any] = imagecodecs.avif_decode(file, numthreads=1)
        return codes


class Webp(StillImage):
    """Lossy WebP (VP8): luma has 219 levels, chroma is empty."""

    def _write(self, codes: NDArray[Any], bits: int, level: float) -> bytes | bytearray:
        return imagecodecs.webp_encode(
            _threefold(codes), level=level, lossless=False, method=6, numthreads=1
        )

    def _read(self, file: bytes) -> NDArray[Any]:
        # Red and blue differ from green by the rounding of empty chroma.
        codes: NDArray[Any] = imagecodecs.webp_decode(file)[..., 1]
        return codes


def _threefold(codes: NDArray[Any]) -> NDArray[Any]:
    """Return grey as red, green and blue (H, W, 3), for encoders that take only those."""
    return np.ascontiguousarray(np.repeat(codes[..., np.newaxis], 3, axis=-1))


IMAGE_CODECS: tuple[StillImage, ...] = (
    Jpeg(
        name="jpeg",
        label="JPEG",
        licence="IJG AND BSD-3-Clause AND Zlib",
        library="JPEG8",
        qualities=tuple(range(1, 101)),
        depths=(8,),
        flags="one component, optimised Huffman tables",
        longest_side=65500,
    ),
    Jpeg2000(
        name="jpeg2000",
        label="JPEG 2000",
        licence="BSD-2-Clause",
        library="JPEG2K",
        qualities=geometric(0.02, 14, 160),
        depths=(8, 16),
        flags="9/7 wavelet, raw codestream",
        unit="{:g} bits a pixel",
    ),
    # 16 bits: 8-bit codes are taken as sRGB, cost up to 0.3 dB less at raw/10 … raw/60, but end
    # there. From distance 20 on the encoder halves the picture, at more bytes and less quality.
    # Effort 9 costs six times as much for the same curve.
    JpegXl(
        name="jpegxl",
        label="JPEG XL",
        licence="BSD-3-Clause",
        library="JPEGXL",
        qualities=geometric(19.5, 0.02, 140),
        depths=(16,),
        flags="VarDCT, effort 7",
        unit="distance {:g}",
    ),
    # 12 bits even for 8-bit frames: up to 1 dB closer to the truth at the same bytes. Speed 4
    # gains 0.2 dB for five times the seconds.
    Avif(
        name="avif",
        label="AVIF",
        licence="BSD-2-Clause",
        library="AVIF",
        qualities=tuple(range(100)),
        depths=(12,),
        flags="one component, speed 6",
        longest_side=32768,
    ),
    # Its smallest steps are far apart: between 0 and 1 lie 0.5 and 3 kB of a 256² frame.
    Webp(
        name="webp",
        label="WebP",
        licence="BSD-3-Clause",
        library="WEBP",
        qualities=(
            0,
            0.01,
            0.05,
            0.1,
            0.2,
            0.3,
            0.4,
            0.5,
            0.6,
            0.8,
            1,
            1.25,
            1.5,
            2,
            2.5,
            *range(3, 101),
        ),
        depths=(8,),
        flags="VP8, grey, method 6",
        longest_side=16382,  # one less than the format's: imagecodecs draws the line there
    ),
)
"""Rows of :data:`napari_tcsdl.codecs.CODECS`."""
