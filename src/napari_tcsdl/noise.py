"""Noise of the detector, from the movie itself: var(x) = gain · x + offset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ._validation import InputError

CLIP = 3.5
"""Standard deviations beyond which a difference counts as motion."""

_MAX_VALUES = 2**22  # differences looked at; more would not sharpen the estimate
_MAX_TRIED = 2**20  # of them, for choosing the order
_HIGHEST_ORDER = 4
_BAND = 16  # [px] of rows taken together where a frame has too many
_CORRELATED = 0.05  # of neighbours, from which on the noise is not white
_SMOOTHING = 1.5  # [px], over which the values of correlated noise are averaged before binning
_BINS = 24
_MIN_BIN = 200  # values that a bin needs for a usable variance
_BIN_TOLERANCE = 0.25  # relative distance from the line beyond which a bin counts little
_COUNTING_TOLERANCE = 0.25  # of var = mean: motion and coincidence loss blur the estimate
_FEW_COUNTS = 10.0
_CLIPPED_VARIANCE = 0.9939  # of a unit normal cut at ± 3.5


@dataclass(frozen=True)
class NoiseModel:
    """Variance of one pixel of one frame as a linear function of its expected value.

    Attributes
    ----------
    gain
        Slope [detector units]: 1 for an ideal counting detector, counts per electron otherwise.
    offset_variance
        Intercept [detector units²]: read noise; below 0 where a pedestal p is part of the values
        (−gain · p).
    mean
        Mean value of the frames that it was measured on [detector units], or None. It fixes one
        noise level for a whole movie, so that no tile or block is treated differently.
    pedestal, read_noise
        Value and standard deviation of a pixel that no electron hits [detector units], or None
        where the movie does not show them: most do not, and nothing else depends on them.

    Examples
    --------
    >>> NoiseModel(gain=2.0, offset_variance=5.0).variance(10.0)
    25.0
    """

    gain: float
    offset_variance: float
    mean: float | None = None
    pedestal: float | None = None
    read_noise: float | None = None

    def variance(self, x: Any) -> Any:
        """Return the expected variance at value ``x`` [detector units²], never below 0.

        ``x`` is a number, an array or a tensor.
        """
        variance = self.gain * x + self.offset_variance
        return variance.clip(0) if hasattr(variance, "clip") else max(variance, 0.0)

    @property
    def counting(self) -> bool:
        """Whether these are counted electrons (Poisson): variance and mean agree, slope is 1.

        Mean and variance of a movie in grey levels may agree by accident, so its slope must be 1,
        too; below ten counts, where few movies span values enough to show one, it need not.
        """
        level = 1.0 if self.mean is None else self.mean
        agree = level > 0 and abs(self.variance(level) / level - 1) <= _COUNTING_TOLERANCE
        return agree and (abs(self.gain - 1) <= _COUNTING_TOLERANCE or 0 < level < _FEW_COUNTS)

    def thinned(self, fraction: float) -> NoiseModel:
        """Noise of ``fraction`` of the signal, as :func:`napari_tcsdl.thinning.thin` keeps it."""
        mean = None if self.mean is None else fraction * self.mean
        return NoiseModel(self.gain, fraction * self.offset_variance, mean)

    def to_json(self) -> dict[str, float | None]:
        """As plain numbers; pedestal and read noise only where they are known."""
        dark = {"pedestal": self.pedestal, "read_noise": self.read_noise}
        return {
            "gain": self.gain,
            "offset_variance": self.offset_variance,
            "mean": self.mean,
            **{name: value for name, value in dark.items() if value is not None},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        known = (values.get(name) for name in ("mean", "pedestal", "read_noise"))
        return cls(
            float(values["gain"]),
            float(values["offset_variance"]),
            *(None if value is None else float(value) for value in known),
        )


def estimate_noise(frames: NDArray[Any]) -> NoiseModel:
    """Estimate the noise model from differences of consecutive frames.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive in time, detector units.

    Returns
    -------
    NoiseModel
        Constant (gain 0) where the values span too small a range to tell gain from offset; zero
        where consecutive frames do not differ.

    Raises
    ------
    InputError
        If ``frames`` is not (n ≥ 2, H, W).

    Notes
    -----
    Differences in time of the order that leaves least (:func:`difference_weights`) are binned by
    the mean of the same values, which biases neither Poisson nor Gaussian noise (given their sum,
    Poisson counts are multinomial, so the variance of the difference is exactly proportional to
    that sum). Noise that neighbours share is binned by the mean over their neighbourhood instead:
    the charge of one electron counts squared in the variance, so that a pixel's own value and
    its variance fluctuate together by more than the gain. The scale of each bin starts from the
    median absolute deviation and ends as the variance of what lies within 3.5 σ.

    Right within 10 % on white and on correlated noise of a still or slowly moving scene. What
    moves fast, or everywhere, is taken for noise: the estimate is then too high, which
    :func:`napari_tcsdl.noise_spectrum.measure_noise` notices and takes off.
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InputError(
            f"got frames of shape {frames.shape}, expected at least two frames (n, H, W) to tell "
            "noise from signal; give consecutive frames of the movie"
        )
    means, values, differences = _differences(frames)
    table = _binned_variances(means, values, differences)
    level = float(means.mean(dtype=np.float64))
    return replace(_fit_line(*table), mean=level)


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


