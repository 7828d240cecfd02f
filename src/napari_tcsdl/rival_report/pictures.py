"""Frames, details and spectra as pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..fourier import power_spectrum

OVERVIEW = 320
"""[px] Longest side of a whole frame."""

DETAIL = 96
"""[px] Side of the detail from the middle, shown magnified."""

SPECTRUM = 256
"""[px] Side of the field whose spectrum is shown."""

_DECADES = 4.0
"""Of power, from black to white."""


def grey_limits(reference: NDArray[np.float32]) -> tuple[float, float]:
    """Black and white for all pictures, from the reference."""
    low, high = (float(value) for value in np.percentile(reference, (0.3, 99.7)))
    return (low, high) if high > low else (low, low + 1.0)


def overview(image: NDArray[np.float32], limits: tuple[float, float]) -> str:
    """Return a whole frame (H, W) as data URI, pixels averaged to at most ``OVERVIEW``."""
    step = -(-max(image.shape) // OVERVIEW)
    height, width = (side // step * step for side in image.shape)
    boxes = image[:height, :width].reshape(height // step, step, width // step, step)
    return _png(_greys(boxes.mean(axis=(1, 3)), limits))


def detail(image: NDArray[np.float32], limits: tuple[float, float]) -> str:
    """Return the middle of a frame, one pixel for each of its own, as data URI."""
    return _png(_greys(_middle(image, DETAIL), limits))


def spectrum(image: NDArray[np.float32], floor: float) -> str:
    """Return the power spectrum of the middle of a frame as data URI, on a logarithmic scale.

    Parameters
    ----------
    image
        (H, W).
    floor
        log₁₀ of the power shown black: the same for all, see :func:`spectrum_floor`.
    """
    power, _ = power_spectrum(_middle(image, SPECTRUM))
    return _png(_greys(np.log10(np.maximum(power, 1e-30)), (floor, floor + _DECADES)))


def spectrum_floor(reference: NDArray[np.float32]) -> float:
    """log₁₀ of the median power of the reference: what is above can be seen."""
    power, _ = power_spectrum(_middle(reference, SPECTRUM))
    return float(np.log10(max(float(np.median(power)), 1e-30)))


def _middle(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    height, width = image.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return image[top : top + side, left : left + side]


def _greys(image: NDArray[np.floating], limits: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = limits
    levels = np.clip((image - low) / (high - low), 0, 1) * np.iinfo(np.uint8).max
    greys: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return greys


def _png(levels: NDArray[np.uint8]) -> str:
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
