"""What a decoder is given and what it must return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..measurement import Phi
from ..noise import NoiseModel

Progress = Callable[[float], None]
"""Called with the fraction done, 0 … 1; may raise ``Cancelled`` to stop the work."""


@dataclass(frozen=True)
class BlockContext:
    """Physics that a decoder may use.

    Attributes
    ----------
    value_range
        Lowest and highest value that the movie's frames hold [detector units]. Decoders
        normalise by it; results may lie outside.
    noise
        Noise of one frame, or None where it is unknown or the movie is clean.
    """

    value_range: tuple[float, float]
    noise: NoiseModel | None = None


class Reconstructor(Protocol):
    """A decoder: one coded measurement → the frames of its block."""

    @property
    def name(self) -> str:
        """Key in ``RECONSTRUCTORS``."""
        ...

    @property
    def halo(self) -> int:
        """Pixels around a tile that influence it: tiles overlap by this much."""
        ...

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W) in detector units, on the device of ``y``."""
        ...
