"""The network of :mod:`.bidirectional`, in normalised units; knows nothing of files and tiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from .._validation import InputError
from ._bidirectional_config import BidirectionalConfig
from ._recurrent import FirstFrameCNN, RecurrentCell
from .base import Progress


class Passes(NamedTuple):
    """Frames (…, B, H, W) after the forward and after the backward pass: the latter count."""

    forward: Tensor
    backward: Tensor


def passes_loss(passes: Passes, frames: Tensor) -> Tensor:
    """½ MSE of the forward frames + ½ MSE of the backward frames: what the paper minimises."""
    return 0.5 * functional.mse_loss(passes.forward, frames) + 0.5 * functional.mse_loss(
        passes.backward, frames
    )


class BidirectionalNet(nn.Module):
    """First frame, then frames 2 … B in turn, then frames B − 1 … 1 back again.

    Parameters
    ----------
    config
        Which network.

    Notes
    -----
    The last frame is that of the forward pass, in which the backward pass begins; it also takes
    over the hidden state. For speed: ``net.to(memory_format=torch.channels_last)``.
    """

    def __init__(self, config: BidirectionalConfig) -> None:
        super().__init__()
        self.config = config
        self.first_frame: FirstFrameCNN | None = None
        if config.first_frame == "cnn":
            self.first_frame = FirstFrameCNN(
                config.largest_ratio,
                config.width,
                config.attention_window if config.attention else None,
                "keys" if config.variant == "paper" else "queries",
            )
        self.forward_cell = RecurrentCell(config.width)
        self.backward_cell = RecurrentCell(config.width)

    def forward(
        self,
        y: Tensor,
        masks: Tensor,
        first: Tensor | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Passes:
        """Decode measurements.

        Parameters
        ----------
        y
            Σ_b C_b ⊙ X_b of normalised frames, (…, H, W).
        masks
            C_b, (B, H, W) for all measurements or (…, B, H, W) for each, zeros and ones.
        first
            The first frame of each block (…, H, W), normalised, for ``first_frame='gap_tv'``;
            must be left out otherwise.
        progress
            Called with the fraction done after each step of the recursion.

        Returns
        -------
        Passes
            In float32 at least, also under autocast.

        Raises
        ------
        InputError
            If shapes do not fit each other, B exceeds ``largest_ratio``, or ``first`` is missing
            or not wanted.
        """
        self._check(y, masks, first)
        block = _Block.of(y, masks)
        passes = self._two_passes(block, self._start(block, first), progress)
        height, width = y.shape[-2:]
        joined = [torch.cat(frames, 1)[..., :height, :width] for frames in passes]
        return Passes(*(frames.reshape(*y.shape[:-2], *frames.shape[1:]) for frames in joined))

    def _start(self, block: _Block, first: Tensor | None) -> Tensor:
        """X̂_1 (N, 1, H, W)."""
        if self.first_frame is not None:
            return self.first_frame(block.mean, block.masks).to(block.y.dtype)  # type: ignore[no-any-return]
        assert first is not None
        return _padded(first.reshape(-1, 1, *first.shape[-2:]).to(block.y.dtype))

    def _two_passes(
        self, block: _Block, start: Tensor, progress: Progress
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Forward and backward frames, each (N, 1, H, W), in order of time."""
        steps = _Steps(2 * block.n_frames - 1, progress)
        steps.tick()
        hidden = block.mean.new_zeros(
            block.mean.shape[0], self.forward_cell.hidden_channels, *block.mean.shape[-2:]
        )
        order = range(block.n_frames)
        means = [block.mean] * block.n_frames
        forward, hidden = _sweep(self.forward_cell, block, order, (start, hidden), means, steps)
        unseen = forward if self.config.variant == "paper" else means
        last = forward[-1], hidden
        backward, _ = _sweep(self.backward_cell, block, order[::-1], last, unseen, steps)
        return forward, backward

    def _check(self, y: Tensor, masks: Tensor, first: Tensor | None) -> None:
        fits = masks.ndim >= 3 and masks.shape[-2:] == y.shape[-2:] and masks.shape[-3] > 0
        if not fits or masks.shape[:-3] not in ((), y.shape[:-2]):
            raise InputError(
                f"got measurements of shape {tuple(y.shape)} and masks of shape "
                f"{tuple(masks.shape)}, expected (…, H, W) and (B, H, W) or (…, B, H, W); "
                "cut both with the same window"
            )
        if self.first_frame is not None and masks.shape[-3] > self.config.largest_ratio:
            raise InputError(
                f"got B = {masks.shape[-3]}, expected at most {self.config.largest_ratio}, for "
                "which this network's first-frame CNN was made; choose a smaller B, or a network "
                "with a larger largest_ratio or with first_frame = 'gap_tv'"
            )
        wanted = self.config.first_frame == "gap_tv"
        if wanted != (first is not None) or (first is not None and first.shape != y.shape):
            got = "none" if first is None else f"one of shape {tuple(first.shape)}"
            want = f"one of shape {tuple(y.shape)}" if wanted else "none"
            raise InputError(
                f"got first frames: {got}, expected {want} with first_frame = "
                f"{self.config.first_frame!r}; give what the configuration asks for"
            )


