"""Rivals at real bytes: every codec that a lab could use instead, one row each."""

from __future__ import annotations

from ._cheap_codec import CheapCodec
from ._stored_sums import SumStorage
from .base import CHEAP, IMAGE, LOSSLESS, VIDEO, Codec, Encoded, shares
from .cheap import CHEAP_CODECS, binned_sum, binning
from .images import IMAGE_CODECS
from .lossless import LOSSLESS_CODECS
from .movies import Pieces, StoredMovie, StreamCodec, decode_movie, encode_movie
from .search import CodecResult, at_budget, largest_within
from .video import VIDEO_CODECS

_ROWS: tuple[Codec, ...] = (*IMAGE_CODECS, *VIDEO_CODECS, *LOSSLESS_CODECS, *CHEAP_CODECS)

CODECS: dict[str, Codec] = {codec.name: codec for codec in _ROWS}
"""Rivals by name, in the order of the tables."""

__all__ = [
    "CHEAP",
    "CODECS",
    "IMAGE",
    "LOSSLESS",
    "VIDEO",
    "CheapCodec",
    "Codec",
    "CodecResult",
    "Encoded",
    "Pieces",
    "StoredMovie",
    "StreamCodec",
    "SumStorage",
    "at_budget",
    "binned_sum",
    "binning",
    "decode_movie",
    "encode_movie",
    "largest_within",
    "shares",
]
