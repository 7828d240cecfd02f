"""Lattice images: sums of gratings that turn, shift and fade, sharpened into atom columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .draws import Draws
from .motion import TWO_PI, Pose, View, turn

_FINEST = 0.45  # [cycles/px]; gratings finer than this would alias


@dataclass(frozen=True)
class Lattice:
    """Gratings of n lattices.

    Attributes
    ----------
    vectors
        (n, G, 2), spatial frequencies (y, x) [cycles/px].
    amplitudes
        (n, G); the sum of their squares is 2, so that the sum of gratings has variance 1.
    phases
        (n, G) [rad].
    """

    vectors: Tensor
    amplitudes: Tensor
    phases: Tensor


def random_lattice(draws: Draws, count: int, periods: tuple[float, float]) -> Lattice:
    """Draw oblique, square, rectangular, hexagonal and fcc [110] lattices, some of them fringes.

    Parameters
    ----------
    periods
        Range of the longest spacing [px].
    """
    first = 1 / draws.log_uniform(*periods, count)
    angle = draws.uniform(math.pi / 3, math.pi / 2, count)
    ratio = draws.uniform(0.7, 1.4, count)
    #   angle between the two shortest vectors, ratio of their lengths
    kinds = (
        (math.pi / 3, 1.0),  # hexagonal
        (math.pi / 2, 1.0),  # square
        (math.pi / 2, 0.0),  # rectangular: any ratio
        (math.radians(70.53), 1.0),  # fcc along [110]
    )
    which = draws.uniform(0, 1, count)
    for index, (fixed_angle, fixed_ratio) in enumerate(kinds):
        chosen = (which >= 0.2 * index) & (which < 0.2 * (index + 1))
        angle = torch.where(chosen, fixed_angle, angle)
        ratio = torch.where(chosen, fixed_ratio, ratio) if fixed_ratio else ratio
    zero = torch.zeros_like(first)
    g1 = torch.stack((zero, first), dim=-1)
    g2 = torch.stack((first * ratio * angle.sin(), first * ratio * angle.cos()), dim=-1)
    vectors = torch.stack((g1, g2, g1 - g2, g1 + g2, 2 * g1, 2 * g2), dim=1)
    order = torch.tensor([1.0, 1.0, 0.9, 0.6, 0.35, 0.35], device=draws.device)
    amplitudes = order * draws.uniform(0.1, 1, count, 6) * (1 - draws.chance(0.15, count, 6))
    amplitudes[:, 0].clamp_(min=0.3)
    fringes = draws.chance(0.15, count, 1)  # off a zone axis a single family of planes is left
    amplitudes = amplitudes * (1 - fringes)
    amplitudes[:, 0] += fringes[:, 0]
    amplitudes = amplitudes * (vectors.norm(dim=-1) < _FINEST)
    norm = amplitudes.square().sum(dim=1, keepdim=True).clamp(min=1e-6) / 2
    return Lattice(vectors, amplitudes / norm.sqrt(), draws.phase(count, 6))


def relative(draws: Draws, lattice: Lattice, periods: tuple[float, float]) -> Lattice:
    """Draw the lattices of further grains: as often as not the same one, turned anew."""
    count = lattice.phases.shape[0]
    other = random_lattice(draws, count, periods)
    same = draws.chance(0.6, count, 1)
    return Lattice(
        torch.lerp(other.vectors, lattice.vectors, same[..., None]),
        torch.lerp(other.amplitudes, lattice.amplitudes, same),
        other.phases,
    )


def gratings(view: View, vectors: Tensor, amplitudes: Tensor, phases: Tensor) -> Tensor:
    """Sum of gratings, Σ_g a_g(t) cos(2π g(t) · r + φ_g(t)).

    Parameters
    ----------
    vectors
        (n, T, G, 2), (y, x) [cycles/px].
    amplitudes, phases
        (n, T, G); phases [rad] at the centre of the frame.

    Returns
    -------
    Tensor
        (n, T, H, W).

    Notes
    -----
    cos(α(y) + β(x)) = cos α cos β − sin α sin β makes the sum a matrix product of (H, 2G) by
    (2G, W): no cosine per pixel.
    """
    rows, cols = (axis.reshape(-1) for axis in view.axes())
    alpha = TWO_PI * vectors[..., :1] * rows + phases[..., None]
    beta = TWO_PI * vectors[..., 1:] * cols
    weight = amplitudes[..., None]
    left = torch.cat((weight * alpha.cos(), -weight * alpha.sin()), dim=-2)
    right = torch.cat((beta.cos(), beta.sin()), dim=-2)
    return left.transpose(-1, -2) @ right


def attached_gratings(view: View, lattice: Lattice, pose: Pose) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors, amplitudes and phases, (n, T, G, …), of a lattice that moves with a body.

    The image of a crystal changes faster than its outline: with every small tilt the gratings
    change amplitude, phase and even sign from one frame to the next, and the columns seem to jump.
    """
    draws, n = view.draws, view.count
    n_gratings = lattice.phases.shape[1]
    vectors = turn(lattice.vectors[:, None], pose.angle[..., None].expand(-1, -1, n_gratings))
    hot = draws.chance(0.5, n, 1, 1)  # nanometre crystals rock at every frame, large ones do not
    memory = draws.uniform(0, 0.97, n, 1).square() * (1 - 0.6 * hot[..., 0])
    memory = memory.expand(-1, n_gratings)
    depth = draws.uniform(-0.4, 0.8, n, 1, 1).clamp(min=0) + 0.4 * hot
    fading = 1 + view.wander(memory).transpose(1, 2) * (depth * view.activity[:, None, None])
    jump = view.wander(memory[:, :2]).transpose(1, 2)
    reach = torch.lerp(draws.log_uniform(0.02, 0.5, n, 1, 1), draws.uniform(0.2, 1.4, n, 1, 1), hot)
    centre = pose.centre + jump * (reach * view.activity[:, None, None])
    angle = torch.lerp(draws.uniform(-0.5, 0.5, n, 1, 1).clamp(min=0), 0.7 * reach, hot)
    tilt = view.wander(memory).transpose(1, 2) * (angle * view.activity[:, None, None])
    phases = lattice.phases[:, None] + tilt
    phases = phases - TWO_PI * (vectors * centre[..., None, :]).sum(dim=-1)
    return vectors, lattice.amplitudes[:, None] * fading, phases


def sharpened(draws: Draws, waves: Tensor) -> Tensor:
    """Turn a sum of gratings of variance 1 into columns, (n, T, H, W), bright or dark.

    exp(κ s), scaled to variance 1 over the movie at mean 0; small κ leaves plain gratings.
    """
    n = waves.shape[0]
    kappa = draws.log_uniform(0.05, 1.1, n, 1, 1, 1) * draws.sign(0.65, n, 1, 1, 1)
    columns = torch.exp(waves.clamp(-3.5, 3.5).mul_(kappa))
    few = columns[:, ::4, ::3, ::3]
    mean = few.mean(dim=(1, 2, 3), keepdim=True)
    spread = few.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
    return columns.sub_(mean).div_(spread)
