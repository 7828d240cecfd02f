"""Batches for training: movies with known truth, coded by fresh masks at every step.

Everything is made on one device, that of the random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._validation import InputError
from ..reconstruction.unfolding import CodedSequence, normalise
from ..simulate.detectors import DOSE_RANGE, Detector, expose, random_detector
from .coding import Layout, Measured, draw_masks, measure, uniform_number
from .following import draw_offsets
from .lasting import Whole, draw_persistence
from .scenes import Movies

SIDE_STEP = 4
"""Sides of crops are multiples of this [px]: networks halve the resolution twice."""

USUAL_DOSES = (1.0, 50.0)
"""Of most movies that a fast detector records [e/px/frame]."""

_LONGEST_ASIDE = 20  # frames of a neighbouring block that are made: more would only cost time


@dataclass(frozen=True)
class BatchSettings:
    """What is drawn for each batch.

    Attributes
    ----------
    crop
        Side of the frames [px], a multiple of 4.
    pixels
        Pixels of all frames of a batch, about: movies are as many as fit.
    ratios
        Least and largest B; its logarithm is uniform between.
    even_ratios
        Share of batches where B itself is uniform instead: more of the large ones.
    core_frames
        Whole blocks are taken until about so many frames.
    context_frames
        Frames of each neighbouring measurement that are decoded along; 0 for no neighbours.
    bernoulli
        Share of batches with masks of independent pixels, p = 0.5; the others are balanced.
    short_ends
        Share of batches whose last block is the last of a movie and holds fewer than B frames.
    usual_doses
        Share of movies at :data:`USUAL_DOSES`; the others have any dose that is trained for.

    Raises
    ------
    InputError
        For a number that no batch can have.
    """

    crop: int = 64
    pixels: int = 330_000
    ratios: tuple[int, int] = (4, 40)
    core_frames: int = 20
    context_frames: int = 10
    bernoulli: float = 0.12
    short_ends: float = 0.3
    even_ratios: float = 0.0
    usual_doses: float = 0.0

    def __post_init__(self) -> None:
        if self.crop < SIDE_STEP or self.crop % SIDE_STEP:
            raise InputError(
                f"got crops of {self.crop} px, expected a multiple of {SIDE_STEP}; give for "
                "example 64"
            )
        if not 2 <= self.ratios[0] <= self.ratios[1]:
            raise InputError(
                f"got B from {self.ratios[0]} to {self.ratios[1]}, expected 2 ≤ least ≤ largest; "
                "give for example 4 and 40"
            )
        if min(self.pixels, self.core_frames) < 1 or self.context_frames < 0:
            raise InputError(
                f"got batches of {self.pixels} pixels, {self.core_frames} frames and "
                f"{self.context_frames} frames of context, expected at least 1, 1 and 0; correct "
                "the settings"
            )
        shares = {
            "bernoulli masks": self.bernoulli,
            "short ends": self.short_ends,
            "evenly drawn B": self.even_ratios,
            "usual doses": self.usual_doses,
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise InputError(
                    f"got a share {share:g} of {name}, expected 0 … 1; give for example 0.2"
                )

    @property
    def mask_kinds(self) -> list[str]:
        """Kinds of masks that occur."""
        shares = {"balanced": 1 - self.bernoulli, "bernoulli": self.bernoulli}
        return [kind for kind, share in shares.items() if share > 0]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "ratios": list(self.ratios)}


class Batch(NamedTuple):
    """What the network is given, and what it should answer, in the same normalised units."""

    coded: CodedSequence
    truth: Tensor  # (N, T, H, W)
    core: slice  # frames of blocks of their own; those beside them are context

    def to(self, device: torch.device) -> Batch:
        """Copy to ``device``."""
        mean, sigma, masks = (part.to(device) for part in self.coded[:3])
        told, offsets = self.coded.persistence, self.coded.offsets
        coded = self.coded._replace(
            mean=mean,
            sigma=sigma,
            masks=masks,
            persistence=None if told is None else told.to(device),
            offsets=None if offsets is None else offsets.to(device),
        )
        return Batch(coded, self.truth.to(device), self.core)


def make_batch(movies: Movies, settings: BatchSettings, generator: torch.Generator) -> Batch:
    """Draw B, masks, movies and detectors, and encode.

    Returns
    -------
    Batch
        Frames of (crop, crop) in normalised units, on the device of ``generator``.
    """
    layout = draw_layout(settings, generator)
    side = settings.crop
    count = movies_of(layout, settings)
    scenes = movies(count, (sum(layout.blocks), side, side), generator)
    masks = draw_masks(count, layout, side, settings.bernoulli, generator)
    rows = [
        _encode(scene, whole, mask, layout, _draw_detector(settings, generator), generator)
        for scene, whole, mask in zip(scenes.frames, scenes.wholes, masks, strict=True)
    ]
    return join(rows, layout)


def movies_of(layout: Layout, settings: BatchSettings) -> int:
    """Movies of which a batch has about the pixels of ``settings``."""
    return max(1, round(settings.pixels / (sum(layout.lengths) * settings.crop**2)))


def join(rows: Sequence[tuple[Tensor, ...]], layout: Layout) -> Batch:
    """Make a batch of each movie's normalised Ȳ and σ (M, H, W), masks and truth (T', H, W).

    A fifth tensor of each row tells how long its structure lasts, a sixth where the specimen lies
    in each frame, where that is known.
    """
    mean, sigma, masks, truth, *told = (torch.stack(parts) for parts in zip(*rows, strict=True))
    persistence, offsets = (*told, None, None)[:2]
    coded = CodedSequence(
        mean, sigma, masks, layout.lengths, layout.ratio, None, persistence, offsets
    )
    return Batch(coded, truth, layout.core)


def draw_layout(settings: BatchSettings, generator: torch.Generator) -> Layout:
    """Draw B, the number of whole blocks, whether they have neighbours and how the movie ends."""
    low, high = settings.ratios
    drawn = uniform_number(generator)
    ratio = min(int(low * ((high + 1) / low) ** drawn), high)
    if settings.even_ratios and uniform_number(generator) < settings.even_ratios:
        ratio = low + int((high + 1 - low) * drawn)
    most = max(1, settings.core_frames // ratio)
    whole = 1 + int(most * uniform_number(generator))
    neighbours = uniform_number(generator) < 0.6 and settings.context_frames > 0
    aside = min(ratio, _LONGEST_ASIDE) if neighbours else 0
    context = min(aside, settings.context_frames)
    if settings.short_ends == 0 or uniform_number(generator) >= settings.short_ends:
        return Layout(ratio, whole, aside, context)
    end = int(min(ratio, _LONGEST_ASIDE + 1) ** uniform_number(generator))  # mostly very short
    return Layout(ratio, whole, aside, context, end)


def _draw_detector(settings: BatchSettings, generator: torch.Generator) -> Detector:
    usual = settings.usual_doses and uniform_number(generator) < settings.usual_doses
    return random_detector(generator, USUAL_DOSES if usual else DOSE_RANGE)


def level_and_spread(measured: list[Measured], generator: torch.Generator) -> tuple[float, float]:
    """Normalisation of a movie of which crops are seen: near that of the crops, not equal to it.

    Returns
    -------
    tuple of float
        Mean and standard deviation, for :func:`normalise`.
    """
    mean = torch.cat([one.mean[one.exposures > 0] for one in measured])
    spread = mean.std() * torch.exp(0.1 + 0.25 * _normal(generator)) + 1e-6
    level = mean.mean() + 0.3 * spread * _normal(generator)
    return float(level), float(spread)


def _encode(
    scene: Tensor,
    whole: Whole | None,
    masks: Tensor,
    layout: Layout,
    detector: Detector,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """One movie (T, H, W), and what it was cut from → a row for :func:`join`."""
    values, truth = expose(scene, detector, generator)
    measured = measure(values, masks, layout)
    level, spread = level_and_spread([measured], generator)
    wrong = float(torch.exp(0.05 + 0.12 * _normal(generator)))  # noise models are estimates
    scaled, sigma = normalise(
        measured.mean, measured.exposures, detector.noise_model(), (level, spread)
    )
    clean = (truth - level) / spread
    one_frame = float(detector.noise_model().variance(truth).mean()) / spread**2
    signal = (truth - detector.pedestal) / spread
    fixed = detector.gain_map_std**2 * float(signal.square().mean())
    told = draw_persistence(clean, one_frame, generator, whole, fixed)
    offsets = draw_offsets(clean, generator)[layout.decoded]
    return scaled, sigma * wrong**0.5, measured.masks, clean[layout.decoded], told, offsets


def _normal(generator: torch.Generator) -> Tensor:
    return torch.randn((), generator=generator, device=generator.device)
