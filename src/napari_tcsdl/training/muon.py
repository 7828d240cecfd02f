"""Muon: steps whose singular values are all alike, for the matrices of a network.

A gradient of a convolution is dominated by a few directions; made orthogonal, the step moves all
of them (K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024). Scaled
as by J. Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982 (2025), it takes the
learning rate and the weight decay of AdamW. torch's own Muon takes matrices, no convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_ROUNDS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)  # of the iteration: brings singular values to 0.7 … 1.2
_LEAST_SIDE = 24  # of a matrix: smaller ones read or write few numbers that differ in kind
_UPDATE_RMS = 0.2  # of AdamW's steps, about, in units of the learning rate


class Muon(torch.optim.Optimizer):
    """Muon for weights that mix many channels, AdamW for all others.

    Parameters
    ----------
    net
        Whose weights follow. Convolutions (out, in, k, k) count as matrices (out, in · k · k).
    rate
        Learning rate, as of AdamW.
    momentum
        Decay per step of the averaged gradient of matrices.
    betas, decay
        Of AdamW; the decay is that of all weights.
    """

    def __init__(
        self,
        net: nn.Module,
        rate: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        decay: float = 1e-4,
    ) -> None:
        weights = list(net.parameters())
        matrices = [w for w in weights if _is_matrix(w)]
        others = [w for w in weights if not _is_matrix(w)]
        groups = [
            {"params": part, "matrices": kind}
            for part, kind in ((matrices, True), (others, False))
            if part
        ]
        defaults = {"lr": rate, "momentum": momentum, "betas": betas, "weight_decay": decay}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step; ``closure`` is not used."""
        for group in self.param_groups:
            follow = _orthogonal_step if group["matrices"] else _adam_step
            for weights in group["params"]:
                if weights.grad is not None:
                    weights.mul_(1 - group["lr"] * group["weight_decay"])
                    follow(weights, group, self.state[weights])


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearest matrix whose singular values are all about 1, by Newton and Schulz's iteration.

    Parameters
    ----------
    matrix
        (m, n), not zero.

    Returns
    -------
    Tensor
        Same shape; its singular values lie between 0.6 and 1.3 where those of ``matrix`` are not
        below a thousandth of their norm.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def _is_matrix(weights: Tensor) -> bool:
    return weights.ndim >= 2 and min(weights.shape[0], weights[0].numel()) >= _LEAST_SIDE


def _orthogonal_step(weights: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
    assert weights.grad is not None
    if "mean" not in state:
        state["mean"] = torch.zeros_like(weights)
    state["mean"].lerp_(weights.grad, 1 - group["momentum"])
    ahead = weights.grad.lerp(state["mean"], group["momentum"])  # Nesterov's
    matrix = ahead.reshape(len(ahead), -1)
    length = _UPDATE_RMS * max(matrix.shape) ** 0.5
    weights.add_(orthogonal(matrix).reshape(weights.shape), alpha=-group["lr"] * length)


def _adam_step(weights: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
    assert weights.grad is not None
    if "mean" not in state:
        state.update(steps=0, mean=torch.zeros_like(weights), square=torch.zeros_like(weights))
    first, second = group["betas"]
    state["steps"] += 1
    state["mean"].lerp_(weights.grad, 1 - first)
    state["square"].mul_(second).addcmul_(weights.grad, weights.grad, value=1 - second)
    spread = (state["square"] / (1 - second ** state["steps"])).sqrt_().add_(1e-8)
    weights.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - first ** state["steps"]))
