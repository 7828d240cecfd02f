"""Batches from a raw movie of which no clean frames exist: one half is coded, the other the target.

Notation: x noisy frame, μ its expected value, p the share of the signal that is coded. Thinning
splits x into k and r = x − k with E[k] = p μ, E[r] = (1 − p) μ, and noise that is independent
(counted electrons) or at least uncorrelated (any other gain); see :mod:`napari_tcsdl.thinning`.
The network f sees only codes of k. With the target t = r p / (1 − p), whose mean is p μ as well,

    E |f(k) − t|² = E |f(k) − p μ|² + E |t − p μ|²,

because t − p μ has mean zero and is independent of f(k): the mixed term vanishes. The last term,
the noise of the target, does not depend on f. So the loss against t has the same minimum, and the
same expected gradient, as the loss against the truth that nobody knows; and the loss less the
noise's known variance, (p / (1 − p))² (1 − p) var(x), is an unbiased estimate of the error.

Level and spread by which everything is normalised are taken from k alone. How long structure lasts
is told from the whole of x: eleven means over a million pixels and more, in which the noise of one
crop, and with it the mixed term, counts for a millionth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._validation import InputError
from ..movie import Movie
from ..noise import NoiseModel, estimate_noise
from ..persistence import Persistence, persistence_of
from ..reconstruction.unfolding import normalise, persistence_inputs
from ..thinning import noise_correlation, thin
from .batches import (
    SIDE_STEP,
    Batch,
    BatchSettings,
    draw_layout,
    join,
    level_and_spread,
    movies_of,
)
from .coding import Layout, draw_masks, measure
from .following import followed

_IN_MEMORY = 2**29  # bytes; longer stretches of a movie are read again for each batch
_NOISE_FRAMES = 16
_NOISE_PIXELS = 2**25
_LEAST_SIDE = 16  # [px] that the noise's correlation needs


@dataclass(frozen=True, eq=False)
class RawMovie:
    """A raw movie and its noise.

    Attributes
    ----------
    movie
        Frames are read when they are needed.
    noise
        Of one frame.
    correlation
        Of the noise of neighbouring pixels, as :func:`noise_correlation` gives it; None for white.
    persistence
        How long structure lasts; None where it is unknown.
    """

    movie: Movie
    noise: NoiseModel
    correlation: NDArray[np.float64] | None = None
    persistence: Persistence | None = None

    @property
    def true_noise(self) -> NoiseModel:
        """Noise by which errors are corrected: exact where electrons are counted.

        Estimates are good to a few per cent, which is as much as a good network's error.
        """
        counted = self.noise.counting and self.correlation is None and self.movie.dtype.kind == "u"
        return NoiseModel(1.0, 0.0, self.noise.mean) if counted else self.noise

    @classmethod
    def measured(cls, movie: Movie) -> RawMovie:
        """Measure the noise of ``movie`` on its first frames, and how long its structure lasts.

        Raises
        ------
        InputError
            If the movie is too short or too small, or has no noise to thin.
        """
        n_frames, height, width = movie.shape
        if n_frames < 4 or min(height, width) < _LEAST_SIDE:
            raise InputError(
                f"{movie.name}: got {n_frames} frames of {height} × {width}, expected at least 4 "
                f"of {_LEAST_SIDE} × {_LEAST_SIDE} to learn from; give a longer or larger movie"
            )
        count = int(np.clip(_NOISE_PIXELS // (height * width), 3, min(n_frames, _NOISE_FRAMES)))
        frames = movie.read(0, count)
        noise = estimate_noise(frames)
        if not noise.variance(float(frames.mean())) > 0:
            raise InputError(
                f"{movie.name}: got a movie without noise, expected raw frames of a detector: "
                "thinning deals their noise out; give the raw movie, or render a library of clean "
                "ones to train with"
            )
        return cls(movie, noise, noise_correlation(frames, noise), persistence_of(movie))


class Window(NamedTuple):
    """Where a crop is cut: first row and column [px]."""

    top: int
    left: int


class Stretch:
    """Some consecutive frames of a raw movie, of which windows are cut.

    Short stretches are read once, longer ones frame by frame for each cut.

    Parameters
    ----------
    movie
        What to cut from.
    frames
        Which frames.
    """

    def __init__(self, movie: Movie, frames: range) -> None:
        self.movie, self.frames = movie, frames
        _, height, width = movie.shape
        fits = len(frames) * height * width * movie.dtype.itemsize <= _IN_MEMORY
        self._whole = movie.read(frames.start, frames.stop) if fits else None

    def cut(self, times: range, windows: list[Window], side: int) -> NDArray[Any]:
        """Cut (n, T, side, side); ``times`` count from the first frame of the stretch."""
        crops = np.empty((len(windows), len(times), side, side), self.movie.dtype)
        for place, time in enumerate(times):
            frame = self._frame(time)
            for index, (top, left) in enumerate(windows):
                crops[index, place] = frame[top : top + side, left : left + side]
        return crops

    def _frame(self, time: int) -> NDArray[Any]:
        number = self.frames.start + time
        one = self.movie.read(number, number + 1) if self._whole is None else self._whole[time:]
        frame: NDArray[Any] = one[0]
        return frame


@dataclass(frozen=True, eq=False)
class ThinnedSettings:
    """How raw frames become batches.

    Attributes
    ----------
    fraction
        p, share of the signal that is coded.
    batch
        As for training on scenes; B and crops are limited to what the movie holds.
    device
        Where batches are put.
    """

    fraction: float
    batch: BatchSettings
    device: torch.device


class Thinned(NamedTuple):
    """A batch, and what is known of the noise of its target.

    Attributes
    ----------
    batch
        Its ``truth`` is the target t: noisy, an unbiased stand-in for the truth.
    noise
        Variance of t in each frame (N, T), in the units of the batch: what no network can undo.
    """

    batch: Batch
    noise: Tensor


def side_within(movie: Movie, crop: int) -> int:
    """Side of crops [px]: ``crop``, or what fits into the movie; a multiple of 4."""
    _, height, width = movie.shape
    return min(crop, height, width) // SIDE_STEP * SIDE_STEP


def thinned_batch(raw: RawMovie, stretch: Stretch, settings: ThinnedSettings, seed: int) -> Thinned:
    """Draw B, masks, crops and their thinning; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    chance = np.random.default_rng(seed)
    batch = settings.batch
    layout = draw_layout(batch, generator).within(len(stretch.frames))
    side = side_within(raw.movie, batch.crop)
    n_frames = sum(layout.blocks)
    start = int(chance.integers(len(stretch.frames) - n_frames + 1))
    _, height, width = raw.movie.shape
    windows = [
        Window(int(chance.integers(height - side + 1)), int(chance.integers(width - side + 1)))
        for _ in range(movies_of(layout, batch))
    ]
    crops = stretch.cut(range(start, start + n_frames), windows, side)
    crops = np.stack([_turned(crop, chance) for crop in crops])
    masks = draw_masks(len(crops), layout, side, batch.bernoulli, generator)
    return halves(raw, crops, masks, layout, settings, (generator, chance))


