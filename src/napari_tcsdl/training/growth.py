"""A trained network in a larger one of the same kind that answers the same, and can learn more."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_NEW_PARTS = ("deviation.", "persistence.")  # that weights of before they were there lack
_NEW_BLOCK = ".deep."


def grown(smaller: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors for a network that has those of ``own``, from those of a ``smaller`` one.

    Inputs that the smaller network lacks count for nothing at first, further blocks begin as the
    identity, and the correction of the deviation as none. What else differs is left as it is: it
    does not fit, and whoever loads it says so. How far its blocks look in time tensors do not tell:
    the blocks of the smaller network must be the first ones of the larger.

    Parameters
    ----------
    smaller
        Trained tensors by name.
    own
        Initial tensors of the network that is to be trained.
    """
    tensors = dict(smaller)
    for name, initial in own.items():
        there = smaller.get(name)
        if there is None and name.startswith(_NEW_PARTS):
            tensors[name] = initial
        elif there is None and _NEW_BLOCK in name:
            tensors[name] = torch.zeros_like(initial) if ".second." in name else initial
        elif there is not None and _lacks_inputs(there, initial):
            wider = torch.zeros_like(initial)
            wider[:, : there.shape[1]] = there
            tensors[name] = wider
    return tensors


def _lacks_inputs(there: Tensor, initial: Tensor) -> bool:
    """Whether these are weights (outputs, inputs, …) for the first few of the inputs."""
    if there.dim() != initial.dim() or there.dim() < 2:
        return False
    others = [i for i in range(there.dim()) if i != 1]
    same = all(there.shape[i] == initial.shape[i] for i in others)
    return same and there.shape[1] < initial.shape[1]
