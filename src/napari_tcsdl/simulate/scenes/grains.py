"""Lattices that fill the frame: grains with moving boundaries, dislocations, strain."""

from __future__ import annotations

import torch
from torch import Tensor

from .crystals import PERIODS, blinking
from .fields import moving_field, random_memory, random_spectrum
from .lattices import Lattice, attached_gratings, gratings, random_lattice, relative, sharpened
from .motion import View, random_growth, random_pose


def polycrystal_scene(view: View) -> Tensor:
    """Draw grains that fill the frame, with boundaries that move: (n, T, H, W) around 1.

    A pixel belongs to the grain whose weighted distance is the smallest (a power diagram).
    """
    draws, n = view.draws, view.count
    number = draws.host.choice((2, 3, 3, 4, 5, 7))
    total = torch.zeros(n, *view.shape, device=draws.device)
    weights = torch.full_like(total, 1e-12)
    reach = draws.uniform(0.4, 0.8, n) * view.size
    steep = 1 / (draws.uniform(0.4, 2.0, n, 1) * reach[:, None])  # of the transition
    contrast = draws.log_uniform(0.04, 0.4, n, 1, 1, 1)
    base = random_lattice(draws, n, PERIODS)
    curved = _curvature(view)
    for _ in range(number):
        pose = random_pose(view, reach, speed=0.6)
        waves = gratings(view, *attached_gratings(view, relative(draws, base, PERIODS), pose))
        grey = draws.normal(n, 1) * draws.log_uniform(0.01, 0.25, n, 1) * blinking(view)
        y, x = (part * steep for part in pose.centre.unbind(-1))
        drive = random_growth(view) * reach[:, None] * 0.25
        level = drive * reach[:, None] * steep - (y.square() + x.square()) / (2 * steep)
        score = view.plane(y, x, level)
        if curved is not None:
            score.addcmul_(curved, draws.normal(n, 1, 1, 1))
        score = score.clamp_(-40, 40).exp_()
        own = contrast * draws.log_uniform(0.4, 1.2, n, 1, 1, 1)
        waves = sharpened(draws, waves).mul_(own).add_(grey[..., None, None])
        total.addcmul_(waves, score)
        weights.add_(score)
    return total.div_(weights).add_(1)


def _curvature(view: View) -> Tensor | None:
    """Smooth field that bends boundaries, (n, T, H, W), in half of the calls."""
    if view.draws.host.random() < 0.5:
        return None
    spectrum = random_spectrum(view.draws, view.count, smallest=0.01, largest=0.06)
    memory = random_memory(view.draws, view.count)
    strength = view.draws.log_uniform(0.5, 6, view.count, 1, 1, 1)
    return moving_field(view, spectrum, memory, view.shift).mul_(strength)


def dislocation_scene(view: View) -> Tensor:
    """Draw a crystal with one to three dislocations that glide, (n, T, H, W) around 1.

    A dislocation of Burgers vector b adds g · b times the angle around its core to the phase of
    grating g; a slowly changing strain adds to it.
    """
    draws, n = view.draws, view.count
    base = random_lattice(draws, n, PERIODS)
    amplitudes = base.amplitudes.clone()
    amplitudes[:, 4:] = 0  # g · b of the second orders would be 2
    lattice = Lattice(base.vectors, amplitudes, base.phases)
    pose = random_pose(view, torch.full_like(view.activity, view.size / 4), speed=0.5)
    vectors, amplitudes, phases = attached_gratings(view, lattice, pose)
    # Burgers vector with g₁ · b = 1 and g₂ · b = 0 or ± 1.
    second = torch.tensor(draws.host.choices((-1.0, 0.0, 1.0), k=n), device=draws.device)
    one, zero = torch.ones_like(second), torch.zeros_like(second)
    charges = torch.stack((one, second, 1 - second, 1 + second, zero, zero), dim=1)
    field = _phase_field(view)
    waves = torch.zeros_like(field)
    for charge in (0.0, 1.0, -1.0, 2.0):
        chosen = (charges == charge).float()[:, None] * amplitudes
        waves.addcmul_(gratings(view, vectors, chosen, phases), torch.cos(field * charge))
        if charge:
            quarter = phases - torch.pi / 2
            turned = gratings(view, vectors, chosen, quarter)
            waves.addcmul_(turned, torch.sin(field * charge), value=-1)
    contrast = draws.log_uniform(0.05, 0.4, n, 1, 1, 1)
    return sharpened(draws, waves).mul_(contrast).add_(1)


def _phase_field(view: View) -> Tensor:
    """Angle around the cores, with their signs, and a slowly changing strain: (n, T, H, W)."""
    draws, n = view.draws, view.count
    spectrum = random_spectrum(draws, n, smallest=0.01, largest=0.04)
    field = moving_field(view, spectrum, random_memory(draws, n), view.shift)
    field.mul_(draws.uniform(-0.5, 1.0, n, 1, 1, 1).clamp_(min=0))
    for index in range(draws.host.choice((1, 2, 2, 3))):
        pose = random_pose(view, torch.full_like(view.activity, view.size / 5), speed=1.5)
        steady = torch.zeros_like(pose.angle)  # the plane of the cut keeps its direction
        across, along = view.coordinates(pose.centre, steady)
        sign = 1 if index % 2 else -1
        field.add_(torch.atan2(across, along.add_(1e-4)), alpha=sign)
    return field
