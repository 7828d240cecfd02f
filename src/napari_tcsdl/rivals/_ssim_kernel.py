"""SSIM of a whole stack of frames: the numbers of :func:`napari_tcsdl.metrics.ssim`, in less time.

A study takes some hundred thousand of them, and of small frames most of the time goes into calls,
not into pixels. Windows lie within the frame only, as scikit-image averages them, so borders need
no care; and both variances are needed as their sum only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .. import metrics

_K1, _K2 = 0.01, 0.03  # of Wang et al. (2004), Eqs. 14 and 15


def ssim_frames(
    frames: NDArray[Any], reference: NDArray[Any], data_range: float
) -> tuple[float, ...]:
    """SSIM of each frame of a stack.

    Parameters
    ----------
    frames, reference
        (n, H, W), finite, sides of at least 11 px, in the same units.
    data_range
        Span of the signal in these units, > 0.

    Raises
    ------
    InputError
        As :func:`napari_tcsdl.metrics.check_frame_size`.
    """
    metrics.check_frame_size(frames.shape[1:])
    reach = metrics.SSIM_WINDOW // 2
    weights = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / metrics.SSIM_SIGMA))
    weights /= weights.sum()
    small = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    height, width = frames.shape[1:]
    scratch = np.empty((4, height, width - 2 * reach))
    return tuple(
        float(_mean_ssim(a.astype(np.float64), b.astype(np.float64), weights, small, scratch))
        for a, b in zip(frames, reference, strict=True)
    )


@njit(cache=True, nogil=True)
def _sum_rows(
    image: NDArray[np.float64],
    truth: NDArray[np.float64],
    weights: NDArray[np.float64],
    scratch: NDArray[np.float64],
) -> None:
    """Weighted sums along rows: of both frames, of their squares together, of their product."""
    height, width = image.shape
    columns = scratch.shape[2]
    squares, products = np.empty(width), np.empty(width)
    scratch[:] = 0
    for row in range(height):
        for column in range(width):
            a, b = image[row, column], truth[row, column]
            squares[column], products[column] = a * a + b * b, a * b
        for step in range(len(weights)):
            weight = weights[step]
            for column in range(columns):
                scratch[0, row, column] += weight * image[row, column + step]
                scratch[1, row, column] += weight * truth[row, column + step]
                scratch[2, row, column] += weight * squares[column + step]
                scratch[3, row, column] += weight * products[column + step]


@njit(cache=True, nogil=True)
def _mean_ssim(
    image: NDArray[np.float64],
    truth: NDArray[np.float64],
    weights: NDArray[np.float64],
    small: tuple[float, float],
    scratch: NDArray[np.float64],
) -> float:
    """Mean over all windows; ``scratch`` takes (4, H, W − window + 1) weighted sums of rows."""
    _sum_rows(image, truth, weights, scratch)
    height, columns = image.shape[0], scratch.shape[2]
    total = 0.0
    rows = height - len(weights) + 1
    sums = np.empty((4, columns))
    for row in range(rows):
        sums[:] = 0
        for step in range(len(weights)):
            weight = weights[step]
            for column in range(columns):
                sums[0, column] += weight * scratch[0, row + step, column]
                sums[1, column] += weight * scratch[1, row + step, column]
                sums[2, column] += weight * scratch[2, row + step, column]
                sums[3, column] += weight * scratch[3, row + step, column]
        for column in range(columns):
            product = sums[0, column] * sums[1, column]
            means = sums[0, column] ** 2 + sums[1, column] ** 2
            above = (2 * product + small[0]) * (2 * (sums[3, column] - product) + small[1])
            total += above / ((means + small[0]) * (sums[2, column] - means + small[1]))
    mean: float = total / (rows * columns)
    return mean