class _Block(NamedTuple):
    """Measurements of N blocks, padded to even sizes, in float32 at least."""

    y: Tensor  # (N, 1, H, W)
    mean: Tensor  # Ȳ = Y ⊘ Σ C, 0 where no mask opens (Eq. 2)
    masks: Tensor  # (N or 1, B, H, W)

    @property
    def n_frames(self) -> int:
        return self.masks.shape[1]

    @classmethod
    def of(cls, y: Tensor, masks: Tensor) -> Self:
        exact = torch.promote_types(y.dtype, torch.float32)
        y = _padded(y.reshape(-1, 1, *y.shape[-2:]).to(exact))
        masks = _padded(masks.reshape(-1, *masks.shape[-3:]).to(exact))
        exposures = masks.sum(1, keepdim=True)
        mean = torch.where(exposures > 0, y / exposures.clamp(min=1), 0)
        return cls(y, mean, masks.expand(y.shape[0], -1, -1, -1))


class _Steps:
    """Counts steps of the recursion for the progress callback."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total, self.progress, self.count = total, progress, 0

    def tick(self) -> None:
        self.count += 1
        self.progress(self.count / self.total)


def _sweep(
    cell: RecurrentCell,
    block: _Block,
    order: range,
    start: tuple[Tensor, Tensor],
    unseen: Sequence[Tensor],
    steps: _Steps,
) -> tuple[list[Tensor], Tensor]:
    """Go through the frames in ``order``, the first of which is given.

    The residual measurement of frame k is Y − Σ C_t ⊙ X̂_t over the frames that this sweep has
    passed − Σ C_t ⊙ ``unseen``_t over those that it has not: Eq. 3 with Ȳ for the unseen ones,
    Eq. 4 with the forward frames. From one frame to the next only two terms of it change.

    Returns
    -------
    tuple
        The frames (N, 1, H, W) in order of time, and the last hidden state.
    """
    frame, hidden = start
    frames = {order[0]: frame}
    residual = block.y
    for t in order[1:]:
        residual = residual - block.masks[:, t, None] * unseen[t]
    for before, now in pairwise(order):
        passed = block.masks[:, before, None] * frame
        residual = residual - passed + block.masks[:, now, None] * unseen[now]
        found, hidden = cell(torch.cat([block.mean, residual], 1), frame, hidden)
        frame = frames[now] = found.to(block.y.dtype)
        steps.tick()
    return [frames[t] for t in sorted(frames)], hidden


def _padded(images: Tensor) -> Tensor:
    """Repeat the last row or column where their number is odd: the network halves the size."""
    height, width = images.shape[-2:]
    if height % 2 == width % 2 == 0:
        return images
    return functional.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
