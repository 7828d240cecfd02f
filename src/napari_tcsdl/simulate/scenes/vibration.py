"""Vibration within a frame: faster than the exposure, it blurs along one direction."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .motion import TWO_PI, View

WIDEST = 1.5
"""Largest amplitude [px]."""

_REACH = 4  # [px] beyond the border, so that opposite borders do not mix


def random_vibration(view: View) -> tuple[Tensor, Tensor]:
    """Draw amplitudes (n, T) [px], half of them steady, the others slowly changing, and directions.

    Directions (n,) turn x towards y [rad].
    """
    draws, n = view.draws, view.count
    amplitude = draws.uniform(0.3, WIDEST, n, 1)
    swell = view.wander(draws.uniform(0.95, 0.999, n)) * draws.uniform(0.1, 0.5, n, 1)
    amplitude = amplitude * (1 + swell * draws.chance(0.5, n, 1))
    return amplitude.clamp(0, WIDEST), draws.phase(n)


def vibrate(movies: Tensor, amplitude: Tensor, direction: Tensor) -> Tensor:
    """Blur frames by many periods of a sinusoidal vibration.

    Parameters
    ----------
    movies
        (n, T, H, W); beyond its border a frame goes on as at the border.
    amplitude
        (n, T), how far from the middle it goes [px].
    direction
        (n,), turns x towards y [rad].

    Returns
    -------
    Tensor
        (n, T, H, W).

    Notes
    -----
    The mean of exp(2πi f · a sin θ) over θ is the Bessel function J₀(2π f · a): finer structure
    than that of the first zero comes out reversed, as on a real detector.
    """
    frames = pad(movies, (_REACH,) * 4, mode="replicate")
    height, width = frames.shape[-2:]
    fy = torch.fft.fftfreq(height, device=frames.device)[:, None]
    fx = torch.fft.rfftfreq(width, device=frames.device)
    sin, cos = (part[:, None, None, None] for part in (direction.sin(), direction.cos()))
    path = (fy * sin + fx * cos) * (TWO_PI * amplitude[..., None, None])
    waves = torch.fft.rfft2(frames).mul_(torch.special.bessel_j0(path))
    blurred: Tensor = torch.fft.irfft2(waves, s=(height, width))
    return blurred[..., _REACH:-_REACH, _REACH:-_REACH]
