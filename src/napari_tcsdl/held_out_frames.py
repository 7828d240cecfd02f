r"""Scores on real movies, where no truth is known: one half of the electrons judges the other.

Even against odd frames would do for a movie as recorded, not for a decoder or a codec: it makes all
frames of a block from the same data, so that they agree on what is wrong. Leaving frames out asks
for interpolation, which is another task. So each frame x is split by chance into two halves of one
scene, k ("kept") + h ("held out") = x, with independent noise
(:func:`napari_tcsdl.thinning.thin`). Every rival, ours too, makes f(k) of k and is judged by h,
which it never saw. With the expectation m of both halves and the noise variance v of h,

    E (f − h)² = E (f − m)² + v,

since the noise of h is independent of f: the mean squared error against the unknown truth is the
mean of (f − h)² − v, without bias. What it costs: everybody is judged at half the dose.

Of counted electrons (Poisson) all this is exact. Of other detectors the halves are as independent
as the noise model is right: where the variance per pixel is really V (1 + ε) instead of V, the
result is off by ε V / 4 · (1 − 2 s), s being the share of its own pixel that a rival's frame takes
from k. That may be as large as the error of a good decoder: where ε matters, the halves' FRC does
not vanish at the highest frequencies but approaches ε / 2 (``dependence``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._sampled import evenly_spaced, read_frames
from ._validation import InputError
from .frc import FrcCurve, frc
from .movie import FrameSource, Movie
from .noise import NoiseModel
from .thinning import thin

MOST_PIXELS = 2**24
"""Of the frames that are scored, spread evenly over the movie."""

_TILE = 16  # [px] of which each has one mean error: beyond the reach of a detector's noise
_FAR = 6.0  # standard deviations of noise that must not fall below 0


class HeldOut(NamedTuple):
    """Two halves of a movie.

    Attributes
    ----------
    kept
        For the rivals.
    target
        That judges them. Same expectation and noise as ``kept``; it is independent.
    noise
        Of either half.
    """

    kept: Movie
    target: Movie
    noise: NoiseModel


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """Scores against frames that were held out.

    Attributes
    ----------
    mse, mse_error
        Mean squared error against the unknown truth, without bias, and its standard error
        [detector units²] of a half. By chance it may be below 0.
    psnr, psnr_error
        10 · log10(data_range² / mse) and its standard error [dB]; infinite where ``mse`` is not
        above 0.
    frc
        Against the target as it is, noise included.
    corrected
        The same against the unknown truth: ``frc`` / √(FRC of the two halves), where the halves
        agree by more than three standard deviations, 0 elsewhere; None without ``kept``.
    dependence
        Mean FRC of the halves over the outermost quarter of the rings: 0 where their noise is
        independent and the scene shows nothing so fine. Times the noise variance of a half, what
        ``mse`` may be off by, beyond its error. None without ``kept``.
    n_frames
        Frames that were looked at.
    """

    mse: float
    mse_error: float
    psnr: float
    psnr_error: float
    frc: FrcCurve = field(repr=False)
    corrected: FrcCurve | None = field(repr=False)
    dependence: float | None
    n_frames: int


def split(
    movie: Movie,
    noise: NoiseModel,
    seed: int,
    *,
    correlation: NDArray[np.float64] | None = None,
) -> HeldOut:
    """Split a movie into two halves of the same scene with independent noise.

    Parameters
    ----------
    movie
        As recorded; nothing is read now.
    noise
        Of ``movie``, from :func:`napari_tcsdl.noise.estimate_noise`.
    seed
        ≥ 0. Frame i is split by (seed, i): read twice, or alone, it gives the same halves.
    correlation
        (5, 5) of the noise between pixels, from
        :func:`napari_tcsdl.thinning.noise_correlation`; None for white noise.

    Returns
    -------
    HeldOut
        Movies in whole numbers where ``movie`` is. Those of other detectors than counting ones
        lie higher by a pedestal, so that noise does not push them below 0; it is part of the
        expectation of both.

    Raises
    ------
    InputError
        If ``seed`` < 0, or later, for frames that no detector records.
    """
    if seed < 0:
        raise InputError(f"got seed {seed} to split a movie, expected one ≥ 0; give for example 0")
    counting = correlation is None and noise.counting and movie.dtype.kind == "u"
    pedestal = 0.0 if counting else _pedestal(noise)
    half = _noise_of_half(movie, noise, pedestal, counting)
    halves = []
    for part, name in enumerate(("kept half", "held-out half")):
        source = _Half(movie, noise, seed, correlation, pedestal, part)
        halves.append(replace(movie, source=source, name=f"{movie.name} ({name})", path=None))
    return HeldOut(halves[0], halves[1], half)


def held_out_scores(
    frames: FrameSource,
    target: Movie,
    noise: NoiseModel,
    *,
    data_range: float,
    kept: Movie | None = None,
) -> HeldOutScores:
    """Score frames that were made from one half of a movie against the other half.

    Parameters
    ----------
    frames
        (T, H, W), what a rival made of the kept half, in its units.
    target
        The half that was held out, from :func:`split`.
    noise
        Of ``target``, from :func:`split`.
    data_range
        Span of the signal of a half, one value for all rivals.
    kept
        The other half, to correct the FRC for the noise of ``target``.

    Returns
    -------
    HeldOutScores
        Of evenly spaced frames, all of them where they hold at most 2²⁴ pixels.

    Raises
    ------
    InputError
        If shapes differ, ``data_range`` ≤ 0, or ``frames`` hold NaN or infinite pixels.

    Notes
    -----
    The standard error is that of the mean over tiles of 16 × 16 px of all frames; it holds what the
    error itself varies over the scene, and is rather too large. Differences between rivals on the
    same target are known better than either error, and do not depend on ``noise``.
    """
    _check(frames, target, data_range, kept)
    indices = evenly_spaced(target.shape, MOST_PIXELS)
    test, judge = read_frames(frames, indices), read_frames(target.source, indices)
    if not np.isfinite(test).all():
        raise InputError(
            "got NaN or infinite pixels in the frames to be scored, expected finite detector "
            "values; repair or leave out those frames"
        )
    # Not clipped at 0 as noise.variance is: that would be right on average no more.
    errors = np.square(test - judge, dtype=np.float64)
    errors -= noise.gain * judge + noise.offset_variance
    mse, tiles = float(errors.mean()), _tile_means(errors)
    error = float(tiles.std(ddof=1)) / math.sqrt(tiles.size)
    curve = frc(test, judge, pixel_size=target.pixel_size)
    corrected = dependence = None
    if kept is not None:
        halves = frc(read_frames(kept.source, indices), judge, pixel_size=target.pixel_size)
        corrected = _corrected(curve, halves)
        dependence = float(halves.values[-(len(halves.values) // 4) :].mean())
    psnr = 10 * math.log10(data_range**2 / mse) if mse > 0 else math.inf
    psnr_error = 10 / math.log(10) * error / mse if mse > 0 else math.inf
    return HeldOutScores(mse, error, psnr, psnr_error, curve, corrected, dependence, len(indices))


@dataclass(frozen=True, eq=False)
class _Half:
    """Frames of one half, split whenever they are read."""

    movie: Movie
    noise: NoiseModel
    seed: int
    correlation: NDArray[np.float64] | None
    pedestal: float
    part: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.movie.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the movie; wider where the pedestal might not fit."""
        own = self.movie.dtype
        if not self.pedestal or own.kind != "u":
            return own
        top = np.iinfo(own).max
        spread = math.sqrt(max(self.noise.variance(float(top)), 0.0)) / 2
        fits = top / 2 + self.pedestal + _FAR * spread <= top
        return own if fits else np.dtype(np.uint16 if own == np.uint8 else np.float32)

    def __getitem__(self, key: slice) -> NDArray[Any]:
        start, stop, step = key.indices(self.shape[0])
        frames = [self._frame(index) for index in range(start, stop, step)]
        return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), self.dtype)

    def _frame(self, index: int) -> NDArray[Any]:
        frame = self.movie.read(index, index + 1)[0]
        generator = np.random.default_rng([self.seed, index])
        half = thin(frame, 0.5, self.noise, generator, self.correlation)[self.part]
        if self.pedestal:
            half = np.maximum(half + self.pedestal, 0)
            if self.dtype.kind == "u":
                half = np.rint(half)
        return half.astype(self.dtype, copy=False)


