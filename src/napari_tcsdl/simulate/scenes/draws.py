"""Random numbers of a scene, and what wanders in time."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor


class Draws:
    """Random tensors from one generator, on one device.

    Parameters
    ----------
    generator
        All that is drawn comes from it, so that equal generators give equal scenes.
    device
        Of the generator and of every tensor.

    Attributes
    ----------
    host
        For what decides the structure of a scene (how many grains), without waiting for the
        device; seeded once from ``generator``.
    """

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.generator = generator
        self.device = device
        seed = torch.randint(2**62, (1,), generator=generator, device=device)
        self.host = random.Random(int(seed))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw from [low, high)."""
        drawn = torch.rand(shape, generator=self.generator, device=self.device)
        return drawn.mul_(high - low).add_(low)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw from [low, high), evenly in the logarithm."""
        return self.uniform(math.log(low), math.log(high), *shape).exp_()

    def normal(self, *shape: int) -> Tensor:
        """Draw with mean 0 and variance 1."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def phase(self, *shape: int) -> Tensor:
        """Draw an angle [rad]."""
        return self.uniform(-math.pi, math.pi, *shape)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """1.0 with ``probability``, else 0.0."""
        return (self.uniform(0, 1, *shape) < probability).float()

    def sign(self, positive: float, *shape: int) -> Tensor:
        """1.0 with probability ``positive``, else −1.0."""
        return self.chance(positive, *shape) * 2 - 1

    def wander(self, memory: Tensor, n_frames: int) -> Tensor:
        """Draw an autoregressive process: (…,) → (…, T), mean 0 and variance 1 in every frame.

        ``memory`` is the correlation of consecutive frames: 0 forgets at once, 1 stands still.
        """
        noise = self.normal(*memory.shape, n_frames, 1)
        return (memory_matrix(memory, n_frames) @ noise).squeeze(-1)

    def onset(self, n_frames: int, width: Tensor) -> Tensor:
        """Draw a smooth step 0 → 1 at a random frame, (…,) of widths [frames] → (…, T)."""
        time = torch.arange(n_frames, device=self.device, dtype=torch.float32)
        start = self.uniform(0, n_frames, *width.shape)
        return torch.sigmoid((time - start.unsqueeze(-1)) / width.unsqueeze(-1))


def memory_matrix(memory: Tensor, n_frames: int) -> Tensor:
    """Lower triangle M with M Mᵀ = ρ^|i − j|: (…,) → (…, T, T).

    White noise times M is the stationary process x_t = ρ x_{t−1} + √(1 − ρ²) w_t.
    """
    time = torch.arange(n_frames, device=memory.device)
    lag = (time[:, None] - time).to(memory.dtype)
    rho = memory[..., None, None]
    new = torch.where(time == 0, torch.ones_like(rho), (1 - rho.square()).clamp(min=0).sqrt())
    return torch.where(lag >= 0, rho ** lag.clamp(min=0), torch.zeros_like(rho)) * new
