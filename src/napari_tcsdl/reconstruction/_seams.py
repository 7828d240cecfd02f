"""Seams between measurements: a reader who scrubs must not see one at every Bth frame.

From the last frame of a block to the first of the next the estimate changes by what the specimen
does and by the difference of two measurements' errors; inside a block the errors are much the
same, and only the specimen changes. So where frames change more across a seam than beside it, both
are moved towards each other until they change as much as beside it, by half of their difference
at most, and not where they differ by more than their stated deviation explains: that is an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch import Tensor
from torch.nn import functional

REACH = 8
"""Pixels around a pixel over which changes are averaged."""

_NEAR = 4  # [frames] on either side, whose changes tell what the specimen does
_MOST = 0.25  # of the difference, by which either frame is moved
_EXPLAINED, _EVENT = 0.5, 1.0  # mean square change over the sum of both variances
_TINY = 1e-12  # of the movie's variance: where nothing changes nothing is divided by nothing


def even_seams(frames: Tensor, sigma: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return frames that change across seams as they do beside them.

    Parameters
    ----------
    frames
        Estimate (T, H, W) of consecutive segments, normalised; left as it is.
    sigma
        Its stated standard deviation, same shape and unit.
    lengths
        Frames of each segment: they sum to T.
    """
    seams = list(accumulate(lengths))[:-1]  # the first frame after each
    moved = frames.clone()
    for seam in seams:
        first = max(seam - 1 - _NEAR, 0)
        run = frames[first : seam + 1 + _NEAR]
        beside = [step for step in range(len(run) - 1) if first + step + 1 not in seams]
        if not beside:
            continue
        changes = _around(run.diff(dim=0).square())
        across, inside = changes[seam - 1 - first], changes[beside].mean(0)
        explained = _around(sigma[seam - 1 : seam + 1].square()).sum(0)
        share = (1 - (inside / across.clamp(min=_TINY)).sqrt()) / 2
        event = (across / explained.clamp(min=_TINY) - _EXPLAINED) / (_EVENT - _EXPLAINED)
        share = share.clamp(0, _MOST) * (1 - event.clamp(0, 1))
        step = share * (frames[seam] - frames[seam - 1])
        moved[seam - 1] += step
        moved[seam] -= step
    return moved


def _around(values: Tensor) -> Tensor:
    """Mean of values (n, H, W) over the pixels within ``REACH`` rows and columns of each."""
    side = 2 * REACH + 1
    for kernel, padding in (((side, 1), (REACH, 0)), ((1, side), (0, REACH))):
        pooled = functional.avg_pool2d(values[:, None], kernel, 1, padding, count_include_pad=False)
        values = pooled[:, 0]
    return values
