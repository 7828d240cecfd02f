"""A stand-in for a learned decoder: it looks at neighbours in space and time, and knows its error.

Linear, so that what comes out can be foretold: Ȳ of each frame's segment, averaged over 7 frames
and over space; on a grid of 4 px, as a network that works at a quarter of the resolution.
"""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d, interpolate, pad

from napari_tcsdl.reconstruction import Estimate

REACH = 3  # frames


class LearnedDecoder:
    """Records what it is given; ``limit`` is the largest window side that its memory holds."""

    name = "learned"
    halo = 8
    align = 4
    splits_work = False
    context_frames = REACH
    follows = False

    def __init__(self, limit: int = 10**6) -> None:
        self.limit = limit
        self.groups: list[list] = []
        self.contexts: list = []

    def __call__(self, y, phi, context, progress):
        raise AssertionError("pipelines decode segments together")

    def decode(self, segments, context, progress) -> Estimate:
        if max(segments[0].y.shape) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.groups.append(list(segments))
        self.contexts.append(context)
        progress(0.5)
        means, seen = [], []
        for segment in segments:
            count = segment.phi.compression_ratio
            means += [segment.phi.normalise(segment.y)] * count
            seen += [(segment.phi.mask_sum > 0).float()] * count
        weight = torch.stack(seen)
        frames = torch.stack(means)
        smooth = _over_time(frames * weight) / _over_time(weight).clamp(min=1)
        smooth = _over_space(smooth)
        return Estimate(smooth, 0.5 * smooth.abs() + 1)


def _over_time(frames):
    """Sum of frames t − 3 … t + 3."""
    padded = pad(frames[None, None], (0, 0, 0, 0, REACH, REACH))[0, 0]
    return sum(padded[k : k + len(frames)] for k in range(2 * REACH + 1))


def _over_space(frames):
    """Mean of the 9 × 9 neighbourhood and of the pixel's cell in the grid of 4 px."""
    height, width = frames.shape[-2:]
    near = avg_pool2d(frames, 9, 1, 4, count_include_pad=False)
    whole = pad(frames[None], (0, -width % 4, 0, -height % 4), mode="replicate")[0]
    cells = interpolate(avg_pool2d(whole, 4)[None], scale_factor=4.0)[0]
    return (near + cells[:, :height, :width]) / 2
