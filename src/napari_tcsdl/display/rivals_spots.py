"""Where the points of rivals are drawn: bytes, a score, and its error where it has one. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .rivals_text import HELD_OUT

if TYPE_CHECKING:  # codecs and zarr take a second to load
    from ..rivals import RatePoint, Rival


@dataclass(frozen=True)
class Spot:
    """A point where it is drawn: log10 of bytes, the score, and its standard error or 0."""

    name: str
    point: RatePoint
    x: float
    y: float
    error: float = 0.0


def spots_of(rivals: Mapping[str, Rival], what: str) -> list[Spot]:
    """Return what is drawn of the lossy among ``rivals``, each by rising bytes.

    Parameters
    ----------
    rivals
        By name.
    what
        ``psnr``, ``ssim`` or :data:`~napari_tcsdl.display.rivals_text.HELD_OUT`: of that a rival
        has one score at most, at the bytes of the half that it was given.
    """
    lossy = [rival for rival in rivals.values() if rival.kind != "lossless"]
    if what == HELD_OUT:
        return [spot for rival in lossy for spot in _judged(rival)]
    return [
        Spot(rival.name, point, math.log10(point.n_bytes), float(getattr(point, what)))
        for rival in lossy
        for point in sorted(rival.points, key=lambda point: point.n_bytes)
        if math.isfinite(getattr(point, what))
    ]


def _judged(rival: Rival) -> list[Spot]:
    score = rival.held_out
    if score is None or not math.isfinite(score.psnr):
        return []
    error = score.psnr_error if math.isfinite(score.psnr_error) else 0.0
    return [
        Spot(rival.name, point, math.log10(score.n_bytes), score.psnr, error)
        for point in rival.points
        if point.quality == score.quality
    ][:1]
