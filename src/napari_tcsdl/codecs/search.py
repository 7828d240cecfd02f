"""The best that a codec can do within a byte budget; the budget is never exceeded silently."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .base import Codec, Encoded, check_block

Size = Callable[[int], int]
"""Bytes at a quality, by its index from the smallest files to the largest; remembers them."""


@dataclass(frozen=True, eq=False)
class CodecResult:
    """Frames of one block after a rival codec.

    Attributes
    ----------
    name
        Key of the codec.
    settings
        Encoder, version and flags in words, for reports.
    decoded
        (n, H, W), in detector units.
    frame_bytes
        Bytes of each frame; their sum is what a disk would hold.
    budget
        Bytes that the block was allowed.
    fits
        Whether the sum of ``frame_bytes`` is within ``budget``.
    quality
        Of the codec, or None for codecs that have none.
    """

    name: str
    settings: str
    decoded: NDArray[Any]
    frame_bytes: tuple[int, ...]
    budget: int
    fits: bool
    quality: float | None


def at_budget(
    codec: Codec, frames: NDArray[Any], budget: int, value_range: tuple[float, float]
) -> CodecResult:
    """Encode a block at the best quality whose bytes are within a budget.

    Parameters
    ----------
    codec
        A row of :data:`~napari_tcsdl.codecs.CODECS` that is not missing.
    frames
        (n, H, W), in detector units.
    budget
        Bytes for all n frames together, file headers counted.
    value_range
        (low, high) of the movie in detector units.

    Returns
    -------
    CodecResult
        If even the smallest quality exceeds the budget, the frames at that with ``fits=False``.

    Raises
    ------
    InputError
        For frames not (n, H, W), and as :meth:`Codec.encode`.
    """
    check_block(frames)
    qualities = tuple(codec.qualities) or (None,)
    kept: dict[int, Encoded] = {}
    sizes: dict[int, int] = {}

    def size(index: int) -> int:
        if index not in kept:
            kept[index] = codec.encode(frames, qualities[index], value_range)
            sizes[index] = kept[index].n_bytes
        return sizes[index]

    encoded = kept[largest_within(size, sizes, len(qualities), budget) or 0]
    return CodecResult(
        name=codec.name,
        settings=encoded.settings,
        decoded=codec.decode(encoded),
        frame_bytes=encoded.frame_bytes,
        budget=budget,
        fits=encoded.n_bytes <= budget,
        quality=encoded.quality,
    )


def largest_within(size: Size, known: Mapping[int, int], count: int, budget: int) -> int | None:
    """Return the largest index whose bytes are within ``budget``; None if there is none.

    Between sizes that are known, the next guess is where their logarithm would meet the budget
    on a straight line; every other guess halves the interval, so that no curve makes it slow.
    Totals rise with quality but for small dips (optimised Huffman tables, rate control), so
    qualities above are probed for as long as they exceed the budget by little.

    Parameters
    ----------
    size
        Bytes of an index; remembers, and enters them into ``known``.
    known
        Sizes so far.
    count
        How many qualities there are.
    budget
        [bytes]
    """
    size(0)
    fits = max((index for index, n_bytes in known.items() if n_bytes <= budget), default=-1)
    exceeds = min((index for index in known if index > fits), default=count)
    halve = False
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if exceeds in known and not halve:
            below, above = math.log(known[fits]), math.log(known[exceeds])
            share = (math.log(budget) - below) / max(above - below, 1e-9)
            middle = min(max(fits + int(share * (exceeds - fits)), fits + 1), exceeds - 1)
        halve = not halve
        if size(middle) <= budget:
            fits = middle
        else:
            exceeds = middle
    for index in range(fits + 1, count):
        if size(index) <= budget:
            fits = index
        elif size(index) > budget + budget // 50 + 64:
            break
    return fits if fits >= 0 else None
