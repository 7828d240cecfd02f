"""Where the specimen lies in each frame of a scene, as raw frames of its movie would tell."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..drift import offsets_of, positions_of
from .coding import uniform_number

_UNKNOWN = 0.2  # share of movies of which nothing is told: detectors that write Y alone
_ERRORS = (0.05, 0.7)  # [px] standard deviation of what is told, evenly in its logarithm
_WALK = 0.3  # of it, from each frame to the next
_FARTHEST = 0.15  # of the side of a crop: what lies beyond costs time, too


def followed(frames: Tensor) -> Tensor:
    """Return by how many pixels the specimen lies off in raw frames (T, H, W): (T, 2)."""
    positions = positions_of(frames.float().cpu().numpy())
    return frames.new_tensor(offsets_of(positions, _most(frames)))


def _most(frames: Tensor) -> int:
    return int(_FARTHEST * min(frames.shape[1:]))


def draw_offsets(truth: Tensor, generator: torch.Generator) -> Tensor:
    """Return what the network is told of clean frames (T, H, W): (T, 2), whole px, on their device.

    The crop is followed, not the movie: what moves there is what a decoder of small parts meets.
    """
    told = uniform_number(generator) >= _UNKNOWN
    low, high = _ERRORS
    error = low * (high / low) ** uniform_number(generator)
    shape = (2, len(truth), 2)
    drawn = torch.randn(shape, generator=generator, device=generator.device).double().cpu().numpy()
    if not told:
        return truth.new_zeros(len(truth), 2)
    positions = positions_of(truth.float().cpu().numpy())
    positions += error * (drawn[0] + _WALK * np.cumsum(drawn[1], axis=0))
    return truth.new_tensor(offsets_of(positions, _most(truth)))
