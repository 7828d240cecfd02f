"""How far a decoder's stated deviation is right, judged by raw pixels that it never saw.

A mask that is closed keeps a pixel of a frame out of Y, and with it the pixel's noise: there
raw − estimate is noise and error, independent of each other, so that

    E (raw − x̂)² = variance of the noise + mean square of the error,

whatever the scene, the decoder and its training. As cross-validation in crystallography (Brünger,
Nature 355, 472 (1992)): what was set aside judges what was made of the rest. Detectors that spread
an electron over neighbours set aside less: there only pixels count whose four neighbours are
closed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .noise import NoiseModel

_LEAST_PIXELS = 1_000
_CLASSES = 10  # of pixels, by their stated deviation: each counts the same, as its pixels do
_CUT = 6.0  # standard deviations, and electrons: what is farther off is no pixel that works

# Errors have heavier tails than a normal distribution: where 68 % of them lie within the deviation
# their mean square is 1 / 0.85 of its square. That, and by how much the ratio differs from movie to
# movie, was measured on 42 whole movies held out from training (benchmarks/coverage.py).
_TAILS = 0.85
_USUAL_SPREAD = 0.4
_LEAST_SQUARE = 0.1  # of the factor: no decoder is so unsure of itself
_SURE = 2.0  # standard errors below 0, where no mean square is: the noise was measured wrong


@dataclass(frozen=True)
class JudgedDeviation:
    """By what the deviation that a decoder states for one movie is to be multiplied.

    Attributes
    ----------
    factor
        1 for a decoder that was right by itself.
    error
        Standard error of ``factor``.
    weights
        Sha256 of the tensors of the decoder that was judged: of another it says nothing.
    """

    factor: float
    error: float
    weights: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Undo :meth:`to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError
            For anything but a finite factor > 0, an error ≥ 0 and a text.
        """
        factor, error, weights = (values[name] for name in ("factor", "error", "weights"))
        if not isinstance(weights, str) or any(
            isinstance(number, bool) or not isinstance(number, int | float)
            for number in (factor, error)
        ):
            raise TypeError(f"{values!r} for a judged deviation")
        if not (np.isfinite(factor) and factor > 0 and np.isfinite(error) and error >= 0):
            raise ValueError(f"a deviation times {factor!r} ± {error!r}")
        return cls(float(factor), float(error), weights)


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
        Whether raw values are Poisson counts, which are their own variance, exactly.
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
    if ratio < -_SURE * error:
        raise InputError(
            "got raw pixels that differ from the estimate by less than their own noise as it was "
            "measured, expected more to judge the deviation by; it stays as the decoder states it"
        )
    weight = _USUAL_SPREAD**2 / (_USUAL_SPREAD**2 + error**2)
    factor = sqrt(max(1 + weight * (ratio - 1), _LEAST_SQUARE))
    return JudgedDeviation(factor, _USUAL_SPREAD * sqrt(1 - weight) / (2 * factor), weights)


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
    raw, frames = sample.raw[shut].astype(np.float64), sample.frames[shut].astype(np.float64)
    variance = sample.deviation[shut].astype(np.float64) ** 2
    model = noise.model
    far = _CUT * (np.sqrt(model.variance(frames) + variance) + model.gain)
    works = np.abs(raw - frames) <= far
    raw, frames, variance = raw[works], frames[works], variance[works]
    # Of what is there, not of what is expected, and never clipped: only so it is without bias.
    noisy = raw if noise.counts else model.gain * raw + model.offset_variance
    return np.stack([(raw - frames) ** 2 - noisy, variance, noisy])
