"""Rivals that cost a detector as little as coded exposure does.

What they keep is stored exactly as a measurement is stored, and decoded from what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..encoder import measurement_dtype
from ._cheap_codec import CheapCodec, State
from ._stored_sums import SumStorage
from .base import check_block, shares
from .search import CodecResult


class _OfRuns(CheapCodec):
    """One file for each run of ``factor`` frames, of which the last may be shorter."""

    def _words(self, state: State) -> str:
        n_frames = state.shape[0]
        return super()._words(state) + (f" (there are {n_frames})" * (state.factor > n_frames))

    def _shares(self, files: tuple[bytes, ...], state: State) -> tuple[int, ...]:
        parts = zip(files, _runs(state), strict=True)
        return tuple(share for file, length in parts for share in shares(len(file), length))


class FrameBinning(_OfRuns):
    """Sums of consecutive frames: averages noise away and blurs whatever moves."""

    def _reduced(
        self, dtype: np.dtype[Any], shape: tuple[int, int], factor: int
    ) -> tuple[np.dtype[Any], tuple[int, int]]:
        return measurement_dtype(dtype, factor), shape

    def _exposures(self, state: State) -> list[int]:
        return _runs(state)

    def _reduce(self, frames: Iterator[NDArray[Any]], state: State) -> Iterator[NDArray[Any]]:
        dtype = np.dtype(state.sums.dtype)
        for length in _runs(state):
            yield _sum(islice(frames, length), state.shape[1:], dtype)

    def _expand(
        self, reduced: Iterator[NDArray[Any]], state: State
    ) -> Iterator[NDArray[np.float32]]:
        for sums, length in zip(reduced, _runs(state), strict=True):
            mean = (sums / np.float64(length)).astype(np.float32)
            for _ in range(length):
                yield mean


class FrameDropping(_OfRuns):
    """One frame of every k, the middle one; those between are interpolated linearly in time."""

    def _reduced(
        self, dtype: np.dtype[Any], shape: tuple[int, int], factor: int
    ) -> tuple[np.dtype[Any], tuple[int, int]]:
        return dtype, shape

    def _exposures(self, state: State) -> list[int]:
        return [1] * len(_runs(state))

    def _reduce(self, frames: Iterator[NDArray[Any]], state: State) -> Iterator[NDArray[Any]]:
        kept = set(_middles(state).tolist())
        for index, frame in enumerate(frames):
            if index in kept:
                yield frame

    def _expand(
        self, reduced: Iterator[NDArray[Any]], state: State
    ) -> Iterator[NDArray[np.float32]]:
        kept, n_frames = _middles(state), state.shape[0]
        places = np.interp(np.arange(n_frames), kept, np.arange(len(kept)))  # held at both ends
        values = (frame.astype(np.float32) for frame in reduced)
        before = next(values)
        after, at = next(values, before), 0
        for place in places.tolist():
            if at < min(int(place), len(kept) - 2):
                before, after, at = after, next(values), at + 1
            weight = np.float32(place - at)
            yield before * (1 - weight) + after * weight


class SpatialBinning(CheapCodec):
    """Sums of k × k pixels, back to full size by a cubic spline through their means."""

    def _reduced(
        self, dtype: np.dtype[Any], shape: tuple[int, int], factor: int
    ) -> tuple[np.dtype[Any], tuple[int, int]]:
        height, width = (-(-side // factor) for side in shape)
        return measurement_dtype(dtype, factor**2), (height, width)

    def _exposures(self, state: State) -> list[int]:
        return [state.factor**2] * state.shape[0]

    def _reduce(self, frames: Iterator[NDArray[Any]], state: State) -> Iterator[NDArray[Any]]:
        dtype = np.dtype(state.sums.dtype)
        rows, columns = (np.arange(0, side, state.factor) for side in state.shape[1:])
        for frame in frames:
            binned = np.add.reduceat(frame, rows, axis=0, dtype=_exact(dtype))
            binned = np.add.reduceat(binned, columns, axis=1, dtype=_exact(dtype))
            yield binned.astype(dtype, copy=False)

    def _expand(
        self, reduced: Iterator[NDArray[Any]], state: State
    ) -> Iterator[NDArray[np.float32]]:
        factor, (_, height, width) = state.factor, state.shape
        pixels = np.outer(_bin_sizes(height, factor), _bin_sizes(width, factor))
        for sums in reduced:
            means = sums / pixels.astype(np.float64)
            # A bin is an area: its value belongs to its middle, and the picture ends at its edge.
            whole = ndimage.zoom(means, factor, order=3, mode="reflect", grid_mode=True)
            yield whole[:height, :width].astype(np.float32)


def _runs(state: State) -> list[int]:
    """Frames of each run; the last may have fewer."""
    return list(map(int, _bin_sizes(state.shape[0], state.factor)))


def _middles(state: State) -> NDArray[np.intp]:
    """Index of the middle frame of each run."""
    lengths = _bin_sizes(state.shape[0], state.factor)
    return np.arange(len(lengths)) * state.factor + lengths // 2


def _bin_sizes(side: int, factor: int) -> NDArray[np.intp]:
    """Pixels, or frames, in each bin along an axis; the last may have fewer."""
    starts = np.arange(0, side, factor)
    return np.minimum(starts + factor, side) - starts


def _exact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Pixel type in which sums that end as ``dtype`` are taken."""
    return np.dtype(np.float64) if dtype.kind == "f" else dtype


def _sum(
    frames: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    total = np.zeros(shape, _exact(dtype))
    for frame in frames:
        total += frame
    return total.astype(dtype, copy=False)


def binned_sum(frames: NDArray[Any]) -> NDArray[Any]:
    """Sum (n, H, W) frames to (H, W) in the pixel type of a measurement: exact for integers."""
    return _sum(frames, frames.shape[1:], measurement_dtype(frames.dtype, len(frames)))


_FACTORS = (240, 120, 60, 40, 30, 24, 20, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2)

CHEAP_CODECS: tuple[CheapCodec, ...] = (
    FrameBinning(
        name="frame_binning",
        label="Frame binning",
        words="sum of {} frames",
        qualities=_FACTORS,
    ),
    FrameDropping(
        name="frame_dropping",
        label="Frame dropping",
        words="1 frame in {}, linear interpolation",
        qualities=_FACTORS,
    ),
    SpatialBinning(
        name="spatial_binning",
        label="Spatial binning",
        words="sum of {0} × {0} pixels, cubic spline",
        qualities=(32, 24, 20, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2),
    ),
)
"""Rows of :data:`napari_tcsdl.codecs.CODECS`."""


def binning(frames: NDArray[Any], storage: SumStorage | None = None) -> CodecResult:
    """Sum the frames of a block without masks, stored as a measurement is stored.

    The honest rival at the same bytes: it averages noise away and blurs whatever moves.

    Parameters
    ----------
    frames
        (n, H, W), in detector units.
    storage
        How the sum is stored; by default exactly.

    Returns
    -------
    CodecResult
        Every decoded frame is the mean of the block. ``budget`` is its own size.

    Raises
    ------
    InputError
        For frames not (n, H, W).
    """
    check_block(frames)
    codec = CHEAP_CODECS[0]
    if storage is not None:
        codec = replace(codec, storage=storage)
    encoded = codec.encode(frames, len(frames), (0.0, float(frames.max())))
    return CodecResult(
        name="binning",
        settings=encoded.settings,
        decoded=codec.decode(encoded),
        frame_bytes=encoded.frame_bytes,
        budget=encoded.n_bytes,
        fits=True,
        quality=None,
    )
