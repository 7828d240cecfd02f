"""Files: movies in, compressed movies in and out, reconstructions out. One row a format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .._validation import InputError
from ..movie import Movie
from . import mrc, tiff
from ._arrays import stored_size
from ._common import cannot_read
from ._durable import new_files, told_of
from ._layout import FORMAT_VERSION, SUFFIX, Header, Storage
from .container import CompressedMovie, is_compressed, open_compressed
from .container_check import validate
from .container_write import CompressedWriter, check_place
from .tiff_folder import open_folder
from .tiff_write import TiffStack, check_free, save_tiff

__all__ = [
    "FORMATS",
    "FORMAT_VERSION",
    "CompressedMovie",
    "CompressedWriter",
    "Format",
    "Header",
    "Storage",
    "TiffStack",
    "check_free",
    "check_place",
    "is_compressed",
    "new_files",
    "open_compressed",
    "open_movie",
    "save_tiff",
    "stored_size",
    "told_of",
    "validate",
]


class Format(NamedTuple):
    """A format of movies: what it is called, how its files end, and what opens them."""

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Path], Movie]


FOLDER = "/"
"""Stands for a folder in :data:`FORMATS`."""

FORMATS = (
    Format("TIFF stack (ImageJ, OME, plain)", tiff.SUFFIXES, tiff.open_tiff),
    Format("MRC stack", mrc.SUFFIXES, mrc.open_mrc),
    Format("folder of TIFF frames", (FOLDER,), open_folder),
)


def open_movie(path: str | os.PathLike[str]) -> Movie:
    """Open a movie; its suffix, or its being a folder, says how.

    Parameters
    ----------
    path
        A file or folder of one of :data:`FORMATS`.

    Returns
    -------
    Movie
        Lazy frames (T, H, W) with pixel size [Å px⁻¹] and frame time [s] where they are known.

    Raises
    ------
    InputError
        If there is no such file, it is of no known format, or holds no grey movie.
    CorruptFileError
        If it is damaged or cut short.
    """
    path = Path(path)
    try:
        path.stat()
    except OSError as error:
        raise cannot_read(path, error) from error
    if is_compressed(path):
        raise InputError(
            f"got {path}, which is a compressed movie, expected one to be compressed; "
            "reconstruct it instead"
        )
    suffix = FOLDER if path.is_dir() else path.suffix.lower()
    for row in FORMATS:
        if suffix in row.suffixes:
            return row.open(path)
    known = ", ".join(
        row.name + ("" if FOLDER in row.suffixes else f" ({' '.join(row.suffixes)})")
        for row in FORMATS
    )
    raise InputError(
        f"got {path.name}, which is of no known format, expected {known}, or a *{SUFFIX} file to "
        "reconstruct; convert the movie to TIFF first"
    )
