"""Arrays of a ``.tcs.zarr`` as bytes: shards and documents, made in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec
from zarr.storage import MemoryStore

from ..companding import Companding
from ..masks import Masks
from ._entropy import measurement_codecs
from ._layout import DOCUMENT, Storage

CHUNK = 256
_LEVEL = 5
"""Of blosc-zstd for masks and tables. Part of the format, as CHUNK is: readers compare."""

AXES, PLANES = ("t", "y", "x"), ("plane", "y", "x")
PLAIN = Storage()


def _blosc(dtype: np.dtype[Any], shuffle: BloscShuffle) -> dict[str, Any]:
    blosc = BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=_LEVEL, shuffle=shuffle)
    return {"compressors": [blosc, Crc32cCodec()]}


class ArrayEncoder:
    """Encode shards of one array in memory; where and how they are written is not its business."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        names: tuple[str, str, str] = AXES,
        storage: Storage = PLAIN,
    ) -> None:
        height, width = shape[1:]
        chunk = (shape[0], min(CHUNK, height), min(CHUNK, width))
        shard = (shape[0], _up(height, chunk[1]), _up(width, chunk[2]))
        # Bit planes of random masks do not shuffle; sums of frames shuffle well.
        codecs = (
            measurement_codecs(storage.entropy, dtype, storage.version)
            if names == AXES
            else _blosc(dtype, BloscShuffle.noshuffle)
        )
        self._files: dict[str, Any] = {}
        self._array = zarr.create_array(
            MemoryStore(self._files),
            shape=shape,
            chunks=chunk,
            shards=shard,
            dtype=dtype,
            fill_value=0,
            dimension_names=names,
            # Else an all-zero chunk would be left out, and could not be told from a lost one.
            config={"write_empty_chunks": True},
            **codecs,
        )

    def document(self, length: int) -> bytes:
        """``zarr.json`` of the array when its first axis is ``length`` long."""
        document = json.loads(self._files[DOCUMENT].to_bytes())
        document["shape"][0] = length
        return json.dumps(document).encode()

    def shard(self, values: NDArray[Any]) -> bytes:
        """One shard of ``values``."""
        self._array[...] = values.reshape(self._array.shape)
        content: bytes = self._files.pop("c/0/0/0").to_bytes()
        return content


def stored_size(values: NDArray[Any], storage: Storage = PLAIN) -> int:
    """Bytes on the disk of one measurement (H, W): its shard with checksums and index.

    Parameters
    ----------
    values
        (H, W) in detector units.
    storage
        Table and codecs. The table is that of these sums: a sum of B frames without masks has
        more exposures than a measurement, and so a table of its own.

    Raises
    ------
    InputError
        If the table does not reach to the highest of the values.
    """
    table = storage.companding
    stored = values if table is None else table.compress(values)
    return len(ArrayEncoder((1, *stored.shape), stored.dtype, AXES, storage).shard(stored))


def masks_files(masks: Masks) -> dict[str, bytes]:
    """Files of the array that holds ``masks``, keyed by their path within it."""
    planes, height, width = masks.packed.shape
    encoder = ArrayEncoder((planes, height, width), masks.packed.dtype, PLANES)
    return {"c/0/0/0": encoder.shard(masks.packed), DOCUMENT: encoder.document(planes)}


def table_files(table: Companding) -> dict[str, bytes]:
    """Files of the array that holds the values of ``table``, keyed by their path within it."""
    files: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(files),
        shape=table.values.shape,
        chunks=table.values.shape,
        dtype=table.values.dtype,
        fill_value=0,
        dimension_names=("code",),
        config={"write_empty_chunks": True},
        **_blosc(table.values.dtype, BloscShuffle.shuffle),
    )
    array[...] = table.values
    return {"c/0": files["c/0"].to_bytes(), DOCUMENT: files[DOCUMENT].to_bytes()}


def open_array(path: Path, name: str) -> zarr.Array[Any]:
    """Open array ``name`` of the file at ``path`` for reading."""
    return zarr.open_array(str(path / name), mode="r", zarr_format=3)


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
