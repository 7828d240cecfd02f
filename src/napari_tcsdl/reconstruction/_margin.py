"""Room around frames into which those of a specimen that drifts are shifted."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ._unfolding_net import CodedSequence


def margin_of(offsets: Tensor | None, multiple: int) -> int:
    """Pixels around the frame that ``offsets`` (N, T, 2) [px] need, a multiple of ``multiple``."""
    farthest = 0 if offsets is None else int(offsets.abs().max())
    return -(-farthest // multiple) * multiple


def with_margin(coded: CodedSequence, margin: int, typical: Tensor) -> CodedSequence:
    """Add pixels around the frames that no mask opened.

    All of the margin is alike: whatever of it is shifted where, a tile sees what the frame does.

    Parameters
    ----------
    coded
        Frames of (H, W).
    margin
        Pixels on each side.
    typical
        Noise of each movie's Ȳ (N,), as the margin has it.
    """
    if not margin:
        return coded
    openness = float(coded.masks.mean()) if coded.openness is None else coded.openness
    around = typical[:, None, None, None]
    return coded._replace(
        mean=_pad(coded.mean, margin),
        sigma=_pad(coded.sigma - around, margin) + around,
        masks=_pad(coded.masks, margin),
        openness=openness,
    )


def without_margin(frames: Tensor, margin: int) -> Tensor:
    """Take it off again."""
    height, width = (side - margin for side in frames.shape[-2:])
    return frames[..., margin:height, margin:width]


def _pad(frames: Tensor, margin: int) -> Tensor:
    return functional.pad(frames, (margin,) * 4)
