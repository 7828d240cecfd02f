"""The straight line that the variance of differences in time follows over the value of a pixel."""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import oaconvolve

CLIP = 3.5
"""Standard deviations beyond which a difference counts as motion."""

CLIPPED_VARIANCE = 0.9939
"""Of a unit normal cut at ± 3.5."""

MIN_BIN = 200
"""Values that a bin needs for a usable variance."""

_MAX_VALUES = 2**22  # differences looked at; more would not sharpen the estimate
_MAX_TRIED = 2**20  # of them, for choosing the order
_HIGHEST_ORDER = 4
_BAND = 16  # [px] of rows taken together where a frame has too many
_CORRELATED = 0.05  # of neighbours, from which on the noise is not white
_BLUR = (0, 1.5, 1.5)  # [px], over which values are averaged before binning where that helps
_NEIGHBOURS = 2  # frames on each side of a difference that its pixels are binned by
_BINS = 24
_SURE = 10  # standard errors
_BIN_TOLERANCE = 0.25  # relative distance from the line beyond which a bin counts little


class Line(NamedTuple):
    """Gain [detector units] and offset [detector units²] of var(x) = gain · x + offset."""

    gain: float
    offset: float


def difference_weights(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Weights of the difference of consecutive frames in which a scene cancels best.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive in time, any unit.

    Returns
    -------
    NDArray
        (order + 1,), their squares sum to 1, so that white noise keeps its variance. Order 2
        unless order 1, 3 or 4 leaves significantly less.

    Notes
    -----
    Of a signal whose phase advances by φ a frame, order m leaves (2 − 2 cos φ)^m / C(2m, m) of its
    power: slow motion cancels the better the higher the order; what advances by more than 110°
    grows.
    """
    orders = range(1, min(len(frames) - 1, _HIGHEST_ORDER) + 1)
    if len(orders) < 2:
        return _weights(orders[-1])
    values = frames.size // len(frames)
    step = max(1, int(np.sqrt(values * min(len(frames) - 2, 16) / _MAX_TRIED)))
    tried = frames[: 16 + 2, ::step, ::step].astype(np.float32)
    variances = {m: clipped_variance(combined(tried, _weights(m)).ravel()) for m in orders}
    # Chance alone lets one of the orders leave a little less.
    error = 3 * np.sqrt(2 / tried[2:].size)
    best = min(orders, key=lambda m: variances[m] * (1 + error * (m != 2)))
    return _weights(best)


def _weights(order: int) -> NDArray[np.float32]:
    signed = [(-1) ** k * comb(order, k) for k in range(order + 1)]
    return np.array(signed, np.float32) / np.float32(comb(2 * order, order) ** 0.5)


def combined(frames: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Differences (n − order, H, W) of frames (n, H, W) with :func:`difference_weights`."""
    count = len(frames) - len(weights) + 1
    shifted = (w * frames[k : k + count] for k, w in enumerate(weights))
    return np.asarray(sum(shifted), np.float32)


class Differences(NamedTuple):
    """Differences in time and what goes with them, each (groups, rows, W)."""

    differences: NDArray[np.float32]
    values: NDArray[np.float32]  # means weighted as the noise of the frames in the difference
    own: NDArray[np.float32]  # plain means of the same frames
    others: NDArray[np.float32] | None  # of the frames before and after, with noise of their own
    rows: NDArray[np.intp]  # of the frame that these are
    weights: NDArray[np.float32]  # of the frames in a difference

    def filtered(self, kernel: NDArray[Any]) -> Differences:
        """Differences convolved with ``kernel``; values stay as they are."""
        each = (oaconvolve(one, kernel, "same").astype(np.float32) for one in self.differences)
        return self._replace(differences=np.stack(list(each)))


def differences_of(frames: NDArray[Any]) -> Differences:
    """At most ``_MAX_VALUES`` differences, with weights of :func:`difference_weights`."""
    weights = difference_weights(frames)
    n = len(weights)
    starts = np.arange(len(frames) - n + 1)
    pixels = frames.shape[1] * frames.shape[2]
    # Whole frames, evenly spread; of a few huge frames every step-th band of rows.
    starts = starts[:: max(1, len(starts) * pixels // _MAX_VALUES)]
    step = max(1, len(starts) * pixels // _MAX_VALUES)
    rows = np.flatnonzero(np.arange(frames.shape[1]) // _BAND % step == 0)
    parts: list[list[NDArray[np.float32]]] = [[], [], [], []]
    for start in starts.tolist():
        first = max(0, start - _NEIGHBOURS)
        near = frames[first : start + n + _NEIGHBOURS][:, rows].astype(np.float32)
        group = near[start - first :][:n]
        parts[0].append(combined(group, weights)[0])
        parts[1].append(np.tensordot(weights**2, group, 1))
        parts[2].append(group.mean(axis=0))
        if len(near) > n:
            rest = np.concatenate((near[: start - first], near[start - first + n :]))
            parts[3].append(rest.mean(axis=0))
    differences, values, own = (np.stack(part) for part in parts[:3])
    others = np.stack(parts[3]) if parts[3] else None
    return Differences(differences, values, own, others, rows, weights)


def line_of(parts: Differences) -> Line:
    """Line through the variances of bins of pixels that are as bright in other frames."""
    return _fit_line(*_binned_variances(parts, instrument(parts)))


def line_of_counts(parts: Differences) -> Line:
    """Line through the variances of bins of pixels by their own sums: right for Poisson noise."""
    return _fit_line(*_binned_variances(parts, parts.own))


def instrument(parts: Differences) -> NDArray[np.float32]:
    """Return what tells bright pixels from dark ones, without noise of the differences."""
    if parts.others is None:
        correlated = _neighbour_correlation(parts.differences) >= _CORRELATED
        return gaussian_filter(parts.own, _BLUR) if correlated else parts.own
    smooth = gaussian_filter(parts.others, _BLUR)
    sharp, blurred = (_similarity(v, parts.values) for v in (parts.others, smooth))
    return smooth if blurred > sharp else parts.others


def _similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Correlation of two stacks, 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt(np.square(a).mean() * np.square(b).mean()))
    return float((a * b).mean()) / scale if scale > 0 else 0.0


def _neighbour_correlation(differences: NDArray[np.float32]) -> float:
    """Of the differences (n, H, W) of neighbouring pixels, the outliers that motion makes cut."""
    limit = CLIP * np.sqrt(clipped_variance(differences.ravel()))
    cut = differences.clip(-limit, limit)
    shared = [(cut[:, 1:] * cut[:, :-1]), (cut[..., 1:] * cut[..., :-1])]
    total = float(np.square(cut).mean())
    if total == 0 or min(cut.shape[1:]) < 2:
        return 0.0
    return float(np.mean([product.mean() for product in shared])) / total


def _binned_variances(
    parts: Differences, by: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, robust variance and population of bins of about equal population."""
    values, differences = parts.values.ravel(), parts.differences.ravel()
    order = bins_of(by)
    rows = []
    for index in range(order.max() + 1):
        member = order == index
        if member.sum() >= min(MIN_BIN, len(values)):
            rows.append(
                (values[member].mean(), clipped_variance(differences[member]), member.sum())
            )
    if not rows:
        rows.append((values.mean(), clipped_variance(differences), len(values)))
    table = np.asarray(rows, np.float64)
    return table[:, 0], table[:, 1], table[:, 2]


def bins_of(by: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of the bin of each pixel, flat; bins have about equal population."""
    edges = np.unique(np.quantile(by, np.linspace(0, 1, _BINS + 1)[1:-1]))
    numbers: NDArray[np.int64] = np.searchsorted(edges, by.ravel(), side="left")
    return numbers  # what is constant is a bin of its own


def clipped_variance(difference: NDArray[np.float32]) -> float:
    """Variance without the outliers that motion makes."""
    squares = np.square(difference.astype(np.float64))
    total = float(squares.mean())
    variance = 1.4826**2 * float(np.median(squares))
    for _ in range(8):
        # At low counts most differences are 0 and so is their median: then nothing is clipped.
        if variance == 0:
            return total
        kept = squares[squares <= CLIP**2 * variance]
        variance = float(kept.mean()) / CLIPPED_VARIANCE
    return min(variance, total)


def _robust_mean(variances: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Mean of the bins' variances without the tenth that motion may have raised most."""
    few = len(variances) < _BINS // 2  # a few counts: the bins differ by nature
    kept = variances <= np.quantile(variances, 1.0 if few else 0.9)
    return float(np.average(variances[kept], weights=counts[kept]))


def _fit_line(
    values: NDArray[np.float64], variances: NDArray[np.float64], counts: NDArray[np.float64]
) -> Line:
    """Weighted straight line through (value, variance), with gain ≥ 0."""
    constant = Line(0.0, _robust_mean(variances, counts))
    seen = variances > 0  # pixels that never change (padding, dead ones) say nothing of the slope
    if seen.sum() >= 3:
        values, variances, counts = values[seen], variances[seen], counts[seen]
    spread = np.sqrt(np.average((values - np.average(values, weights=counts)) ** 2, weights=counts))
    if len(values) < 3 or spread == 0 or constant.offset == 0:
        return constant
    line = straight_line(values, variances, counts, 1e-3 * constant.offset)
    error = np.sqrt(2) * constant.offset / (spread * np.sqrt(counts.sum()))
    # A slope not known to a tenth is better not told.
    return line if line.gain > _SURE * error else constant


def straight_line(
    values: NDArray[np.float64],
    variances: NDArray[np.float64],
    counts: NDArray[np.float64],
    least: float,
) -> Line:
    """Robust line through (value, variance), weighted by variances of at least ``least``."""
    # Theil and Sen's median of slopes first: bins that motion spoils do not bend it. Then least
    # squares by each bin's own error, with what is far off still kept down.
    first, second = np.triu_indices(len(values), 1)
    apart = values[first] != values[second]
    first, second = first[apart], second[apart]
    gain = np.median((variances[second] - variances[first]) / (values[second] - values[first]))
    offset = np.median(variances - gain * values)
    for _ in range(4):
        fitted = np.maximum(gain * values + offset, least)
        distance = (variances / fitted - 1) / _BIN_TOLERANCE
        gain, offset = np.polyfit(
            values, variances, 1, w=np.sqrt(counts) / (fitted * (1 + distance**2))
        )
    return Line(float(gain), float(offset))
