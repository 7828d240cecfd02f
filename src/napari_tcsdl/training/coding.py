"""How the frames of a batch are cut into blocks, and coded by fresh masks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .._exposures import usual_exposures


class Layout(NamedTuple):
    """Blocks of a batch: ``whole`` blocks of B frames, ``aside`` more frames on either side.

    Of the frames aside only the ``context`` nearest are decoded. Where the movie ends with a block
    of ``end`` < B frames, nothing lies behind that.
    """

    ratio: int
    whole: int
    aside: int
    context: int
    end: int = 0

    @property
    def blocks(self) -> list[int]:
        """Frames of each measurement."""
        return self._with_sides(self.aside)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Frames of each measurement that are decoded."""
        return tuple(self._with_sides(self.context))

    def _with_sides(self, frames: int) -> list[int]:
        parts = [frames, *[self.ratio] * self.whole, self.end or frames]
        return [part for part in parts if part]

    @property
    def core(self) -> slice:
        """Frames of blocks of their own among those that are decoded."""
        return slice(self.context, self.context + self.ratio * self.whole + self.end)

    @property
    def decoded(self) -> slice:
        """Frames that are decoded among all."""
        unused = self.aside - self.context
        return slice(unused, sum(self.blocks) - (0 if self.end else unused))

    def within(self, n_frames: int) -> Layout:
        """Leave out blocks, first those aside, until ``n_frames`` hold them; B at most that.

        A short end stays, with a smaller B where need be: weights that see none unlearn it.
        """
        if sum(self.blocks) <= n_frames:
            return self
        alone = self._replace(aside=0, context=0)
        if sum(alone.blocks) <= n_frames:
            return alone
        end = min(self.end, n_frames // 3)
        ratio = min(self.ratio, n_frames - end)
        return Layout(ratio, min(self.whole, (n_frames - end) // ratio), 0, 0, end)


class Measured(NamedTuple):
    """One coded movie, in the units of its frames."""

    mean: Tensor  # (M, H, W), Ȳ = Y ⊘ Σ C of each measurement
    exposures: Tensor  # (M, H, W), Σ C
    masks: Tensor  # (T', H, W), of the frames that are decoded


def draw_masks(
    count: int, layout: Layout, side: int, bernoulli: float, generator: torch.Generator
) -> Tensor:
    """Draw masks (count, B + end, side, side) of a random kind; one kind a batch.

    Those of a block come first, those of the short end last: half of the ends have masks of their
    own with exposures in proportion (:meth:`Masks.shortened`), the others the first ones of a
    block, as where nobody knew that the movie would end.
    """
    shape, device = (count, layout.ratio, side, side), generator.device
    uniform = torch.rand(shape, generator=generator, device=device)
    if uniform_number(generator) < bernoulli:
        masks = (uniform < 0.5).float()
        return torch.cat([masks, masks[:, : layout.end]], 1)
    drawn = round(layout.ratio * (0.25 + 0.25 * uniform_number(generator)))
    exposures = max(1, usual_exposures(layout.ratio) if uniform_number(generator) < 0.75 else drawn)
    masks = _balanced(uniform, exposures)
    if not layout.end:
        return masks
    own = masks[:, : layout.end]
    if uniform_number(generator) < 0.5:
        # Rounded as in Masks.shortened.
        share = max(1, (2 * exposures * layout.end + layout.ratio) // (2 * layout.ratio))
        own = torch.rand(own.shape, generator=generator, device=device)
        own = _balanced(own, share)
    return torch.cat([masks, own], 1)


def _balanced(uniform: Tensor, exposures: int) -> Tensor:
    """Turn numbers (count, B, H, W) into masks that open every pixel ``exposures`` times.

    Selection sampling (Knuth, TAOCP 2, Algorithm 3.4.2S).
    """
    ratio = uniform.shape[1]
    need = torch.full_like(uniform[:, 0], float(exposures))
    masks = torch.empty_like(uniform)
    for frame in range(ratio):
        masks[:, frame] = uniform[:, frame] * (ratio - frame) < need
        need -= masks[:, frame]
    return masks


def measure(values: Tensor, masks: Tensor, layout: Layout) -> Measured:
    """Encode the frames (T, H, W) of one movie.

    ``masks`` (B + end, H, W) are the same in each block, and those of the short end.
    """
    means, exposures, used = [], [], []
    blocks = torch.split(values, layout.blocks)
    for index, frames in enumerate(blocks):
        at_end = layout.end and index == len(blocks) - 1
        mask = masks[layout.ratio :] if at_end else masks[: len(frames)]
        seen = mask.sum(0)
        means.append((mask * frames).sum(0) / seen.clamp(min=1))
        exposures.append(seen)
        used.append(mask)
    return Measured(torch.stack(means), torch.stack(exposures), torch.cat(used)[layout.decoded])


def uniform_number(generator: torch.Generator) -> float:
    """Draw a number of [0, 1)."""
    return float(torch.rand((), generator=generator, device=generator.device))
