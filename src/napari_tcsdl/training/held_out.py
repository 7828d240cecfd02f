"""The end of a raw movie, held out while the rest is learned from: it says when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .coding import Layout, draw_masks
from .objective import Objective
from .thinned import RawMovie, Stretch, Thinned, ThinnedSettings, Window, halves, side_within

_USUAL_RATIO = 10  # B of the held-out blocks
_BLOCKS, _WINDOWS, _SIDE = 4, 6, 128
_SEED = 1
_LEAST_GAIN = 1e-3  # of the error at the start: less is not worth other weights
_SURE = 2.0  # standard errors by which held-out frames must get better for a gain to be believed


class HeldOut:
    """Blocks at the end of a movie, thinned and coded once and for all.

    Parameters
    ----------
    raw
        The movie.
    settings
        How it is thinned.
    share
        Of the movie that is held out, at least one block and at most half.
    """

    def __init__(self, raw: RawMovie, settings: ThinnedSettings, share: float) -> None:
        n_frames = raw.movie.shape[0]
        low, high = settings.batch.ratios
        ratio = min(max(_USUAL_RATIO, low), high, n_frames // 2)
        blocks = n_frames // ratio
        count = min(max(1, round(share * blocks)), blocks // 2)
        self.frames = range(n_frames - count * ratio, n_frames)
        looked_at = np.linspace(0, count - 1, min(count, _BLOCKS)).round().astype(int)
        stretch = Stretch(raw.movie, self.frames)
        times = [range(start, start + ratio) for start in (int(b) * ratio for b in looked_at)]
        self.parts = [
            _coded(raw, stretch, settings, block, Layout(ratio, 1, 0, 0)) for block in times
        ]
        # A movie may end with a block of one frame, which little of the training is about.
        end = Layout(ratio - 1, 1, 0, 0, 1)
        takes_ends = settings.batch.short_ends > 0 and end.ratio >= 2
        self.ends = [_coded(raw, stretch, settings, times[-1], end)] if takes_ends else []

    @torch.inference_mode()
    def errors(self, net: nn.Module, objective: Objective) -> Tensor:
        """Squared error of each frame of each window, its target's noise taken off: unbiased.

        Those of a last block of one frame come last.
        """
        found = []
        for kept, parts in ((slice(None), self.parts), (slice(-1, None), self.ends)):
            for batch, noise in parts:
                frames = objective.answer(net, batch).frames
                squared = (frames - batch.truth).square().mean((-2, -1))
                found.append((squared - noise)[:, kept].flatten())
        return torch.cat(found).cpu().double()


def _coded(
    raw: RawMovie, stretch: Stretch, settings: ThinnedSettings, block: range, layout: Layout
) -> Thinned:
    """Windows of one block, the same in every run."""
    side = side_within(raw.movie, _SIDE)
    generator = torch.Generator().manual_seed(_SEED + block.start)
    chance = np.random.default_rng(_SEED + block.start)
    crops = stretch.cut(block, _spread_windows(raw.movie.shape[1:], side), side)
    masks = draw_masks(len(crops), layout, side, 0.0, generator)
    return halves(raw, crops, masks, layout, settings, (generator, chance))


@dataclass(eq=False)
class Looks:
    """Looks at the held-out frames, and the best weights so far.

    Attributes
    ----------
    start
        Errors of the weights that were started from, as :meth:`HeldOut.errors` gives them.
    patience
        Looks without gain after which it is given up.
    best
        Weights that are surely better than the start's, and best of these; None without any.
    history
        Rows of step and mean error.
    """

    start: Tensor
    patience: int
    best: dict[str, Tensor] | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    lowest: float = 0.0
    in_vain: int = 0

    def __post_init__(self) -> None:
        self.lowest = float(self.start.mean())
        self.history.append({"step": 0, "held_out_error": self.lowest})

    @property
    def given_up(self) -> bool:
        """Whether patience has run out."""
        return self.in_vain >= self.patience

    @property
    def errors(self) -> tuple[float, float]:
        """Mean error of the start, and of the weights that are kept."""
        return float(self.start.mean()), self.lowest

    def add(self, step: int, errors: Tensor, net: nn.Module) -> None:
        """Keep the weights of ``net`` if they are best, and surely better than the start's."""
        gain = self.start - errors
        least = max(
            _SURE * float(gain.std()) / math.sqrt(len(gain)),
            _LEAST_GAIN * abs(float(self.start.mean())),
        )
        sure = float(gain.mean()) > least
        error = float(errors.mean())
        self.history.append({"step": step, "held_out_error": error})
        if sure and error < self.lowest:
            self.lowest, self.in_vain = error, 0
            self.best = {name: value.clone() for name, value in net.state_dict().items()}
        else:
            self.in_vain += 1


def _places(room: int, count: int) -> list[int]:
    """``count`` places from 0 to ``room``; a single one in the middle."""
    return [room // 2] if count == 1 else [room * i // (count - 1) for i in range(count)]


def _spread_windows(shape: tuple[int, ...], side: int) -> list[Window]:
    """Windows over the frame, evenly: as many as do not overlap, at most a few."""
    height, width = shape
    rows, columns = min(height // side, 3), min(width // side, 3)
    tops, lefts = _places(height - side, rows), _places(width - side, columns)
    found = [Window(top, left) for top in tops for left in lefts]
    step = -(-len(found) // _WINDOWS)
    return found[::step]
