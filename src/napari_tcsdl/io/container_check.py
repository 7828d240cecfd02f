"""``validate``: every violation of a ``.tcs.zarr`` file, not only the first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from .._validation import TcsdlError
from ._common import cannot_read
from ._container_parts import (
    check_checksum,
    load_masks,
    open_measurements,
    parse_header,
    read_attributes,
    read_shard,
)
from ._layout import DOCUMENT, MASKS, MEASUREMENTS, TAIL_MASKS, Header, ome_metadata


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
    for name in (MASKS, TAIL_MASKS) if tcsdl.get(TAIL_MASKS) else (MASKS,):
        check(load_masks, path, name, tcsdl)
    parsed = check(parse_header, path.name, tcsdl)
    if parsed is None:
        return found
    header, frames_valid = parsed
    ratio = int(tcsdl["compression_ratio"])
    found += _ome_violations(path.name, attributes.get("ome"), header, ratio)
    array = check(open_measurements, path, header, ratio, frames_valid)
    if array is not None:
        found += _codec_violations(path)
        found += _shard_violations(path, array, ratio, frames_valid)
    return found


def _shard_violations(
    path: Path, array: zarr.Array[Any], ratio: int, frames_valid: int
) -> list[str]:
    found = []
    for first in range(0, frames_valid, ratio):
        last = min(first + ratio, frames_valid) - 1
        try:
            read_shard(path, array, first // ratio, (first, last))
        except TcsdlError as error:
            found.append(str(error))
    return found


def _codec_violations(path: Path) -> list[str]:
    """Array 0 must have the axes that the OME metadata names, and checksums in every chunk."""
    name = path.name
    try:
        document = json.loads((path / MEASUREMENTS / DOCUMENT).read_bytes())
    except OSError as error:
        return [str(cannot_read(path / MEASUREMENTS / DOCUMENT, error))]
    found = []
    axes = document.get("dimension_names")
    if axes != ["t", "y", "x"]:
        found.append(
            f"{name}: got dimension names {axes} of array '{MEASUREMENTS}', expected t, y, x; "
            f"restore {MEASUREMENTS}/{DOCUMENT} from a copy"
        )
    sharding = next((c for c in document["codecs"] if c["name"] == "sharding_indexed"), None)
    configuration = {} if sharding is None else sharding["configuration"]
    for part in ("codecs", "index_codecs"):
        if not any(codec["name"] == "crc32c" for codec in configuration.get(part, [])):
            found.append(
                f"{name}: got array '{MEASUREMENTS}' without crc32c in its {part}, expected a "
                "checksum in every shard; compress the movie again"
            )
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
