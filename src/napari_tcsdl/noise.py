"""Noise of the detector, from the movie itself: var(x) = gain · x + offset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError

_MAX_VALUES = 2**22  # differences looked at; more would not sharpen the estimate
_BINS = 24
_MIN_BIN = 200  # values that a bin needs for a usable variance
_CLIP = 3.5  # standard deviations beyond which a difference counts as motion
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

    Examples
    --------
    >>> NoiseModel(gain=2.0, offset_variance=5.0).variance(10.0)
    25.0
    """

    gain: float
    offset_variance: float
    mean: float | None = None

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
        """As plain numbers."""
        return {"gain": self.gain, "offset_variance": self.offset_variance, "mean": self.mean}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`."""
        mean = values.get("mean")
        return cls(
            float(values["gain"]),
            float(values["offset_variance"]),
            None if mean is None else float(mean),
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
    Second differences x₋₁ − 2x₀ + x₊₁ are used from three frames on: they cancel steady motion to
    first order. They are binned by the mean of the same values, which biases neither Poisson nor
    Gaussian noise (given their sum, Poisson counts are multinomial, so the variance of the
    difference is exactly proportional to that sum). The scale of each bin starts from the median
    absolute deviation and ends as the variance of what lies within 3.5 σ.

    Right within 10 % on white noise of a still scene. What moves fast, or everywhere, is taken
    for noise: the estimate is then too high.
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InputError(
            f"got frames of shape {frames.shape}, expected at least two frames (n, H, W) to tell "
            "noise from signal; give consecutive frames of the movie"
        )
    mean, difference = _differences(frames)
    values, variances, counts = _binned_variances(mean, difference)
    return replace(_fit_line(values, variances, counts), mean=float(mean.mean(dtype=np.float64)))


def _differences(frames: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Local means and unit-variance-gain differences, flat, at most ``_MAX_VALUES`` of them."""
    weights = (1, -1) if len(frames) == 2 else (1, -2, 1)
    n = len(weights)
    starts = np.arange(len(frames) - n + 1)
    pixels = frames.shape[1] * frames.shape[2]
    # Whole frames, evenly spread; of a few huge frames every step-th row.
    starts = starts[:: max(1, len(starts) * pixels // _MAX_VALUES)]
    step = max(1, len(starts) * pixels // _MAX_VALUES)
    means, differences = [], []
    for start in starts:
        group = frames[start : start + n, ::step].astype(np.float32)
        means.append(group.mean(axis=0).ravel())
        differences.append(np.tensordot(np.asarray(weights, np.float32), group, 1).ravel())
    scale = np.float32(1 / np.sqrt(np.square(weights).sum()))
    return np.concatenate(means), np.concatenate(differences) * scale


def _binned_variances(
    mean: NDArray[np.float32], difference: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean value, robust variance and population of bins of about equal population."""
    edges = np.unique(np.quantile(mean, np.linspace(0, 1, _BINS + 1)[1:-1]))
    order = np.searchsorted(edges, mean, side="right")
    rows = []
    for index in range(len(edges) + 1):
        member = order == index
        if member.sum() >= min(_MIN_BIN, len(mean)):
            rows.append((mean[member].mean(), _clipped_variance(difference[member]), member.sum()))
    if not rows:
        rows.append((mean.mean(), _clipped_variance(difference), len(mean)))
    table = np.asarray(rows, np.float64)
    return table[:, 0], table[:, 1], table[:, 2]


def _clipped_variance(difference: NDArray[np.float32]) -> float:
    """Variance without the outliers that motion makes."""
    squares = np.square(difference.astype(np.float64))
    total = float(squares.mean())
    variance = 1.4826**2 * float(np.median(squares))
    for _ in range(8):
        # At low counts most differences are 0 and so is their median: then nothing is clipped.
        if variance == 0:
            return total
        kept = squares[squares <= _CLIP**2 * variance]
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
