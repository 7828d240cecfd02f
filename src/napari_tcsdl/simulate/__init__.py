"""Movies with known truth, made from a seed, and the sample movie that comes with the package."""

from .grains import GrainSettings, expected_counts, simulate_grains
from .sample import SAMPLE_SETTINGS, sample_movie_path, sample_truth, write_sample

__all__ = [
    "SAMPLE_SETTINGS",
    "GrainSettings",
    "expected_counts",
    "sample_movie_path",
    "sample_truth",
    "simulate_grains",
    "write_sample",
]
