"""Rivals at real bytes: JPEG at a byte budget, and frame binning.

Each takes the B frames of one block and returns them decoded, in detector units, with the bytes
that a disk would hold: headers, checksums and chunk index counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .encoder import measurement_dtype

_JPEG_LONGEST_SIDE = 65500
"""[px] Limit of libjpeg."""

_CHUNK = 256
"""[px] Side of the chunks of a compressed file, so that binning is stored as a measurement is."""

_CHUNK_OVERHEAD = 20
"""Bytes a chunk costs in a zarr shard beside its pixels: crc32c (4), offset and length (16)."""

_SHARD_OVERHEAD = 4
"""Bytes a shard costs beside its chunks: the crc32c of its index."""


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
        (low, high) in detector units, mapped to 0 … 255 for frames that are not 8-bit. One
        range per movie, not per block.

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
    total = _stored_bytes(summed)
    n_frames = len(frames)
    mean = (summed / np.float64(n_frames)).astype(np.float32)
    share, extra = divmod(total, n_frames)
    return CodecResult(
        name="binning",
        settings=f"sum of {n_frames} frames as {summed.dtype}, blosc zstd level 5 with bitshuffle "
        f"and crc32c in {_CHUNK} × {_CHUNK} chunks, as a measurement is stored",
        decoded=np.repeat(mean[np.newaxis], n_frames, axis=0),
        frame_bytes=tuple(share + (index < extra) for index in range(n_frames)),
        budget=total,
        fits=True,
        quality=None,
    )


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
    """Return the frames as 8 bits, the way back to detector units, and both in words."""
    if frames.dtype == np.uint8:
        return frames, lambda grey: grey.astype(np.float32), "8-bit pixels as they are"
    low, high = float(value_range[0]), float(value_range[1])
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(
            f"got value range {low:g} … {high:g} for 8-bit JPEG, expected finite low < high; use "
            "the value range of the movie"
        )
    step = (high - low) / np.iinfo(np.uint8).max
    levels = np.rint((frames.astype(np.float64) - low) / step)
    grey = np.clip(levels, 0, np.iinfo(np.uint8).max).astype(np.uint8)
    return (
        grey,
        lambda decoded: (low + decoded * step).astype(np.float32),
        f"{low:g} … {high:g} mapped linearly to 8 bits (clipped, rounded)",
    )


def _jpeg_encode(frame: NDArray[np.uint8], quality: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(frame, level=quality, optimize=True))


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


def _stored_bytes(plane: NDArray[Any]) -> int:
    """Return the bytes of (H, W) as one zarr shard; edge chunks are padded with zeros, as there."""
    height, width = plane.shape
    rows, cols = min(_CHUNK, height), min(_CHUNK, width)
    total = _SHARD_OVERHEAD
    for top in range(0, height, rows):
        for left in range(0, width, cols):
            part = plane[top : top + rows, left : left + cols]
            chunk = np.zeros((rows, cols), plane.dtype)
            chunk[: part.shape[0], : part.shape[1]] = part
            total += len(encode_chunk(chunk)) + _CHUNK_OVERHEAD
    return total


def encode_chunk(chunk: NDArray[Any]) -> bytes:
    """Compress one chunk losslessly with the settings of a compressed file."""
    return bytes(
        imagecodecs.blosc_encode(
            chunk,  # type: ignore[arg-type]  # as bytes it would lose its pixel width
            level=5,
            compressor="zstd",
            shuffle="bitshuffle",
            typesize=chunk.dtype.itemsize,
            numthreads=1,
        )
    )
