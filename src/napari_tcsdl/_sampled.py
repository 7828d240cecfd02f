"""A bounded number of frames of a movie of any length: evenly spaced, or consecutive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .movie import FrameSource


def evenly_spaced(shape: tuple[int, ...], most_pixels: int) -> list[int]:
    """Choose frames of a movie (T, H, W), at least one, that hold at most ``most_pixels``."""
    n_frames, height, width = shape
    count = int(np.clip(most_pixels // (height * width), 1, n_frames))
    return sorted({round(place) for place in np.linspace(0, n_frames - 1, count)})


def read_frames(source: FrameSource, indices: list[int]) -> NDArray[np.float32]:
    """Read single frames, (n, H, W)."""
    return np.concatenate([np.asarray(source[i : i + 1], np.float32) for i in indices])


@dataclass(frozen=True, eq=False)
class Consecutive:
    """Consecutive frames of a longer movie; nothing is read before it is asked for."""

    source: FrameSource
    frames: range

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W)."""
        return (len(self.frames), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the movie."""
        return self.source.dtype

    def __getitem__(self, key: slice) -> NDArray[Any]:
        chosen = self.frames[key]
        return np.asarray(self.source[chosen.start : chosen.stop])