def _noise_of_half(movie: Movie, noise: NoiseModel, pedestal: float, counting: bool) -> NoiseModel:
    half = noise.thinned(0.5)
    mean = None if half.mean is None else half.mean + pedestal
    if counting:  # dealt out one by one: known better than any fit of the whole
        return NoiseModel(1.0, 0.0, mean)
    rounding = 1 / 12 if movie.dtype.kind == "u" else 0.0
    return NoiseModel(half.gain, half.offset_variance - half.gain * pedestal + rounding, mean)


def _pedestal(noise: NoiseModel) -> float:
    """Return what halves are raised by, so that 6 σ of the added noise stay above 0.

    The half of x falls by at most 6 √(g x + o) / 2 below x / 2; the worst x solves 6 g / 2 =
    √(g x + o), or is 0.
    """
    gain, offset = noise.gain, noise.offset_variance
    worst = max((_FAR * gain / 2) ** 2 - offset, 0.0) / gain if gain > 0 else 0.0
    deepest = _FAR / 2 * math.sqrt(max(gain * worst + offset, 0.0)) - worst / 2
    return float(math.ceil(max(deepest, 0.0)))


def _tile_means(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    count, height, width = errors.shape
    rows, columns = height // _TILE, width // _TILE
    whole = errors[:, : rows * _TILE, : columns * _TILE]
    tiles: NDArray[np.float64] = whole.reshape(count, rows, _TILE, columns, _TILE).mean(axis=(2, 4))
    return tiles


def _corrected(curve: FrcCurve, halves: FrcCurve) -> FrcCurve:
    known = halves.values > 3 * halves.deviations
    factor = np.sqrt(np.where(known, halves.values, 1))
    return FrcCurve(
        curve.frequencies,
        np.where(known, (curve.values / factor).clip(-1, 1), 0),
        np.where(known, curve.deviations / factor, 0),
    )


def _check(frames: FrameSource, target: Movie, data_range: float, kept: Movie | None) -> None:
    if not (math.isfinite(data_range) and data_range > 0):
        raise InputError(
            f"got data_range = {data_range}, expected a finite number > 0; use one value for all "
            "rivals"
        )
    for other in (frames, *((kept,) if kept else ())):
        if tuple(other.shape) != target.shape:
            raise InputError(
                f"got frames of shape {tuple(other.shape)} for a held-out half of shape "
                f"{target.shape}, expected one shape (T, H, W); score what was made of its other "
                "half"
            )
