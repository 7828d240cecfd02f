"""Frames in plain files: read piece by piece, so that processes share them in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..decoding import Progress, part_of
from ..movie import Movie
from ..reference import Reference


@dataclass(frozen=True)
class FrameFile:
    """Frames (T, H, W) in a file of nothing else."""

    path: Path
    shape: tuple[int, int, int]
    dtype: str

    @classmethod
    def write(
        cls,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        pieces: Iterable[NDArray[Any]],
    ) -> Self:
        """Write ``pieces`` (n, H, W), which follow each other."""
        with path.open("wb") as file:
            for piece in pieces:
                file.write(np.ascontiguousarray(piece, dtype).data)
        return cls(path, shape, str(dtype))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return frames ``start`` … ``stop − 1``."""
        height, width = self.shape[1:]
        size = height * width
        dtype = np.dtype(self.dtype)
        pixels = np.fromfile(
            self.path, dtype, (stop - start) * size, offset=start * size * dtype.itemsize
        )
        return pixels.reshape(stop - start, height, width)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass
class FramePieces:
    """Frames of a movie, a segment at a time.

    Attributes
    ----------
    source
        That is read.
    segments
        (first frame, last + 1) of each.
    tick
        Called before each; may raise to stop.
    seconds
        [CPU s] that reading took so far.
    """

    source: FrameFile | Movie
    segments: tuple[tuple[int, int], ...]
    tick: Callable[[], None]
    seconds: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type."""
        return np.dtype(self.source.dtype)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Read segment after segment."""
        for start, stop in self.segments:
            self.tick()
            begin = time.process_time()
            frames = self.source.read(start, stop)
            self.seconds += time.process_time() - begin
            yield frames


@dataclass(frozen=True)
class Part:
    """Frames ``first`` … ``stop − 1`` of a file, as a movie of its own."""

    file: FrameFile
    first: int
    stop: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, H, W)."""
        return (self.stop - self.first, *self.file.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type."""
        return np.dtype(self.file.dtype)

    def __getitem__(self, key: slice) -> NDArray[Any]:
        """Frames of a slice along time."""
        wanted = range(*key.indices(self.stop - self.first))
        if not wanted:
            return np.empty((0, *self.shape[1:]), self.dtype)
        low, high = min(wanted), max(wanted) + 1
        frames = self.file.read(self.first + low, self.first + high)
        chosen: NDArray[Any] = frames[np.array(wanted) - low]
        return chosen


def copy_frames(
    movie: Movie, reference: Reference, length: int, folder: Path, progress: Progress
) -> tuple[FrameFile, FrameFile]:
    """Write raw and reference frames of a movie, ``length`` at a time, into ``folder``.

    Returns
    -------
    tuple
        Raw frames in their own type, reference frames as float32.

    Raises
    ------
    InputError
        For a frame that no detector records.
    """
    raw = FrameFile.write(
        folder / "raw", movie.shape, movie.dtype, (frames for _, frames in movie.blocks(length))
    )
    n_frames = movie.shape[0]

    def pieces() -> Iterator[NDArray[np.float32]]:
        for first in range(0, n_frames, length):
            stop = min(first + length, n_frames)
            part = part_of(progress, range(first, stop), n_frames)
            part(0.0)
            yield reference.frames(raw.read(first, stop), first, part)

    whole = FrameFile.write(folder / "reference", movie.shape, np.dtype(np.float32), pieces())
    return raw, whole
