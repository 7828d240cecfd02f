"""Measurements of a ``.tcs.zarr`` as they are read: the array, its shards, the places of damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError
from ._array_check import check_document, expected_array
from ._arrays import AXES, open_array
from ._common import check_readable, is_there, reason_of
from ._layout import DOCUMENT, MEASUREMENTS, Header, shard_key


def open_measurements(
    path: Path, header: Header, compression_ratio: int, frames_valid: int
) -> zarr.Array[Any]:
    """Open array 0 and check that it fits the metadata; no measurement is read.

    Raises
    ------
    CorruptFileError
        If it is missing, does not fit, or is described otherwise than the writer would.
    InputError
        If it may not be read.
    """
    try:
        array = open_array(path, MEASUREMENTS)
    except Exception as error:  # damaged JSON surfaces as any error of zarr
        check_readable(path / MEASUREMENTS / DOCUMENT)
        raise CorruptFileError(
            f"{path.name}: array '{MEASUREMENTS}' cannot be opened ({reason_of(error)}), expected "
            "measurements; restore its zarr.json from a copy"
        ) from error
    count = -(-frames_valid // compression_ratio)
    dtype = header.storage.stored_dtype(header.measurement_dtype(compression_ratio))
    got = (array.shape[1:], array.dtype.newbyteorder("="))
    if got != (header.shape[1:], dtype) or array.shape[0] < count:
        raise CorruptFileError(
            f"{path.name}: got measurements {array.shape} of type {array.dtype}, expected at least "
            f"({count}, {header.shape[1]}, {header.shape[2]}) of type {dtype}; restore "
            f"{MEASUREMENTS}/{DOCUMENT} from a copy"
        )
    # It grows ahead of what is acknowledged, and may have grown since we read that.
    most = array.shape[0] if header.shape[0] is None else -(-header.shape[0] // compression_ratio)
    expected = expected_measurements(
        path, header, compression_ratio, max(count, min(array.shape[0], most))
    )
    check_document(path, MEASUREMENTS, array, expected)
    return array


def expected_measurements(
    path: Path, header: Header, compression_ratio: int, count: int
) -> zarr.Array[Any]:
    """Array 0 with ``count`` measurements, opened as the metadata of the group describe it."""
    dtype = header.storage.stored_dtype(header.measurement_dtype(compression_ratio))
    shape = (count, *header.shape[1:])
    return expected_array(path / MEASUREMENTS, shape, dtype, AXES, header.storage)


def read_values(
    path: Path, array: zarr.Array[Any], header: Header, index: int, frames: tuple[int, int]
) -> NDArray[Any]:
    """Values (H, W) of one measurement, which holds frames ``frames[0]`` … ``frames[1]``.

    Codes are expanded, to the type of the table.

    Raises
    ------
    CorruptFileError
        If the shard is missing or damaged.
    InputError
        If it may not be read.
    """
    which = f"{path.name}: measurement {index} (frames {frames[0]}–{frames[1]})"
    # zarr gives zeros for a shard that is missing or empty, without a word.
    file = path / shard_key(index)
    if not is_there(file):
        raise CorruptFileError(
            f"{which} is missing or empty, expected {shard_key(index)}; restore that file from a "
            "copy, or use the other measurements"
        )
    table = header.storage.companding
    try:
        stored = np.asarray(array[index])
        return stored if table is None else table.expand(stored)
    except InputError as error:  # a code that the table does not have
        raise CorruptFileError(
            f"{which} does not fit the table of values ({error}), expected its codes only; "
            f"restore {shard_key(index)} from a copy, or use the other measurements"
        ) from error
    except Exception as error:  # damage surfaces as any error of zarr or its codecs
        check_readable(file)
        raise CorruptFileError(
            f"{which} is damaged at {_where_damaged(array, index)}, expected its crc32c checksums "
            f"to match; restore {shard_key(index)} from a copy, or use the other measurements"
        ) from error


def _where_damaged(array: zarr.Array[Any], index: int) -> str:
    """Rows and columns of the chunks that cannot be read; all of them if the index is broken."""
    height, width = array.shape[1:]
    rows, columns = array.chunks[1:]
    damaged = []
    total = 0
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            total += 1
            bottom, right = min(top + rows, height), min(left + columns, width)
            try:
                array[index, top:bottom, left:right]
            except Exception:  # as above
                damaged.append(f"rows {top}–{bottom - 1}, columns {left}–{right - 1}")
    if len(damaged) in (0, total) and total > 1:
        return "all rows and columns (index of the shard)"
    return "; ".join(damaged) or "an unknown place"
