"""Batches for training: movies with known truth, coded by fresh masks at every step.

Everything is made on one device, that of the random generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._validation import InputError
from ..reconstruction.unfolding import CodedSequence, normalise
from ..simulate.detectors import Detector, expose, random_detector

Movies = Callable[[int, tuple[int, int, int], torch.Generator], Tensor]
"""``(count, (T, H, W), generator)`` → intensities (count, T, H, W), 1 where nothing is, on the
device of the generator."""

SIDE_STEP = 4
"""Sides of crops are multiples of this [px]: networks halve the resolution twice."""

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
    core_frames
        Whole blocks are taken until about so many frames.
    context_frames
        Frames of each neighbouring measurement that are decoded along; 0 for no neighbours.
    bernoulli
        Share of batches with masks of independent pixels, p = 0.5; the others are balanced.

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
        if not 0 <= self.bernoulli <= 1:
            raise InputError(
                f"got a share {self.bernoulli:g} of bernoulli masks, expected 0 … 1; give for "
                "example 0.12"
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
    core: slice  # frames of whole blocks; those beside them are context

    def to(self, device: torch.device) -> Batch:
        """Copy to ``device``."""
        mean, sigma, masks = (part.to(device) for part in self.coded[:3])
        coded = CodedSequence(mean, sigma, masks, self.coded.lengths, self.coded.ratio)
        return Batch(coded, self.truth.to(device), self.core)


class Layout(NamedTuple):
    """Blocks of a batch: ``whole`` blocks of B frames, ``aside`` more frames on either side.

    Of the frames aside only the ``context`` nearest are decoded.
    """

    ratio: int
    whole: int
    aside: int
    context: int

    @property
    def blocks(self) -> list[int]:
        """Frames of each measurement."""
        aside = [self.aside] if self.aside else []
        return [*aside, *[self.ratio] * self.whole, *aside]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of each measurement that are decoded."""
        aside = [self.context] if self.context else []
        return (*aside, *[self.ratio] * self.whole, *aside)

    @property
    def core(self) -> slice:
        """Frames of whole blocks among those that are decoded."""
        return slice(self.context, self.context + self.ratio * self.whole)

    @property
    def decoded(self) -> slice:
        """Frames that are decoded among all."""
        unused = self.aside - self.context
        return slice(unused, sum(self.blocks) - unused)

    def within(self, n_frames: int) -> Layout:
        """Leave out blocks, first those aside, until ``n_frames`` hold them; B at most that."""
        ratio = min(self.ratio, n_frames)
        if ratio * self.whole + 2 * self.aside <= n_frames:
            return self
        return Layout(ratio, min(self.whole, n_frames // ratio), 0, 0)


class Measured(NamedTuple):
    """One coded movie, in the units of its frames."""

    mean: Tensor  # (M, H, W), Ȳ = Y ⊘ Σ C of each measurement
    exposures: Tensor  # (M, H, W), Σ C
    masks: Tensor  # (T', H, W), of the frames that are decoded


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
    masks = draw_masks(count, layout.ratio, side, settings.bernoulli, generator)
    rows = [
        _encode(scene, mask, layout, random_detector(generator), generator)
        for scene, mask in zip(scenes, masks, strict=True)
    ]
    return join(rows, layout)


def movies_of(layout: Layout, settings: BatchSettings) -> int:
    """Movies of which a batch has about the pixels of ``settings``."""
    return max(1, round(settings.pixels / (sum(layout.lengths) * settings.crop**2)))


def join(rows: list[tuple[Tensor, Tensor, Tensor, Tensor]], layout: Layout) -> Batch:
    """Make a batch of each movie's normalised Ȳ and σ (M, H, W), masks and truth (T', H, W)."""
    mean, sigma, masks, truth = (torch.stack(parts) for parts in zip(*rows, strict=True))
    coded = CodedSequence(mean, sigma, masks, layout.lengths, layout.ratio)
    return Batch(coded, truth, layout.core)


def draw_masks(
    count: int, ratio: int, side: int, bernoulli: float, generator: torch.Generator
) -> Tensor:
    """Draw masks (count, B, side, side) of a random kind; one kind a batch.

    Balanced masks open every pixel exactly n times, n between B/4 and B/2 (selection sampling,
    Knuth, TAOCP 2, Algorithm 3.4.2S).
    """
    shape, device = (count, ratio, side, side), generator.device
    uniform = torch.rand(shape, generator=generator, device=device)
    if _uniform(generator) < bernoulli:
        return (uniform < 0.5).float()
    usual = ratio // 2 if ratio < 20 else ratio // 4
    drawn = round(ratio * (0.25 + 0.25 * _uniform(generator)))
    exposures = max(1, usual if _uniform(generator) < 0.75 else drawn)
    need = torch.full((count, side, side), float(exposures), device=device)
    masks = torch.empty(shape, device=device)
    for frame in range(ratio):
        masks[:, frame] = uniform[:, frame] * (ratio - frame) < need
        need -= masks[:, frame]
    return masks


def draw_layout(settings: BatchSettings, generator: torch.Generator) -> Layout:
    """Draw B, the number of whole blocks, and whether they have neighbours."""
    low, high = settings.ratios
    ratio = min(int(low * ((high + 1) / low) ** _uniform(generator)), high)
    most = max(1, settings.core_frames // ratio)
    whole = 1 + int(most * _uniform(generator))
    neighbours = _uniform(generator) < 0.6 and settings.context_frames > 0
    aside = min(ratio, _LONGEST_ASIDE) if neighbours else 0
    return Layout(ratio, whole, aside, min(aside, settings.context_frames))


def measure(values: Tensor, masks: Tensor, layout: Layout) -> Measured:
    """Encode the frames (T, H, W) of one movie with ``masks`` (B, H, W), the same in each block."""
    means, exposures, used = [], [], []
    for frames in torch.split(values, layout.blocks):
        mask = masks[: len(frames)]
        seen = mask.sum(0)
        means.append((mask * frames).sum(0) / seen.clamp(min=1))
        exposures.append(seen)
        used.append(mask)
    return Measured(torch.stack(means), torch.stack(exposures), torch.cat(used)[layout.decoded])


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
    scene: Tensor, masks: Tensor, layout: Layout, detector: Detector, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One movie (T, H, W) → normalised Ȳ and σ (M, H, W), masks and truth (T', H, W)."""
    values, truth = expose(scene, detector, generator)
    measured = measure(values, masks, layout)
    level, spread = level_and_spread([measured], generator)
    wrong = float(torch.exp(0.05 + 0.12 * _normal(generator)))  # noise models are estimates
    scaled, sigma = normalise(
        measured.mean, measured.exposures, detector.noise_model(), (level, spread)
    )
    target = (truth[layout.decoded] - level) / spread
    return scaled, sigma * wrong**0.5, measured.masks, target


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, device=generator.device))


def _normal(generator: torch.Generator) -> Tensor:
    return torch.randn((), generator=generator, device=generator.device)
