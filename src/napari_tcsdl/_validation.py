"""The project's errors and shape, dtype and range checks: every message in one voice.

Each message is one sentence: what was got, what was expected, what to do. Command line and
window show ``str(error)`` and nothing else, so a message must stand on its own.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DETECTOR_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))
"""Pixel types that travel through the pipeline; readers convert others without loss or refuse."""

LARGEST_VALUE = 1e12
"""Float counts above this would overflow float32 once they are summed and squared."""


class TcsdlError(ValueError):
    """Anything that the user can mend; ``str()`` is one sentence that says how."""


class InputError(TcsdlError):
    """An argument or a movie is not what was expected."""


class CorruptFileError(TcsdlError):
    """A file is damaged; the message names the damaged part."""


class OutputError(TcsdlError):
    """An output cannot be written: it exists, the disk is full, or access is denied."""


class DeviceError(TcsdlError):
    """The compute device is absent or out of memory."""


class Cancelled(Exception):  # noqa: N818 - an outcome that the user chose, not an error
    """Raised out of a progress callback to stop work; not an error."""


def exit_code(work: Callable[[], object]) -> int:
    """Do the work of a ``python -m`` command: 0, or 2 with its error in one line on stderr."""
    try:
        work()
    except TcsdlError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def is_whole(value: object) -> bool:
    """Tell whole numbers, of NumPy too, from anything else."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def finite_numbers(values: object, count: int) -> tuple[float, ...]:
    """Take ``count`` finite numbers from what a JSON file holds.

    Raises
    ------
    ValueError, TypeError, OverflowError
        If it is anything else.
    """
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{values!r} for {count} numbers")
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise TypeError(f"{values!r} for numbers")
    found = tuple(float(value) for value in values)
    if not np.isfinite(found).all():
        raise ValueError(f"{values!r} for finite numbers")
    return found


def check_compression_ratio(value: object, n_frames: int | None = None) -> int:
    """Return ``value`` as the compression ratio B (frames per measurement).

    Parameters
    ----------
    value
        Anything a user may have typed.
    n_frames
        T, the number of frames of the movie, where it is known.

    Raises
    ------
    InputError
        If ``value`` is no whole number, is below 2, or exceeds ``n_frames``.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number != int(number):
        raise InputError(
            f"got compression ratio B = {value!r}, expected a whole number of frames per "
            "measurement; give for example B = 10"
        )
    ratio = int(number)
    if ratio < 2:
        raise InputError(
            f"got compression ratio B = {ratio}, expected at least 2 frames per measurement; "
            "give for example B = 10"
        )
    if n_frames is not None and ratio > n_frames:
        raise InputError(
            f"got compression ratio B = {ratio} for a movie of {n_frames} frames, expected "
            f"B ≤ {n_frames}; choose a smaller B or a longer movie"
        )
    return ratio


def check_movie_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse anything but (T, H, W) with at least two frames.

    Raises
    ------
    InputError
        For 2-D, 4-D and RGB input, empty axes, and single frames.
    """
    got = " × ".join(map(str, shape)) or "a single number"
    if len(shape) in (3, 4) and shape[-1] in (3, 4) and min(shape[:-1]) > 4:
        raise InputError(
            f"{name}: got {got}, which looks like RGB colour, expected a grey movie (T, H, W); "
            "convert it to grey first"
        )
    if len(shape) == 2:
        raise InputError(
            f"{name}: got one image of {got}, expected a movie (T, H, W) of at least 2 frames; "
            "give a stack or a folder of frames"
        )
    if len(shape) != 3:
        raise InputError(
            f"{name}: got {len(shape)} axes ({got}), expected a movie (T, H, W); "
            "select one channel and one slice first"
        )
    if min(shape) == 0:
        raise InputError(
            f"{name}: got an empty stack of {got}, expected a movie (T, H, W) of at least 2 "
            "frames; check that the recording was saved"
        )
    if shape[0] == 1:
        raise InputError(
            f"{name}: got 1 frame of {shape[1]} × {shape[2]}, expected a movie of at least 2 "
            "frames; give a stack or a folder of frames"
        )


def check_frames(frames: NDArray[Any], name: str, first_frame: int = 0) -> None:
    """Refuse frames that no detector records: NaN, infinite, negative, or all zero.

    Parameters
    ----------
    frames
        (n, H, W) in detector units.
    name
        Of the movie, for the message.
    first_frame
        Index of ``frames[0]`` within the movie, for the message.

    Raises
    ------
    InputError
        Naming the first bad frame and what is wrong with it.
    """
    for offset, frame in enumerate(frames):
        where = f"{name}: frame {first_frame + offset}"
        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
            what = "NaN" if np.isnan(frame).any() else "infinite"
            raise InputError(
                f"{where} holds {what} values, expected finite detector counts; "
                "repair or leave out that frame"
            )
        if frame.dtype.kind in "if" and frame.min() < 0:
            raise InputError(
                f"{where} holds negative values (lowest {frame.min():g}), expected detector "
                "counts ≥ 0; add an offset, or undo a dark subtraction"
            )
        if frame.dtype.kind == "f" and float(frame.max()) > LARGEST_VALUE:
            raise InputError(
                f"{where} holds values up to {frame.max():g}, expected detector counts of at most "
                f"{LARGEST_VALUE:g}; rescale the movie"
            )
        if not frame.any():
            raise InputError(
                f"{where} is all zero, expected detector counts; leave out frames with the beam "
                "blanked"
            )
