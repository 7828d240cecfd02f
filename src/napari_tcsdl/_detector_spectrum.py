"""The detector's part of a noise spectrum: A (T(kx) T(ky))² + W, for :mod:`.noise_spectrum`.

T = 1 − 2(a + c) + 2 a cos k + 2 c cos 2k is the transfer of a pixel that keeps 1 − 2(a + c) of its
charge or light and gives a to each neighbour and c to each second one; W is white read noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, optimize, special

Array = NDArray[np.float64]

_LEAST_WINDOWS = 8  # of which to tell motion from noise
_SMALLEST = 1e-9  # of the scale: no logarithm of zero


class _Detector(NamedTuple):
    level: float
    nearest: float
    second: float
    white: float

    def power(self, k: Array) -> Array:
        """At the wave numbers ``k`` [rad px⁻¹] along both directions."""
        kept = 1 - 2 * (self.nearest + self.second)
        transfer = kept + 2 * self.nearest * np.cos(k) + 2 * self.second * np.cos(2 * k)
        power: Array = self.level * np.square(np.multiply.outer(transfer, transfer)) + self.white
        return power


def fitted_detector(measured: Array, count: float) -> Array | None:
    """Power (S, S) that a detector explains; None where there are too few windows to tell.

    Least squares of logarithms in which what is far off, as the frequencies of what moves are,
    counts little.

    Parameters
    ----------
    measured
        (S, S) in FFT layout: mean power of windows.
    count
        Of independent windows in that mean.
    """
    half = len(measured) // 2 + 1
    folded = _folded(measured)[:half, :half]
    scale = float(np.median(folded))
    if count < _LEAST_WINDOWS or not scale > 0:
        return None
    once = np.isin(np.arange(half), (0, half - 1))
    weight = np.sqrt(np.outer(2.0 - once, 2.0 - once))  # of bins that stand for up to four
    weight[np.add.outer(np.arange(half), np.arange(half)) < 3] = 0  # drift, flicker, Hann
    # Less the mean of the logarithm of a mean of ``count`` exponential numbers.
    target = np.log(np.maximum(folded, _SMALLEST * scale)) - special.digamma(count) + np.log(count)
    k = 2 * np.pi * np.arange(half) / len(measured)

    def residual(parameters: Array) -> Array:
        difference: Array = weight * (target - np.log(_Detector(*parameters).power(k)))
        return difference.ravel()

    best = _best(residual, scale, max(0.1, 2 / np.sqrt(count)))
    return best.power(2 * np.pi * fft.fftfreq(len(measured)))


def _best(residual: Callable[[Array], Array], scale: float, width: float) -> _Detector:
    """Fit from three beginnings: the robust sum of squares has several minima."""
    found = [
        optimize.least_squares(
            residual,
            np.array([0.8, nearest, 0.001, 0.2]) * [scale, 1, 1, scale],
            bounds=([_SMALLEST * scale, 0, 0, _SMALLEST * scale], [np.inf, 0.25, 0.1, np.inf]),
            loss="cauchy",
            f_scale=width,
            x_scale=[scale, 0.1, 0.05, scale],
        )
        for nearest in (0.001, 0.1, 0.2)
    ]
    return _Detector(*min(found, key=lambda result: float(result.cost)).x)


def _folded(power: Array) -> Array:
    """Mean over the signs of both frequencies."""
    for axis in (0, 1):
        power = (power + np.roll(np.flip(power, axis), 1, axis)) / 2
    return power
