"""Array documents compared with what the writer writes: no checksum covers them.

An edited byte order or codec would let every checksum of the chunks pass and decode to garbage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import LocalStore, StorePath

from .._validation import CorruptFileError
from ._arrays import AXES, PLAIN, ArrayEncoder
from ._layout import DOCUMENT, Storage

COSMETIC = ("attributes", "shape")
"""Entries without say in how chunks decode; the shape is checked apart, since it grows."""


@lru_cache(maxsize=32)
def _expected(
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    names: tuple[str, str, str],
    entropy: str,
    version: int,
) -> str:
    storage = Storage(entropy=entropy, version=version)
    return ArrayEncoder(shape, dtype, names, storage).document(shape[0]).decode()


def expected_array(
    folder: Path,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    names: tuple[str, str, str] = AXES,
    storage: Storage = PLAIN,
) -> zarr.Array[Any]:
    """Open the chunks in ``folder`` as the writer's own document says, whatever stands there."""
    length, first = shape[0], (1 if names == AXES else shape[0])
    text = _expected((first, *shape[1:]), dtype, names, storage.entropy, storage.version)
    document = json.loads(text)
    document["shape"][0] = length
    return zarr.Array.from_dict(StorePath(LocalStore(folder, read_only=True)), document)


def check_document(
    path: Path, name: str, array: zarr.Array[Any], expected: zarr.Array[Any]
) -> None:
    """Raise CorruptFileError if array ``name`` is described otherwise than the writer would.

    Both descriptions are compared as zarr understands them, so that neither formatting nor
    entries that a version of zarr adds make a difference.
    """
    found = list(_differences(_plain(array), _plain(expected), ""))
    if array.shape != expected.shape:
        found.insert(0, f"shape {list(array.shape)} instead of {list(expected.shape)}")
    if found:
        raise CorruptFileError(
            f"{path.name}: got array '{name}' with {', '.join(found)}, expected it as it was "
            f"written; restore {name}/{DOCUMENT} from a copy"
        )


def _plain(array: zarr.Array[Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(array.metadata.to_dict(), default=str))
    return {key: value for key, value in document.items() if key not in COSMETIC}


def _differences(got: Any, expected: Any, where: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            yield from _differences(got.get(key), value, f"{where}/{key}".lstrip("/"))
    elif isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        for index, value in enumerate(expected):
            yield from _differences(got[index], value, f"{where}/{index}")
    elif got != expected:
        yield f"{where} {_brief(got)} instead of {_brief(expected)}"


def _brief(value: Any) -> str:
    """JSON of a value; codecs by their names."""
    if isinstance(value, list):
        value = [item.get("name", item) if isinstance(item, dict) else item for item in value]
    return json.dumps(value)
