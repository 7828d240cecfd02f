"""Fibres, tubes and membranes that bend, with Fresnel fringes and texture that goes with them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from .fields import moving_field, random_spectrum
from .motion import TWO_PI, View, random_pose

_SMOOTH = 0.6  # [px], edge of a wall


def fibre_scene(view: View) -> Tensor:
    """Draw one to three fibres a movie: (n, T, H, W), 1 where there is nothing."""
    intensity = torch.ones(view.count, *view.shape, device=view.shift.device)
    numbers = sorted(view.draws.host.choices((1, 2, 3), (5, 3, 1), k=view.count))[::-1]
    for index in range(numbers[0]):
        some = view.first(sum(number > index for number in numbers))
        add_fibre(some, intensity[: some.count])
    return intensity


def add_fibre(view: View, intensity: Tensor) -> None:
    """Draw one more fibre into every movie, in place."""
    draws, n = view.draws, view.count
    radius = draws.log_uniform(2, 60, n)
    pose = random_pose(view, radius, speed=0.7)
    across, along = view.coordinates(pose.centre, pose.angle)
    across = across.sub_(bending(view, along))
    radius = radius[:, None, None, None]
    hollow = draws.chance(0.7, n, 1, 1, 1) * draws.uniform(0.3, 0.9, n, 1, 1, 1)
    depth = draws.log_uniform(0.05, 1.2, n, 1, 1, 1)
    thickness = _chord(across, radius) - _chord(across, radius * hollow)
    thickness = thickness.div_(radius)
    texture = _attached_texture(view, across, along)
    roughness = draws.log_uniform(0.01, 0.25, n, 1, 1, 1)
    thickness.mul_(texture.mul_(roughness).add_(1))
    if draws.host.random() < 0.3:
        _add_wall_planes(view, thickness, across)
    intensity.mul_(torch.exp(thickness.mul_(-depth)))
    _add_fringes(view, intensity, across.abs_().sub_(radius))


def bending(view: View, along: Tensor) -> Tensor:
    """Centre line of a fibre, across its direction, at ``along`` [px]: (n, T, H, W)."""
    draws, n = view.draws, view.count
    line = torch.zeros_like(along)
    for _ in range(2):
        wavelength = draws.log_uniform(0.6, 5, n, 1) * view.size
        size = 0.04 * wavelength * draws.uniform(0, 1, n, 1)
        swing = view.wander(draws.uniform(0.6, 0.99, n)) * view.activity[:, None]
        running = draws.phase(n, 1) + swing * draws.uniform(0, 0.6, n, 1)
        bend = size * (1 + swing * draws.uniform(0, 0.8, n, 1))
        wave = torch.sin(along * (TWO_PI / wavelength)[..., None, None] + running[..., None, None])
        line.addcmul_(wave, bend[..., None, None])
    return line


def _chord(across: Tensor, radius: Tensor) -> Tensor:
    """Thickness of a round rod: 2 √(R² − d²), its edges rounded by less than a pixel."""
    inside = radius.square() - across.square()
    softness = _SMOOTH * radius + 1e-3
    return inside.div_(softness).clamp_(-40, 80).exp_().log1p_().mul_(softness).sqrt_().mul_(2)


def _attached_texture(view: View, across: Tensor, along: Tensor) -> Tensor:
    """Texture of variance about 1 in the frame of the fibre, (n, T, H, W)."""
    one = View(view.draws, (1, *view.shape[1:]), view.shift[:, :1], view.activity)
    memory = torch.ones(view.count, device=along.device)
    field = moving_field(one, random_spectrum(view.draws, view.count), memory, view.shift[:, :1])
    height, width = view.shape[1:]
    grid = torch.stack((along.mul(2 / width), across.mul(2 / height)), dim=-1)
    n, n_frames = along.shape[:2]
    sampled = grid_sample(
        field,
        grid.reshape(n, n_frames * height, width, 2),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    return sampled.reshape(n, n_frames, height, width)


def _add_wall_planes(view: View, thickness: Tensor, across: Tensor) -> None:
    """Lattice planes along a graphitic fibre, strongest where it is thick; in place."""
    draws, n = view.draws, view.count
    period = draws.log_uniform(2.5, 9, n, 1, 1, 1)
    strength = draws.uniform(-0.3, 0.5, n, 1, 1, 1).clamp_(min=0)
    planes = torch.cos(across * (TWO_PI / period)).mul_(strength).add_(1)
    thickness.mul_(planes)


def _add_fringes(view: View, intensity: Tensor, outside: Tensor) -> None:
    """Fresnel fringes of an edge in defocus, in place: bright outside, dark inside, or reversed."""
    draws, n = view.draws, view.count
    width = draws.log_uniform(0.7, 3.5, n, 1, 1, 1)
    height = draws.uniform(-0.15, 0.55, n, 1, 1, 1) * draws.chance(0.85, n, 1, 1, 1)
    scaled = outside.div_(width).clamp_(-6, 5).sub_(1)
    intensity.addcmul_(torch.exp(scaled.square().mul_(-0.5)), height)
    intensity.addcmul_(torch.exp(scaled.add_(2).square_().mul_(-0.5)), -0.5 * height)
