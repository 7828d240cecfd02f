"""Seams between measurements: a reader who scrubs must not see one at every Bth frame.

From the last frame of a block to the first of the next the estimate changes by what the specimen
does and by the difference of two measurements' errors; inside a block errors are much the same, and
only the specimen changes. So where frames change more across a seam than beside it, both are moved
towards each other until they change as much as beside it: a deblocking filter, in time. Changes
that the stated deviation does not explain are events, which may fall between two blocks, too.

The deviation stays as it is: these frames' mean square error becomes smaller by parts of a percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor
from torch.nn import functional

REACH = 8
"""Pixels around a pixel over which changes are averaged."""

_SMALL = 2  # [px] the same for events: one that fills little of the surroundings is one, too
_NEAR = 4  # changes on either side that tell what the specimen does
_MOST = 0.25  # of the difference, by which either frame is moved
# Mean square change over the sum of both variances. Errors of neighbouring blocks are alike for the
# greater part, so that what they do not share explains half of it at most.
_EXPLAINED, _EVENT = 0.5, 1.0
_TINY = 1e-12  # of the movie's variance: where nothing changes nothing is divided by nothing


def even_seams(frames: Tensor, deviation: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return frames that change across seams as they do beside them.

    Parameters
    ----------
    frames
        Estimate (T, H, W) of consecutive segments, normalised; left as it is.
    deviation
        Its stated standard deviation, same shape and unit.
    lengths
        Frames of each segment: they sum to T. A segment of one frame, which is its own
        measurement, is left alone.
    """
    seams = list(accumulate(lengths))[:-1]  # the first frame after each
    moved = frames.clone()
    changes: dict[int, Tensor] = {}  # mean square, by the frame that they lead to
    for seam, before, after in zip(seams, lengths, lengths[1:], strict=False):
        near = range(max(seam - _NEAR, 1), min(seam + _NEAR + 1, len(frames)))
        changes = {to: changes[to] if to in changes else _change(frames, to) for to in near}
        beside = [changes[to] for to in near if to not in seams]
        if not beside or min(before, after) == 1:
            continue
        inside = sum(beside[1:], beside[0]) / len(beside)
        share = (1 - (inside / changes[seam].clamp(min=_TINY)).sqrt()) / 2
        pair = slice(seam - 1, seam + 1)
        share = share.clamp(0, _MOST) * _no_event(changes[seam], frames[pair], deviation[pair])
        step = share * (frames[seam] - frames[seam - 1])
        moved[seam - 1] += step
        moved[seam] -= step
    return moved


def _no_event(change: Tensor, pair: Tensor, deviation: Tensor) -> Tensor:
    """1 (H, W) where the deviation explains how both frames (2, H, W) differ, 0 where it cannot."""
    variance = deviation.square().sum(0, keepdim=True)
    wide = change / _around(variance, REACH)[0].clamp(min=_TINY)
    small = _change(pair, 1, _SMALL) / _around(variance, _SMALL)[0].clamp(min=_TINY)
    return 1 - ((wide.maximum(small) - _EXPLAINED) / (_EVENT - _EXPLAINED)).clamp(0, 1)


def _change(frames: Tensor, to: int, reach: int = REACH) -> Tensor:
    """Mean square change (H, W) around each pixel from the frame before ``to`` to it."""
    return _around(frames[to - 1 : to + 1].diff(dim=0).square(), reach)[0]


def _around(values: Tensor, reach: int) -> Tensor:
    """Mean of values (1, H, W) over the pixels within ``reach`` rows and columns of each."""
    side = 2 * reach + 1
    for kernel, padding in (((side, 1), (reach, 0)), ((1, side), (0, reach))):
        values = functional.avg_pool2d(values, kernel, 1, padding, count_include_pad=False)
    return values
