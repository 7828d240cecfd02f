"""Decoders: measurement → frames. ``RECONSTRUCTORS`` is the list of them.

Names are loaded on first use: the list can be read without torch, which takes seconds to load.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .base import BlockByBlock, BlockContext, Estimate, Progress, Reconstructor, Segment
    from .checkpoint import (
        Checkpoint,
        check_trained_for,
        fill,
        load_checkpoint,
        save_checkpoint,
        shipped_weights,
    )
    from .gap_tv import GapTV
    from .group import DecodedGroup, GroupBlock
    from .tiling import reconstruct_tiled


class DecoderRow(NamedTuple):
    """One decoder.

    Attributes
    ----------
    make
        Returns it, ready to decode; called with the path of its weights where it needs some.
    line
        What it is, how good, how fast, and whether it needs weights, in one line.
    weights
        Name of the weights that come with the package, or None where none are needed.
    states_uncertainty
        Whether its estimates come with a standard deviation of each value.
    """

    make: Callable[..., Reconstructor]
    line: str
    weights: str | None = None
    states_uncertainty: bool = False


def _gap_tv() -> Reconstructor:
    from .gap_tv import GapTV

    return GapTV()


def _unfolding(weights: Path) -> Reconstructor:
    import torch

    from .checkpoint import fill, load_checkpoint
    from .unfolding import Unfolding, UnfoldingConfig, UnfoldingNet

    checkpoint = load_checkpoint(weights)
    net = UnfoldingNet(UnfoldingConfig.from_json(dict(checkpoint.config)))
    fill(net, checkpoint)
    return Unfolding(net, autocast=torch.bfloat16)  # it was trained with that, too


def _bidirectional(weights: Path) -> Reconstructor:
    from .bidirectional import Bidirectional, BidirectionalConfig, BidirectionalNet
    from .checkpoint import fill, load_checkpoint
    from .gap_tv import GapTV

    checkpoint = load_checkpoint(weights)
    config = BidirectionalConfig.from_json(dict(checkpoint.config))
    net = BidirectionalNet(config)
    fill(net, checkpoint)
    return Bidirectional(net, GapTV() if config.first_frame == "gap_tv" else None)


RECONSTRUCTORS: dict[str, DecoderRow] = {
    "unfolding": DecoderRow(
        _unfolding,
        "our network, physics and learning in turn, across measurements: the best quality here, "
        "but level with gap_tv where all moves fast and B is above 20; states an uncertainty; some "
        "5 times the time of gap_tv on a CPU; B from 2 to 50, comes with weights",
        weights="unfolding",
        states_uncertainty=True,
    ),
    "gap_tv": DecoderRow(
        _gap_tv,
        "classical, total variation over space and time: fair quality, flattens weak fringes; "
        "the fastest on a CPU; any masks, any B, needs no weights",
    ),
    "bidirectional": DecoderRow(
        _bidirectional,
        "the network of the paper, at a quarter of its width and trained for an hour, for "
        "comparison: quality about that of gap_tv, time about that of ours; B from 4 to 30, comes "
        "with weights",
        weights="bidirectional",
    ),
}

_HOME = {
    "BlockByBlock": "base",
    "BlockContext": "base",
    "Checkpoint": "checkpoint",
    "DecodedGroup": "group",
    "Estimate": "base",
    "GapTV": "gap_tv",
    "GroupBlock": "group",
    "Progress": "base",
    "Reconstructor": "base",
    "Segment": "base",
    "check_trained_for": "checkpoint",
    "fill": "checkpoint",
    "load_checkpoint": "checkpoint",
    "reconstruct_tiled": "tiling",
    "save_checkpoint": "checkpoint",
    "shipped_weights": "checkpoint",
}

__all__ = [  # written out for readers and type checkers; a test holds it to _HOME
    "RECONSTRUCTORS",
    "BlockByBlock",
    "BlockContext",
    "Checkpoint",
    "DecodedGroup",
    "DecoderRow",
    "Estimate",
    "GapTV",
    "GroupBlock",
    "Progress",
    "Reconstructor",
    "Segment",
    "check_trained_for",
    "fill",
    "load_checkpoint",
    "reconstruct_tiled",
    "save_checkpoint",
    "shipped_weights",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
