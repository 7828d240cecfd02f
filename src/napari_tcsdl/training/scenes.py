"""What a source of movies to train on gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .lasting import Whole


@dataclass(frozen=True, eq=False)
class Scenes:
    """Movies to train on, and what they were cut from.

    Attributes
    ----------
    frames
        Intensities (count, T, H, W), 1 where nothing is.
    wholes
        One each; None where a scene is all that there is, or where it moved over the movie.
    """

    frames: Tensor
    wholes: tuple[Whole | None, ...]

    @classmethod
    def alone(cls, frames: Tensor) -> Self:
        """Scenes that are cut from nothing."""
        return cls(frames, (None,) * len(frames))

    def and_then(self, others: Scenes) -> Scenes:
        """Return these scenes, then the others."""
        return Scenes(torch.cat([self.frames, others.frames]), self.wholes + others.wholes)


Movies = Callable[[int, tuple[int, int, int], torch.Generator], Scenes]
"""``(count, (T, H, W), generator)`` → so many movies, on the device of the generator."""
