"""Still-image codecs, frame by frame, through imagecodecs (BSD-3-Clause)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from .._validation import InputError
from .base import IMAGE, Encoded, check_block, pixel_map

_JPEG_LONGEST_SIDE = 65500
"""[px] Limit of libjpeg."""


@dataclass(frozen=True)
class Jpeg:
    """Baseline JPEG of one component, as the paper compares with."""

    name: str = "jpeg"
    label: str = "JPEG"
    kind: str = IMAGE
    licence: str = "IJG AND BSD-3-Clause AND Zlib"
    qualities: tuple[float, ...] = tuple(range(1, 101))

    def missing(self) -> str | None:
        """Never: imagecodecs always has it."""
        return None

    def version(self) -> str:
        """Of libjpeg-turbo."""
        return str(imagecodecs.jpeg8_version()).replace("libjpeg_turbo", "libjpeg-turbo")

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Encode each frame; see :meth:`Codec.encode`."""
        check_block(frames)
        if max(frames.shape[1:]) > _JPEG_LONGEST_SIDE:
            raise InputError(
                f"got frames of {frames.shape[1]} × {frames.shape[2]} px, expected sides of at "
                f"most {_JPEG_LONGEST_SIDE} px for JPEG; crop the movie"
            )
        pixels = pixel_map(frames.dtype, value_range, (8,), self.label)
        level = int(quality or 0)
        files = tuple(_jpeg(frame, level) for frame in pixels.codes(frames))
        return Encoded(
            files,
            tuple(len(file) for file in files),
            f"{self.version()}, one component, optimised Huffman tables, quality {level}, "
            f"{pixels.words}",
            quality,
            pixels,
        )

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """See :meth:`Codec.decode`."""
        grey = np.stack([imagecodecs.jpeg8_decode(file) for file in encoded.files])
        values: NDArray[np.float32] = encoded.state.values(grey)
        return values


def _jpeg(frame: NDArray[Any], level: int) -> bytes:
    whole = np.ascontiguousarray(frame)  # the encoder takes no views, such as transposed movies
    return bytes(imagecodecs.jpeg8_encode(whole, level=level, optimize=True))
