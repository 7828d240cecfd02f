"""Noise of the detector, from the movie itself: var(x) = gain · x + offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._noise_line import Differences, Line, differences_of, line_of, line_of_counts
from ._validation import InputError

_COUNTING_TOLERANCE = 0.25  # of var = mean: motion and coincidence loss blur the estimate
_FEW_COUNTS = 10.0


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
    Differences in time of the order that leaves least (``difference_weights``) are binned by
    what the same pixels hold in the frames before and after: noise of their own, which has no part
    in the differences, so that neither read noise (it would flatten the line) nor charge that
    neighbours share (it would make it steeper) biases the slope. The value of a bin is the mean of
    the frames in the difference, weighted as their noise is: right for what moves, too. Where there
    are no further frames, the bins are by the mean of the same values, smoothed where neighbours
    share noise; of Poisson noise that is exact (given their sum, counts are multinomial). The scale
    of each bin starts from the median absolute deviation and ends as the variance of what lies
    within 3.5 σ.

    Right within 10 % on white and on correlated noise of a still or slowly moving scene. What
    moves fast, or everywhere, is taken for noise: the estimate is then too high, which
    :func:`napari_tcsdl.noise_spectrum.measure_noise` notices and takes off.
    """
    return noise_of(checked_differences(frames))


def checked_differences(frames: NDArray[Any]) -> Differences:
    """Take the differences of which :func:`noise_of` makes a model.

    Raises
    ------
    InputError
        If ``frames`` is not (n ≥ 2, H, W).
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InputError(
            f"got frames of shape {frames.shape}, expected at least two frames (n, H, W) to tell "
            "noise from signal; give consecutive frames of the movie"
        )
    return differences_of(frames)


def noise_of(parts: Differences) -> NoiseModel:
    """Noise model of frames by their differences; see :func:`estimate_noise`.

    Of differences from which a filter left out the frequencies at which the scene changes
    (:meth:`Differences.filtered`), too, if it keeps the variance of noise.
    """
    level = float(parts.values.mean(dtype=np.float64))

    def model_of(line: Line) -> NoiseModel:
        return NoiseModel(line.gain, line.offset, level)

    model = model_of(line_of(parts))
    if model.gain == 0:
        # Of counted electrons alone the sum of the very same values shows the slope, too.
        counts = model_of(line_of_counts(parts))
        model = counts if counts.counting else model
    return model
