"""What scores are taken against: truth, raw frames, or denoised raw frames; always named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import metrics
from ._validation import InputError
from .denoise import DENOISED_REFERENCE, denoise_reference
from .movie import Movie
from .noise import NoiseModel
from .pipeline import MovieStatistics, Progress, no_progress


@dataclass(frozen=True, eq=False)
class Reference:
    """What scores are taken against, with one data range for the whole movie."""

    kind: str
    description: str
    data_range: float
    noise: NoiseModel
    truth: Movie | None = None

    def frames(
        self, raw: NDArray[Any], first_frame: int, progress: Progress = no_progress
    ) -> NDArray[np.float32]:
        """Return reference frames (n, H, W) for raw frames that begin at ``first_frame``."""
        if self.truth is not None:
            return self.truth.read(first_frame, first_frame + len(raw)).astype(np.float32)
        if self.kind == "raw":
            return raw.astype(np.float32)
        return _denoise(raw, self.noise, progress)


def _denoise(frames: NDArray[Any], noise: NoiseModel, progress: Progress) -> NDArray[np.float32]:
    """Denoise a few frames at a time, so that the work can be followed and stopped."""
    step = os.cpu_count() or 1
    denoised = []
    for start in range(0, len(frames), step):
        progress(start / len(frames))
        denoised.append(denoise_reference(frames[start : start + step], noise))
    return np.concatenate(denoised)


def make_reference(
    movie: Movie,
    kind: str,
    statistics: MovieStatistics,
    truth: Movie | None,
    progress: Progress = no_progress,
) -> Reference:
    """Choose the reference and measure its data range, p99.9 − p0.1.

    Raises
    ------
    InputError
        If truth is asked for and missing, or its shape differs from the movie's.
    """
    if kind == "truth":
        if truth is None:
            raise InputError(
                "got reference 'truth' without a truth movie, expected a noise-free movie of the "
                "same shape; name its file, or choose reference 'denoised' or 'raw'"
            )
        if truth.shape != movie.shape:
            raise InputError(
                f"got a truth of {truth.shape} for a movie of {movie.shape} (T, H, W), expected "
                "equal shapes; name the truth that belongs to this movie"
            )
        description, sample = f"truth: {truth.name}", truth.sample()
    elif kind == "raw":
        description, sample = "raw frames as recorded", movie.sample()
    else:
        description, truth = DENOISED_REFERENCE, None
        # The middle of large frames will do for the range, and costs seconds, not minutes.
        middle = _middle(movie.sample(2**21), 512)
        sample = _denoise(middle, statistics.noise, lambda _: progress(0.0))
    return Reference(
        kind=kind,
        description=description,
        data_range=metrics.data_range_of(sample),
        noise=statistics.noise,
        truth=truth if kind == "truth" else None,
    )


def _middle(frames: NDArray[Any], side: int) -> NDArray[Any]:
    top, left = (max(0, size - side) // 2 for size in frames.shape[1:])
    return frames[:, top : top + side, left : left + side]