def halves(
    raw: RawMovie,
    crops: NDArray[Any],
    masks: Tensor,
    layout: Layout,
    settings: ThinnedSettings,
    chances: tuple[torch.Generator, np.random.Generator],
) -> Thinned:
    """Thin crops (n, T, H, W) and encode one part with ``masks`` (n, B, H, W)."""
    generator, chance = chances
    p = settings.fraction
    measured, targets, places = [], [], []
    for crop, mask in zip(crops, masks, strict=True):
        kept, rest = (
            torch.from_numpy(part.astype(np.float32))
            for part in thin(crop, p, raw.noise, chance, raw.correlation)
        )
        measured.append(measure(kept, mask, layout))
        places.append(followed(kept)[layout.decoded])
        targets.append(rest[layout.decoded] * (p / (1 - p)))
    level, spread = level_and_spread(measured, generator)
    known = raw.persistence.thinned(p) if raw.persistence else None
    told = torch.tensor(persistence_inputs(known, spread))
    rows = []
    for one, target, offsets in zip(measured, targets, places, strict=True):
        scale = level, spread
        mean, sigma = normalise(one.mean, one.exposures, raw.noise.thinned(p), scale)
        rows.append((mean, sigma, one.masks, (target - level) / spread, told, offsets))
    values = torch.from_numpy(crops[:, layout.decoded].astype(np.float32))
    noise = p**2 / (1 - p) * raw.true_noise.variance(values).mean((-2, -1)) / spread**2
    return Thinned(join(rows, layout).to(settings.device), noise.to(settings.device))


def _turned(crop: NDArray[Any], chance: np.random.Generator) -> NDArray[Any]:
    """Turn and mirror (T, H, W), and run it backwards, at random: noise does not mind."""
    u = chance.random(3)
    crop = crop[::-1] if u[0] < 0.5 else crop
    crop = crop[..., ::-1] if u[1] < 0.5 else crop
    return np.rot90(crop, int(4 * u[2]), (-2, -1))
