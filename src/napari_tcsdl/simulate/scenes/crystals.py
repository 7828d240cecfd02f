"""Facetted crystals on a film: they turn, grow by layers, sinter, and show atom columns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .lattices import Lattice, attached_gratings, gratings, random_lattice, relative, sharpened
from .motion import Pose, View, random_growth, random_pose

PERIODS = (2.5, 16.0)  # [px] of the longest spacing

_FACETS = 7
_RADII = (9.0, 120.0)  # [px]
_RECONSTRUCTED = 0.2  # share of the surfaces that change their order
_FAR = 1e3  # [px], no other body near


def crystal_scene(view: View) -> Tensor:
    """Draw one to four crystals a movie: (n, T, H, W), 1 where there is nothing."""
    draws, n = view.draws, view.count
    intensity = torch.ones(n, *view.shape, device=draws.device)
    numbers = sorted(draws.host.choices((1, 2, 3, 4), (4, 4, 2, 1), k=n))[::-1]
    lattice = random_lattice(draws, n, PERIODS)
    union = torch.full_like(intensity, _FAR) if numbers[0] > 1 else None
    apart = draws.chance(0.65, n, 1, 1, 1)  # else they lie upon each other
    for index in range(numbers[0]):
        count = sum(number > index for number in numbers)
        some = view.first(count)
        own = Lattice(lattice.vectors[:count], lattice.amplitudes[:count], lattice.phases[:count])
        own = relative(draws, own, PERIODS) if index else own
        pose, outside = random_body(some)
        if union is not None:
            touch(some, outside, union[:count])
            torch.minimum(union[:count], outside + (1 - apart[:count]) * _FAR, out=union[:count])
        add_crystal(some, intensity[:count], own, pose, outside)
    return intensity


def random_body(view: View) -> tuple[Pose, Tensor]:
    """Draw the pose of a body a movie and the signed distance from its surface, (n, T, H, W).

    The distance [px] is negative inside. Facets advance and recede by layers at random times.
    """
    draws, n, n_frames = view.draws, view.count, view.shape[0]
    radius = draws.log_uniform(*_RADII, n)
    pose = random_pose(view, radius)
    rounding = draws.uniform(0.9, 1.3, n) * radius
    growth = random_growth(view)
    across, along = view.coordinates(pose.centre, pose.angle)
    outside = torch.hypot(across, along).sub_((rounding[:, None] * growth)[..., None, None])
    offset = draws.phase(n)
    y, x = pose.centre.unbind(-1)
    changing = (view.activity[:, None] > 0).float()
    for facet in range(_FACETS):
        turned = offset + 2 * math.pi * facet / _FACETS + draws.normal(n) * 0.15
        angle = pose.angle + turned[:, None]
        height = (radius * draws.uniform(0.72, 1.1, n))[:, None] * growth
        layer = draws.chance(0.4, n, 1) * draws.normal(n, 1) * 4 * changing
        height = height + layer * draws.onset(n_frames, draws.log_uniform(0.1, 3, n))
        cos, sin = angle.cos(), angle.sin()
        torch.maximum(outside, view.plane(sin, cos, -(sin * y + cos * x) - height), out=outside)
    return pose, outside


def touch(view: View, outside: Tensor, others: Tensor) -> None:
    """Let a body end where others are, and grow a neck to those close by; in place.

    Both arguments are signed distances, (n, T, H, W).
    """
    width = view.draws.log_uniform(1.5, 12, view.count, 1, 1, 1)
    near = torch.exp((outside.square() + others.square()).div_(-width.square()).clamp_(min=-30))
    torch.maximum(outside.addcmul_(near, width, value=-0.8), -others, out=outside)


def add_crystal(
    view: View, intensity: Tensor, lattice: Lattice, pose: Pose, outside: Tensor
) -> None:
    """Draw one more crystal into every movie, in place; ``outside`` is overwritten."""
    draws, n = view.draws, view.count
    waves = gratings(view, *attached_gratings(view, lattice, pose))
    if draws.host.random() < _RECONSTRUCTED:
        _reconstruct_surface(view, waves, lattice, pose, outside)
    # The surface is made of columns: it bulges where one is and caves in between.
    corrugation = draws.uniform(-0.5, 1, n, 1, 1, 1).clamp_(min=0)
    outside.addcmul_(waves, corrugation, value=-1)
    columns = sharpened(draws, waves)
    edge = draws.uniform(1.0, 3.5, n, 1, 1, 1)
    wedge = draws.log_uniform(2, 60, n, 1, 1, 1)
    inside = (0.5 - outside / edge).clamp_(0, 1)
    thickness = (outside / -wedge).clamp_(0, 1).lerp_(inside, draws.uniform(0, 1, n, 1, 1, 1))
    # Out of focus, the lattice image ends less sharply than the crystal, and elsewhere.
    soft = draws.log_uniform(1, 12, n, 1, 1, 1)
    lattice_ends = (draws.uniform(0.2, 0.9, n, 1, 1, 1) - outside / soft).clamp_(0, 1)
    columns.mul_(lattice_ends.lerp_(thickness, draws.uniform(0, 1, n, 1, 1, 1)))
    # Dynamical scattering: it fades and turns over with thickness and with the local tilt.
    beating = draws.uniform(-3, 5, n, 1, 1, 1).clamp_(min=0)
    columns.mul_(torch.cos(_local_tilt(view).addcmul_(thickness, beating)))
    contrast = draws.log_uniform(0.03, 0.35, n, 1, 1, 1)
    depth = draws.uniform(-0.05, 0.45, n, 1) * blinking(view)
    intensity.mul_(thickness.mul_(-depth[..., None, None]).add_(1)).addcmul_(columns, contrast)
    add_fresnel_edge(view, intensity, outside)


def _local_tilt(view: View) -> Tensor:
    """Phase that rises across a bent or rocking crystal, (n, T, H, W) [rad]; 0 for the flat."""
    draws, n = view.draws, view.count
    steep = draws.log_uniform(0.005, 0.06, n, 1) * draws.chance(0.4, n, 1)
    y, x, level = (
        view.wander(draws.uniform(0.3, 1, n)) * view.activity[:, None] + draws.normal(n, 1)
        for _ in range(3)
    )
    return view.plane(y * steep, x * steep, 10 * level * steep)


def _reconstruct_surface(
    view: View, waves: Tensor, lattice: Lattice, pose: Pose, outside: Tensor
) -> None:
    """Give the outermost layers twice the period at some time, in place."""
    draws, n = view.draws, view.count
    doubled = Lattice(lattice.vectors / 2, lattice.amplitudes, draws.phase(*lattice.phases.shape))
    other = gratings(view, *attached_gratings(view, doubled, pose))
    depth = draws.uniform(2, 12, n, 1, 1, 1)
    skin = (outside / depth).add_(1.5).clamp_(0, 1)
    start = draws.onset(view.shape[0], draws.log_uniform(0.1, 3, n))
    share = start * draws.uniform(0.4, 1, n, 1) * (view.activity[:, None] > 0)
    waves.lerp_(other, skin.mul_(share[..., None, None]))


def add_fresnel_edge(view: View, intensity: Tensor, outside: Tensor) -> None:
    """Add the bright and dark line of a defocused edge, in place; ``outside`` is overwritten."""
    draws, n = view.draws, view.count
    width = draws.log_uniform(0.8, 4, n, 1, 1, 1)
    height = draws.normal(n, 1, 1, 1) * 0.12 * draws.chance(0.7, n, 1, 1, 1)
    scaled = outside.div_(width).clamp_(-6, 6)  # beyond it exp would end in slow denormals
    intensity.addcmul_(scaled, torch.exp(scaled.square().mul_(-0.5)).mul_(height))


def blinking(view: View) -> Tensor:
    """Diffraction contrast that comes and goes, (n, T) around 1: most movies keep it steady."""
    draws, n = view.draws, view.count
    some = draws.chance(0.35, n, 1) * draws.uniform(0.1, 0.8, n, 1)
    slow = view.wander(draws.uniform(0.3, 0.98, n))
    hard = torch.where(draws.uniform(0, 1, n, 1) < 0.4, slow.sign(), slow)  # telegraph-like
    return 1 + some * hard
