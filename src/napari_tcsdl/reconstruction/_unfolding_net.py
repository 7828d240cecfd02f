"""The network of :mod:`.unfolding`, in normalised units, without knowledge of files or tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._alignment import Alignment
from ._deviation import DeviationBranch, clues
from ._deviation import reach as deviation_reach
from ._last_step import last_step
from ._persistence_inputs import PERSISTENCE_INPUTS
from ._spectral_mixing import SIDE, SpectralMixing
from ._time_mixing import Block

_LEAST_SIGMA = 1e-3  # of the movie's standard deviation: the log of nothing is not a number
_LOG_SIGMA = (-7.0, 4.0)  # beyond lies nothing that was trained: a sum of logs can run away


@dataclass(frozen=True)
class UnfoldingConfig:
    """Size of the network; stored with its weights.

    Attributes
    ----------
    width
        Channels at half resolution.
    deep_width
        Channels at a quarter of the resolution.
    stages
        Times that physics and network take turns.
    shifts
        Distance in time [frames] over which each block of a stage mixes: the first and the last
        block work at half resolution, those between at a quarter.
    deviation_width
        Channels of what corrects the stated deviation by the residual of the measurement; 0 for
        none, as in weights of before it was there.
    persistence_width
        Numbers that :mod:`._persistence_inputs` are turned into; 0 for none, as in weights of
        before they were known.
    follows
        Whether frames are mixed where the specimen is, and not where the detector was; False for
        weights of before, which never saw such frames.
    """

    width: int = 32
    deep_width: int = 64
    stages: int = 2
    shifts: tuple[int, ...] = (1, 1, 2, 4, 2, 1)
    deviation_width: int = 24
    persistence_width: int = 12
    follows: bool = True

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {**asdict(self), "shifts": list(self.shifts)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UnfoldingConfig:
        """Undo :meth:`to_json`."""
        known = {"deviation_width": 0, "persistence_width": 0, "follows": False, **values}
        return cls(**{**known, "shifts": tuple(known["shifts"])})

    @property
    def receptive_radius(self) -> int:
        """Pixels around a pixel that can influence it."""
        half, quarter = 2, 4  # [px] that a 3 × 3 convolution reaches at that resolution
        blocks = 2 * 2 * half + (len(self.shifts) - 2) * 2 * quarter
        stage = half + blocks + half + quarter - 1  # wherever in its cell of 4 px a pixel lies
        beyond = deviation_reach() if self.deviation_width else 0
        return self.stages * stage + (self.stages - 1) * SIDE + beyond


class CodedSequence(NamedTuple):
    """What the network sees: T frames in M segments of N movies, normalised.

    Attributes
    ----------
    mean
        Ȳ = Y ⊘ Σ C of each segment (N, M, H, W), scaled to mean 0 and variance about 1.
    sigma
        Standard deviation of the noise of ``mean``, same shape and units.
    masks
        C_b of each frame (N, T, H, W).
    lengths
        Frames of each segment: M numbers whose sum is T.
    ratio
        B. A segment at either end may hold fewer frames than that.
    openness
        Share of the frames in which masks of this kind expose a pixel; None to count it. A tile
        must be given that of the whole frame.
    persistence
        What :mod:`._persistence_inputs` makes of each movie's, (N, F); None where it is unknown.
    offsets
        Whole pixels (y, x) by which the specimen lies off in each frame, (N, T, 2); None where it
        stays or is not known to move.
    """

    mean: Tensor
    sigma: Tensor
    masks: Tensor
    lengths: tuple[int, ...]
    ratio: int
    openness: float | None = None
    persistence: Tensor | None = None
    offsets: Tensor | None = None

    def per_frame(self, per_segment: Tensor) -> Tensor:
        """Repeat (N, M, …) for the frames of each segment: (N, T, …)."""
        parts = zip(per_segment.unbind(1), self.lengths, strict=True)
        return torch.cat([p[:, None].expand(-1, n, *p.shape[1:]) for p, n in parts], 1)

    def residual(self, frames: Tensor) -> Tensor:
        """C ⊙ (Ȳ − Φx ⊘ Σ C) for each frame, (N, T, H, W): what x does not explain yet."""
        return self.masks * self.left_over(frames)

    def left_over(self, frames: Tensor) -> Tensor:
        """Ȳ − Φx ⊘ Σ C of each frame's measurement, (N, T, H, W); 0 where nothing was seen."""
        exposures = self.summed(self.masks)
        explained = self.summed(self.masks * frames) / exposures.clamp(min=1)
        return (self.per_frame(self.mean) - explained) * (exposures > 0)

    def summed(self, frames: Tensor) -> Tensor:
        """Sum over the frames of each segment, repeated for each of them: (N, T, H, W)."""
        parts = torch.split(frames, list(self.lengths), 1)
        return self.per_frame(torch.stack([part.sum(1) for part in parts], 1))

    def position(self) -> Tensor:
        """Tell what masks alone do not: place in the block, its length, exposures; (N, T, 3)."""
        place = [(i + 0.5) / n - 0.5 for n in self.lengths for i in range(n)]
        rows = self.mean.new_zeros(self.mean.shape[0], len(place), 3)
        rows[..., 0] = torch.tensor(place)
        rows[..., 1] = torch.log2(torch.tensor(float(self.ratio))) / 5
        counted = self.masks.mean((-3, -2, -1), keepdim=True)[..., 0, 0]
        rows[..., 2] = counted if self.openness is None else self.openness
        return rows


