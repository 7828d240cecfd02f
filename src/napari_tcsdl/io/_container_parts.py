"""Parts of a ``.tcs.zarr`` as they are read, each with the sentence for its damage.

:func:`~napari_tcsdl.io.container.open_compressed` stops at the first, ``validate`` lists them all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .._validation import CorruptFileError, InputError, TcsdlError
from ..encoder import measurement_dtype
from ..masks import Masks
from ..noise import NoiseModel
from ._array_check import check_document, expected_array
from ._common import cannot_read, check_readable, is_there, reason_of
from ._layout import (
    DOCUMENT,
    FORMAT_VERSION,
    MEASUREMENTS,
    SUFFIX,
    Header,
    checksum,
    open_array,
    shard_key,
)


def is_container(path: Path) -> bool:
    """Whether ``path`` is a folder that says of itself that it is a compressed movie."""
    try:
        read_attributes(path, any_version=True)
    except TcsdlError:
        return False
    return True


def read_attributes(path: Path, *, any_version: bool = False) -> dict[str, Any]:
    """Attributes of the group at ``path``, of a version that can be read.

    Raises
    ------
    InputError, CorruptFileError
        As :func:`open_compressed`.
    """
    expected = f"expected a compressed movie ({SUFFIX})"
    try:
        text = (path / DOCUMENT).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_document(path) from error
    except OSError as error:
        raise cannot_read(path, error) from error
    try:
        document = json.loads(text)
        attributes = document.get("attributes", {})
        tcsdl = attributes.get("tcsdl")
        if document["zarr_format"] != 3 or (tcsdl and document["node_type"] != "group"):
            raise ValueError("not a zarr 3 group")
        version = None if tcsdl is None else int(tcsdl["format_version"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(
            f"{path.name}: {DOCUMENT} is cut short or damaged, {expected}; restore that file from "
            "a copy, or compress the movie again"
        ) from error
    if version is None:
        raise InputError(f"got {path}, a zarr without our metadata, {expected}; check the path")
    if version > FORMAT_VERSION and not any_version:
        raise InputError(
            f"{path.name}: got format version {version}, expected at most {FORMAT_VERSION}; "
            "update napari-tcsdl"
        )
    return dict(attributes)


def _no_document(path: Path) -> InputError:
    if not path.exists():
        return InputError(
            f"got {path}, which does not exist, expected a {SUFFIX} (a compressed movie); "
            "check the path"
        )
    return InputError(
        f"got {path} without {DOCUMENT}, expected a compressed movie ({SUFFIX}); check the path, "
        "or compress the movie again"
    )


def parse_header(name: str, tcsdl: dict[str, Any]) -> tuple[Header, int]:
    """Return header and ``frames_valid`` from the attribute ``tcsdl``.

    Raises
    ------
    CorruptFileError
        Naming the entry that is missing or damaged.
    """

    def number(key: str) -> float | None:
        return None if tcsdl[key] is None else float(tcsdl[key])

    try:
        height, width = (int(side) for side in tcsdl["frame_shape"])
        low, high = (float(value) for value in tcsdl["value_range"])
        n_frames = None if tcsdl["frames"] is None else int(tcsdl["frames"])
        header = Header(
            shape=(n_frames, height, width),
            dtype=str(np.dtype(tcsdl["dtype"])),
            value_range=(low, high),
            pixel_size=number("pixel_size"),
            frame_time=number("frame_time"),
            noise=_noise(tcsdl["noise"]),
            source=str(tcsdl["source"]),
            settings=_settings(tcsdl["settings"]),
        )
        frames_valid = int(tcsdl["frames_valid"])
        ratio = int(tcsdl["compression_ratio"])
        sane = min(height, width, ratio) >= 1 and 0 <= frames_valid <= (n_frames or frames_valid)
        if not sane or ratio != int(tcsdl["masks"]["compression_ratio"]):
            raise ValueError("sizes that contradict each other")
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{name}: metadata has a missing or damaged entry ({error}), expected those of format "
            f"version {FORMAT_VERSION}; restore {DOCUMENT} from a copy"
        ) from error
    return header, frames_valid


def _noise(value: Any) -> dict[str, float | None] | None:
    if value is None:
        return None
    numbers = value.values() if isinstance(value, dict) else [value]
    if not all(number is None or type(number) in (int, float) for number in numbers):
        raise TypeError(f"noise {value!r}")
    NoiseModel.from_json(value)
    return dict(value)


def _settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"settings {value!r}")
    return value


def load_masks(path: Path, name: str, tcsdl: dict[str, Any]) -> Masks:
    """Masks stored as array ``name``, equal to the last bit to those that encoded the movie.

    Raises
    ------
    CorruptFileError
        If they are missing, damaged, or differ from their sha256.
    InputError
        If they may not be read.
    """
    shard = path / name / "c/0/0/0"
    try:
        if not is_there(shard):
            raise ValueError("c/0/0/0 does not exist or is empty")
        array = open_array(path, name)
        packed = np.asarray(array[...])
    except TcsdlError:
        raise
    except Exception as error:  # damage surfaces as any error of zarr or its codecs
        check_readable(path / name / DOCUMENT, shard)
        raise CorruptFileError(
            f"{path.name}: array '{name}' is missing or damaged ({reason_of(error)}), expected its "
            "crc32c checksum to match; restore that folder from a copy"
        ) from error
    try:
        masks = Masks.from_json(tcsdl.get(name, {}), packed)
    except TcsdlError as error:
        raise type(error)(f"{path.name}: array '{name}': {error}") from error
    height, width = masks.tile
    shape = (len(masks.packed), height, width)
    expected = expected_array(path / name, shape, np.dtype(np.uint8), ("plane", "y", "x"))
    check_document(path, name, array, expected)
    return masks


def check_checksum(name: str, attributes: dict[str, Any]) -> None:
    """Raise CorruptFileError if the metadata is not what was written."""
    if checksum(attributes) != attributes["tcsdl"].get("sha256"):
        raise CorruptFileError(
            f"{name}: metadata in {DOCUMENT} differs from its sha256, expected what was written; "
            "restore that file from a copy"
        )


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
    dtype = measurement_dtype(np.dtype(header.dtype), compression_ratio)
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
    dtype = measurement_dtype(np.dtype(header.dtype), compression_ratio)
    shape = (count, *header.shape[1:])
    return expected_array(path / MEASUREMENTS, shape, dtype, ("t", "y", "x"))


def read_shard(
    path: Path, array: zarr.Array[Any], index: int, frames: tuple[int, int]
) -> NDArray[Any]:
    """Values (H, W) of one measurement, which holds frames ``frames[0]`` … ``frames[1]``.

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
    try:
        return np.asarray(array[index])
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
