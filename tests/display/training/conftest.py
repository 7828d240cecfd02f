"""A short job of fine-tuning with weights that learn fast."""

from __future__ import annotations

import pytest
from tiny_weights import counted_frames, write_tiny_weights
from training_helpers import MINUTES

from napari_tcsdl.display.training_job import TrainingJob
from napari_tcsdl.movie import Movie
from napari_tcsdl.settings import Settings


@pytest.fixture(autouse=True)
def small_networks(one_thread):
    """Everything here learns on one thread."""


@pytest.fixture
def settings(tmp_path) -> Settings:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    return Settings(compression_ratio=4, weights=str(weights), device="cpu", mask_tile=16)


@pytest.fixture
def job(tmp_path, settings) -> TrainingJob:
    movie = Movie(counted_frames(), name="counted.tif")
    return TrainingJob(7, movie, settings, tmp_path / "out" / "tuned.safetensors", MINUTES)
