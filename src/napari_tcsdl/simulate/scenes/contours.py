"""Diffraction contrast at low magnification: bend contours, dislocation lines, loops."""

from __future__ import annotations

import torch
from torch import Tensor

from .crystals import blinking
from .fibres import bending
from .fields import moving_field, random_memory, random_spectrum
from .motion import View, random_pose
from .particles import particle_scene


def contour_scene(view: View) -> Tensor:
    """Draw a bent foil with bend contours, lines, loops and precipitates: (n, T, H, W) around 1."""
    draws, n = view.draws, view.count
    clouds = random_spectrum(draws, n, smallest=0.01, largest=0.1)
    foil = moving_field(view, clouds, random_memory(draws, n), view.shift)
    foil.mul_(draws.log_uniform(0.01, 0.15, n, 1, 1, 1)).add_(1)
    for _ in range(draws.host.choice((0, 1, 2))):
        _add_bend_contour(view, foil)
    for _ in range(draws.host.choice((0, 1, 2, 3))):
        _add_line(view, foil)
    for _ in range(draws.host.choice((0, 0, 1, 2))):
        _add_loop(view, foil)
    if draws.host.random() < 0.4:
        foil.mul_(particle_scene(view))
    return foil


def _depth(view: View) -> Tensor:
    depth = view.draws.log_uniform(0.03, 0.5, view.count, 1) * view.draws.sign(0.8, view.count, 1)
    return (depth * blinking(view))[..., None, None]


def _add_bend_contour(view: View, foil: Tensor) -> None:
    """Darken a band, with side bands, where the bent foil meets the Bragg condition; in place."""
    draws, n = view.draws, view.count
    pose = random_pose(view, torch.full_like(view.activity, view.size / 3), speed=4)
    across, along = view.coordinates(pose.centre, pose.angle)
    radius = draws.log_uniform(0.5, 20, n, 1, 1, 1) * view.size
    across.addcmul_(along.square_(), draws.sign(0.5, n, 1, 1, 1) / radius)
    width = draws.log_uniform(2, 40, n, 1, 1, 1)
    offset = across.div_(width)
    ripples = draws.uniform(-4, 6, n, 1, 1, 1).clamp_(min=0)
    band = torch.cos(offset * ripples).div_(offset.square().add_(1))
    foil.addcmul_(band, _depth(view), value=-1)


def _add_line(view: View, foil: Tensor) -> None:
    """Draw a dislocation: a bent line of finite length, some with a bright side; in place."""
    draws, n = view.draws, view.count
    pose = random_pose(view, torch.full_like(view.activity, view.size / 3), speed=2)
    across, along = view.coordinates(pose.centre, pose.angle)
    across.sub_(bending(view, along))
    length = draws.log_uniform(0.2, 4, n, 1, 1, 1) * view.size
    ends = torch.sigmoid((length - along.abs_()).div_(2))
    offset = across.div_(draws.log_uniform(0.8, 5, n, 1, 1, 1))
    sides = draws.uniform(-1.5, 1.5, n, 1, 1, 1) * draws.chance(0.5, n, 1, 1, 1)
    profile = torch.exp(offset.square().mul_(-0.5)).mul_(offset.mul_(sides).add_(1))
    foil.addcmul_(profile.mul_(ends), _depth(view), value=-1)


def _add_loop(view: View, foil: Tensor) -> None:
    """Draw a dislocation loop: an elliptic ring that shrinks or grows, two-sided; in place."""
    draws, n = view.draws, view.count
    radius = draws.log_uniform(3, 40, n)
    pose = random_pose(view, radius)
    across, along = view.coordinates(pose.centre, pose.angle)
    across.mul_(draws.log_uniform(0.8, 3, n, 1, 1, 1))
    trend = 1 + 0.3 * view.wander(torch.full_like(radius, 0.97)) * view.activity[:, None].sign()
    distance = torch.hypot(across, along).sub_((radius[:, None] * trend)[..., None, None])
    distance.div_(draws.log_uniform(1, 4, n, 1, 1, 1))
    ring = torch.exp(distance.square_().mul_(-0.5))
    # Contrast vanishes where the line runs along the diffracting direction.
    lobes = along.div_(radius[:, None, None, None]).clamp_(-1, 1).square_()
    ring.mul_(torch.lerp(torch.ones_like(lobes), lobes, draws.uniform(0, 1, n, 1, 1, 1)))
    foil.addcmul_(ring, _depth(view), value=-1)
