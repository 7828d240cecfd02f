"""Rivals that cost a detector as little as coded exposure does.

What they keep is stored exactly as a measurement is stored, and decoded from what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .. import __version__
from .._validation import InputError
from ..encoder import measurement_dtype
from ._stored_sums import Sums, SumStorage
from .base import CHEAP, Encoded, check_block, shares
from .search import CodecResult


class _State(NamedTuple):
    """What decoding needs besides the files."""

    sums: Sums
    factor: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CheapCodec:
    """What cheap codecs share; a row gives its fields, ``_reduce`` and ``_expand``.

    A quality is the factor by which numbers become fewer, from many to few. Any whole factor
    from 1 on can be encoded; ``qualities`` are those that are worth a search.

    Attributes
    ----------
    name, label, licence, qualities, kind
        As :class:`Codec`.
    words
        What is stored, with the factor put in for ``{}``.
    storage
        How sums are stored; by default exactly.
    """

    name: str
    label: str
    words: str
    qualities: tuple[float, ...]
    licence: str = "BSD-3-Clause"
    kind: str = CHEAP
    storage: SumStorage = field(default=SumStorage())

    def missing(self) -> str | None:
        """Never: it is ours."""
        return None

    def version(self) -> str:
        """Of this package."""
        return f"napari-tcsdl {__version__}"

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Reduce and store the frames; see :meth:`Codec.encode`."""
        check_block(frames)
        if quality is None or quality < 1 or quality != int(quality):
            raise InputError(
                f"got quality {quality} for {self.label}, expected a whole factor of at least 1; "
                f"give for example {self.qualities[-1]:g}"
            )
        factor = int(quality)
        reduced, exposures = self._reduce(frames, factor)
        sums = Sums(
            self.storage,
            reduced.dtype.str,
            frames.dtype.str,
            exposures,
            (reduced.shape[1], reduced.shape[2]),
            float(value_range[1]),
        )
        files = sums.write(list(reduced))
        kind = reduced.dtype if len(reduced) == 1 else f"{len(reduced)} × {reduced.dtype}"
        return Encoded(
            files,
            self._shares(files, len(frames), factor),
            f"{self.version()}, {self.words.format(factor)} as {kind}, {self.storage.words}",
            quality,
            _State(sums, factor, (frames.shape[0], frames.shape[1], frames.shape[2])),
        )

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """See :meth:`Codec.decode`."""
        state: _State = encoded.state
        return self._expand(state.sums.read(encoded.files), state)

    def _shares(self, files: tuple[bytes, ...], n_frames: int, factor: int) -> tuple[int, ...]:
        """Spread each file over the frames that it stands for."""
        starts = range(0, n_frames, factor)
        return tuple(
            share
            for start, file in zip(starts, files, strict=True)
            for share in shares(len(file), min(factor, n_frames - start))
        )

    def _reduce(self, frames: NDArray[Any], factor: int) -> tuple[NDArray[Any], tuple[int, ...]]:
        """Return what is stored (m, h, w), and how many pixels of frames are in a pixel of each."""
        raise NotImplementedError

    def _expand(self, reduced: NDArray[Any], state: _State) -> NDArray[np.float32]:
        """Frames (n, H, W) from what was stored."""
        raise NotImplementedError


class FrameBinning(CheapCodec):
    """Sums of consecutive frames: averages noise away and blurs whatever moves."""

    def _reduce(self, frames: NDArray[Any], factor: int) -> tuple[NDArray[Any], tuple[int, ...]]:
        dtype = measurement_dtype(frames.dtype, factor)
        bins = [frames[start : start + factor] for start in range(0, len(frames), factor)]
        return np.stack([_sum(a_bin, 0, dtype) for a_bin in bins]), tuple(map(len, bins))

    def _expand(self, reduced: NDArray[Any], state: _State) -> NDArray[np.float32]:
        exposures = np.array(state.sums.exposures)
        means = (reduced / exposures[:, None, None].astype(np.float64)).astype(np.float32)
        return np.repeat(means, exposures, axis=0)


class FrameDropping(CheapCodec):
    """One frame of every k, the middle one; those between are interpolated linearly in time."""

    def _reduce(self, frames: NDArray[Any], factor: int) -> tuple[NDArray[Any], tuple[int, ...]]:
        kept = frames[_middles(len(frames), factor)]
        return kept, (1,) * len(kept)

    def _expand(self, reduced: NDArray[Any], state: _State) -> NDArray[np.float32]:
        n_frames = state.shape[0]
        kept = _middles(n_frames, state.factor)
        place = np.interp(np.arange(n_frames), kept, np.arange(len(kept)))  # held at both ends
        before = np.minimum(place.astype(int), max(len(kept) - 2, 0))
        weight = (place - before).astype(np.float32)[:, None, None]
        values = reduced.astype(np.float32)
        after = np.minimum(before + 1, len(kept) - 1)
        between: NDArray[np.float32] = values[before] * (1 - weight) + values[after] * weight
        return between


class SpatialBinning(CheapCodec):
    """Sums of k × k pixels, back to full size by a cubic spline through their means."""

    def _reduce(self, frames: NDArray[Any], factor: int) -> tuple[NDArray[Any], tuple[int, ...]]:
        dtype = measurement_dtype(frames.dtype, factor**2)
        rows, columns = (np.arange(0, side, factor) for side in frames.shape[1:])
        exact = np.float64 if dtype.kind == "f" else dtype
        binned = np.add.reduceat(frames, rows, axis=1, dtype=exact)
        binned = np.add.reduceat(binned, columns, axis=2, dtype=exact).astype(dtype, copy=False)
        return binned, (factor**2,) * len(frames)

    def _expand(self, reduced: NDArray[Any], state: _State) -> NDArray[np.float32]:
        factor, (_, height, width) = state.factor, state.shape
        pixels = np.outer(_bin_sizes(height, factor), _bin_sizes(width, factor))
        frames = np.empty(state.shape, np.float32)
        for frame, sums in zip(frames, reduced, strict=True):
            means = sums / pixels.astype(np.float64)
            # A bin is an area: its value belongs to its middle, and the picture ends at its edge.
            whole = ndimage.zoom(means, factor, order=3, mode="reflect", grid_mode=True)
            frame[...] = whole[:height, :width]
        return frames

    def _shares(self, files: tuple[bytes, ...], n_frames: int, factor: int) -> tuple[int, ...]:
        return tuple(len(file) for file in files)


def _middles(n_frames: int, factor: int) -> NDArray[np.intp]:
    """Index of the middle frame of each run of ``factor``, of which the last may be shorter."""
    starts = np.arange(0, n_frames, factor)
    return starts + (np.minimum(starts + factor, n_frames) - starts) // 2


def _bin_sizes(side: int, factor: int) -> NDArray[np.intp]:
    """Pixels in each bin along a side; the last may have fewer."""
    starts = np.arange(0, side, factor)
    return np.minimum(starts + factor, side) - starts


def _sum(frames: NDArray[Any], axis: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    exact = np.float64 if dtype.kind == "f" else dtype
    return np.asarray(frames.sum(axis=axis, dtype=exact), dtype)


def binned_sum(frames: NDArray[Any]) -> NDArray[Any]:
    """Sum (n, H, W) frames to (H, W) in the pixel type of a measurement: exact for integers."""
    return _sum(frames, 0, measurement_dtype(frames.dtype, len(frames)))


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
