"""Decoders: measurement → frames. ``RECONSTRUCTORS`` is the list of them."""

from __future__ import annotations

from collections.abc import Callable

from .base import BlockContext, Progress, Reconstructor
from .gap_tv import GapTV
from .tiling import reconstruct_tiled

RECONSTRUCTORS: dict[str, Callable[[], Reconstructor]] = {"gap_tv": GapTV}

__all__ = [
    "RECONSTRUCTORS",
    "BlockContext",
    "GapTV",
    "Progress",
    "Reconstructor",
    "reconstruct_tiled",
]
