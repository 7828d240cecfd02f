"""A part of a movie: fewer frames, a cropped field, binned pixels, a calibration; still lazy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError
from .movie import FrameSource, Movie, detector_dtype

Field = tuple[int, int, int, int]
"""(top, left, bottom, right) [px]; bottom and right are the first beyond."""


@dataclass(frozen=True)
class Selection:
    """What of a movie is wanted.

    Attributes
    ----------
    first, stop
        Frames ``first`` … ``stop − 1``; a ``stop`` of None goes to the end.
    every
        Take every n-th of them. The frame time grows with it: the frames between are lost.
    field
        Pixels before binning, or None for the whole frame.
    binning
        Side of the square of pixels that become one; a rest at the right and at the bottom is cut.
    mean
        Whether binned pixels are the mean, in float32, instead of the sum. Sums keep counts.
    pixel_size, frame_time
        [Å px⁻¹] and [s] of the movie as it was recorded; None for those of its file.
    """

    first: int = 0
    stop: int | None = None
    every: int = 1
    field: Field | None = None
    binning: int = 1
    mean: bool = False
    pixel_size: float | None = None
    frame_time: float | None = None

    def words(self) -> str:
        """Write what differs from the whole movie; empty where nothing does."""
        parts = []
        if self.first or self.stop is not None:
            end = "the end" if self.stop is None else str(self.stop - 1)
            parts.append(f"frames {self.first} to {end}")
        if self.every > 1:
            parts.append(f"one frame in {self.every}")
        if self.field is not None:
            top, left, bottom, right = self.field
            parts.append(f"rows {top} to {bottom - 1}, columns {left} to {right - 1}")
        if self.binning > 1:
            kind = "mean" if self.mean else "sum"
            parts.append(f"{kind} of {self.binning} × {self.binning} px")
        return ", ".join(parts)


def select(movie: Movie, selection: Selection) -> Movie:
    """Return the part of ``movie`` that ``selection`` names; nothing is read.

    Returns
    -------
    Movie
        With the pixel size and frame time that belong to it. ``movie`` itself in another
        calibration where only that was asked for.

    Raises
    ------
    InputError
        If there is no such part.
    """
    _check(movie, selection)
    pixel_size = selection.pixel_size or movie.pixel_size
    frame_time = selection.frame_time or movie.frame_time
    words = selection.words()
    if not words:
        return replace(movie, pixel_size=pixel_size, frame_time=frame_time)
    return replace(
        movie,
        source=_Part(movie.source, selection, movie.name),
        name=f"{movie.name} ({words})",
        pixel_size=None if pixel_size is None else pixel_size * selection.binning,
        frame_time=None if frame_time is None else frame_time * selection.every,
        path=None,  # the file's header describes another movie
    )


def _check(movie: Movie, selection: Selection) -> None:
    n_frames, height, width = movie.shape
    stop = n_frames if selection.stop is None else selection.stop
    if not 0 <= selection.first < stop <= n_frames:
        raise InputError(
            f"got frames {selection.first} to {stop - 1}, expected some of 0 to {n_frames - 1} of "
            f"{movie.name}; choose a first frame that lies before the last"
        )
    top, left, bottom, right = selection.field or (0, 0, height, width)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(
            f"got rows {top} to {bottom - 1} and columns {left} to {right - 1}, expected a part of "
            f"{height} × {width} px; choose a field inside the frame"
        )
    side = min(bottom - top, right - left)
    if selection.every < 1 or not 1 <= selection.binning <= side:
        raise InputError(
            f"got one frame in {selection.every} and binning {selection.binning}, expected at "
            f"least 1 each and a binning of at most {side} px; choose smaller numbers"
        )
    for name, value in (
        ("pixel size", selection.pixel_size),
        ("frame time", selection.frame_time),
    ):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(
                f"got {name} {value}, expected a finite number > 0; leave it out where it is "
                "unknown"
            )


class _Part:
    """The frames of a selection, read from those of the whole movie when they are asked for."""

    def __init__(self, source: FrameSource, selection: Selection, name: str) -> None:
        n_frames, height, width = source.shape
        self._source, self._selection = source, selection
        self._frames = range(n_frames)[selection.first : selection.stop : selection.every]
        top, left, bottom, right = selection.field or (0, 0, height, width)
        k = selection.binning
        rows, columns = (bottom - top) // k, (right - left) // k
        self._window = slice(top, top + rows * k), slice(left, left + columns * k)
        self.shape = (len(self._frames), rows, columns)
        self._stored = np.dtype(source.dtype).newbyteorder("=")
        self.dtype = self._stored
        if k > 1:
            detector_dtype(self._stored, name)  # refuses what no detector records
            self.dtype = _sum_dtype(self._stored, k, mean=selection.mean)

    def __getitem__(self, key: slice) -> NDArray[Any]:
        wanted = self._frames[key]
        if len(wanted) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        if wanted.step == 1:
            return self._reduce(np.asarray(self._source[wanted.start : wanted.stop]))
        # One by one: the frames between are not worth reading.
        return np.concatenate([self._reduce(np.asarray(self._source[i : i + 1])) for i in wanted])

    def _reduce(self, frames: NDArray[Any]) -> NDArray[Any]:
        part = frames[(slice(None), *self._window)]
        k = self._selection.binning
        if k == 1:
            return part.astype(self.dtype, copy=False)
        tiles = part.reshape(len(part), self.shape[1], k, self.shape[2], k)
        wide = np.dtype(np.float64) if part.dtype.kind == "f" else np.dtype(np.int64)
        total = tiles.sum(axis=(2, 4), dtype=wide)
        reduced: NDArray[Any] = (total / k**2 if self._selection.mean else total).astype(self.dtype)
        return reduced


def _sum_dtype(dtype: np.dtype[Any], binning: int, *, mean: bool) -> np.dtype[Any]:
    """Pixel type that holds the sum of binning² pixels of ``dtype`` exactly, or nearly.

    Signed pixels become float32: a sum below 0 must stay so, to be refused where it is read.
    """
    if mean or dtype.kind in "fi":
        return np.dtype(np.float32)
    largest = int(np.iinfo(dtype).max if dtype.kind == "u" else 1) * binning**2
    return np.dtype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.float32)
