"""What one box of a view shows, as plain data: the input of its figure and of its movie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError

GREYS: NDArray[np.uint8] = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
"""(256, 3), black to white."""

LONGEST_BAR = 0.33
"""Share of a box that its scale bar may take."""


@dataclass(frozen=True, eq=False)
class BoxPicture:
    """One box: its words, its pixels, and how these are shown.

    Attributes
    ----------
    title
        What the box shows.
    lines
        What is said about it, such as the scores of this frame.
    image
        (h, w), cropped to the field of view; NaN where the field of view leaves the image.
    limits
        (low, high): values that take the first and the last colour.
    colormap
        (256, 3) uint8, with the layer's gamma in it.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    """

    title: str
    lines: tuple[str, ...]
    image: NDArray[Any]
    limits: tuple[float, float]
    colormap: NDArray[np.uint8]
    pixel_size: float | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or 0 in self.image.shape:
            raise InputError(
                f"{self.title}: got a picture of shape {self.image.shape}, expected one image "
                "(h, w); give one frame"
            )
        if self.colormap.shape != (256, 3) or self.colormap.dtype != np.uint8:
            raise InputError(
                f"{self.title}: got a colormap {self.colormap.dtype} of shape "
                f"{self.colormap.shape}, expected uint8 of shape (256, 3); sample it at 256 values"
            )

    @property
    def is_grey(self) -> bool:
        """Whether the colormap has no colour."""
        return bool((np.ptp(self.colormap, axis=1) == 0).all())


def colours_of(
    image: NDArray[Any],
    limits: tuple[float, float],
    colormap: NDArray[np.uint8],
    blank: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Map values to colours.

    Parameters
    ----------
    image
        (h, w).
    limits
        (low, high): values that take the first and the last colour.
    colormap
        (256, 3).
    blank
        Colour of NaN.

    Returns
    -------
    NDArray
        (h, w, 3) uint8.
    """
    low, high = limits
    steps = 255 / (high - low) if high > low else 0.0
    levels = (image.astype(np.float32) - np.float32(low)) * np.float32(steps)
    holes = np.isnan(levels)
    levels = np.clip(np.nan_to_num(levels, copy=False), 0, 255)
    colours: NDArray[np.uint8] = np.take(colormap, np.rint(levels).astype(np.uint8), axis=0)
    colours[holes] = blank
    return colours


def bar_length(width: int, pixel_size: float | None) -> tuple[float, str]:
    """Return the length of a scale bar [px] and its name, such as "2 nm".

    The length is the longest of 1, 2, 5, 10, … that takes at most a third of ``width`` pixels;
    without a pixel size [Å px⁻¹] it counts pixels.
    """
    step = 1.0 if pixel_size is None else pixel_size / 10
    longest = LONGEST_BAR * width * step
    power = 10.0 ** math.floor(math.log10(longest))
    length = max(factor * power for factor in (1, 2, 5) if factor * power <= longest)
    if pixel_size is None:
        words = f"{length:g} px"
    else:
        words = f"{length:g} nm" if length < 1000 else f"{length / 1000:g} µm"
    return length / step, words


def rows_of(count: int, columns: int | None) -> tuple[int, int]:
    """Rows and columns of ``count`` boxes; up to four lie in one row where nothing is said.

    Raises
    ------
    InputError
        If there is no box.
    """
    if count < 1:
        raise InputError(
            "got no box to draw, expected at least one picture; show an image layer first"
        )
    across = columns or (count if count <= 4 else math.ceil(count / 2))
    across = min(max(1, across), count)
    return math.ceil(count / across), across


def largest_shape(pictures: Sequence[BoxPicture]) -> tuple[int, int]:
    """(h, w) of the picture with the finest pixels: all show the same field of view."""
    height, width = max((picture.image.shape for picture in pictures), key=lambda s: s[0] * s[1])
    return height, width
