"""Parts of the paper's network: the first-frame CNN and the recurrent cell, as tables of layers.

Channel counts are the published ones; ``width`` multiplies them. H and W are even everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._attention import Normalisation, SelfAttention


class _Layer(NamedTuple):
    """One convolution with as much padding as keeps the size."""

    kernel: int
    channels: int
    active: bool = False  # LeakyReLU behind it
    stride: int = 1
    doubles: bool = False  # a transposed convolution to twice the size


_TO_FEATURES = (
    _Layer(5, 32, active=True),
    _Layer(3, 64, active=True),
    _Layer(1, 64, active=True),
    _Layer(3, 128, active=True, stride=2),
)
_BETWEEN = (_Layer(3, 128, active=True), _Layer(1, 128))
_TO_FRAME = (
    _Layer(3, 64, active=True, doubles=True),
    _Layer(3, 32, active=True),
    _Layer(1, 16, active=True),
    _Layer(3, 1),
)
_MEASUREMENT = (
    _Layer(5, 20),
    _Layer(1, 20, active=True),
    _Layer(3, 80, stride=2),
    _Layer(1, 40, active=True),
    _Layer(3, 40, active=True),
    _Layer(3, 10, doubles=True),
)
_PREVIOUS = (
    _Layer(5, 20),
    _Layer(1, 20, active=True),
    _Layer(3, 20),
    _Layer(1, 40, active=True),
    _Layer(3, 20),
)
_HIDDEN = (_Layer(3, 30), _Layer(1, 20, active=True), _Layer(3, 20))
_NEXT = (
    _Layer(3, 40),
    _Layer(1, 30, active=True),
    _Layer(3, 20),
    _Layer(1, 20, active=True),
    _Layer(3, 20),
    _Layer(1, 1),
)


def scaled(channels: int, width: float) -> int:
    """Channels at this width, at least 2; a single channel is an image and stays one."""
    return 1 if channels == 1 else max(2, round(channels * width))


def _stack(inputs: int, plan: tuple[_Layer, ...], width: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in plan:
        outputs, half = scaled(layer.channels, width), layer.kernel // 2
        if layer.doubles:
            up = nn.ConvTranspose2d(inputs, outputs, layer.kernel, 2, half, output_padding=1)
            layers.append(up)
        else:
            layers.append(nn.Conv2d(inputs, outputs, layer.kernel, layer.stride, half))
        if layer.active:
            # In place is safe: no convolution needs its own output for its gradient.
            layers.append(nn.LeakyReLU(inplace=True))
        inputs = outputs
    return nn.Sequential(*layers)


class _ResidualPart(nn.Module):
    """Three times x + (3 × 3, 1 × 1, 3 × 3 convolutions of x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        plan = (_Layer(3, channels, True), _Layer(1, channels, True), _Layer(3, channels))
        self.blocks = nn.ModuleList(_stack(channels, plan, 1.0) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


class FirstFrameCNN(nn.Module):
    """[Ȳ, Ȳ ⊙ C_1 … Ȳ ⊙ C_B] → X̂_1, by residual parts and self-attention at half resolution.

    Parameters
    ----------
    largest_ratio
        B of the largest block. A shorter one is one whose further masks never open: zeros.
    width
        Multiplies the channels.
    window
        Of the attention, see :class:`SelfAttention`; None for no attention.
    normalise
        Of the attention.
    """

    def __init__(
        self, largest_ratio: int, width: float, window: int | None, normalise: Normalisation
    ) -> None:
        super().__init__()
        channels = scaled(_TO_FEATURES[-1].channels, width)
        self.largest_ratio = largest_ratio
        self.to_features = _stack(1 + largest_ratio, _TO_FEATURES, width)
        self.mix = nn.Sequential(
            _ResidualPart(channels),
            _stack(channels, _BETWEEN, width),
            _ResidualPart(channels),
            _stack(channels, _BETWEEN, width),
            _ResidualPart(channels),
        )
        self.attention: nn.Module = nn.Identity()
        if window is not None:
            self.attention = SelfAttention(channels, window, normalise)
        self.to_frame = _stack(channels, _TO_FRAME, width)

    def forward(self, mean: Tensor, masks: Tensor) -> Tensor:
        """Ȳ (N, 1, H, W) and C (N, B, H, W) → X̂_1 (N, 1, H, W)."""
        given = torch.cat([mean, mean * masks], 1)
        given = functional.pad(given, (0, 0, 0, 0, 0, self.largest_ratio - masks.shape[1]))
        features = self.mix(self.to_features(given.to(weight_type(self))))
        frame: Tensor = self.to_frame(self.attention(features))
        return frame


class RecurrentCell(nn.Module):
    """Ȳ and the residual measurement, the frame before and the hidden state → the next frame."""

    def __init__(self, width: float) -> None:
        super().__init__()
        branches = (_HIDDEN, _MEASUREMENT, _PREVIOUS)
        joined = sum(scaled(plan[-1].channels, width) for plan in branches)
        self.hidden_channels = scaled(_HIDDEN[-1].channels, width)
        self.measurement = _stack(2, _MEASUREMENT, width)
        self.previous = _stack(1, _PREVIOUS, width)
        self.mix = nn.Sequential(_ResidualPart(joined), _ResidualPart(joined))
        self.hidden = _stack(joined, _HIDDEN, width)
        self.next = _stack(joined, _NEXT, width)

    def forward(self, measured: Tensor, frame: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Parameters
        ----------
        measured
            Ȳ and the residual measurement (N, 2, H, W).
        frame
            The frame before (N, 1, H, W).
        hidden
            (N, hidden_channels, H, W).

        Returns
        -------
        tuple of Tensor
            The next frame and the next hidden state, shaped like the last two arguments.
        """
        of = weight_type(self)
        branches = self.measurement(measured.to(of)), self.previous(frame.to(of))
        joined = self.mix(torch.cat([hidden.to(branches[0].dtype), *branches], 1))
        return self.next(joined), self.hidden(joined)


def weight_type(module: nn.Module) -> torch.dtype:
    """Type in which the module's convolutions want their input."""
    return next(module.parameters()).dtype