class Prediction(NamedTuple):
    """Frames (N, T, H, W), log of their standard deviation, and the frames of earlier stages."""

    frames: Tensor
    log_sigma: Tensor
    earlier: list[Tensor]


class UnfoldingNet(nn.Module):
    """:class:`CodedSequence` → frames and their uncertainty; H and W multiples of 4."""

    def __init__(self, config: UnfoldingConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            _Stage(config, first=index == 0) for index in range(config.stages)
        )
        self.spectral = nn.ModuleList(SpectralMixing() for _ in range(config.stages - 1))
        self.sigma_head = nn.Conv2d(config.width, 4, 3, padding=1)
        nn.init.zeros_(self.sigma_head.weight)
        nn.init.constant_(self.sigma_head.bias, -1.0)  # type: ignore[arg-type]
        own, more = config.deviation_width, config.persistence_width
        self.deviation = DeviationBranch(config.width, own, more) if own else None
        self.persistence = nn.Linear(PERSISTENCE_INPUTS, more) if more else None

    def forward(
        self, coded: CodedSequence, progress: Callable[[float], None] | None = None
    ) -> Prediction:
        """Decode; every stage starts from the estimate and the features of the one before.

        ``progress`` is called with the fraction done after every block.
        """
        align = Alignment(coded.offsets if self.config.follows else None)
        mean = align.follow(coded.per_frame(coded.mean))
        sigma = align.follow(coded.per_frame(coded.sigma))

        def residual(frames: Tensor) -> Tensor:
            return align.follow(coded.residual(align.undo(frames)))

        given = _Given(
            mean=mean,
            masks=align.follow(coded.masks),
            sigma=functional.avg_pool2d(sigma, 2).flatten(0, 1)[:, None],
            position=self._told(coded).flatten(0, 1),
            n_frames=mean.shape[1],
            step=_steps(progress, self.config.stages * len(self.config.shifts)),
        )
        frames, features = mean, None
        estimates = []
        for index, module in enumerate(self.stages):
            stage = cast(_Stage, module)
            if index:
                mixing = self.spectral[index - 1]
                frames = mixing(frames, residual(frames), sigma, coded.ratio)
            frames, features = stage(frames, residual(frames), features, given)
            # A step towards the measurement: all of it where that is clean, none where it is noise.
            frames = frames + stage.step(sigma) * residual(frames)
            estimates.append(frames)
        assert features is not None
        log_sigma = _unfold(self.sigma_head(features).float(), mean)
        if self.deviation is not None:
            with torch.no_grad():
                left = align.follow(coded.left_over(align.undo(frames)))
                found = clues(left, sigma, frames)
            log_sigma = log_sigma + self._correction(found, frames, features.detach(), given)
        log_sigma = align.undo(log_sigma.clamp(*_LOG_SIGMA))
        frames, log_sigma = last_step(coded, align.undo(frames), log_sigma)
        return Prediction(frames, log_sigma, [align.undo(early) for early in estimates[:-1]])

    def _told(self, coded: CodedSequence) -> Tensor:
        """Place of each frame, and what is known of how long structure lasts: (N, T, 3 + …)."""
        position = coded.position()
        if self.persistence is None:
            return position
        known = coded.persistence
        if known is None:
            known = position.new_zeros(len(position), PERSISTENCE_INPUTS)
        turned = functional.leaky_relu(self.persistence(known), 0.1)[:, None]
        return torch.cat([position, turned.to(position).expand(-1, position.shape[1], -1)], -1)

    def _correction(self, found: Tensor, frames: Tensor, features: Tensor, given: _Given) -> Tensor:
        """Return what the residual of the last estimate adds to the log of the deviation."""
        assert self.deviation is not None
        added = self.deviation(features, found, given.position, given.n_frames)
        return torch.unflatten(added.float()[:, 0], 0, frames.shape[:2])


