"""Pedestal and read noise, where a movie has pixels that no electron hits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._noise_line import clipped_variance
from .noise import NoiseModel

_SHARES = (0.1, 0.03, 0.01)  # of the pixels, the darkest
_LEAST_PIXELS = 64
_LEAST_FRAMES = 6  # half of them are to make second differences
_MOST_ELECTRONS = 0.2  # of the dark pixels' variance may come from electrons
_MAX_VALUES = 2**23


def dark_level(frames: NDArray[Any], noise: NoiseModel) -> tuple[float, float] | None:
    """Pedestal and read noise [detector units] of a movie, or None where they cannot be told.

    var(x) = gain · x + offset holds for any pedestal m whose read noise is √(offset + gain · m).
    So they are told apart only by pixels without electrons: behind a beam stop, outside of an
    aperture. Whether the darkest pixels are such is said by the skewness of their values: the
    third central moment of n electrons is gain³ n, and that of read noise is 0.

    Parameters
    ----------
    frames
        (n, H, W), consecutive in time, detector units.
    noise
        Of these frames.
    """
    if noise.counting:
        return 0.0, 0.0
    if len(frames) < _LEAST_FRAMES or not noise.gain > 0:
        return None
    values = frames[: max(_LEAST_FRAMES, _MAX_VALUES // frames[0].size)].astype(np.float32)
    # Chosen by every other frame and judged by the others: the choice must not favour low noise.
    chosen, judged = values[::2].mean(axis=0), values[1::2]
    for share in _SHARES:
        count = int(share * chosen.size)
        if count >= _LEAST_PIXELS:
            darkest = judged[:, chosen <= np.partition(chosen.ravel(), count)[count]]
            read_noise = _read_noise(darkest, noise.gain)
            if read_noise and read_noise**2 < 0.5 * noise.variance(float(values.mean())):
                return float(darkest.mean(dtype=np.float64)), read_noise
    return None


def _read_noise(darkest: NDArray[np.float32], gain: float) -> float | None:
    """Read noise of pixels (n, pixels); None where they may have seen electrons."""
    # Second differences x₋₁ − 2x₀ + x₊₁ have 6 times the variance and −6 times the third moment.
    difference = darkest[:-2] - 2 * darkest[1:-1] + darkest[2:]
    variance = clipped_variance(difference.ravel()) / 6
    third = -float(np.mean(difference.astype(np.float64) ** 3)) / 6
    error = float(np.sqrt(15 / difference.size)) * (6 * variance) ** 1.5 / 6
    electrons = (third + 2 * error) / gain  # their share of the variance, at most
    return float(np.sqrt(variance)) if electrons <= _MOST_ELECTRONS * variance else None
