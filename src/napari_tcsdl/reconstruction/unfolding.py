"""Our decoder: physics and a small network in turn, over frames of several measurements.

The frames of one or more consecutive measurements are decoded as one sequence. Each stage gets
the present estimate, each frame's own mask and the masked residual of the measurement, mixes over
space (2-D convolutions, frames as batch, at a half and a quarter of the resolution) and over time
(features of frames t ± d take the place of some channels of frame t: no multiplication), and ends
with a step towards the measurement that is the smaller the noisier the measurement is. Nothing
depends on B, on the masks or on the size of the frame, so one set of weights serves all of them.

Time mixing runs across the ends of blocks, and what still tells blocks apart is evened out last.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ..measurement import Phi
from ..noise import NoiseModel
from ._alignment import Alignment
from ._margin import margin_of, with_margin, without_margin
from ._persistence_inputs import persistence_inputs
from ._seams import REACH, even_seams
from ._spectral_mixing import HOP
from ._unfolding_net import CodedSequence, Prediction, UnfoldingConfig, UnfoldingNet
from .base import BlockContext, Estimate, Progress, Segment
from .group import offsets_in

__all__ = [
    "CodedSequence",
    "Prediction",
    "Unfolding",
    "UnfoldingConfig",
    "UnfoldingNet",
    "margin_of",
    "normalise",
    "persistence_inputs",
    "with_margin",
    "without_margin",
]

ALIGN = HOP
"""Tiles begin at multiples of this [px], as the windows of the spectral mixing do."""

_HALVINGS = 4  # the resolution is halved twice: sides are multiples of this [px]

_FARTHEST = 72  # [px]
_SMOOTH = 2  # [px] reach of the mean from which the local noise is told


def normalise(
    mean: Tensor, exposures: Tensor, noise: NoiseModel | None, scale: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Scale Ȳ and tell its noise.

    Parameters
    ----------
    mean
        Ȳ = Y ⊘ Σ C (M, H, W), detector units.
    exposures
        Σ C, same shape.
    noise
        Of one frame; None for a clean movie.
    scale
        Mean and standard deviation of Ȳ over the whole movie [detector units].

    Returns
    -------
    tuple of Tensor
        (Ȳ − mean) / standard deviation, 0 where nothing was seen, and the standard deviation of
        its noise in the same unit.
    """
    level, spread = scale
    scaled = torch.where(exposures > 0, (mean - level) / spread, 0)
    if noise is None:
        return scaled, torch.zeros_like(scaled)
    side = 2 * _SMOOTH + 1
    local = functional.avg_pool2d(scaled[:, None], side, 1, _SMOOTH, count_include_pad=False)[:, 0]
    variance = noise.variance(level + spread * local) / exposures.clamp(min=1)
    return scaled, variance.sqrt() / spread


class Unfolding:
    """The decoder: :class:`UnfoldingNet` in detector units, for any size of frame.

    Parameters
    ----------
    net
        A trained network. It is moved to the device of the measurements that it is given.
    autocast
        Type in which a CUDA GPU convolves, ``torch.bfloat16`` or ``torch.float16``; None for the
        type of the weights. Other devices always use that.
    """

    name: ClassVar[str] = "unfolding"
    align: ClassVar[int] = ALIGN
    splits_work: ClassVar[bool] = True
    context_frames: ClassVar[int] = 4

    def __init__(self, net: UnfoldingNet, autocast: torch.dtype | None = None) -> None:
        self.net: UnfoldingNet = net.eval()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.autocast = autocast

    @property
    def follows(self) -> bool:
        """Whether it looks for the specimen where that was in each frame."""
        return self.net.config.follows

    @property
    def halo(self) -> int:
        """Pixels around a tile that matter: the receptive radius, at most 72.

        What lies farther away changes trained weights' frames by 1e-5 of their range (measured
        with tiles of 112 px; 48 px: 3e-3, 64 px: 1e-4, 80 px: 1e-6), their deviation by 5e-5 of it.
        """
        return min(self.net.config.receptive_radius + _SMOOTH + REACH, _FARTHEST)

    def __call__(self, y: Tensor, phi: Phi, context: BlockContext, progress: Progress) -> Tensor:
        """Reconstruct one measurement (…, H, W), without its neighbours, into (…, B, H, W)."""
        flat = y.reshape(-1, *y.shape[-2:])
        frames = [self.decode([Segment(one, phi)], context, progress).frames for one in flat]
        return torch.stack(frames).reshape(*y.shape[:-2], *frames[0].shape)

    @torch.inference_mode()
    def decode(
        self, segments: Sequence[Segment], context: BlockContext, progress: Progress
    ) -> Estimate:
        """Reconstruct consecutive measurements as one sequence of frames."""
        height, width = segments[0].y.shape
        ratio = context.compression_ratio or max(segment.n_frames for segment in segments)
        means, seen = zip(*[segment.normalised() for segment in segments], strict=True)
        mean, exposures = torch.stack(means), torch.stack(seen)
        scale = _scale_of(mean, exposures, context)
        scaled, sigma = normalise(mean, exposures, context.noise, scale)
        masks = torch.cat([segment.phi.masks for segment in segments])
        openness = float(masks.mean()) if context.openness is None else context.openness
        offsets = offsets_in(segments) if self.follows else None
        level, seen_often = (mean.new_full((1, 1, 1), v) for v in (scale[0], openness * ratio))
        _, typical = normalise(level, seen_often, context.noise, scale)
        coded = CodedSequence(
            _divisible(scaled)[None],
            _divisible(sigma)[None],
            _divisible(masks)[None],
            tuple(segment.n_frames for segment in segments),
            ratio,
            openness,
            mean.new_tensor([persistence_inputs(context.persistence, scale[1])]),
            None if offsets is None else torch.from_numpy(offsets)[None],
        )
        margin = margin_of(coded.offsets, ALIGN)
        coded = with_margin(coded, margin, typical.flatten())
        net = self.net.to(mean.device)
        casts = self.autocast is not None and mean.device.type == "cuda"
        with torch.autocast("cuda", self.autocast) if casts else nullcontext():
            prediction: Prediction = net(coded, progress)
        align, deviation = Alignment(coded.offsets), prediction.log_sigma.exp()
        still, doubt = align.follow(prediction.frames)[0], align.follow(deviation)[0]
        evened = align.undo(even_seams(still, doubt, coded.lengths)[None])
        frames, deviation = (
            without_margin(whole, margin)[0, :, :height, :width] for whole in (evened, deviation)
        )
        return Estimate(frames * scale[1] + scale[0], deviation * scale[1])


def _scale_of(mean: Tensor, exposures: Tensor, context: BlockContext) -> tuple[float, float]:
    """Mean and spread of the movie; of this measurement where no movie is known."""
    if context.mean is not None and context.spread is not None:
        level, spread = context.mean, context.spread
    else:
        seen = mean[exposures > 0]
        level, spread = float(seen.mean()), float(seen.std())
    return level, spread if spread > 0 else 1.0  # a uniform measurement


def _divisible(frames: Tensor) -> Tensor:
    """Repeat the last rows and columns of (n, H, W) until the resolution can be halved twice."""
    height, width = frames.shape[-2:]
    extra = (0, -width % _HALVINGS, 0, -height % _HALVINGS)
    return functional.pad(frames[None], extra, mode="replicate")[0] if any(extra) else frames
