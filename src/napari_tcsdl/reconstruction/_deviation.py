"""What the stated deviation is corrected by: how well the estimate explains the measurement nearby.

A network that only looks at its own picture cannot know that a lattice moved while nobody looked.
The measurement knows: what Φx̂ leaves over exceeds the noise of Y wherever the frames of a block
are wrong in different ways. Averaged over a few hundred pixels the excess is told from chance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._time_mixing import Block

_CELL = 4  # [px] side of what one number is about
_REACHES = (0, 2, 4)  # [cells] around a cell over which the residual is averaged
_SMOOTH = 2  # [px] reach of the mean that detail stands out from
_FLOOR = 0.02  # of an excess, in units of the noise
_LEAST_VARIANCE = 1e-6  # of the movie's: a clean movie has no noise to compare with
_LARGEST = 6.0  # of a logarithm: a clean movie must not leave the range that was trained
_SHIFTS = (1, 2)  # [frames] over which the blocks mix

FEATURES = len(_REACHES) + 2


class DeviationBranch(nn.Module):
    """Adds to the log of the deviation; begins as zero, and never changes the frames.

    Parameters
    ----------
    width
        Channels of the features that it is given.
    own_width
        Channels of its own, at a quarter of the resolution.
    told_width
        Numbers beside its position that each frame is told.
    """

    def __init__(self, width: int, own_width: int, told_width: int = 0) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, own_width, 2, stride=2)
        self.compare = nn.Conv2d(FEATURES, own_width, 1)
        self.place = nn.Linear(3 + told_width, own_width)
        self.blocks = nn.ModuleList(Block(own_width, shift) for shift in _SHIFTS)
        self.tell = nn.Conv2d(own_width, _CELL * _CELL, 1)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, clues: Tensor, position: Tensor, n_frames: int) -> Tensor:
        """Return what to add, (N · T, 1, H, W).

        Parameters
        ----------
        features
            Of the last stage, (N · T, width, H/2, W/2).
        clues
            Of :func:`clues`, (N · T, FEATURES, H/4, W/4).
        position
            Of each frame in its block, and what else it is told, (N · T, 3 + …).
        n_frames
            T.
        """
        x = self.look(features) + self.compare(clues.to(features.dtype))
        x = functional.leaky_relu(x + self.place(position)[..., None, None].to(x.dtype), 0.1)
        for block in self.blocks:
            x = block(x, n_frames)
        return functional.pixel_shuffle(self.tell(x), _CELL)


def clues(residual: Tensor, sigma: Tensor, frames: Tensor) -> Tensor:
    """Logarithms that tell where the estimate cannot be right.

    Parameters
    ----------
    residual
        Ȳ − Φx̂ ⊘ Σ C of each frame's measurement, (N, T, H, W), normalised.
    sigma
        Its noise, same shape.
    frames
        x̂, same shape.

    Returns
    -------
    Tensor
        (N · T, FEATURES, H/4, W/4): mean square of the residual over that of its noise, in cells of
        4 px and their neighbourhoods; mean square of the noise; that of the detail of x̂.
    """
    left, noise, x = (part.flatten(0, 1)[:, None] for part in (residual, sigma, frames))
    power = functional.avg_pool2d(left.square(), _CELL)
    expected = functional.avg_pool2d(noise.square(), _CELL) + _LEAST_VARIANCE
    found = [
        torch.log(_mean_around(power, r) / _mean_around(expected, r) + _FLOOR) for r in _REACHES
    ]
    detail = functional.avg_pool2d((x - _mean_around(x, _SMOOTH)).square(), _CELL)
    found += [torch.log(expected), torch.log(detail + _LEAST_VARIANCE)]
    return torch.cat(found, 1).clamp(max=_LARGEST)


def reach() -> int:
    """Pixels around a pixel, beyond those of the features, that matter."""
    blocks = 2 * len(_SHIFTS) * _CELL
    return blocks + max(max(_REACHES) * _CELL, _SMOOTH) + _CELL - 1


def _mean_around(values: Tensor, radius: int) -> Tensor:
    if radius == 0:
        return values
    side = 2 * radius + 1
    return functional.avg_pool2d(values, side, 1, radius, count_include_pad=False)