def _differences(
    frames: NDArray[Any],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean values, what to bin them by, and differences, flat, at most ``_MAX_VALUES`` of them."""
    weights = difference_weights(frames)
    n = len(weights)
    starts = np.arange(len(frames) - n + 1)
    pixels = frames.shape[1] * frames.shape[2]
    # Whole frames, evenly spread; of a few huge frames every step-th band of rows.
    starts = starts[:: max(1, len(starts) * pixels // _MAX_VALUES)]
    step = max(1, len(starts) * pixels // _MAX_VALUES)
    rows = np.flatnonzero(np.arange(frames.shape[1]) // _BAND % step == 0)
    groups = (frames[start : start + n][:, rows].astype(np.float32) for start in starts)
    pairs = [(group.mean(axis=0), combined(group, weights)[0]) for group in groups]
    means, differences = (np.stack(part) for part in zip(*pairs, strict=True))
    values = means
    if _neighbour_correlation(differences) >= _CORRELATED:
        values = gaussian_filter(means, (0, _SMOOTHING, _SMOOTHING))
    return means.ravel(), values.ravel(), differences.ravel()


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
    means: NDArray[np.float32], values: NDArray[np.float32], differences: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, robust variance and population of bins of ``values`` of about equal population."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    order = np.searchsorted(edges, values, side="left")  # what is constant is a bin of its own
    rows = []
    for index in range(len(edges) + 1):
        member = order == index
        if member.sum() >= min(_MIN_BIN, len(means)):
            rows.append((means[member].mean(), clipped_variance(differences[member]), member.sum()))
    if not rows:
        rows.append((means.mean(), clipped_variance(differences), len(means)))
    table = np.asarray(rows, np.float64)
    return table[:, 0], table[:, 1], table[:, 2]


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
        variance = float(kept.mean()) / _CLIPPED_VARIANCE
    return min(variance, total)


def _robust_mean(variances: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Mean of the bins' variances without the tenth that motion may have raised most."""
    few = len(variances) < _BINS // 2  # a few counts: the bins differ by nature
    kept = variances <= np.quantile(variances, 1.0 if few else 0.9)
    return float(np.average(variances[kept], weights=counts[kept]))


def _fit_line(
    values: NDArray[np.float64], variances: NDArray[np.float64], counts: NDArray[np.float64]
) -> NoiseModel:
    """Weighted straight line through (value, variance), with gain ≥ 0."""
    constant = NoiseModel(0.0, _robust_mean(variances, counts))
    seen = variances > 0  # pixels that never change (padding, dead ones) say nothing of the slope
    if seen.sum() >= 3:
        values, variances, counts = values[seen], variances[seen], counts[seen]
    spread = np.sqrt(np.average((values - np.average(values, weights=counts)) ** 2, weights=counts))
    if len(values) < 3 or spread == 0 or constant.offset_variance == 0:
        return constant
    # Theil and Sen's median of slopes first: bins that motion spoils do not bend it. Then least
    # squares by each bin's own error, with what is far off still kept down.
    first, second = np.triu_indices(len(values), 1)
    gain = np.median((variances[second] - variances[first]) / (values[second] - values[first]))
    offset = np.median(variances - gain * values)
    for _ in range(4):
        fitted = np.maximum(gain * values + offset, 1e-3 * constant.offset_variance)
        distance = (variances / fitted - 1) / _BIN_TOLERANCE
        gain, offset = np.polyfit(
            values, variances, 1, w=np.sqrt(counts) / (fitted * (1 + distance**2))
        )
    error = np.sqrt(2) * constant.offset_variance / (spread * np.sqrt(counts.sum()))
    if gain <= 3 * error:  # a slope within its own error says nothing
        return constant
    return NoiseModel(float(gain), float(offset))
