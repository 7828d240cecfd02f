"""GAP-TV: alternate between what was measured and what has little total variation.

Notation: X frames (B, H, W), y = ΦX, ∇ forward differences, q the dual field of TV (|q| ≤ 1).
Everything is in place and frame-wise where it can be: a decoder on two CPU cores is bound by
memory, not by arithmetic.

References
----------
X. Yuan, "Generalized alternating projection based total variation minimization for compressive
sensing", ICIP 2016. A. Chambolle, "An algorithm for total variation minimization and
applications", J. Math. Imaging Vis. 20, 89 (2004). L. Condat, "A primal-dual splitting method
for convex optimization", J. Optim. Theory Appl. 158, 460 (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..measurement import Phi
from .base import BlockContext, Progress

_TAU = 0.125  # Chambolle 2004, Theorem 3.1: the dual step converges up to 1/8


@dataclass(frozen=True)
class GapTV:
    """Total-variation decoder for any mask, B, frame size, device; no training.

    Clean data (``accelerated``): Yuan's accelerated GAP, which fits the measurement exactly, with
    TV within each frame. Noisy data: the measurement is weighed against the TV of space and time
    by its expected noise, never projected upon.

    Attributes
    ----------
    iterations
        Of the accelerated mode.
    tv_weight
        TV weight of the accelerated mode, relative to the value range.
    inner_steps
        Chambolle steps for each of them.
    accelerated
        True, False, or None: decided from the noise relative to the value range.
    noisy_iterations, noisy_tv_weight
        Of the noisy mode; its weight is relative to the noise of one frame.
    temporal_weight
        Weight of differences between frames relative to those between pixels, noisy mode.
    """

    iterations: int = 40
    tv_weight: float = 0.2
    inner_steps: int = 5
    accelerated: bool | None = None
    noisy_iterations: int = 100
    noisy_tv_weight: float = 0.2
    temporal_weight: float = 4.0

    name: ClassVar[str] = "gap_tv"
    halo: ClassVar[int] = 32

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W), in detector units.

        Parameters
        ----------
        y
            Measurement, detector units.
        phi
            Its forward operator.
        context
            Value range and noise of the movie.
        progress
            Called after every iteration; what it raises stops the decoder.
        """
        low, high = context.value_range
        span = max(high - low, torch.finfo(torch.float32).tiny)
        noise = self._noise(y, phi, context)
        accelerated = self.accelerated
        if accelerated is None:
            accelerated = float(noise.mean().sqrt()) < 0.01 * span
        if accelerated:
            frames = self._accelerated((y - low * phi.mask_sum) / span, phi, progress)
            return frames.mul_(span).add_(low)
        unit = float(noise.mean().sqrt()) or span
        weight = (noise.mean() / noise.clamp(min=1e-6 * span**2)).clamp(0.2, 5)
        frames = self._weighted((y - low * phi.mask_sum) / unit, weight, phi, progress)
        return frames.mul_(unit).add_(low)

    def _noise(self, y: Tensor, phi: Phi, context: BlockContext) -> Tensor:
        """Variance of one frame at each pixel, (…, H, W): var(Y) / Σ_b C_b, locally averaged."""
        if context.noise is None:
            return torch.zeros_like(y)
        mean = phi.normalise(y)
        smooth = torch.nn.functional.avg_pool2d(
            mean.reshape(-1, 1, *mean.shape[-2:]), 9, 1, 4, count_include_pad=False
        )
        return (context.noise.gain * smooth + context.noise.offset_variance).clamp(min=0).reshape(
            mean.shape
        )

    def _accelerated(self, y: Tensor, phi: Phi, progress: Progress) -> Tensor:
        x = phi.normalise(y).unsqueeze(-3).expand(*y.shape[:-2], *phi.masks.shape).clone()
        target = torch.zeros_like(y)
        for k in range(self.iterations):
            measured = phi(x)
            target += y - measured
            step = phi.normalise(target - measured)
            for b, mask in enumerate(phi.masks):
                frame = x.select(-3, b)
                frame.addcmul_(mask, step)
                _chambolle(frame, self.tv_weight, self.inner_steps)
            progress((k + 1) / self.iterations)
        return x

    def _weighted(self, y: Tensor, weight: Tensor, phi: Phi, progress: Progress) -> Tensor:
        """Minimise ½ Σ w (y − Φx)² / Σ_b C_b + λ TV(x) by Condat's primal-dual splitting."""
        kappa = self.temporal_weight if phi.compression_ratio > 1 else 0.0
        x = phi.normalise(y).unsqueeze(-3).expand(*y.shape[:-2], *phi.masks.shape).clone()
        sigma = 1 / (8 + 4 * kappa**2)
        tau = 1 / (float(weight.max()) / 2 + 1)
        axes = [(-1, 1.0), (-2, 1.0)] + ([(-3, kappa)] if kappa else [])
        dual = [torch.zeros_like(x) for _ in axes]
        ahead = torch.empty_like(x)
        for k in range(self.noisy_iterations):
            residual = phi.normalise((y - phi(x)) * weight)
            torch.mul(x, -1, out=ahead)
            for b, mask in enumerate(phi.masks):
                x.select(-3, b).addcmul_(mask, residual, value=tau)
            for (axis, scale), q in zip(axes, dual, strict=True):
                _subtract_adjoint(x, q, axis, tau * scale)
            ahead.add_(x, alpha=2)
            for (axis, scale), q in zip(axes, dual, strict=True):
                n = q.shape[axis] - 1
                difference = ahead.narrow(axis, 1, n) - ahead.narrow(axis, 0, n)
                q.narrow(axis, 0, n).add_(difference, alpha=sigma * scale)
            norm = dual[0].square()
            for q in dual[1:]:
                norm.addcmul_(q, q)
            norm.sqrt_().div_(self.noisy_tv_weight).clamp_(min=1)
            for q in dual:
                q.div_(norm)
            progress((k + 1) / self.noisy_iterations)
        return x


def _chambolle(image: Tensor, weight: float, steps: int) -> None:
    """Replace images (…, H, W) by ``steps`` dual steps towards argmin ½|x − image|² + weight·TV."""
    across, down = torch.zeros_like(image), torch.zeros_like(image)
    gradient_x, gradient_y = torch.zeros_like(image), torch.zeros_like(image)
    x, norm = image.clone(), torch.empty_like(image)
    rate = _TAU / weight
    for _ in range(steps):
        torch.sub(x[..., 1:], x[..., :-1], out=gradient_x[..., :-1])
        torch.sub(x[..., 1:, :], x[..., :-1, :], out=gradient_y[..., :-1, :])
        torch.mul(gradient_x, gradient_x, out=norm)
        norm.addcmul_(gradient_y, gradient_y).sqrt_().mul_(rate).add_(1)
        across.add_(gradient_x, alpha=rate).div_(norm)
        down.add_(gradient_y, alpha=rate).div_(norm)
        x.copy_(image)
        _subtract_adjoint(x, across, -1, weight)
        _subtract_adjoint(x, down, -2, weight)
    image.copy_(x)


def _subtract_adjoint(x: Tensor, dual: Tensor, axis: int, weight: float) -> None:
    """x ← x − weight · ∇ᵀ dual along one axis; the last entry of ``dual`` there is unused."""
    n = dual.shape[axis] - 1
    inner = dual.narrow(axis, 0, n)
    x.narrow(axis, 0, n).add_(inner, alpha=weight)
    x.narrow(axis, 1, n).sub_(inner, alpha=weight)
