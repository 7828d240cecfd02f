"""What a decoder is given and what it must return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..measurement import Phi
from ..noise import NoiseModel
from ..persistence import Persistence

Progress = Callable[[float], None]
"""Called with the fraction done, 0 … 1; may raise ``Cancelled`` to stop the work."""


@dataclass(frozen=True)
class BlockContext:
    """Physics that a decoder may use; one and the same for every tile and block of a movie.

    Attributes
    ----------
    value_range
        Lowest and highest value that the movie's frames hold [detector units]. Decoders
        normalise by it; results may lie outside.
    noise
        Noise of one frame, or None where it is unknown or the movie is clean.
    mean, spread
        Mean and standard deviation over the whole frame of Ȳ = Y ⊘ Σ_b C_b [detector units],
        typical of the movie's measurements; None where only one measurement is at hand.
    compression_ratio
        B of the movie, which the last block and partial segments do not tell; None where only
        one measurement is at hand.
    openness
        Share of the frames in which masks of the movie's kind expose a pixel, which the masks of
        a tile tell only nearly; None where only one measurement is at hand.
    persistence
        How long the movie's structure lasts, from raw frames; None where it is unknown.
    """

    value_range: tuple[float, float]
    noise: NoiseModel | None = None
    mean: float | None = None
    spread: float | None = None
    compression_ratio: int | None = None
    openness: float | None = None
    persistence: Persistence | None = None


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of consecutive frames that one measurement covers.

    Attributes
    ----------
    y
        (H, W), Σ_b C_b ⊙ X_b over the frames of this segment [detector units]. Of a measurement
        that lies in the segment only in part, the share that these frames are expected to have:
        Ȳ times their exposures.
    phi
        Masks of exactly these frames.
    whole
        Ȳ (H, W) [detector units] and exposures Σ C (H, W) of the whole measurement; None where
        the segment holds all of it. They tell of pixels that no frame of the segment exposes.
    positions
        Where the specimen lies in each of these frames (n, 2), (y, x) [px]; None where that is not
        known.
    """

    y: Tensor
    phi: Phi
    whole: tuple[Tensor, Tensor] | None = None
    positions: NDArray[np.float64] | None = None

    @property
    def n_frames(self) -> int:
        """Frames of this segment, at least one."""
        return self.phi.compression_ratio

    def normalised(self) -> tuple[Tensor, Tensor]:
        """Ȳ (H, W) [detector units] and exposures (H, W) of the whole measurement."""
        return self.whole or (self.phi.normalise(self.y), self.phi.mask_sum)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a decoder makes of consecutive segments.

    Attributes
    ----------
    frames
        (T, H, W), the frames of all segments in order [detector units].
    uncertainty
        (T, H, W), standard deviation of each value [detector units], or None.
    """

    frames: Tensor
    uncertainty: Tensor | None = None


class Reconstructor(Protocol):
    """A decoder: coded measurements → the frames of their blocks."""

    @property
    def name(self) -> str:
        """Key in ``RECONSTRUCTORS``."""
        ...

    @property
    def halo(self) -> int:
        """Pixels around a tile that influence it: tiles overlap by this much."""
        ...

    @property
    def align(self) -> int:
        """Tiles are decoded in windows that begin at multiples of this [px]."""
        ...

    @property
    def splits_work(self) -> bool:
        """Whether its operations are long enough to be split among the threads of a CPU."""
        ...

    @property
    def context_frames(self) -> int:
        """Frames of the measurements before and after that are decoded along; 0 for none."""
        ...

    @property
    def follows(self) -> bool:
        """Whether a specimen that drifts is looked for where it was, so that tiles reach there."""
        ...

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W) in detector units, on the device of ``y``."""
        ...

    def decode(
        self, segments: Sequence[Segment], context: BlockContext, progress: Progress
    ) -> Estimate:
        """Reconstruct consecutive segments together, on the device of their ``y``."""
        ...


class BlockByBlock:
    """Base of decoders that know one measurement at a time; they add ``__call__``."""

    align: ClassVar[int] = 1
    splits_work: ClassVar[bool] = False
    context_frames: ClassVar[int] = 0
    follows: ClassVar[bool] = False

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W); see :class:`Reconstructor`."""
        raise NotImplementedError

    def decode(
        self, segments: Sequence[Segment], context: BlockContext, progress: Progress
    ) -> Estimate:
        """Reconstruct each segment by itself."""
        count = len(segments)
        frames = [
            self(segment.y, segment.phi, context, _part_of(progress, index, count))
            for index, segment in enumerate(segments)
        ]
        return Estimate(frames[0] if count == 1 else torch.cat(frames, dim=-3))


def _part_of(progress: Progress, index: int, count: int) -> Progress:
    """Map the progress of part ``index`` of ``count`` to the progress of the whole."""
    return lambda fraction: progress((index + fraction) / count)
