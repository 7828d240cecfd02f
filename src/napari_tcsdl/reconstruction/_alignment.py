"""Frames that follow a specimen which drifts: shifted by whole pixels, and back.

What the network mixes over time has to be of the same place of the specimen. Masks and measurements
belong to pixels of the detector; so the network works on frames that follow the specimen, and
whatever concerns the measurement is computed where the detector was.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Alignment:
    """Shifts by whole pixels; what leaves on one side comes in on the other, so nothing is lost.

    Parameters
    ----------
    offsets
        (N, T, 2), (y, x) [px] by which the specimen lies off in each frame; None for nowhere.
    """

    def __init__(self, offsets: Tensor | None) -> None:
        rows = [] if offsets is None else offsets.round().int().tolist()
        self._offsets: list[list[tuple[int, int]]] | None = rows if _any(rows) else None

    def follow(self, frames: Tensor) -> Tensor:
        """Frames of the detector (N, T, H, W) → frames in which the specimen stays."""
        return self._shifted(frames, -1)

    def undo(self, frames: Tensor) -> Tensor:
        """Frames in which the specimen stays → frames of the detector, (N, T, H, W)."""
        return self._shifted(frames, 1)

    def _shifted(self, frames: Tensor, sign: int) -> Tensor:
        if self._offsets is None:
            return frames
        movies = [
            torch.stack(
                [
                    torch.roll(frame, (sign * y, sign * x), (-2, -1)) if y or x else frame
                    for frame, (y, x) in zip(movie.unbind(0), offsets, strict=True)
                ]
            )
            for movie, offsets in zip(frames.unbind(0), self._offsets, strict=True)
        ]
        return torch.stack(movies)


def _any(rows: list[list[tuple[int, int]]]) -> bool:
    return any(y or x for movie in rows for y, x in movie)
