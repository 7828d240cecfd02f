"""Random fields with a given spectrum, which move and rearrange: films, textures, pores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .draws import Draws, memory_matrix
from .motion import View

_MARGIN = 16  # [px] that a periodic field is wider than the frame


@dataclass(frozen=True)
class Spectrum:
    """Amplitude of a random field against spatial frequency f [cycles/px], of n fields.

    A(f) = (1 + (f/corner)²)^(−slope/2) · |1 − ring + ring sin(π chi f² + phase)| · exp(−(f/end)²):
    fractal at low frequencies, with the rings that a lens gives, and an envelope.

    Attributes
    ----------
    corner, slope, ring, chi, phase, end
        (n,) each.
    stretch, direction
        (n,): frequencies along ``direction`` [rad] are counted ``stretch`` times.
    """

    corner: Tensor
    slope: Tensor
    ring: Tensor
    chi: Tensor
    phase: Tensor
    end: Tensor
    stretch: Tensor
    direction: Tensor

    def amplitude(self, shape: tuple[int, int]) -> Tensor:
        """Scaled for a field of ``shape`` (H, W) and variance 1: (n, H, W // 2 + 1)."""
        height, width = shape
        fy = torch.fft.fftfreq(height, device=self.end.device)[:, None]
        fx = torch.fft.rfftfreq(width, device=self.end.device)
        cos, sin = (part[:, None, None] for part in (self.direction.cos(), self.direction.sin()))
        along = (fy * sin + fx * cos) * self.stretch[:, None, None]
        f2 = along.square() + (fy * cos - fx * sin).square()
        corner, slope, ring, chi, phase, end = (
            value[:, None, None]
            for value in (self.corner, self.slope, self.ring, self.chi, self.phase, self.end)
        )
        lens = (1 - ring + ring * torch.sin(math.pi * chi * f2 + phase)).abs()
        amplitude = (1 + f2 / corner.square()) ** (-slope / 2) * lens * torch.exp(-f2 / end**2)
        amplitude[:, 0, 0] = 0
        both = torch.full((width // 2 + 1,), 2.0, device=fx.device)  # ± fx
        both[0] = 1
        if width % 2 == 0:
            both[-1] = 1
        power = (amplitude.square() * both).sum(dim=(1, 2), keepdim=True)
        scaled: Tensor = amplitude * (height * width / power.clamp(min=1e-30).sqrt())
        return scaled


def random_spectrum(
    draws: Draws, count: int, smallest: float = 0.06, largest: float = 0.5
) -> Spectrum:
    """Draw spectra from smooth clouds to fine speckle, with and without rings.

    ``smallest`` and ``largest`` bound the frequency at which they end [cycles/px].
    """
    end = draws.log_uniform(smallest, largest, count)
    return Spectrum(
        corner=draws.log_uniform(0.01, 0.5, count),
        slope=draws.uniform(0, 3, count),
        ring=draws.chance(0.6, count) * draws.uniform(0.5, 1, count),
        chi=draws.uniform(0.3, 4, count) / end.square(),
        phase=draws.uniform(-0.3, 1.6, count),
        end=end,
        stretch=draws.log_uniform(0.5, 2, count) ** draws.chance(0.3, count),
        direction=draws.phase(count),
    )


def random_memory(draws: Draws, count: int) -> Tensor:
    """Draw correlations of consecutive frames: times of 2 … 200 frames, 40 % for ever."""
    memory = torch.exp(-1 / draws.log_uniform(2, 200, count))
    return torch.maximum(memory, draws.chance(0.4, count))


def moving_field(view: View, spectrum: Spectrum, memory: Tensor, shift: Tensor) -> Tensor:
    """Draw a field of variance 1 that moves by ``shift`` and forgets by ``memory``.

    Parameters
    ----------
    spectrum
        Of n fields.
    memory
        (n,), correlation of consecutive frames in the frame of the moving field; 1 is rigid.
    shift
        (n, T, 2) [px].

    Returns
    -------
    Tensor
        (n, T, H, W).
    """
    n_frames, height, width = view.shape
    padded = (height + _MARGIN, width + _MARGIN)
    half = padded[1] // 2 + 1
    memory = torch.maximum(memory, (view.activity == 0).float())
    noise = view.draws.normal(len(memory), n_frames, padded[0] * half * 2)
    noise = memory_matrix(memory, n_frames) @ noise
    waves = torch.view_as_complex(noise.reshape(len(memory), n_frames, padded[0], half, 2))
    fy = torch.fft.fftfreq(padded[0], device=shift.device)
    fx = torch.fft.rfftfreq(padded[1], device=shift.device)
    angle_y = (-2 * math.pi) * shift[..., :1] * fy
    angle_x = (-2 * math.pi) * shift[..., 1:] * fx
    move_y = torch.polar(torch.ones_like(angle_y), angle_y)[..., None]
    move_x = torch.polar(torch.ones_like(angle_x), angle_x)[..., None, :]
    shaping = (spectrum.amplitude(padded) / math.sqrt(2)).unsqueeze(1) * move_y
    field: Tensor = torch.fft.irfft2(waves.mul_(shaping).mul_(move_x), s=padded)
    return field[..., :height, :width]
