"""How far a decoder's stated deviation is right, judged by raw pixels that it never saw.

A mask that is closed keeps a pixel of a frame out of Y, and with it the pixel's noise: there
raw − estimate is noise and error, independent of each other, so that

    E (raw − x̂)² = variance of the noise + mean square of the error,

whatever the scene, the decoder and its training, if noise is independent from frame to frame and
its variance known. As cross-validation in crystallography (Brünger, Nature 355, 472 (1992)): what
was set aside judges what was made of the rest. Detectors that spread an electron over neighbours
set aside less: there only pixels count whose four neighbours are closed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError, finite_numbers
from .noise import NoiseModel

_LEAST_PIXELS = 1_000
_CLASSES = 10  # of pixels, by their stated deviation: each counts the same, as its pixels do
_FAR = 6.0  # standard deviations, and electrons
_MOST_DEAD, _MOST_STRUCK = 0.01, 0.001  # share of pixels, and of values

# Errors have heavier tails than a normal distribution: where 68 % of them lie within the deviation
# their mean square is 1 / 0.85 of its square. That, and by how much the ratio differs from movie to
# movie, was measured with benchmarks/calibration.py on the 42 whole movies that were held out then.
_TAILS = 0.85
_USUAL_SPREAD = 0.4
_TAIL_SPREAD = 0.06  # of the factor, with the truth at hand: tails differ from movie to movie
_LEAST_SQUARE = 0.01  # of the factor: no decoder is ten times too unsure of itself
_SURE = 2.0  # standard errors below 0, where no mean square is: the noise was measured wrong


@dataclass(frozen=True)
class JudgedDeviation:
    """By what the deviation that a decoder states for one movie is to be multiplied.

    Attributes
    ----------
    factor
        1 for a decoder that was right by itself.
    error
        Standard error of ``factor``: what is not known of the noise, and how tails of errors differ
        from movie to movie; not how parts of the movie that were not looked at may differ.
    weights
        Sha256 of the tensors of the decoder that was judged: of another it says nothing.
    """

    factor: float
    error: float
    weights: str

    def words(self) -> str:
        """Write factor and error."""
        return f"× {self.factor:.2f} ± {self.error:.2f}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError, OverflowError
            For anything but a finite factor > 0, an error ≥ 0 and a text.
        """
        factor, error = finite_numbers([values["factor"], values["error"]], 2)
        weights = values["weights"]
        if not isinstance(weights, str):
            raise TypeError(f"{weights!r} for the sha256 of weights")
        if factor <= 0 or error < 0:
            raise ValueError(f"a deviation times {factor:g} ± {error:g}")
        return cls(factor, error, weights)


def uncertainty_words(judged: JudgedDeviation | None) -> str:
    """Say what became of a judgement that was asked for."""
    if judged is None:
        return "uncertainty not judged, as the decoder states it"
    return f"uncertainty {judged.words()}, judged by raw pixels"


class Sample(NamedTuple):
    """Some frames (T, H, W) of a movie, what a decoder made of them, and what it saw.

    ``opened`` is where masks opened; the others are in detector units.
    """

    raw: NDArray[Any]
    frames: NDArray[np.float32]
    deviation: NDArray[np.float32]
    opened: NDArray[np.bool_]


class KnownNoise(NamedTuple):
    """Noise of raw frames, and how well it is known.

    Attributes
    ----------
    model
        Its variance.
    counts
        Whether raw values are Poisson counts, which are their own variance.
    white
        Whether pixels share none of it.
    doubt
        Standard error of the variance, as a share of it.
    """

    model: NoiseModel
    counts: bool
    white: bool
    doubt: float


