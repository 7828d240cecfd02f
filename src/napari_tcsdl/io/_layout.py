"""What lies where in a ``.tcs.zarr``: arrays as bytes, the metadata document and its checksum.

The file is an OME-Zarr 0.5 group (zarr 3)::

    NAME.tcs.zarr/
        zarr.json             attributes ``ome`` (scale, units) and ``tcsdl`` (all the rest)
        0/zarr.json           codes of Y, or Y (t, y, x): chunks of 256 × 256, one shard each
        0/c/K/0/0             the shard of measurement K
        companding/           value of each code, where there are codes
        masks/                bit-packed masks (⌈B/8⌉, h, w), once
        tail_masks/           those of a last block encoded with fewer masks, where there is one

Chunks are blosc-zstd or images without loss (:mod:`._entropy`), each followed by its crc32c; so
is the index of each shard.
``tcsdl.sha256`` is the digest of both attributes without itself, as JSON with sorted keys and
without spaces.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..companding import Companding
from ..deviation import JudgedDeviation
from ..encoder import measurement_dtype
from ..masks import Masks
from ..noise import NoiseModel
from ..persistence import Persistence

FORMAT_VERSION = 2
SUFFIX = ".tcs.zarr"
MEASUREMENTS, MASKS, TAIL_MASKS, TABLE = "0", "masks", "tail_masks", "companding"
DOCUMENT = "zarr.json"
DRIFT_STEP = 0.25
"""[px] To which positions of the specimen are rounded."""


@dataclass(frozen=True)
class Storage:
    """How sums are stored: rounded to a table or exactly, and how their numbers are coded.

    Attributes
    ----------
    companding
        Table to which sums are rounded; None to keep them exactly.
    entropy
        ``zstd``, ``jpegls``, ``jpegxl`` or ``best``.
    version
        Of the format, as far as it concerns codecs: 1 shuffled bits, 2 shuffles bytes.
    """

    companding: Companding | None = None
    entropy: str = "zstd"
    version: int = FORMAT_VERSION

    def stored_dtype(self, exact: np.dtype[Any]) -> np.dtype[Any]:
        """Pixel type on the disk of sums that are ``exact``: that of the codes, or the same."""
        return exact if self.companding is None else self.companding.code_dtype


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
    persistence
        How long structure lasts, measured on raw frames; None where it was not, as in files of
        before.
    deviation
        How far the deviation that a decoder states is right for this movie, judged by raw frames;
        None where it was not.
    source
        Name of the movie.
    settings
        Settings of the run as JSON.
    storage
        How its measurements are stored.
    raw_coding
        What raw frames would take on the disk [bytes per pixel], for comparison: ``lossless`` and
        ``companded``, measured on ``pixels`` pixels; None where it was not measured.
    """

    shape: tuple[int | None, int, int]
    dtype: str
    value_range: tuple[float, float]
    pixel_size: float | None = None
    frame_time: float | None = None
    noise: dict[str, Any] | None = None
    persistence: Persistence | None = None
    deviation: JudgedDeviation | None = None
    source: str = "movie"
    settings: dict[str, Any] = field(default_factory=dict)
    storage: Storage = field(default_factory=Storage)
    raw_coding: dict[str, float] | None = None

    @property
    def noise_in_measurements(self) -> NoiseModel | None:
        """Noise of one frame as a decoder meets it: with that of rounding the sums."""
        if self.noise is None:
            return None
        noise, table = NoiseModel.from_json(self.noise), self.storage.companding
        return noise if table is None else table.noise(noise)

    def measurement_dtype(self, compression_ratio: int) -> np.dtype[Any]:
        """Pixel type of Y."""
        return measurement_dtype(np.dtype(self.dtype), compression_ratio)


@dataclass(frozen=True)
class Ledger:
    """What changes while a file is written: frames that are acknowledged, and the last block."""

    frames_valid: int = 0
    tail_masks: Masks | None = None
    n_frames: int | None = None
    positions: NDArray[np.float64] | None = None  # (frames_valid, 2), where all are known

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
            "drift": None if ledger.positions is None else drift_metadata(ledger.positions),
            "frame_shape": list(header.shape[1:]),
            "dtype": header.dtype,
            "pixel_size": header.pixel_size,
            "frame_time": header.frame_time,
            "value_range": list(header.value_range),
            "noise": header.noise,
            "persistence": header.persistence.to_json() if header.persistence else None,
            "deviation": header.deviation.to_json() if header.deviation else None,
            "source": header.source,
            "settings": header.settings,
            "storage": storage_metadata(header.storage),
            "raw_coding": header.raw_coding,
            "masks": masks.to_json(),
            "tail_masks": None if tail is None else tail.to_json(),
        },
    }
    attributes["tcsdl"]["sha256"] = checksum(attributes)
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return json.dumps(
        document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain
    ).encode()


def drift_metadata(positions: NDArray[np.float64]) -> dict[str, Any]:
    """Describe positions (T, 2) [px]: steps from frame to frame, as small whole numbers."""
    steps = np.diff(np.rint(positions / DRIFT_STEP), axis=0, prepend=0)
    packed = zlib.compress(steps.astype("<i2").tobytes(), 9)
    return {"step": DRIFT_STEP, "steps": base64.b64encode(packed).decode()}


def storage_metadata(storage: Storage) -> dict[str, Any]:
    """Describe how sums are stored; the values of the table are an array of their own."""
    table = storage.companding
    return {
        "entropy": storage.entropy,
        "companding": None
        if table is None
        else {
            "fraction": table.fraction,
            "codes": len(table.values),
            "dtype": str(table.values.dtype),
            "sha256": table_digest(table),
        },
    }


def table_digest(table: Companding) -> str:
    """Sha256 of the values, little-endian."""
    values = table.values.astype(table.values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(values.tobytes()).hexdigest()


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
