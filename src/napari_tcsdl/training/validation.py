"""Scores of a network on movies that it is never trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from .batches import Batch, BatchSettings, make_batch
from .objective import Objective, fitting_batches
from .scenes import Movies
from .settings import TrainSettings
from .sources import held_out_names, held_out_scenes

VALIDATION = BatchSettings(crop=96, pixels=1_200_000, core_frames=30)
"""Batches to validate on: larger than those to train on, so that their score is steady."""

RATIOS = (10, 30)
"""B of these batches."""

SEED = 10**6
"""Far from the seeds that are trained with."""


def validation_batches(
    sources: Mapping[str, Movies], settings: BatchSettings, ratios: tuple[int, ...], seed: int
) -> dict[str, Batch]:
    """Batches by name of source and B, with balanced masks; the same for the same seed.

    For the least B there is one more, ``…_end``: only the last block of its movies is scored, which
    holds fewer than B frames. Weights that never saw such an end can fail there, and nowhere else.

    They are made on the CPU, so that they are the same on every device, too.
    """
    batches = {}
    for name, movies in sources.items():
        for ratio in ratios:
            generator = torch.Generator().manual_seed(seed + ratio)
            fixed = replace(settings, ratios=(ratio, ratio), bernoulli=0.0, short_ends=0.0)
            batches[f"{name}_B{ratio}"] = make_batch(movies, fixed, generator)
        if settings.short_ends > 0:
            batches[f"{name}_B{min(ratios)}_end"] = _short_end(movies, settings, min(ratios), seed)
    return batches


def fixed_batches(settings: TrainSettings) -> dict[str, Batch]:
    """Batches by name that a run is validated on, the same for all runs of such settings."""
    usual = replace(VALIDATION, ratios=settings.batch.ratios)
    fixed = fitting_batches(settings.decoder, settings.config, usual)
    scenes = held_out_scenes(settings.library, settings.held_out or [])
    return validation_batches(scenes, fixed, ratios_within(settings.batch.ratios), SEED)


def at_library(settings: TrainSettings, library: str | None) -> TrainSettings:
    """Return settings with the library where it lies now, and what is held out of it there.

    Which files are held out is in their names, the same for all runs: none was ever trained on.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if library is None:
        return settings
    return replace(settings, library=library, held_out=held_out_names(library))


def _short_end(movies: Movies, settings: BatchSettings, ratio: int, seed: int) -> Batch:
    """Movies that end within a block, of which only the frames of that block are scored."""
    generator = torch.Generator().manual_seed(seed)
    cut = replace(settings, ratios=(ratio, ratio), bernoulli=0.0, short_ends=1.0)
    batch = make_batch(movies, cut, generator)
    n_frames = batch.truth.shape[1]
    return batch._replace(core=slice(n_frames - batch.coded.lengths[-1], n_frames))


def ratios_within(ratios: tuple[int, int]) -> tuple[int, ...]:
    """Those of :data:`RATIOS` that are trained for; the largest trained where none is."""
    low, high = ratios
    return tuple(ratio for ratio in RATIOS if low <= ratio <= high) or (high,)


@torch.inference_mode()
def score(net: nn.Module, objective: Objective, batches: Mapping[str, Batch]) -> dict[str, float]:
    """Mean over movies of the PSNR [dB] over p99.9 − p0.1 of each truth, per batch; coverage.

    ``inside`` is the share of the truth within one predicted standard deviation: 0.68 is right.
    It is left out where the network predicts none.
    """
    scores: dict[str, float] = {}
    inside = []
    for name, batch in batches.items():
        answer = objective.answer(net, batch)
        error = (answer.frames - batch.truth)[:, batch.core]
        truth = batch.truth[:, batch.core].flatten(1)
        low, high = (_percentile(truth, p) for p in (0.1, 99.9))
        squared = error.square().flatten(1).mean(1).clamp(min=1e-12)
        span = (high - low).clamp(min=1e-6)  # a truth that is the same everywhere
        scores[name] = float((20 * torch.log10(span) - 10 * torch.log10(squared)).mean())
        if answer.log_sigma is not None:
            sigma = answer.log_sigma[:, batch.core].exp()
            inside.append(float((error.abs() < sigma).float().mean()))
    if inside:
        scores["inside"] = sum(inside) / len(inside)
    return scores


def _percentile(values: Tensor, percent: float) -> Tensor:
    return values.kthvalue(max(1, round(values.shape[1] * percent / 100)), dim=1).values
