"""Weights of a network so small that it learns within a test, and a movie that it can learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_tcsdl.display.training_job import TrainingJob
from napari_tcsdl.reconstruction import Checkpoint, save_checkpoint
from napari_tcsdl.training.objective import build_net

CONFIG = {"width": 8, "deep_width": 8, "stages": 1, "shifts": [1, 1, 1]}
CONFIG |= {"deviation_width": 8, "persistence_width": 4}
ABOUT = {
    "decoder": "unfolding",
    "mask_kinds": ["balanced"],
    "compression_ratios": [2, 6],
    "normalisation": "none",
    "training_data": "none",
    "seed": 0,
    "commit": "none",
    "scores": {},
}


def write_tiny_weights(path: Path) -> Path:
    """Write untrained weights, which nearly anything makes better."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net, _ = build_net("unfolding", CONFIG)
    save_checkpoint(path, Checkpoint(CONFIG, net.state_dict(), ABOUT))
    return path


def expected_counts(n_frames: int = 24, height: int = 40, width: int = 36) -> np.ndarray:
    """A lattice that drifts, (T, H, W) expected electrons."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    return 20 + 10 * np.sin(2 * np.pi * (x + 0.5 * t) / 9) * np.cos(2 * np.pi * y / 7)


def counted_frames(n_frames: int = 24, height: int = 40, width: int = 36) -> np.ndarray:
    """Electrons counted behind it, (T, H, W) uint8."""
    mean = expected_counts(n_frames, height, width)
    return np.random.default_rng(3).poisson(mean).astype(np.uint8)


def learn_fast(monkeypatch, steps: int = 24, rate: float = 1e-2, check_every: int = 8) -> None:
    """Few steps and large ones; all else is as it is for users."""
    how = TrainingJob._how
    monkeypatch.setattr("napari_tcsdl.display.training_job.STEPS", steps)
    monkeypatch.setattr(
        TrainingJob,
        "_how",
        lambda job, *, on_cpu: replace(how(job, on_cpu=on_cpu), rate=rate, check_every=check_every),
    )