def judge(samples: Sequence[Sample], noise: KnownNoise, weights: str) -> JudgedDeviation:
    """Judge a stated deviation by the raw pixels that no mask opened.

    Parameters
    ----------
    samples
        Parts of the movie.
    noise
        Of one raw frame.
    weights
        Sha256 of the decoder's tensors.

    Raises
    ------
    InputError
        If too few pixels are unseen, or differ from the estimate by less than their noise does.

    Notes
    -----
    (Σ (raw − x̂)² − noise) / Σ σ² is taken in ten classes of pixels of like σ and averaged. The
    better it is known, the more of it is used: next to strong noise the error of a good decoder
    drowns in what is not known of the noise, and the factor stays near 1.
    """
    ratio, error = _mean_square(samples, noise)
    scale = max(ratio, 1.0)  # chance grows with what it is chance of
    weight = _USUAL_SPREAD**2 / (_USUAL_SPREAD**2 + (error / scale) ** 2)
    square = 1 + weight * (ratio - 1)
    if ratio < -_SURE * error or square < _LEAST_SQUARE:
        raise InputError(
            "got raw pixels that differ from the estimate by no more than their own noise as it "
            "was measured, expected more to judge the deviation by; it stays as the decoder states "
            "it"
        )
    factor = sqrt(square)
    known = (weight * error + (1 - weight) * _USUAL_SPREAD) / (2 * factor)
    return JudgedDeviation(factor, float(np.hypot(known, _TAIL_SPREAD * factor)), weights)


def _mean_square(samples: Sequence[Sample], noise: KnownNoise) -> tuple[float, float]:
    """Mean square of error over deviation, 1 where 68 % lie within, and its standard error."""
    parts = [_unseen(sample, noise) for sample in samples]
    excess, variance, noisy = np.concatenate([np.empty((3, 0)), *parts], axis=1)
    if len(excess) < _LEAST_PIXELS:
        raise InputError(
            f"got {len(excess):,} raw pixels that no mask opens, expected at least "
            f"{_LEAST_PIXELS:,} to judge the deviation by; it stays as the decoder states it"
        )
    edges = np.quantile(variance, np.linspace(0, 1, _CLASSES + 1)[1:-1])
    which = np.searchsorted(edges, variance)
    count = np.bincount(which, minlength=_CLASSES).clip(min=1).astype(np.float64)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = np.bincount(which, values, _CLASSES) / count
        return means

    stated = np.maximum(mean(variance), np.finfo(np.float32).tiny)
    chance = np.sqrt((mean(excess**2) / count / stated**2).sum()) / _CLASSES
    doubt = noise.doubt * (mean(noisy) / stated).mean()
    ratio = (mean(excess) / stated).mean()
    return _TAILS * float(ratio), _TAILS * float(np.hypot(chance, doubt))


def _unseen(sample: Sample, noise: KnownNoise) -> NDArray[np.float64]:
    """Return (raw − x̂)² − noise, σ² and the noise of the n pixels that Y does not hold, (3, n)."""
    shut = ~sample.opened
    if not noise.white:
        inner = np.pad(shut, ((0, 0), (1, 1), (1, 1)))
        for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
            shut = shut & inner[:, rows:, columns:][:, : shut.shape[1], : shut.shape[2]]
    shut = shut & ~_broken(sample, noise.model, shut)
    raw, frames = sample.raw[shut].astype(np.float64), sample.frames[shut].astype(np.float64)
    variance = sample.deviation[shut].astype(np.float64) ** 2
    # Of what is there, not of what is expected, and never clipped: only so it is without bias.
    noisy = raw if noise.counts else noise.model.gain * raw + noise.model.offset_variance
    return np.stack([(raw - frames) ** 2 - noisy, variance, noisy])


def _broken(sample: Sample, noise: NoiseModel, shut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which unseen values (T, H, W) are of dead or hot pixels, or were struck by an X-ray.

    Few are: what is far off more often is the decoder's error, which is to be judged.
    """
    off = (sample.raw - sample.frames) * shut
    variances = noise.variance(sample.frames) * shut, sample.deviation**2 * shut
    far = np.abs(off) > _FAR * (np.sqrt(variances[0] + variances[1]) + noise.gain)
    # Of one pixel's frames chance averages out, the decoder's error perhaps not.
    count = np.maximum(shut.sum(0), 1)
    mean, noisy, stated = (part.sum(0) / count for part in (off, *variances))
    dead = np.abs(mean) > _FAR * np.sqrt(noisy / count + stated)
    broken: NDArray[np.bool_] = np.zeros_like(far)
    if dead.mean() <= _MOST_DEAD:
        broken |= dead
    rest = far & ~broken
    if rest.sum() <= _MOST_STRUCK * shut.sum():
        broken |= rest
    return broken