class _Given(NamedTuple):
    """What stays the same in all stages."""

    mean: Tensor  # (N, T, H, W)
    masks: Tensor  # (N, T, H, W)
    sigma: Tensor  # (N · T, 1, H/2, W/2)
    position: Tensor  # (N · T, 3 + …)
    n_frames: int
    step: Callable[[], None]  # tells that one more block is done


def _steps(progress: Callable[[float], None] | None, total: int) -> Callable[[], None]:
    """Return what to call after each of ``total`` steps."""
    if progress is None:
        return lambda: None
    done = iter(range(1, total + 1))
    return lambda: progress(next(done) / total)


class _Stage(nn.Module):
    """Residual blocks at half, quarter and half resolution, with time mixed in each."""

    def __init__(self, config: UnfoldingConfig, *, first: bool) -> None:
        super().__init__()
        width, deep = config.width, config.deep_width
        self.first = first
        # Ȳ, C, C ⊙ Ȳ (or the residual), σ; later stages also the estimate and the features.
        self.enter = nn.Conv2d(3 * 4 + 1 + (0 if first else 4 + width), width, 3, padding=1)
        self.place = nn.Linear(3 + config.persistence_width, width)
        self.before = Block(width, config.shifts[0])
        self.down = nn.Conv2d(width, deep, 2, stride=2)
        self.deep = nn.ModuleList(Block(deep, shift) for shift in config.shifts[1:-1])
        self.up = nn.Conv2d(deep, 4 * width, 1)
        self.after = Block(width, config.shifts[-1])
        self.leave = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]
        self.weigh = nn.Parameter(torch.tensor([-1.0, -1.0]))

    def forward(
        self, frames: Tensor, residual: Tensor, features: Tensor | None, given: _Given
    ) -> tuple[Tensor, Tensor]:
        """Return better frames (N, T, H, W) and features (N · T, width, H/2, W/2)."""
        coded = given.masks * given.mean if self.first else residual
        parts = [_fold(given.mean), _fold(given.masks), _fold(coded), given.sigma]
        if features is not None:
            parts += [_fold(frames), features]
        x = torch.cat([part.to(parts[-1].dtype) for part in parts], 1)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        x = functional.leaky_relu(x + self.place(given.position)[..., None, None].to(x.dtype), 0.1)
        x = self.before(x, given.n_frames)
        given.step()
        deep = functional.leaky_relu(self.down(x), 0.1)
        for block in self.deep:
            deep = block(deep, given.n_frames)
            given.step()
        x = x + functional.pixel_shuffle(self.up(deep), 2)
        x = self.after(x, given.n_frames)
        given.step()
        return frames + _unfold(self.leave(x).float(), frames), x

    def step(self, sigma: Tensor) -> Tensor:
        """Share of the residual that is taken over, 0 … 1, from the noise of the measurement."""
        offset, slope = self.weigh
        return torch.sigmoid(offset + slope * sigma.clamp(min=_LEAST_SIGMA).log())


def _fold(frames: Tensor) -> Tensor:
    """(N, T, H, W) → (N · T, 4, H/2, W/2): half resolution without loss."""
    return functional.pixel_unshuffle(frames.flatten(0, 1)[:, None], 2)


def _unfold(folded: Tensor, like: Tensor) -> Tensor:
    """Undo :func:`_fold`."""
    return torch.unflatten(functional.pixel_shuffle(folded, 2)[:, 0], 0, like.shape[:2])
