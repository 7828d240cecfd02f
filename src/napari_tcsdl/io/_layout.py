"""What lies where in a ``.tcs.zarr``: arrays as bytes, the metadata document and its checksum.

The file is an OME-Zarr 0.5 group (zarr 3)::

    NAME.tcs.zarr/
        zarr.json             attributes ``ome`` (scale, units) and ``tcsdl`` (all the rest)
        0/zarr.json           Y (t, y, x): chunks of 256 × 256, one shard a measurement
        0/c/K/0/0             the shard of measurement K
        masks/                bit-packed masks (⌈B/8⌉, h, w), once
        tail_masks/           those of a last block encoded with fewer masks, where there is one

Chunks are blosc-zstd, each followed by its crc32c; so is the index of each shard.
``tcsdl.sha256`` is the digest of both attributes without itself, as JSON with sorted keys and
without spaces.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec
from zarr.storage import MemoryStore

from .. import __version__
from ..masks import Masks

FORMAT_VERSION = 1
SUFFIX = ".tcs.zarr"
MEASUREMENTS, MASKS, TAIL_MASKS = "0", "masks", "tail_masks"
CHUNK = 256
COMPRESSION_LEVEL = 5
"""Part of format version 1, as CHUNK is: readers compare the array documents with these."""
DOCUMENT = "zarr.json"


@dataclass(frozen=True, eq=False)
class Header:
    """What a compressed file says of its movie.

    Attributes
    ----------
    shape
        (T, H, W); T is None while the length of a running acquisition is unknown.
    dtype
        Of the frames: ``uint8``, ``uint16`` or ``float32``.
    value_range
        (lowest, highest) detector value.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    frame_time
        [s], or None where it is unknown.
    noise
        Noise model of the detector as JSON, or None.
    source
        Name of the movie.
    settings
        Settings of the run as JSON.
    """

    shape: tuple[int | None, int, int]
    dtype: str
    value_range: tuple[float, float]
    pixel_size: float | None = None
    frame_time: float | None = None
    noise: dict[str, Any] | None = None
    source: str = "movie"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ledger:
    """What changes while a file is written: frames that are acknowledged, and the last block."""

    frames_valid: int = 0
    tail_masks: Masks | None = None
    n_frames: int | None = None

    def n_measurements(self, compression_ratio: int) -> int:
        """⌈frames_valid / B⌉."""
        return -(-self.frames_valid // compression_ratio)


def shard_key(index: int) -> str:
    """Path of the shard of measurement ``index`` within the file."""
    return f"{MEASUREMENTS}/c/{index}/0/0"


# --- metadata -----------------------------------------------------------------------------------


def ome_metadata(header: Header, compression_ratio: int) -> dict[str, Any]:
    """OME-Zarr 0.5 metadata: a measurement lies in the middle of its B frames.

    Axes without calibration have no unit and count in frames and pixels.
    """
    time_unit = {} if header.frame_time is None else {"unit": "second"}
    length_unit = {} if header.pixel_size is None else {"unit": "nanometer"}
    frame_time = 1.0 if header.frame_time is None else header.frame_time
    pixel = 1.0 if header.pixel_size is None else header.pixel_size / 10
    transformations = [
        {"type": "scale", "scale": [compression_ratio * frame_time, pixel, pixel]},
        {
            "type": "translation",
            "translation": [(compression_ratio - 1) / 2 * frame_time, 0.0, 0.0],
        },
    ]
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": header.source,
                "axes": [
                    {"name": "t", "type": "time", **time_unit},
                    {"name": "y", "type": "space", **length_unit},
                    {"name": "x", "type": "space", **length_unit},
                ],
                "datasets": [{"path": MEASUREMENTS, "coordinateTransformations": transformations}],
            }
        ],
    }


def root_document(header: Header, masks: Masks, ledger: Ledger) -> bytes:
    """``zarr.json`` of the group."""
    tail = ledger.tail_masks
    attributes: dict[str, Any] = {
        "ome": ome_metadata(header, masks.compression_ratio),
        "tcsdl": {
            "format_version": FORMAT_VERSION,
            "software": {"name": "napari-tcsdl", "version": __version__},
            "compression_ratio": masks.compression_ratio,
            "frames_valid": ledger.frames_valid,
            "frames": ledger.n_frames,
            "frame_shape": list(header.shape[1:]),
            "dtype": header.dtype,
            "pixel_size": header.pixel_size,
            "frame_time": header.frame_time,
            "value_range": list(header.value_range),
            "noise": header.noise,
            "source": header.source,
            "settings": header.settings,
            "masks": masks.to_json(),
            "tail_masks": None if tail is None else tail.to_json(),
        },
    }
    attributes["tcsdl"]["sha256"] = checksum(attributes)
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return json.dumps(
        document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain
    ).encode()


def checksum(attributes: dict[str, Any]) -> str:
    """Digest of ``ome`` and ``tcsdl`` without ``tcsdl.sha256``."""
    tcsdl = {key: value for key, value in attributes["tcsdl"].items() if key != "sha256"}
    text = json.dumps(
        {"ome": attributes.get("ome"), "tcsdl": tcsdl},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        default=_plain,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> Any:
    """NumPy numbers as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


