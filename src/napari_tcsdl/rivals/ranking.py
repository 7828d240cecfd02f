"""Who is ahead of whom, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .points import BEST_BELOW, OURS, RAW_OVER_B, SAME_BYTES, RatePoint, Rival, Study

TIE_ERRORS = 1.0
"""Standard errors within which two codecs tie: few, since calling a defeat a tie would suit us."""

FEWEST_BLOCKS = 3
"""Blocks from which a standard error is taken; of fewer, frames count as independent."""


@dataclass(frozen=True)
class Score:
    """A score by which points are ranked: higher is better."""

    name: str
    unit: str
    digits: int
    mean: Callable[[RatePoint], float]
    frames: Callable[[RatePoint], Sequence[float]]

    def text(self, value: float) -> str:
        """Write a value with its unit."""
        if math.isinf(value):
            return f"∞{self.unit}"
        return f"{value:.{self.digits}f}{self.unit}"


PSNR = Score("PSNR", " dB", 2, lambda point: point.psnr, lambda point: point.psnr_frames)
SSIM = Score("SSIM", "", 3, lambda point: point.ssim, lambda point: point.ssim_frames)


def difference(
    one: RatePoint, other: RatePoint, score: Score, block: int
) -> tuple[float, float] | None:
    """Return the mean difference of two points and its standard error, frame against frame.

    Frames of one block share a measurement and are not independent: the error is that of the
    means of blocks where there are enough of them.

    Parameters
    ----------
    one, other
        Points with scores of single frames.
    score
        Which.
    block
        B, frames that share a measurement.

    Returns
    -------
    tuple or None
        None where the frames say nothing: none were kept, one is without error, or there is but
        one frame.
    """
    first, second = score.frames(one), score.frames(other)
    if len(first) != len(second):
        return None
    differences = [a - b for a, b in zip(first, second, strict=True)]
    parts = [differences[start : start + block] for start in range(0, len(differences), block)]
    finite = [[gap for gap in part if math.isfinite(gap)] for part in parts]
    blocks = [float(np.mean(part)) for part in finite if part]
    gaps = [gap for part in finite for gap in part]
    sample = blocks if len(blocks) >= FEWEST_BLOCKS else gaps
    if len(sample) < 2:
        return None
    return float(np.mean(gaps)), float(np.std(sample, ddof=1) / math.sqrt(len(sample)))


@dataclass(frozen=True)
class Entry:
    """A rival at one of its points."""

    rival: Rival
    point: RatePoint

    @property
    def ours(self) -> bool:
        """Whether it is a coded measurement."""
        return self.rival.kind == OURS


def ranked(study: Study, purpose: str, score: Score) -> list[Entry]:
    """Return who has a point for ``purpose``, the best first."""
    entries = [
        Entry(rival, point) for rival in study.rivals if (point := rival.point(purpose)) is not None
    ]
    return sorted(entries, key=lambda entry: -score.mean(entry.point))


def ahead(study: Study, first: Entry, second: Entry, score: Score) -> tuple[bool, str]:
    """Say whether ``first`` is ahead by more than chance, and by how much in words."""
    found = difference(first.point, second.point, score, study.compression_ratio)
    if found is None:
        gap = score.mean(first.point) - score.mean(second.point)
        gap = 0.0 if math.isnan(gap) else gap  # both without error
        return gap > 0, f"by {score.text(gap)}"
    gap, error = found
    words = f"by {gap:.{score.digits}f} ± {error:.{score.digits}f}{score.unit}"
    return gap > TIE_ERRORS * error, words


def judged_point(rival: Rival) -> RatePoint | None:
    """Return the point at whose quality held-out electrons judge: the best at any size up to raw/B.

    Of ours it is that of the study's B.
    """
    if rival.kind == OURS:
        return rival.point(SAME_BYTES)
    return rival.point(BEST_BELOW) or rival.point(RAW_OVER_B)
