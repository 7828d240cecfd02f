"""Rivals at real bytes: JPEG at a byte budget, and frame binning.

Each takes the B frames of one block and returns them decoded, in detector units, with the bytes
that a disk would hold: headers, checksums and chunk index counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .encoder import measurement_dtype
from .io import stored_size

_JPEG_LONGEST_SIDE = 65500
"""[px] Limit of libjpeg."""


@dataclass(frozen=True, eq=False)
class CodecResult:
    """One block of B frames after a rival codec.

    Attributes
    ----------
    name
        "jpeg" or "binning".
    settings
        Encoder, version and flags in words, for reports.
    decoded
        (B, H, W) float32, in detector units.
    frame_bytes
        Bytes of each frame; their sum is what a disk would hold.
    budget
        Bytes that the block was allowed.
    fits
        Whether the sum of ``frame_bytes`` is within ``budget``.
    quality
        JPEG quality 1 … 100, or None for codecs that have none.
    """

    name: str
    settings: str
    decoded: NDArray[np.float32]
    frame_bytes: tuple[int, ...]
    budget: int
    fits: bool
    quality: int | None


def jpeg(frames: NDArray[Any], budget: int, value_range: tuple[float, float]) -> CodecResult:
    """Encode a block as JPEG, at the best quality whose total is within a byte budget.

    Parameters
    ----------
    frames
        (n, H, W), in detector units.
    budget
        Bytes for all n frames together, file headers counted.
    value_range
        (low, high) in detector units, mapped to 0 … 255 for frames that are not 8-bit, or use
        less than half of their 8 bits. One range per movie, not per block.

    Returns
    -------
    CodecResult
        If even quality 1 exceeds the budget, the frames at quality 1 with ``fits=False``.

    Raises
    ------
    InputError
        For frames not (n, H, W), sides above 65,500 px, or an empty ``value_range``.
    """
    _check_block(frames)
    if max(frames.shape[1:]) > _JPEG_LONGEST_SIDE:
        raise InputError(
            f"got frames of {frames.shape[1]} × {frames.shape[2]} px, expected sides of at most "
            f"{_JPEG_LONGEST_SIDE} px for JPEG; crop the movie"
        )
    grey, to_detector, mapping = _to_8_bit(frames, value_range)

    @cache
    def total(quality: int) -> int:
        return sum(len(_jpeg_encode(frame, quality)) for frame in grey)

    quality = _largest_quality(total, budget)
    streams = [_jpeg_encode(frame, quality) for frame in grey]
    decoded = np.stack([to_detector(imagecodecs.jpeg8_decode(stream)) for stream in streams])
    sizes = tuple(len(stream) for stream in streams)
    version = imagecodecs.jpeg8_version().replace("libjpeg_turbo", "libjpeg-turbo")
    return CodecResult(
        name="jpeg",
        settings=f"{version}, one component, optimised Huffman tables, quality {quality}, "
        f"{mapping}",
        decoded=decoded,
        frame_bytes=sizes,
        budget=budget,
        fits=sum(sizes) <= budget,
        quality=quality,
    )


def binning(frames: NDArray[Any]) -> CodecResult:
    """Sum the frames of a block without masks, stored exactly as a measurement is stored.

    The honest rival at the same bytes: it averages noise away and blurs whatever moves.

    Parameters
    ----------
    frames
        (n, H, W), in detector units.

    Returns
    -------
    CodecResult
        Every decoded frame is the mean of the block. ``budget`` is its own size.

    Raises
    ------
    InputError
        For frames not (n, H, W).
    """
    _check_block(frames)
    summed = binned_sum(frames)
    total = stored_size(summed)
    n_frames = len(frames)
    mean = (summed / np.float64(n_frames)).astype(np.float32)
    return CodecResult(
        name="binning",
        settings=f"sum of {n_frames} frames as {summed.dtype}, stored losslessly as a "
        "measurement is",
        decoded=np.broadcast_to(mean, (n_frames, *mean.shape)),
        frame_bytes=shares(total, n_frames),
        budget=total,
        fits=True,
        quality=None,
    )


def shares(total: int, n_frames: int) -> tuple[int, ...]:
    """Split the bytes of a block over its frames so that the shares sum to them exactly."""
    edges = [total * k // n_frames for k in range(n_frames + 1)]
    return tuple(b - a for a, b in pairwise(edges))


def binned_sum(frames: NDArray[Any]) -> NDArray[Any]:
    """Sum (n, H, W) frames to (H, W) in the pixel type of a measurement: exact for integers."""
    dtype = measurement_dtype(frames.dtype, len(frames))
    exact = np.float64 if dtype.kind == "f" else dtype
    return np.asarray(frames.sum(axis=0, dtype=exact), dtype)


def _check_block(frames: NDArray[Any]) -> None:
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(
            f"got a block of shape {frames.shape}, expected frames (n, H, W); give at least one "
            "frame"
        )


def _to_8_bit(
    frames: NDArray[Any], value_range: tuple[float, float]
) -> tuple[NDArray[np.uint8], Callable[[NDArray[np.uint8]], NDArray[np.float32]], str]:
    """Return the frames as 8 bits, the way back to detector units, and both in words.

    JPEG's quantisation is made for pictures that fill its 8 bits. 8-bit frames that use less than
    half of them (counts at low dose) are stretched too: else JPEG would be up to 1 dB worse than
    it has to be.
    """
    low, high = float(value_range[0]), float(value_range[1])
    levels_of_jpeg = np.iinfo(np.uint8).max
    if frames.dtype == np.uint8 and not 0 < high - low < levels_of_jpeg / 2:
        return frames, lambda grey: grey.astype(np.float32), "8-bit pixels as they are"
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(
            f"got value range {low:g} … {high:g} for 8-bit JPEG, expected finite low < high; use "
            "the value range of the movie"
        )
    step = (high - low) / levels_of_jpeg
    levels = np.rint((frames.astype(np.float64) - low) / step)
    grey = np.clip(levels, 0, levels_of_jpeg).astype(np.uint8)
    return (
        grey,
        lambda decoded: (low + decoded * step).astype(np.float32),
        f"{low:g} … {high:g} mapped linearly to 8 bits (clipped, rounded)",
    )


def _jpeg_encode(frame: NDArray[np.uint8], quality: int) -> bytes:
    whole = np.ascontiguousarray(frame)  # the encoder takes no views, such as transposed movies
    return bytes(imagecodecs.jpeg8_encode(whole, level=quality, optimize=True))


def _largest_quality(total: Callable[[int], int], budget: int) -> int:
    """Return the largest quality 1 … 100 whose total is within the budget; 1 if none is.

    Bisection ends on a quality that fits beside one that does not. Totals rise with quality
    except for dips of a few bytes (optimised Huffman tables, small frames), so qualities above
    are probed for as long as they exceed the budget by little.
    """
    fits, exceeds = 1, 101
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if total(middle) <= budget:
            fits = middle
        else:
            exceeds = middle
    for quality in range(fits + 1, 101):
        size = total(quality)
        if size <= budget:
            fits = quality
        elif size > budget + budget // 50 + 64:
            break
    return fits
