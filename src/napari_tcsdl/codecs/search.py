"""The best that a codec can do within a byte budget; the budget is never exceeded silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .base import Codec, Encoded, check_block


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
    kept: dict[float | None, Encoded] = {}

    def total(quality: float | None) -> int:
        if quality not in kept:
            kept[quality] = codec.encode(frames, quality, value_range)
        return kept[quality].n_bytes

    quality = largest_within(total, codec.qualities, budget) if codec.qualities else None
    total(quality)
    encoded = kept[quality]
    return CodecResult(
        name=codec.name,
        settings=encoded.settings,
        decoded=codec.decode(encoded),
        frame_bytes=encoded.frame_bytes,
        budget=budget,
        fits=encoded.n_bytes <= budget,
        quality=encoded.quality,
    )


def largest_within(total: Callable[[float], int], qualities: Sequence[float], budget: int) -> float:
    """Return the last of ``qualities`` whose total is within the budget; the first if none is.

    Bisection ends on a quality that fits beside one that does not. Totals rise with quality
    except for small dips (optimised Huffman tables, rate control), so qualities above are probed
    for as long as they exceed the budget by little.

    Parameters
    ----------
    total
        Bytes at a quality.
    qualities
        From the smallest files to the largest.
    budget
        [bytes].
    """
    fits, exceeds = 0, len(qualities)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if total(qualities[middle]) <= budget:
            fits = middle
        else:
            exceeds = middle
    for index in range(fits + 1, len(qualities)):
        size = total(qualities[index])
        if size <= budget:
            fits = index
        elif size > budget + budget // 50 + 64:
            break
    return qualities[fits]
