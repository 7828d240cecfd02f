"""Scenes, batches and networks small enough to train within a test."""

from __future__ import annotations

import torch

from napari_tcsdl.training.batches import BatchSettings, make_batch
from napari_tcsdl.training.scenes import Scenes
from napari_tcsdl.training.settings import TrainSettings

TINY = {"width": 8, "deep_width": 8, "stages": 1, "shifts": [1, 1, 1]}
BATCH = BatchSettings(crop=16, pixels=3000, ratios=(3, 6), core_frames=6, context_frames=3)
CPU = torch.device("cpu")


def still_scenes(count, shape, generator):
    """Smooth random textures that do not move, (count, T, H, W) around 1."""
    x = torch.randn(count, 1, *shape[1:], generator=generator).expand(-1, shape[0], -1, -1)
    return Scenes.alone((1 + torch.nn.functional.avg_pool2d(x, 5, 1, 2)).clamp(min=0.05))


def tiny_settings(**changes):
    """Four steps of a tiny network, however slow the machine is."""
    return TrainSettings(**{"config": TINY, "steps": 4, "minutes": 1e9, "batch": BATCH, **changes})


def tiny_batch(seed=0, settings=BATCH):
    return make_batch(still_scenes, settings, torch.Generator().manual_seed(seed))
