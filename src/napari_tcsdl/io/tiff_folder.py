"""Read a folder of TIFF files as one movie, lazily."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError
from ..movie import FrameSource, Movie
from ._common import cannot_read, check_input_file, frame_range, natural_key, times
from .tiff import SUFFIXES, read_layout


class FolderFrames:
    """Frames of several TIFF files, one after another; only the file in use is parsed."""

    def __init__(self, files: list[Path], counts: list[int], shape: tuple[int, int],
                 dtype: np.dtype[Any]) -> None:  # fmt: skip
        self.shape: tuple[int, int, int] = (sum(counts), *shape)
        self.dtype = dtype
        self._files = files
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._latest: tuple[int, FrameSource] | None = None

    def __getitem__(self, key: int | slice) -> NDArray[Any]:
        """Frames (n, H, W) of a slice, or one frame (H, W) of an index."""
        indices = frame_range(key, self.shape[0])
        frames = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for frame, index in zip(frames, indices, strict=True):
            number = int(np.searchsorted(self._starts, index, side="right")) - 1
            start = index - int(self._starts[number])
            frame[...] = self._source(number)[start : start + 1][0]
        return frames if isinstance(key, slice) else frames[0]

    def _source(self, number: int) -> FrameSource:
        # One tuple, replaced at once: two threads may each parse a file, never mix two files up.
        latest = self._latest
        if latest is None or latest[0] != number:
            latest = (number, read_layout(self._files[number]).frames)
            self._latest = latest
        return latest[1]


def open_folder(path: str | os.PathLike[str]) -> Movie:
    """Open a folder of TIFF files as one movie, in natural order (frame2 before frame10).

    Parameters
    ----------
    path
        Folder; each file may hold one frame or several, all of one size and pixel type.
        Calibration is that of the first file.

    Raises
    ------
    InputError
        If it holds no TIFF, or frames of different size or type; both files are named.
    """
    folder = Path(path)
    try:
        files = [f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.name[0] != "."]
    except OSError as error:
        raise cannot_read(folder, error) from error
    if not files:
        raise InputError(
            f"got folder {folder} without TIFF files, expected frames ({', '.join(SUFFIXES)}); "
            "name the folder that holds the frames"
        )
    files.sort(key=natural_key)
    first = read_layout(check_input_file(files[0]))
    counts = [first.frames.shape[0]]
    for file in files[1:]:
        frames = read_layout(check_input_file(file)).frames
        _check_same(files[0], first.frames, file, frames)
        counts.append(frames.shape[0])
    height, width = first.frames.shape[1:]
    source = FolderFrames(files, counts, (height, width), np.dtype(first.frames.dtype))
    calibration = first.calibration
    name = Path(os.path.abspath(folder)).name  # "." has none
    return Movie(source, name, calibration.pixel_size, calibration.frame_time, str(folder))


def _check_same(first: Path, a: FrameSource, file: Path, b: FrameSource) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            f"{first.name} is {times(a.shape[1:])} but {file.name} is {times(b.shape[1:])}, "
            "expected frames of one size in a folder; move the others away or crop them"
        )
    if a.dtype != b.dtype:
        raise InputError(
            f"{first.name} has {a.dtype} pixels but {file.name} has {b.dtype}, expected one "
            "pixel type in a folder; move the others away or convert them"
        )
