"""Fibres, tubes and membranes that bend, with Fresnel fringes and texture that goes with them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from .fields import moving_field, random_spectrum
from .motion import TWO_PI, View, random_pose

_SMOOTH = 0.6  # [px], edge of a wall
_MEMBRANES = 0.25  # share of what is drawn
_SWAY = 0.6  # of the width of a membrane, at most


def fibre_scene(view: View) -> Tensor:
    """Draw one to three fibres or membranes a movie: (n, T, H, W), 1 where there is nothing."""
    intensity = torch.ones(view.count, *view.shape, device=view.shift.device)
    numbers = sorted(view.draws.host.choices((1, 2, 3), (5, 3, 1), k=view.count))[::-1]
    for index in range(numbers[0]):
        some = view.first(sum(number > index for number in numbers))
        add = add_membrane if view.draws.host.random() < _MEMBRANES else add_fibre
        add(some, intensity[: some.count])
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
    width = draws.log_uniform(0.7, 3.5, n, 1, 1, 1)
    height = draws.uniform(-0.15, 0.55, n, 1, 1, 1) * draws.chance(0.85, n, 1, 1, 1)
    add_fringes(intensity, across.abs_().sub_(radius), width, height)


def add_membrane(view: View, intensity: Tensor) -> None:
    """Draw one more thin bent sheet into every movie, in place.

    Most are broad bands, even and weak, some with one edge folded over; others are seen edge-on,
    as a dark line. Where a sheet turns towards the beam, its band narrows and darkens.
    """
    draws, n = view.draws, view.count
    edge_on = draws.chance(0.25, n)
    half = torch.lerp(draws.log_uniform(6, 80, n), draws.log_uniform(0.7, 2.5, n), edge_on)
    depth = torch.lerp(draws.log_uniform(0.015, 0.12, n), draws.log_uniform(0.1, 0.5, n), edge_on)
    pose = random_pose(view, half, speed=0.7)
    across, along = view.coordinates(pose.centre, pose.angle)
    across = across.sub_(bending(view, along))
    half, depth = half[:, None, None, None], depth[:, None, None, None]
    width = bending(view, along).div_(half).tanh_().mul_(_SWAY).add_(1).mul_(half)
    tilt = half / width  # the same sheet, seen narrower and thicker
    thickness = torch.sigmoid((width - across.abs()).div_(_SMOOTH)).mul_(tilt)
    folded = draws.chance(0.5, n, 1, 1, 1) * (1 - edge_on[:, None, None, None])
    crease = across - width * draws.uniform(0, 0.9, n, 1, 1, 1)  # where the fold ends
    _fold(view, thickness, crease, width - across, folded)
    roughness = draws.log_uniform(0.02, 0.3, n, 1, 1, 1)
    texture = _attached_texture(view, across * tilt, along)
    thickness.mul_(texture.mul_(roughness).add_(1))
    intensity.mul_(torch.exp(thickness.mul_(-depth)))
    fringe = draws.log_uniform(0.7, 3.5, n, 1, 1, 1)
    height = draws.log_uniform(0.02, 0.25, n, 1, 1, 1) * draws.sign(0.8, n, 1, 1, 1)
    add_fringes(intensity, across.abs_().sub_(width), fringe, height)
    add_fringes(intensity, crease.neg_(), fringe, height * folded * 0.7)


def _fold(view: View, thickness: Tensor, crease: Tensor, inwards: Tensor, folded: Tensor) -> None:
    """Lay a sheet double between its crease and its edge, in place; ``inwards`` is overwritten.

    Where it turns over it is seen edge-on, as a thin dark line along the edge.
    """
    draws, n = view.draws, view.count
    reach = draws.log_uniform(0.8, 2.5, n, 1, 1, 1)
    line = torch.exp(inwards.clamp_(0, 40).div_(-reach)).mul_(draws.uniform(0.5, 4, n, 1, 1, 1))
    thickness.mul_(line.add_(torch.sigmoid(crease / _SMOOTH)).mul_(folded).add_(1))


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


def add_fringes(intensity: Tensor, outside: Tensor, width: Tensor, height: Tensor) -> None:
    """Fresnel fringes of an edge in defocus, in place: bright outside, dark inside, or reversed.

    ``outside`` is the distance from the edge [px], overwritten; ``width`` [px] and ``height`` of
    the outer fringe are (n, 1, 1, 1).
    """
    scaled = outside.div_(width).clamp_(-6, 5).sub_(1)
    intensity.addcmul_(torch.exp(scaled.square().mul_(-0.5)), height)
    intensity.addcmul_(torch.exp(scaled.add_(2).square_().mul_(-0.5)), -0.5 * height)