# --- arrays -------------------------------------------------------------------------------------


class ArrayEncoder:
    """Encode shards of one array in memory; where and how they are written is not its business."""

    def __init__(
        self, shape: tuple[int, int, int], dtype: np.dtype[Any], names: tuple[str, str, str]
    ) -> None:
        height, width = shape[1:]
        chunk = (shape[0], min(CHUNK, height), min(CHUNK, width))
        shard = (shape[0], _up(height, chunk[1]), _up(width, chunk[2]))
        # Bit planes of random masks do not shuffle; sums of frames shuffle well.
        shuffle = BloscShuffle.noshuffle if names[0] == "plane" else BloscShuffle.bitshuffle
        blosc = BloscCodec(
            typesize=dtype.itemsize, cname="zstd", clevel=COMPRESSION_LEVEL, shuffle=shuffle
        )
        self._files: dict[str, Any] = {}
        self._array = zarr.create_array(
            MemoryStore(self._files),
            shape=shape,
            chunks=chunk,
            shards=shard,
            dtype=dtype,
            compressors=[blosc, Crc32cCodec()],
            fill_value=0,
            dimension_names=names,
            # Else an all-zero chunk would be left out, and could not be told from a lost one.
            config={"write_empty_chunks": True},
        )

    def document(self, length: int) -> bytes:
        """``zarr.json`` of the array when its first axis is ``length`` long."""
        document = json.loads(self._files[DOCUMENT].to_bytes())
        document["shape"][0] = length
        return json.dumps(document, indent=2).encode()

    def shard(self, values: NDArray[Any]) -> bytes:
        """One shard of ``values``."""
        self._array[...] = values.reshape(self._array.shape)
        content: bytes = self._files.pop("c/0/0/0").to_bytes()
        return content


def stored_size(values: NDArray[Any]) -> int:
    """Bytes on the disk of one measurement (H, W): its shard with checksums and index."""
    return len(ArrayEncoder((1, *values.shape), values.dtype, ("t", "y", "x")).shard(values))


def masks_files(masks: Masks) -> dict[str, bytes]:
    """Files of the array that holds ``masks``, keyed by their path within it."""
    planes, height, width = masks.packed.shape
    encoder = ArrayEncoder((planes, height, width), masks.packed.dtype, ("plane", "y", "x"))
    return {"c/0/0/0": encoder.shard(masks.packed), DOCUMENT: encoder.document(planes)}


def open_array(path: Path, name: str) -> zarr.Array[Any]:
    """Open array ``name`` of the file at ``path`` for reading."""
    return zarr.open_array(str(path / name), mode="r", zarr_format=3)


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
