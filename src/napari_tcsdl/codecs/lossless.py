"""Codecs that give every pixel back exactly, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from .._validation import InputError
from .base import LOSSLESS, Encoded, check_block, check_quality


@dataclass(frozen=True)
class Lossless:
    """What lossless codecs share; a row gives its fields, ``_write`` and ``_read``.

    Attributes
    ----------
    name, label, licence, kind, qualities
        As :class:`Codec`.
    library
        Attribute of imagecodecs that says whether this build holds the library.
    flags
        In words, for reports.
    """

    name: str
    label: str
    licence: str
    library: str
    flags: str
    kind: str = LOSSLESS
    qualities: tuple[float, ...] = ()

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
        """Encode each frame; see :meth:`Codec.encode`. The value range does not matter."""
        check_block(frames)
        check_quality(self, quality)
        whole = (np.ascontiguousarray(self._narrowed(frame)) for frame in frames)
        files = tuple(bytes(self._write(frame)) for frame in whole)
        sizes = tuple(len(file) for file in files)
        settings = f"{self.version()}, {self.flags}, {frames.dtype} pixels exactly"
        return Encoded(files, sizes, settings, None, (frames.dtype.str, frames.shape))

    def decode(self, encoded: Encoded) -> NDArray[Any]:
        """Return the frames exactly, in their own type."""
        dtype, shape = encoded.state
        frames = np.empty(shape, dtype)
        for frame, file in zip(frames, encoded.files, strict=True):
            frame[...] = self._read(file, frame)
        return frames

    def _narrowed(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return whole numbers below 256 as uint8: an image codec models the depth it is told."""
        if frame.dtype == np.uint16 and frame.max() <= np.iinfo(np.uint8).max:
            return frame.astype(np.uint8)
        return frame

    def _write(self, frame: NDArray[Any]) -> bytes | bytearray:
        raise NotImplementedError

    def _read(self, file: bytes, like: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


class JpegLs(Lossless):
    """JPEG-LS (LOCO-I): 8 to 16 bits."""

    def _narrowed(self, frame: NDArray[Any]) -> NDArray[Any]:
        if frame.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"got {frame.dtype} frames, expected uint8 or uint16 for {self.label}; use "
                "jpegxl_lossless or zstd_bitshuffle"
            )
        return super()._narrowed(frame)

    def _write(self, frame: NDArray[Any]) -> bytes | bytearray:
        return imagecodecs.jpegls_encode(frame)

    def _read(self, file: bytes, like: NDArray[Any]) -> NDArray[Any]:
        frame: NDArray[Any] = imagecodecs.jpegls_decode(file)
        return frame


class JpegXlLossless(Lossless):
    """JPEG XL in its modular mode: 8 to 16 bits, and float32."""

    def _write(self, frame: NDArray[Any]) -> bytes | bytearray:
        bits = None
        if frame.dtype.kind == "u":
            bits = max(8, int(frame.max()).bit_length())
        # Measured: more effort loses 1.6 % on 10-bit frames, gains up to 3 % on dark 8-bit ones.
        effort = 7 if frame.dtype == np.uint8 else 5
        return imagecodecs.jpegxl_encode(
            frame, lossless=True, effort=effort, bitspersample=bits, numthreads=1
        )

    def _read(self, file: bytes, like: NDArray[Any]) -> NDArray[Any]:
        frame: NDArray[Any] = imagecodecs.jpegxl_decode(file, numthreads=1)
        return frame


class ZstdBitshuffle(Lossless):
    """Zstandard over shuffled bits, in the container of c-blosc, as HDF5 and zarr files hold it."""

    def _narrowed(self, frame: NDArray[Any]) -> NDArray[Any]:
        return frame

    def _write(self, frame: NDArray[Any]) -> bytes | bytearray:
        return imagecodecs.blosc_encode(
            frame.tobytes(),
            level=9,
            compressor="zstd",
            shuffle="bitshuffle",
            typesize=frame.itemsize,
            numthreads=1,
        )

    def _read(self, file: bytes, like: NDArray[Any]) -> NDArray[Any]:
        content = imagecodecs.blosc_decode(file, numthreads=1)
        return np.frombuffer(content, like.dtype).reshape(like.shape)


LOSSLESS_CODECS: tuple[Lossless, ...] = (
    JpegLs(
        name="jpegls",
        label="JPEG-LS",
        licence="BSD-3-Clause",
        library="JPEGLS",
        flags="lossless",
    ),
    JpegXlLossless(
        name="jpegxl_lossless",
        label="JPEG XL, lossless",
        licence="BSD-3-Clause",
        library="JPEGXL",
        flags="modular, lossless, effort 7 up to 8 bits, else 5",
    ),
    ZstdBitshuffle(
        name="zstd_bitshuffle",
        label="zstd + bitshuffle",
        licence="BSD-3-Clause",
        library="BLOSC",
        flags="zstd level 9, shuffled bits",
    ),
)
"""Rows of :data:`napari_tcsdl.codecs.CODECS`."""
