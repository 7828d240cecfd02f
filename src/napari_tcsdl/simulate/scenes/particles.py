"""Many small things: particles, pores, droplets that merge, single atoms, porous networks."""

from __future__ import annotations

import torch
from torch import Tensor

from .fields import moving_field, random_memory, random_spectrum
from .motion import View


def particle_scene(view: View) -> Tensor:
    """Draw 3 to 30 round particles a movie that wander, grow and merge: (n, T, H, W) around 1."""
    draws, n = view.draws, view.count
    number = draws.host.choice((3, 6, 12, 30))
    hills = blobs(view, number)
    width = draws.log_uniform(0.04, 0.4, n, 1, 1, 1)
    inside = torch.sigmoid((hills - 0.5).div_(width))
    depth = draws.log_uniform(0.05, 0.7, n, 1, 1, 1) * draws.sign(0.7, n, 1, 1, 1)
    rim = (inside * (1 - inside)).mul_(draws.normal(n, 1, 1, 1) * 0.8 * depth.abs())
    dome = torch.lerp(inside, inside * hills.clamp_(0, 2), draws.uniform(0, 1, n, 1, 1, 1))
    return rim.add_(dome.mul_(-depth)).add_(1)


def blobs(view: View, number: int) -> Tensor:
    """Sum of ``number`` round hills of height about 1, (n, T, H, W); a product of two matrices."""
    draws, n, n_frames = view.draws, view.count, view.shape[0]
    scale = torch.tensor(view.shape[1:], device=draws.device) * 0.62
    start = draws.uniform(-1, 1, n, number, 1, 2) * scale
    memory = draws.uniform(0, 0.95, n, 1, 1).expand(-1, number, 2)
    steps = view.wander(memory).transpose(2, 3) * draws.log_uniform(0.01, 0.8, n, 1, 1, 1)
    centre = start + steps.cumsum(dim=2) * view.activity[:, None, None, None]
    centre = centre + view.shift[:, None]
    radius = draws.log_uniform(1.2, 16, n, 1, 1) * draws.log_uniform(0.6, 1.6, n, number, 1)
    fate = draws.onset(n_frames, draws.log_uniform(0.1, 10, n, number))
    fate = torch.where(draws.uniform(0, 1, n, number, 1) < 0.5, fate, 1 - fate)
    moving = (view.activity[:, None, None] > 0) * draws.chance(0.3, n, number, 1)
    height = 1 - moving * (1 - fate)
    rows, cols = (axis.reshape(-1) for axis in view.axes())
    spread = 2 * radius.square()[..., None]
    left = torch.exp(-(rows - centre[..., :1]).square() / spread) * height[..., None]
    right = torch.exp(-(cols - centre[..., 1:]).square() / spread)
    return torch.einsum("nkty,nktx->ntyx", left, right)


def porous_scene(view: View) -> Tensor:
    """Draw a network of two phases with a boundary that rearranges: (n, T, H, W) around 1."""
    draws, n = view.draws, view.count
    field = moving_field(view, random_spectrum(draws, n), random_memory(draws, n), view.shift)
    level = draws.uniform(-1, 1, n, 1, 1, 1)
    width = draws.log_uniform(0.05, 0.6, n, 1, 1, 1)
    phase = torch.sigmoid(field.sub_(level).div_(width))
    depth = draws.log_uniform(0.05, 0.6, n, 1, 1, 1)
    return 1 - phase.mul_(depth)
