"""Parts of a ``.tcs.zarr`` as they are read, each with the sentence for its damage.

:func:`~napari_tcsdl.io.container.open_compressed` stops at the first, ``validate`` lists them all.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore, StorePath

from .._validation import CorruptFileError, InputError, TcsdlError, finite_numbers
from ..companding import Companding
from ..deviation import JudgedDeviation
from ..masks import Masks
from ..noise import NoiseModel
from ..persistence import Persistence
from ._array_check import check_document, expected_array
from ._arrays import PLANES, open_array, table_files
from ._common import cannot_read, check_readable, is_there, reason_of
from ._entropy import check_entropy
from ._layout import (
    DOCUMENT,
    FORMAT_VERSION,
    SUFFIX,
    TABLE,
    Header,
    Storage,
    checksum,
    table_digest,
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
            persistence=_persistence(tcsdl.get("persistence")),
            deviation=_deviation(tcsdl.get("deviation")),
            source=str(tcsdl["source"]),
            settings=_settings(tcsdl["settings"]),
            storage=_storage(tcsdl),
            raw_coding=_raw_coding(tcsdl.get("raw_coding")),
        )
        frames_valid = int(tcsdl["frames_valid"])
        ratio = int(tcsdl["compression_ratio"])
        sane = min(height, width, ratio) >= 1 and 0 <= frames_valid <= (n_frames or frames_valid)
        if not sane or ratio != int(tcsdl["masks"]["compression_ratio"]):
            raise ValueError("sizes that contradict each other")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
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


def _persistence(value: Any) -> Persistence | None:
    """None also in files of before it was measured."""
    return None if value is None else Persistence.from_json(value)


def _deviation(value: Any) -> JudgedDeviation | None:
    """None also in files of before it was judged."""
    return None if value is None else JudgedDeviation.from_json(value)


def parse_drift(name: str, tcsdl: dict[str, Any], n_frames: int) -> NDArray[np.float64] | None:
    """Positions (n_frames, 2) [px] of the specimen; None in files of before it was followed.

    Raises
    ------
    CorruptFileError
        If they are not those of ``n_frames`` frames.
    """
    described = tcsdl.get("drift")
    if described is None:
        return None
    try:
        (step,) = finite_numbers([described["step"]], 1)
        packed = zlib.decompress(base64.b64decode(described["steps"], validate=True))
        steps = np.frombuffer(packed, "<i2").reshape(n_frames, 2)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise CorruptFileError(
            f"{name}: metadata has a damaged entry 'drift' ({error}), expected where the specimen "
            f"lies in each of {n_frames} frames; restore {DOCUMENT} from a copy"
        ) from error
    positions: NDArray[np.float64] = step * np.cumsum(steps, axis=0, dtype=np.float64)
    return positions


def _settings(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"settings {value!r}")
    return value


def _storage(tcsdl: dict[str, Any]) -> Storage:
    """How the sums are stored, still without the table; version 1 knew one way only."""
    version = int(tcsdl["format_version"])
    stored = {"entropy": "zstd"} if version == 1 else tcsdl["storage"]
    return Storage(entropy=str(stored["entropy"]), version=version)


def _raw_coding(value: Any) -> dict[str, float] | None:
    if value is None:
        return None
    return {name: float(value[name]) for name in ("lossless", "companded", "pixels")}


def load_storage(path: Path, header: Header, tcsdl: dict[str, Any]) -> Header:
    """Return ``header`` with the table that array ``companding`` holds, where there is one.

    Raises
    ------
    CorruptFileError
        If the table is missing, damaged, or differs from its sha256.
    InputError
        If it may not be read, or measurements are coded as nothing here can decode.
    """
    check_entropy(header.storage.entropy, path.name)
    described = tcsdl.get("storage", {}).get("companding")
    if described is None:
        return header
    file = path / TABLE / "c/0"
    try:
        if not is_there(file):
            raise ValueError("c/0 does not exist or is empty")
        array = open_array(path, TABLE)
        table = Companding(float(described["fraction"]), np.asarray(array[...]))
        if table_digest(table) != described["sha256"]:
            raise ValueError("its values differ from their sha256")
    except Exception as error:  # damage surfaces as any error of zarr or its codecs
        check_readable(path / TABLE / DOCUMENT, file)
        raise CorruptFileError(
            f"{path.name}: array '{TABLE}' is missing or damaged ({reason_of(error)}), expected "
            "the value of each code; restore that folder from a copy"
        ) from error
    document = json.loads(table_files(table)[DOCUMENT])
    expected = zarr.Array.from_dict(StorePath(MemoryStore()), document)
    check_document(path, TABLE, array, expected)
    return replace(header, storage=replace(header.storage, companding=table))


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
    expected = expected_array(path / name, shape, np.dtype(np.uint8), PLANES)
    check_document(path, name, array, expected)
    return masks


def check_checksum(name: str, attributes: dict[str, Any]) -> None:
    """Raise CorruptFileError if the metadata is not what was written."""
    if checksum(attributes) != attributes["tcsdl"].get("sha256"):
        raise CorruptFileError(
            f"{name}: metadata in {DOCUMENT} differs from its sha256, expected what was written; "
            "restore that file from a copy"
        )
