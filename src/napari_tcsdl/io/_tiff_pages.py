"""The chain of directories in a TIFF, followed to its end."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .._validation import CorruptFileError
from ._common import cannot_read

PHYSICS_TAGS = (270, 282, 283)
"""ImageDescription, XResolution, YResolution: lost, the movie would silently lose calibration."""
TYPE_BYTES = {2: 1, 5: 8}
"""Bytes of a character and of a fraction, the types of these tags."""


class _Dialect(NamedTuple):
    order: str
    n_tags: str
    tag: str
    offset: str


def count_pages(path: Path) -> int:
    """Follow the chain of a TIFF's directories to its end; return how many there are.

    tifffile stops silently where the chain breaks, so a file that was cut short would look like a
    shorter movie.

    Raises
    ------
    CorruptFileError
        If the file is no TIFF, or the chain or the first description leaves it.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _walk(file, size, path.name)
    except OSError as error:
        raise cannot_read(path, error) from error


def _walk(file: BinaryIO, size: int, name: str) -> int:
    try:
        order = {b"II": "<", b"MM": ">"}[file.read(2)]
        (version,) = struct.unpack(order + "H", file.read(2))
        dialect = {42: _Dialect(order, "H", "HHI4s", "I"), 43: _Dialect(order, "Q", "HHQ8s", "Q")}[
            version
        ]
        position = _unpack(file, 8 if version == 43 else 4, order + dialect.offset)
    except (KeyError, struct.error):
        raise CorruptFileError(
            f"{name}: got {size} bytes that do not begin as a TIFF does, expected a TIFF stack; "
            "check the file, or copy it again"
        ) from None
    visited: set[int] = set()
    while position and position not in visited:
        index = len(visited)
        visited.add(position)
        try:
            position = _next(file, position, dialect, size if index == 0 else None)
        except struct.error:
            raise CorruptFileError(
                f"{name}: file is cut short, it ends after {size} bytes before the entry of frame "
                f"{index}, expected a complete TIFF; copy it again from where it was recorded"
            ) from None
    return len(visited)


def _next(file: BinaryIO, position: int, dialect: _Dialect, size: int | None) -> int:
    """Position of the next directory; with ``size``, check that physics lies within the file."""
    n_tags = _unpack(file, position, dialect.order + dialect.n_tags)
    layout = dialect.order + dialect.tag
    if size is None:
        file.seek(n_tags * struct.calcsize(layout), 1)
    else:
        for tag in struct.iter_unpack(layout, file.read(n_tags * struct.calcsize(layout))):
            _check_tag(tag, dialect, size)
    return _unpack(file, file.tell(), dialect.order + dialect.offset)


def _check_tag(tag: tuple[int, int, int, bytes], dialect: _Dialect, size: int) -> None:
    code, kind, count, value = tag
    length = count * TYPE_BYTES.get(kind, 0)
    if code in PHYSICS_TAGS and length > len(value):
        (offset,) = struct.unpack(dialect.order + dialect.offset, value)
        if offset + length > size:
            raise struct.error("value beyond the end of the file")


def _unpack(file: BinaryIO, position: int, layout: str) -> int:
    file.seek(position)
    (value,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return int(value)
