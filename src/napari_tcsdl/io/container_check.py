"""``validate``: every violation of a ``.tcs.zarr`` file, not only the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from .._validation import TcsdlError
from ._container_parts import (
    check_checksum,
    load_masks,
    load_storage,
    parse_drift,
    parse_header,
    read_attributes,
)
from ._layout import DOCUMENT, MASKS, TAIL_MASKS, Header, ome_metadata
from ._shards import expected_measurements, open_measurements, read_values


def validate(path: str | os.PathLike[str]) -> list[str]:
    """Read a compressed movie to the last bit and list what is wrong with it.

    A file that an interrupted run left behind is valid: it is shorter than its movie. Shards
    beyond ``frames_valid`` were never acknowledged and do not count.

    Parameters
    ----------
    path
        Of a ``.tcs.zarr``.

    Returns
    -------
    list of str
        One sentence a violation; empty if the file is good.
    """
    path = Path(path)
    found: list[str] = []

    def check(part: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return part(*arguments)
        except TcsdlError as error:
            found.append(str(error))
            return None

    attributes = check(read_attributes, path)
    if attributes is None:
        return found
    tcsdl = attributes["tcsdl"]
    check(check_checksum, path.name, attributes)
    is_intact = not found
    for name in (MASKS, TAIL_MASKS) if tcsdl.get(TAIL_MASKS) else (MASKS,):
        check(load_masks, path, name, tcsdl)
    parsed = check(parse_header, path.name, tcsdl)
    if parsed is None:
        return found
    header, frames_valid = parsed
    check(parse_drift, path.name, tcsdl, frames_valid)
    ratio = int(tcsdl["compression_ratio"])
    found += _ome_violations(path.name, attributes.get("ome"), header, ratio)
    header = check(load_storage, path, header, tcsdl)
    if header is None:  # without the table, measurements have no values
        return found
    array = check(open_measurements, path, header, ratio, frames_valid)
    if array is None and is_intact:  # sizes in damaged metadata may be anything
        count = -(-frames_valid // ratio)
        array = check(expected_measurements, path, header, ratio, count)
    if array is None:
        return found
    return found + _shard_violations(path, array, header, (ratio, frames_valid))


def _shard_violations(
    path: Path, array: zarr.Array[Any], header: Header, extent: tuple[int, int]
) -> list[str]:
    found = []
    ratio, frames_valid = extent
    for first in range(0, frames_valid, ratio):
        last = min(first + ratio, frames_valid) - 1
        try:
            read_values(path, array, header, first // ratio, (first, last))
        except TcsdlError as error:
            found.append(str(error))
    return found


def _ome_violations(name: str, ome: Any, header: Header, ratio: int) -> list[str]:
    """OME metadata must say the same as ours."""
    expected = ome_metadata(header, ratio)
    if _agree(ome, expected):
        return []
    try:
        (image,) = ome["multiscales"]
        wanted = expected["multiscales"][0]
        differing = [key for key in wanted if not _agree(image.get(key), wanted[key])]
    except (KeyError, TypeError, ValueError, AttributeError):
        differing = []
    what = ", ".join(differing) or "version or multiscales"
    return [
        f"{name}: got OME metadata whose {what} disagrees with the compressed movie's own, "
        f"expected the same scale, units and axes in both; restore {DOCUMENT} from a copy"
    ]


def _agree(got: Any, expected: Any) -> bool:
    """Equality that allows numbers a rounding error."""
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(_agree(got[key], expected[key]) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(got, list) and len(got) == len(expected) and all(map(_agree, got, expected))
        )
    if isinstance(expected, float):
        return isinstance(got, int | float) and bool(np.isclose(got, expected, rtol=1e-9, atol=0))
    return bool(got == expected)
