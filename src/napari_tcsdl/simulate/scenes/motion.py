"""How the field of view and the things in it move.

Positions are (y, x) [px] from the centre of the frame; angles turn x towards y [rad].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .draws import Draws

TWO_PI = 2 * math.pi

_STILL = 0.07  # of all movies: nothing moves at all
_JUMPS = 0.1  # of all movies: the stage jumps once


@dataclass(frozen=True)
class View:
    """The field of view of n movies.

    Attributes
    ----------
    draws
        Source of randomness.
    shape
        (T, H, W).
    shift
        (n, T, 2), where the specimen lies relative to its mean position [px].
    activity
        (n,), factor of all change in a movie; 0 where it stands still.
    """

    draws: Draws
    shape: tuple[int, int, int]
    shift: Tensor
    activity: Tensor

    @property
    def count(self) -> int:
        """n, number of movies."""
        return int(self.activity.shape[0])

    @property
    def size(self) -> float:
        """Smaller side of a frame [px]."""
        return float(min(self.shape[1:]))

    def first(self, count: int) -> View:
        """Of the first ``count`` movies."""
        return replace(self, shift=self.shift[:count], activity=self.activity[:count])

    def of(self, index: Tensor) -> View:
        """Of the movies with these numbers."""
        return replace(self, shift=self.shift[index], activity=self.activity[index])

    def axes(self) -> tuple[Tensor, Tensor]:
        """Rows (H, 1) and columns (1, W) from the centre [px]."""
        _, height, width = self.shape
        rows = torch.arange(height, device=self.shift.device, dtype=torch.float32)
        cols = torch.arange(width, device=self.shift.device, dtype=torch.float32)
        return (rows - (height - 1) / 2)[:, None], (cols - (width - 1) / 2)[None]

    def plane(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Return a y + b x + c for a, b, c of shape (n, T): (n, T, H, W)."""
        rows, cols = self.axes()
        return (a[..., None, None] * rows + c[..., None, None]) + b[..., None, None] * cols

    def coordinates(self, centre: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel positions (v, u) in the frame of a body at ``centre`` turned by ``angle``."""
        cos, sin = angle.cos(), angle.sin()
        y, x = centre.unbind(-1)
        along = self.plane(sin, cos, -(sin * y + cos * x))
        across = self.plane(cos, -sin, -(cos * y - sin * x))
        return across, along

    def wander(self, memory: Tensor) -> Tensor:
        """Draw a process of variance 1 that keeps its first value where a movie stands still."""
        still = (self.activity == 0).float().reshape(-1, *[1] * (memory.ndim - 1))
        return self.draws.wander(torch.maximum(memory, still), self.shape[0])


def random_view(draws: Draws, count: int, shape: tuple[int, int, int]) -> View:
    """Draw stage drift, jitter from frame to frame, and jumps of ``count`` movies."""
    n_frames = shape[0]
    activity = (1 - draws.chance(_STILL, count)) * draws.log_uniform(0.25, 1.6, count)
    view = View(draws, shape, torch.zeros(count, n_frames, 2, device=draws.device), activity)
    time = _time(draws, n_frames)
    speed = draws.log_uniform(0.01, 4.0, count, 1) * (1 - draws.chance(0.25, count, 1))
    heading = draws.phase(count, 1)
    velocity = torch.stack((speed * heading.sin(), speed * heading.cos()), dim=-1)
    steady = velocity * time[:, None]
    steps = draws.wander(draws.uniform(0.3, 0.97, count, 2), n_frames).transpose(1, 2)
    walk = (steps * draws.log_uniform(0.01, 0.6, count, 1, 1)).cumsum(dim=1)
    shake = draws.normal(count, n_frames, 2) * draws.log_uniform(0.02, 1.2, count, 1, 1)
    shake = shake * (1 - draws.chance(0.3, count, 1, 1))
    sharp = torch.full((count,), 1e-3, device=draws.device)
    jump = draws.onset(n_frames, sharp)[..., None] * draws.normal(count, 1, 2)
    jump = jump * (draws.chance(_JUMPS, count, 1, 1) * draws.log_uniform(1, 10, count, 1, 1))
    shift = (steady + walk + shake + jump) * activity[:, None, None]
    return replace(view, shift=shift - shift.mean(dim=1, keepdim=True))


@dataclass(frozen=True)
class Pose:
    """Where a body is: centre (n, T, 2) [px] and angle (n, T) [rad], in every frame."""

    centre: Tensor
    angle: Tensor


def random_pose(view: View, reach: Tensor, speed: float = 1.0) -> Pose:
    """Draw the way of one body a movie: it drifts, hops and turns on top of the stage's motion.

    Parameters
    ----------
    reach
        (n,), how far from its centre the body is seen [px]; most of them lie so that some of the
        body is in the frame.
    speed
        Factor of its own motion.
    """
    draws, n, n_frames = view.draws, view.count, view.shape[0]
    heading = draws.phase(n, 1)
    distance = draws.uniform(0, 1, n, 1) * (0.9 * reach[:, None] + 0.4 * view.size)
    start = torch.stack((distance * heading.sin(), distance * heading.cos()), dim=-1)
    time = _time(draws, n_frames)
    own = draws.log_uniform(0.003, 0.8, n, 1, 1) * draws.normal(n, 1, 2) * time[:, None]
    memory = draws.uniform(0.5, 0.98, n, 2)
    steps = view.wander(memory).transpose(1, 2) * draws.log_uniform(0.01, 0.3, n, 1, 1)
    hop = draws.normal(n, n_frames, 2) * draws.log_uniform(0.01, 0.5, n, 1, 1)
    motion = (own + steps.cumsum(dim=1) + hop) * (view.activity[:, None, None] * speed)
    spin = draws.normal(n, 1) * draws.log_uniform(0.0005, 0.02, n, 1) * time
    rock = view.wander(draws.uniform(0, 0.95, n)) * draws.log_uniform(0.002, 0.03, n, 1)
    angle = draws.phase(n, 1) + (spin + rock) * (view.activity[:, None] * speed)
    return Pose(start + view.shift + motion, angle)


def random_growth(view: View) -> Tensor:
    """Draw the size of a body in every frame relative to its own, (n, T): grows, shrinks, goes."""
    draws, n, n_frames = view.draws, view.count, view.shape[0]
    time = _time(draws, n_frames) / n_frames
    trend = 1 + draws.normal(n, 1) * 0.3 * time * view.activity[:, None]
    fate = draws.onset(n_frames, draws.log_uniform(0.2, 6, n))
    fate = torch.where(draws.uniform(0, 1, n, 1) < 0.5, fate, 1 - fate)
    changes = draws.chance(0.15, n, 1) * (view.activity[:, None] > 0)
    size = trend * (1 - changes * (1 - fate))
    return size.clamp(min=0)


def _time(draws: Draws, n_frames: int) -> Tensor:
    """Frame numbers from the middle of the movie, (T,)."""
    return torch.arange(n_frames, device=draws.device, dtype=torch.float32) - (n_frames - 1) / 2


def turn(vectors: Tensor, angle: Tensor) -> Tensor:
    """Turn (…, 2) vectors (y, x) by ``angle`` (…,)."""
    y, x = vectors.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos * y + sin * x, cos * x - sin * y), dim=-1)
