"""Rivals at real bytes: every codec that a lab could use instead, one row each."""

from __future__ import annotations

from .base import CHEAP, IMAGE, LOSSLESS, VIDEO, Codec, Encoded, shares
from .cheap import binned_sum, binning
from .images import Jpeg
from .search import CodecResult, at_budget, largest_within

CODECS: dict[str, Codec] = {codec.name: codec for codec in (Jpeg(),)}
"""Rivals by name, in the order of the tables."""

__all__ = [
    "CHEAP",
    "CODECS",
    "IMAGE",
    "LOSSLESS",
    "VIDEO",
    "Codec",
    "CodecResult",
    "Encoded",
    "at_budget",
    "binned_sum",
    "binning",
    "largest_within",
    "shares",
]
