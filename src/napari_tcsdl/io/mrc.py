"""Read MRC stacks lazily, with their pixel size."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from mrcfile.utils import data_dtype_from_header, data_shape_from_header

from .._validation import CorruptFileError, InputError, check_movie_shape
from ..movie import Movie
from ._common import ContiguousFrames, cannot_read, check_input_file, square_pixel

SUFFIXES = (".mrc", ".mrcs", ".st", ".map")
HEADER_BYTES = 1024
READABLE_MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
IMOD_STAMP = 1146047817
IMOD_SIGNED_BYTES = 1


def open_mrc(path: str | os.PathLike[str]) -> Movie:
    """Open an MRC file with three axes as a movie; the slowest axis is time.

    Modes 0 (int8; uint8 where IMOD or SerialEM say so), 1 (int16), 2 (float32), 6 (uint16) and
    12 (float16). Rows stay in the order in which they are stored. MRC has no frame time.

    Parameters
    ----------
    path
        The file; old files without MAP stamp are read too if their length fits their header.

    Returns
    -------
    Movie
        Lazy frames (T, H, W), with the pixel size [Å px⁻¹] of the header.

    Raises
    ------
    InputError
        If there is no such file, it may not be read, is empty, or holds no grey movie.
    CorruptFileError
        If it is no MRC file or is cut short.

    References
    ----------
    Cheng et al., J. Struct. Biol. 192, 146 (2015): the MRC2014 format.
    """
    path = check_input_file(path)
    header = _read_header(path)
    shape = tuple(int(n) for n in data_shape_from_header(header))
    if len(shape) == 2:  # the header counts sections all the same
        shape = (1, *shape)
    check_movie_shape(shape, path.name)
    frames = ContiguousFrames(
        path,
        path.name,
        (shape[0], shape[1], shape[2]),
        _stored_dtype(header, path.name),
        HEADER_BYTES + int(header.nsymbt),
    )
    frames.check_length()
    return Movie(frames, name=path.name, pixel_size=_pixel_size(header, path.name), path=str(path))


def _read_header(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Permissive for files from before the MAP stamp; what is wrong is checked below.
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True, header_only=True) as file:
                header = file.header
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        raise _not_mrc(path) from error
    known = header is not None and (header.map == b"MAP " or int(header.mode) in READABLE_MODES)
    if not known or header.nsymbt < 0 or min(header.nx, header.ny, header.nz) < 1:
        raise _not_mrc(path)
    return header


def _not_mrc(path: Path) -> CorruptFileError:
    return CorruptFileError(
        f"{path.name}: got {path.stat().st_size} bytes without a valid MRC header, expected an "
        "MRC stack; check the file, or copy it again"
    )


def _stored_dtype(header: Any, name: str) -> np.dtype[Any]:
    mode = int(header.mode)
    if mode not in READABLE_MODES:
        known = ", ".join(f"{key} ({what})" for key, what in READABLE_MODES.items())
        raise InputError(
            f"{name}: got MRC mode {mode}, expected one of {known}; convert the file first"
        )
    if mode == 0 and _bytes_are_unsigned(header):
        return np.dtype(np.uint8)
    stored: np.dtype[Any] = data_dtype_from_header(header)
    return stored


def _bytes_are_unsigned(header: Any) -> bool:
    """Whether IMOD (or SerialEM) stamped the header and says that bytes are 0 … 255."""
    stamp, flags = np.frombuffer(header.tobytes(), header.mode.dtype, count=2, offset=152)
    return bool(stamp == IMOD_STAMP and not flags & IMOD_SIGNED_BYTES)


def _pixel_size(header: Any, name: str) -> float | None:
    """[Å px⁻¹]: cell size over sampling; None where the header says 0."""
    sizes = [
        float(cell) / int(sampling) if sampling > 0 and np.isfinite(cell) and cell > 0 else None
        for cell, sampling in (
            (header.cella.x, header.mx),
            (header.cella.y, header.my),
        )
    ]
    return square_pixel(sizes[0], sizes[1], name)
