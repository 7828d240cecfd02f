"""The detector's part of a noise spectrum: A T(kx, ky)² + W, for :mod:`.noise_spectrum`.

T is the transfer of a pixel that gives a to each neighbour along a direction and c to each second
one, in both directions one after the other, and b more to each diagonal neighbour, as a round spot
does; it keeps the rest of its charge or light. W is white read noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, optimize

Array = NDArray[np.float64]

_LEAST_WINDOWS = 16  # of which to tell motion from noise
_SMALLEST = 1e-9  # of the scale: no logarithm of zero


class _Detector(NamedTuple):
    level: float
    nearest: float
    diagonal: float
    second: float
    white: float

    def power(self, k: Array) -> Array:
        """At the wave numbers ``k`` [rad px⁻¹] along both directions."""
        one, two = np.cos(k), np.cos(2 * k)
        line = 1 - 2 * (self.nearest + self.second) + 2 * self.nearest * one + 2 * self.second * two
        corners = np.multiply.outer(one, one) - 1
        transfer = np.multiply.outer(line, line) + 4 * self.diagonal * corners
        power: Array = self.level * np.square(transfer) + self.white
        return power


def fitted_detector(measured: Array, count: int) -> Array | None:
    """Power (S, S) that a detector explains; None where there are too few windows to tell.

    Least squares of logarithms. What moves can only add power: what lies far above the fit counts
    little, what lies below counts in full.

    Parameters
    ----------
    measured
        (S, S) in FFT layout: typical power of windows.
    count
        Of windows that it was taken from.
    """
    half = len(measured) // 2 + 1
    folded = _folded(measured)[:half, :half]
    scale = float(np.median(folded))
    if count < _LEAST_WINDOWS or not scale > 0:
        return None
    once = np.isin(np.arange(half), (0, half - 1))
    weight = np.sqrt(np.outer(2.0 - once, 2.0 - once))  # of bins that stand for up to four
    weight[np.add.outer(np.arange(half), np.arange(half)) < 3] = 0  # drift, flicker, Hann
    target = np.log(np.maximum(folded, _SMALLEST * scale))
    k = 2 * np.pi * np.arange(half) / len(measured)
    width = max(0.1, 4 / np.sqrt(count))

    def residual(parameters: Array) -> Array:
        above = target - np.log(_Detector(*parameters).power(k))
        robust = width * np.sqrt(np.log1p(np.square(above.clip(0) / width)))  # Cauchy's loss
        weighted: Array = weight * np.where(above > 0, robust, above)
        return weighted.ravel()

    return _best(residual, scale).power(2 * np.pi * fft.fftfreq(len(measured)))


def _best(residual: Callable[[Array], Array], scale: float) -> _Detector:
    """Fit from three beginnings: the robust sum of squares has several minima."""
    least = _SMALLEST * scale
    found = [
        optimize.least_squares(
            residual,
            np.array([0.8 * scale, nearest, 0.0, 0.001, 0.2 * scale]),
            bounds=([least, 0, -0.05, -0.05, least], [np.inf, 0.25, 0.05, 0.1, np.inf]),
            x_scale=[scale, 0.1, 0.05, 0.05, scale],
        )
        for nearest in (0.001, 0.1, 0.2)
    ]
    return _Detector(*min(found, key=lambda result: float(result.cost)).x)


def _folded(power: Array) -> Array:
    """Mean over the signs of both frequencies."""
    for axis in (0, 1):
        power = (power + np.roll(np.flip(power, axis), 1, axis)) / 2
    return power
