"""GAP-TV: alternate between what was measured and what has little total variation.

Notation: X frames (B, H, W), Y = ΦX, n = Σ_b C_b exposures of a pixel, ∇ forward differences, q the
dual field of TV. A decoder on a CPU is bound by memory, not by arithmetic: all steps are in place
and go through the block frame by frame, so that what they touch stays in cache.

References
----------
X. Yuan, "Generalized alternating projection based total variation minimization for compressive
sensing", ICIP 2016. A. Chambolle, "An algorithm for total variation minimization and
applications", J. Math. Imaging Vis. 20, 89 (2004). L. Condat, "A primal-dual splitting method
for convex optimization", J. Optim. Theory Appl. 158, 460 (2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..measurement import Phi
from .base import BlockByBlock, BlockContext, Progress

_CHAMBOLLE_STEP = 0.125  # Chambolle 2004, Theorem 3.1: converges up to 1/8
_NEIGHBOURHOOD = 9  # [px] over which the expected value of a pixel is averaged
_TEXTURE_NEIGHBOURHOOD = 17  # [px] over which motion is looked for
_TEXTURE_SENSITIVITY = 2.0  # how fast the temporal weight falls where motion is found
_CHECK_EVERY = 10  # iterations between looks at convergence
_WEIGHT_RANGE = (0.5, 1.5)  # of a pixel's weight; the step size falls with the largest


@dataclass(frozen=True)
class GapTV(BlockByBlock):
    """Total-variation decoder for any masks, B, frame size and device; needs no training.

    Clean data: Yuan's accelerated GAP with TV within each frame; the result fits the measurement
    exactly. Noisy data: the measurement is weighed against TV over space and time by its expected
    noise and never projected upon, and the minimum of that convex sum is found.

    Attributes
    ----------
    accelerated
        True (clean), False (noisy), or None: clean where the noise is below ``noise_threshold``.
    noise_threshold
        Standard deviation of the noise of one frame, relative to the value range.
    iterations, inner_steps
        Of the clean mode, and Chambolle steps in each.
    tv_weight
        Of the clean mode, relative to the value range.
    noisy_iterations, tolerance
        Of the noisy mode: at most so many, fewer once frames change by less than ``tolerance``
        standard deviations (rms) in one.
    noisy_tv_weight
        Of the noisy mode, relative to the noise of the mean of a block.
    temporal_weight
        Of |differences between frames|, noisy mode, relative to the noise of one frame. It is
        lowered where the measurement shows that something moves; 0 leaves TV within each frame.
    smoothing
        Differences below about this many standard deviations of one frame are penalised by their
        square (Huber), which spares the slopes of lattice fringes from stair-casing; noisy mode.
    """

    accelerated: bool | None = None
    noise_threshold: float = 0.03
    iterations: int = 40
    inner_steps: int = 5
    tv_weight: float = 0.2
    noisy_iterations: int = 200
    tolerance: float = 1e-3
    noisy_tv_weight: float = 0.9
    temporal_weight: float = 1.2
    smoothing: float = 0.1

    name: ClassVar[str] = "gap_tv"
    halo: ClassVar[int] = 32

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct (…, H, W) into (…, B, H, W), in detector units.

        Parameters
        ----------
        y
            Measurement Y [detector units].
        phi
            Its forward operator. Pixels that no mask opens are filled by TV.
        context
            Value range and noise of the movie.
        progress
            Called after each iteration; what it raises stops the decoder.
        """
        low, high = context.value_range
        span = max(high - low, 1e-6 * max(abs(high), 1.0))
        mean = _local_mean(y, phi)
        variance = torch.zeros_like(mean)
        if context.noise is not None:
            variance = (context.noise.gain * mean + context.noise.offset_variance).clamp_(min=0)
        noise = _noise_level(variance, context)
        y = y - low * phi.mask_sum
        start = torch.where(phi.mask_sum > 0, phi.normalise(y), mean - low)
        if self._is_clean(noise / span, phi.compression_ratio):
            frames = self._decode_clean(y / span, start / span, phi, progress)
            return frames.mul_(span).add_(low)
        unit = max(noise, 1e-3 * span)
        weight = (unit**2 / variance.clamp(min=1e-6 * unit**2)).clamp_(*_WEIGHT_RANGE)
        frames = self._decode_noisy(y / unit, start / unit, weight, phi, progress)
        return frames.mul_(unit).add_(low)

    def _is_clean(self, relative_noise: float, n_frames: int) -> bool:
        if self.accelerated is not None:
            return self.accelerated
        # A single frame was measured as it is: there is nothing to separate.
        return n_frames == 1 or relative_noise < self.noise_threshold

    def _decode_clean(self, y: Tensor, start: Tensor, phi: Phi, progress: Progress) -> Tensor:
        """Accelerated GAP: the residual adds up in ``target`` until the denoised frames fit Y."""
        x = _repeated(start, phi)
        target = torch.zeros_like(y)
        for iteration in range(self.iterations):
            measured = phi(x)
            target += y - measured
            _add_adjoint(x, phi.normalise(target - measured), phi)
            for frame in x.unbind(-3):
                _chambolle(frame, self.tv_weight, self.inner_steps)
            progress((iteration + 1) / self.iterations)
        _add_adjoint(x, phi.normalise(y - phi(x)), phi)
        return x

    def _decode_noisy(
        self, y: Tensor, start: Tensor, weight: Tensor, phi: Phi, progress: Progress
    ) -> Tensor:
        """Minimise ½ Σ w (Y − Φx)² / n + λ Σ |∇x| + λ_t Σ |∂x/∂b| by Condat's splitting.

        All in units of the noise of one frame. λ falls as √n / B: the mean of a block, whose noise
        is 1/√n, is then smoothed alike whatever B and n are.
        """
        x = _repeated(start, phi)
        exposures = max(float(phi.mask_sum.mean()), 1.0)
        dual = _SpaceTimeDual(
            x,
            space=self.noisy_tv_weight * exposures**0.5 / phi.compression_ratio,
            time=self.temporal_weight / (1 + _TEXTURE_SENSITIVITY * _motion(start, weight, phi)),
            smoothing=self.smoothing,
        )
        step = 1 / (_WEIGHT_RANGE[1] / 2 + dual.NORM)
        for iteration in range(self.noisy_iterations):
            residual = phi.normalise((y - phi(x)) * weight)
            check = (iteration + 1) % _CHECK_EVERY == 0
            ahead = None
            change = 0.0
            for b, mask in enumerate(phi.masks):
                frame = x.select(-3, b)
                before = frame.clone()
                frame.addcmul_(mask, residual, value=step)
                dual.pull(frame, b, step)
                ahead = dual.push(before.neg_().add_(frame, alpha=2), ahead, b)
                if check:
                    change += float((ahead - frame).square_().mean()) / phi.compression_ratio
            progress((iteration + 1) / self.noisy_iterations)
            if check and change**0.5 < self.tolerance:
                break
        progress(1.0)
        return x


