"""Convolutions on single frames, between which features move along time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_FRAMES_AT_ONCE = 8  # in inference: what lies between two convolutions stays small


class Block(nn.Module):
    """Residual block: neighbouring frames lend a half of the channels, then two convolutions."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, a=0.1)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]
        with torch.no_grad():  # begin close to the identity
            self.second.weight.mul_(0.2)

    def forward(self, x: Tensor, n_frames: int) -> Tensor:
        """Apply to (N · T, C, h, w)."""
        mixed = mix_time(x, n_frames, self.shift)
        if torch.is_grad_enabled():
            return x + self._convolve(mixed)
        parts = torch.split(mixed, _FRAMES_AT_ONCE)
        return x + torch.cat([self._convolve(part) for part in parts])

    def _convolve(self, x: Tensor) -> Tensor:
        return self.second(functional.leaky_relu(self.first(x), 0.1))  # type: ignore[no-any-return]


def mix_time(x: Tensor, n_frames: int, shift: int) -> Tensor:
    """Take a quarter of the channels from ``shift`` frames before, a quarter from as many after.

    Beyond the ends of the sequence lies nothing: zeros.
    """
    last = torch.unflatten(x.permute(0, 2, 3, 1), 0, (-1, n_frames))  # (N, T, h, w, C), no copy
    quarter = x.shape[1] // 4
    kept, gap = max(n_frames - shift, 0), min(shift, n_frames)
    past = functional.pad(last[:, :kept, ..., :quarter], (0, 0, 0, 0, 0, 0, gap, 0))
    future = functional.pad(
        last[:, n_frames - kept :, ..., quarter : 2 * quarter], (0, 0, 0, 0, 0, 0, 0, gap)
    )
    mixed = torch.cat([past, future, last[..., 2 * quarter :]], -1)
    return mixed.flatten(0, 1).permute(0, 3, 1, 2)
