"""A network while it learns: its weights, their running average, and the optimiser."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .muon import Muon

_EMA_WARM_UP = 10  # the average follows quickly at first


def _adamw(net: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.99), weight_decay=1e-4)


OPTIMISERS: dict[str, Callable[[nn.Module, float], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "muon": Muon,
}
"""What turns gradients into steps, by name; the same learning rate suits all."""


@dataclass(frozen=True)
class LearnSettings:
    """How weights follow the gradient.

    Attributes
    ----------
    rate
        Learning rate at its height.
    ema
        Decay per step of the averaged weights.
    clip
        Largest norm of the gradient.
    mixed
        Whether convolutions are computed in bfloat16.
    optimiser
        One of :data:`OPTIMISERS`.
    """

    rate: float
    ema: float
    clip: float
    mixed: bool = False
    optimiser: str = "adamw"


class Learner:
    """Lowers a loss step by step.

    Parameters
    ----------
    net
        To be taught, on its device.
    settings
        How.
    """

    def __init__(self, net: nn.Module, settings: LearnSettings) -> None:
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.settings = settings
        self.average = {name: value.clone() for name, value in net.state_dict().items()}
        self.optimiser = OPTIMISERS[settings.optimiser](net, settings.rate)
        self.step = 0

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimiser.param_groups[0]["lr"])

    def learn(self, loss_of: Callable[[nn.Module], Tensor], rate: float) -> float:
        """Take one step with learning rate ``rate``; returns the loss before it.

        A batch whose gradient is not finite changes no weights: one bad batch must not end a run.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        device = next(self.net.parameters()).device
        self.net.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.mixed):
            loss = loss_of(self.net)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.settings.ema, (1 + self.step) / (_EMA_WARM_UP + self.step))
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def averaged(self) -> nn.Module:
        """Return a network with the averaged weights, ready to decode."""
        net: nn.Module = copy.deepcopy(self.net)
        net.load_state_dict(self.average)
        net.eval()
        return net


def mean_of(losses: list[float]) -> tuple[float | None, int]:
    """Mean of the finite losses, None without any, and how many were not finite."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    return (sum(finite) / len(finite) if finite else None), len(losses) - len(finite)