class _SpaceTimeDual:
    """Dual fields of Huber-TV within frames (isotropic) and between them.

    Frames are visited in order; ``push`` updates the field between b − 1 and b only after frame b
    has been pulled by its old value, so that one pass is one exact iteration.
    """

    STEP_SPACE = 1 / 16
    STEP_TIME = 1 / 8
    NORM = 8 * STEP_SPACE + 4 * STEP_TIME  # Σ σ‖∇‖², within and between frames

    def __init__(self, x: Tensor, *, space: float, time: Tensor, smoothing: float) -> None:
        self.across = torch.zeros_like(x)
        self.down = torch.zeros_like(x)
        self.between = torch.zeros_like(x)
        self.space = space
        self.time = time
        self.shrink_space = 1 + self.STEP_SPACE * smoothing / space
        self.shrink_time = 1 + self.STEP_TIME * smoothing / time

    def pull(self, frame: Tensor, b: int, step: float) -> None:
        """Frame b ← frame b − step · ∇ᵀq."""
        _subtract_adjoint(frame, self.across.select(-3, b), -1, step)
        _subtract_adjoint(frame, self.down.select(-3, b), -2, step)
        frame.add_(self.between.select(-3, b), alpha=step)
        if b > 0:
            frame.sub_(self.between.select(-3, b - 1), alpha=step)

    def push(self, ahead: Tensor, previous: Tensor | None, b: int) -> Tensor:
        """Let the fields rise with the differences in ``ahead``, within their bounds."""
        across, down = self.across.select(-3, b), self.down.select(-3, b)
        _add_difference(across, ahead, -1, self.STEP_SPACE)
        _add_difference(down, ahead, -2, self.STEP_SPACE)
        norm = torch.mul(across, across).addcmul_(down, down).sqrt_().div_(self.space)
        norm.clamp_(min=self.shrink_space)
        across.div_(norm)
        down.div_(norm)
        if previous is not None:
            between = self.between.select(-3, b - 1)
            between.add_(ahead, alpha=self.STEP_TIME).sub_(previous, alpha=self.STEP_TIME)
            between.div_(self.shrink_time).clamp_(-self.time, self.time)
        return ahead


