"""Two halves of a movie's electrons in files, and frames judged by the half they never saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._sampled import evenly_spaced
from ..encoding import MovieStatistics
from ..frc import FrcCurve
from ..held_out_frames import MOST_PIXELS, held_out_scores
from ..movie import Movie
from ..noise import NoiseModel
from .frames import FrameFile, Part
from .rival_facts import HeldOutScore


@dataclass(frozen=True)
class Judged:
    """A score with the ``dependence`` of the halves, or why there is none."""

    score: HeldOutScore | None = None
    dependence: float | None = None
    reason: str | None = None


class SampledFrames:
    """Frames of a movie (T, H, W) of which those that are scored stay in memory, no others.

    Parameters
    ----------
    shape
        (T, H, W) of the whole movie.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self._wanted = evenly_spaced(shape, MOST_PIXELS)
        self._kept: dict[int, NDArray[np.float32]] = {}

    def keep(self, first: int, frames: NDArray[Any]) -> None:
        """Take what is scored of consecutive frames that begin at ``first``."""
        for index in self._wanted:
            if first <= index < first + len(frames):
                # A copy: a view would keep all of them.
                self._kept[index] = frames[index - first].astype(np.float32, copy=True)

    def __getitem__(self, key: slice) -> NDArray[np.float32]:
        """Frames of a slice along time, which must be there."""
        return np.stack([self._kept[index] for index in range(*key.indices(self.shape[0]))])


@dataclass(frozen=True)
class Halves:
    """What is the same for all rivals.

    Attributes
    ----------
    kept, target
        The half that rivals are given, and that which judges them.
    noise
        Of either half.
    statistics
        Of the kept half, as a lab would measure them on it: codecs map their pixels by its range,
        and sums are rounded by its noise.
    data_range
        Of PSNR [detector units of a half].
    pixel_size
        [Å px⁻¹], or None.
    segments
        (first frame, last + 1) of what is in memory together.
    """

    kept: FrameFile
    target: FrameFile
    noise: NoiseModel
    statistics: MovieStatistics
    data_range: float
    pixel_size: float | None
    segments: tuple[tuple[int, int], ...]

    def movie(self, file: FrameFile) -> Movie:
        """One of the halves as a movie."""
        whole = Part(file, 0, file.shape[0])
        return Movie(whole, name=file.path.name, pixel_size=self.pixel_size)

    def judged(self, frames: SampledFrames, quality: float | None, n_bytes: int) -> Judged:
        """Score frames that were made of the kept half."""
        found = held_out_scores(
            frames,
            self.movie(self.target),
            self.noise,
            data_range=self.data_range,
            kept=self.movie(self.kept),
        )
        assert found.corrected is not None  # since there is a kept half
        score = HeldOutScore(
            quality=quality,
            n_bytes=n_bytes,
            mse=found.mse,
            mse_error=found.mse_error,
            psnr=found.psnr,
            psnr_error=found.psnr_error,
            resolution=known_resolution(found.corrected),
            n_frames=found.n_frames,
        )
        return Judged(score, found.dependence)


def known_resolution(corrected: FrcCurve) -> float:
    """Return where a corrected FRC falls below ½, over those rings in which the halves agree.

    Others say nothing of a rival: between the reflections of a lattice, say, there is no scene.
    """
    known = corrected.deviations > 0
    if not known.any():
        return math.inf
    rings = (corrected.frequencies, corrected.values, corrected.deviations)
    return FrcCurve(*(ring[known] for ring in rings)).resolution()
