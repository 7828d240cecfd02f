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

GRID = 4
"""Windows along each side of a large frame, from which the data range is taken."""

WINDOW = 192
"""[px] Side of such a window."""

WINDOW_HALO = 16
"""[px] Margin that is denoised and cut off."""


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
        windows = spread_windows(movie.sample(2**21))
        sample = _denoise(windows, statistics.noise, lambda _: progress(0.0))
        # What non-local means did at the edge of a window it did with half of its neighbours.
        if windows.shape[1:] != movie.shape[1:]:
            sample = sample[:, WINDOW_HALO:-WINDOW_HALO, WINDOW_HALO:-WINDOW_HALO]
    return Reference(
        kind=kind,
        description=description,
        data_range=metrics.data_range_of(sample),
        noise=statistics.noise,
        truth=truth if kind == "truth" else None,
    )


def spread_windows(frames: NDArray[Any]) -> NDArray[Any]:
    """Cut large frames into windows spread over the whole field; small ones are kept whole.

    Denoising a 4096² frame takes a minute, and its range is known from a sample of its pixels.

    Parameters
    ----------
    frames
        (n, H, W).

    Returns
    -------
    NDArray
        (n · 16, WINDOW, WINDOW), or ``frames``.
    """
    height, width = frames.shape[1:]
    if height * width <= GRID * GRID * WINDOW**2 or min(height, width) < WINDOW:
        return frames
    tops, lefts = (np.linspace(0, size - WINDOW, GRID).astype(int) for size in (height, width))
    return np.concatenate([frames[:, y : y + WINDOW, x : x + WINDOW] for y in tops for x in lefts])