def _noise_level(variance: Tensor, context: BlockContext) -> float:
    """Return σ of one frame: of the movie where it is known, so that tiles agree."""
    if context.noise is not None and context.noise.mean is not None:
        return math.sqrt(context.noise.variance(context.noise.mean))
    return math.sqrt(float(variance.mean()))


def _local_mean(y: Tensor, phi: Phi) -> Tensor:
    """Average frame value around each pixel, (…, H, W): Y over exposures, both summed nearby."""
    half = _NEIGHBOURHOOD // 2
    exposures = avg_pool2d(phi.mask_sum[None], _NEIGHBOURHOOD, 1, half)[0]
    total = avg_pool2d(y.reshape(-1, *y.shape[-2:]), _NEIGHBOURHOOD, 1, half).reshape(y.shape)
    return total / exposures.clamp(min=1 / _NEIGHBOURHOOD**2)


def _motion(mean: Tensor, weight: Tensor, phi: Phi) -> Tensor:
    """Excess of pixel-to-pixel variance of Ȳ over its noise, (…, H, W): 0 where nothing moves.

    Neighbouring pixels see a changing scene through different masks, so that motion becomes
    texture of single pixels in Ȳ. Mixed second differences (x and y) see that texture and little
    of the scene itself.
    """
    mixed = mean.diff(dim=-1).diff(dim=-2)
    mixed = torch.nn.functional.pad(mixed, (0, 1, 0, 1)).square_().div_(4)
    expected = 1 / (phi.mask_sum.clamp(min=1) * weight)
    size = _TEXTURE_NEIGHBOURHOOD
    pooled = [
        avg_pool2d(v.reshape(-1, *v.shape[-2:]), size, 1, size // 2).reshape(v.shape)
        for v in (mixed, expected)
    ]
    return (pooled[0] / pooled[1] - 1).clamp_(min=0)


def _repeated(image: Tensor, phi: Phi) -> Tensor:
    """B copies of (…, H, W) along a new axis −3."""
    return image.unsqueeze(-3).repeat_interleave(phi.compression_ratio, dim=-3)


def _add_adjoint(x: Tensor, step: Tensor, phi: Phi) -> None:
    """Add Φᵀ step to ``x`` without a temporary block."""
    for mask, frame in zip(phi.masks, x.unbind(-3), strict=True):
        frame.addcmul_(mask, step)


def _chambolle(image: Tensor, weight: float, steps: int) -> None:
    """Take ``steps`` dual steps from ``image`` towards argmin ½|x − image|² + weight · TV(x)."""
    across, down, gradient_x, gradient_y = (torch.zeros_like(image) for _ in range(4))
    x, norm = image.clone(), torch.empty_like(image)
    rate = _CHAMBOLLE_STEP / weight
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


def _add_difference(dual: Tensor, x: Tensor, axis: int, weight: float) -> None:
    """Add weight · ∇x along one axis to ``dual``, whose last entry there stays 0."""
    n = x.shape[axis] - 1
    inner = dual.narrow(axis, 0, n)
    inner.add_(x.narrow(axis, 1, n), alpha=weight).sub_(x.narrow(axis, 0, n), alpha=weight)


def _subtract_adjoint(x: Tensor, dual: Tensor, axis: int, weight: float) -> None:
    """Subtract weight · ∇ᵀ dual from ``x`` along one axis."""
    n = x.shape[axis] - 1
    inner = dual.narrow(axis, 0, n)
    x.narrow(axis, 0, n).add_(inner, alpha=weight)
    x.narrow(axis, 1, n).sub_(inner, alpha=weight)
