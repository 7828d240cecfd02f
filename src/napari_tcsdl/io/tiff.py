"""Read TIFF stacks lazily, with their calibration.

ImageJ, OME and plain TIFF; uncompressed frames are read straight from their place in the file
(also ImageJ stacks above 4 GB, which have a single directory), others are decoded one page at a
time by tifffile.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError, TcsdlError, check_movie_shape
from ..movie import FrameSource, Movie
from ._common import (
    Calibration,
    ContiguousFrames,
    cannot_read,
    check_input_file,
    cut_short,
    frame_range,
    reason_of,
    times,
)
from ._tiff_pages import count_pages
from ._tiff_tags import calibration_of

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


class PagedFrames:
    """Frames that are decoded one TIFF page at a time, read when asked for.

    Page offsets are kept, the file is not kept open. Several threads may read; they take turns.
    """

    def __init__(self, path: Path, tif: tifffile.TiffFile, series: Any, n_frames: int) -> None:
        self.shape: tuple[int, int, int] = (n_frames, *series.shape[-2:])
        self.dtype: np.dtype[Any] = np.dtype(series.dtype).newbyteorder("=")
        self._path = path
        self._tif = tif
        self._series = series
        self._lock = threading.Lock()

    def __getitem__(self, key: int | slice) -> NDArray[Any]:
        """Frames (n, H, W) of a slice, or one frame (H, W) of an index."""
        indices = frame_range(key, self.shape[0])
        frames = np.empty((len(indices), *self.shape[1:]), self.dtype)
        with self._lock, _reopened(self._tif, self._path):
            for frame, index in zip(frames, indices, strict=True):
                frame[...] = self._decode(index)
        return frames if isinstance(key, slice) else frames[0]

    def _decode(self, index: int) -> NDArray[Any]:
        name = self._path.name
        try:
            page = self._series[index]
            extents = zip(page.dataoffsets, page.databytecounts, strict=True)
            with _reopened(page.parent, self._path) as size:
                # tifffile fills what is missing with zeros, which must not pass for a dark frame.
                if max(offset + length for offset, length in extents) > size:
                    raise cut_short(name, size, self.shape[0], index)
                frame: NDArray[Any] = page.asarray()
        except TcsdlError:
            raise
        except Exception as error:  # damaged bytes reach any line of the decoders
            raise CorruptFileError(
                f"{name}: frame {index} cannot be decoded ({reason_of(error)}), expected "
                f"{self.shape[0]} readable frames; copy the file again, or leave out that frame"
            ) from error
        if frame.shape != self.shape[1:]:
            raise InputError(
                f"{name}: frame 0 is {times(self.shape[1:])} but frame {index} is "
                f"{times(frame.shape)}, expected frames of one size; crop them or take them apart"
            )
        return frame


@contextmanager
def _reopened(tif: tifffile.TiffFile, path: Path) -> Iterator[int]:
    """Open the file of ``tif`` if it is closed, and close it again; gives its size [bytes]."""
    handle = tif.filehandle
    was_closed = handle.closed
    try:
        if was_closed:
            handle.open()
    except OSError as error:
        raise cannot_read(path, error) from error
    try:
        yield os.stat(handle.path).st_size  # handle.size is that of the first opening
    finally:
        if was_closed:
            handle.close()


def open_tiff(path: str | os.PathLike[str]) -> Movie:
    """Open a TIFF stack: ImageJ, OME or plain, any compression that imagecodecs knows.

    Parameters
    ----------
    path
        A file with one page a frame, or an ImageJ stack above 4 GB.

    Returns
    -------
    Movie
        Lazy frames (T, H, W) with the pixel size [Å px⁻¹] and frame time [s] that the tags give.

    Raises
    ------
    InputError
        If there is no such file, it may not be read, is empty, or holds no grey movie.
    CorruptFileError
        If it is no TIFF or is cut short.
    """
    path = check_input_file(path)
    layout = read_layout(path)
    shape = layout.frames.shape
    check_movie_shape(shape if layout.is_stack else shape[1:], path.name)
    return Movie(
        layout.frames,
        name=path.name,
        pixel_size=layout.calibration.pixel_size,
        frame_time=layout.calibration.frame_time,
        path=str(path),
    )


class Layout(NamedTuple):
    """Frames (T, H, W) of one file, T = 1 for a single page, and their calibration.

    ``is_stack`` says whether the file calls itself a stack, even if of one frame.
    """

    frames: FrameSource
    calibration: Calibration
    is_stack: bool


def read_layout(path: Path) -> Layout:
    """Where the frames of a TIFF lie, without reading any."""
    n_pages = count_pages(path)
    try:
        with tifffile.TiffFile(path) as tif:
            series = _only_series(tif, path.name)
            calibration = calibration_of(tif, path.name)
            frames = _frames_of(path, tif, series, n_pages)
    except TcsdlError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from error
    except Exception as error:  # damaged tags reach any line of tifffile
        raise CorruptFileError(
            f"{path.name}: cannot be read as TIFF ({reason_of(error)}), expected a TIFF stack; "
            "copy it again from where it was recorded"
        ) from error
    return Layout(frames, calibration, len(series.shape) == 3)


def _frames_of(path: Path, tif: tifffile.TiffFile, series: Any, n_pages: int) -> FrameSource:
    shape: tuple[int, ...] = series.shape
    name = path.name
    if "S" in series.axes or series.keyframe.samplesperpixel > 1:
        raise InputError(
            f"{name}: got {times(shape)}, which is RGB colour or has several samples a pixel, "
            "expected a grey movie (T, H, W); convert it to grey first"
        )
    if len(shape) > 3:
        check_movie_shape(shape, name)
    if not series.axes.endswith("YX"):
        raise InputError(
            f"{name}: got axes {series.axes}, expected time first and then y, x; "
            "save it again as a stack of frames"
        )
    n_frames = shape[0] if len(shape) == 3 else 1
    offset = series.dataoffset
    if offset is not None:
        stored = np.dtype(series.dtype).newbyteorder(tif.byteorder)
        frames = ContiguousFrames(path, name, (n_frames, shape[-2], shape[-1]), stored, offset)
        frames.check_length()
        _check_count(n_frames, _promised(tif, n_frames), name)
        return frames
    if tif.is_ome:  # whose pages may lie in other files too
        n_pages = sum(series[k] is not None for k in range(n_frames))
    _check_count(min(n_pages, n_frames), max(n_frames, _promised(tif, n_frames)), name)
    return PagedFrames(path, tif, series, n_frames)


def _promised(tif: tifffile.TiffFile, n_frames: int) -> int:
    """Frames that an ImageJ file says it has; tifffile falls back to the pages it finds."""
    metadata: dict[str, Any] = tif.imagej_metadata or {}
    return int(metadata.get("images", n_frames))


def _check_count(got: int, promised: int, name: str) -> None:
    if got < promised:
        raise CorruptFileError(
            f"{name}: got {got} frames, expected {promised} by its own description; "
            "copy it again, with all files that belong to it"
        )


def _only_series(tif: tifffile.TiffFile, name: str) -> Any:
    """Return the first series; refuse pages of several sizes in a plain TIFF, ignore previews."""
    series = tif.series[0]
    if series.kind in ("generic", "uniform", "shaped"):
        for other in tif.series[1:]:
            if other.keyframe.is_reduced or other.shape[-2:] == series.shape[-2:]:
                continue
            raise InputError(
                f"{name}: page {series.keyframe.index} is {times(series.shape[-2:])} but page "
                f"{other.keyframe.index} is {times(other.shape[-2:])}, expected frames of one "
                "size; crop them or take them apart"
            )
    return series
