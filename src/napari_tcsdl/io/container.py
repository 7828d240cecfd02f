"""Read ``.tcs.zarr`` files: every flipped bit is found on reading, and named."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from .._validation import InputError
from ..encoder import Measurement
from ..masks import Masks
from ._container_parts import (
    check_checksum,
    is_container,
    load_masks,
    load_storage,
    parse_drift,
    parse_header,
    read_attributes,
)
from ._durable import PARTIAL
from ._layout import DOCUMENT, MASKS, MEASUREMENTS, SUFFIX, TAIL_MASKS, Header
from ._shards import open_measurements, read_values


@dataclass(frozen=True, eq=False)
class CompressedMovie:
    """A compressed movie on the disk; measurements are read when asked for.

    Attributes
    ----------
    path
        The file.
    header
        What it says of the movie; ``header.shape[0]`` is None in a file of unknown length that
        was never closed.
    masks
        C_b of all blocks of B frames.
    tail_masks
        Masks of a shortened last block, or None.
    frames_valid
        Acknowledged frames; all of them can be reconstructed.
    positions
        Where the specimen lies in each of them, (frames_valid, 2), (y, x) [px] from where it lay
        in the first; None where that is not known.
    """

    path: Path
    header: Header
    masks: Masks
    tail_masks: Masks | None
    frames_valid: int
    positions: NDArray[np.float64] | None = field(repr=False)
    _array: zarr.Array[Any] = field(repr=False)

    @property
    def compression_ratio(self) -> int:
        """B, frames per measurement. Not the ratio of bytes."""
        return self.masks.compression_ratio

    @property
    def n_measurements(self) -> int:
        """Acknowledged measurements."""
        return -(-self.frames_valid // self.compression_ratio)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.header.shape[1:]

    @property
    def complete(self) -> bool:
        """Whether every frame of the movie is there; False after an interrupted run."""
        return self.frames_valid == self.header.shape[0]

    def measurement(self, index: int) -> Measurement:
        """Read measurement ``index`` (0 … n − 1), in detector units; only its shard is touched.

        Raises
        ------
        CorruptFileError
            If its shard is missing or a bit of it is flipped; measurement, frames and rows and
            columns are named.
        InputError
            If there is no such measurement.
        """
        if not 0 <= index < self.n_measurements:
            raise InputError(
                f"{self.path.name}: got measurement {index}, expected 0 to "
                f"{self.n_measurements - 1}; choose one of these"
            )
        first = index * self.compression_ratio
        n_frames = min(self.compression_ratio, self.frames_valid - first)
        frames = (first, first + n_frames - 1)
        values = read_values(self.path, self._array, self.header, index, frames)
        values = values.astype(self.header.measurement_dtype(self.compression_ratio), copy=False)
        known = self.positions
        positions = None if known is None else known[first : first + n_frames]
        return Measurement(values, first, n_frames, positions)

    def masks_of(self, index: int) -> Masks:
        """Masks with which measurement ``index`` was encoded."""
        is_last = index == self.n_measurements - 1
        return self.tail_masks if is_last and self.tail_masks is not None else self.masks

    def bytes_on_disk(self) -> dict[str, int]:
        """Real sizes of all files [bytes]: measurements, masks, metadata, and their total.

        What a killed process left incomplete belongs to none of them.
        """
        sizes = {"measurements": 0, "masks": 0, "metadata": 0}
        homes = {MEASUREMENTS: "measurements", MASKS: "masks", TAIL_MASKS: "masks"}
        for file in self.path.rglob("*"):
            if file.is_file() and not file.name.endswith(PARTIAL):
                home = homes.get(file.relative_to(self.path).parts[0], "metadata")
                sizes["metadata" if file.name == DOCUMENT else home] += file.stat().st_size
        return {**sizes, "total": sum(sizes.values())}


def open_compressed(path: str | os.PathLike[str]) -> CompressedMovie:
    """Open a ``.tcs.zarr`` file; metadata and masks are read and checked, no measurement is.

    Raises
    ------
    InputError
        If it is no such file, may not be read, or is of a newer version.
    CorruptFileError
        If its metadata or masks are damaged.
    """
    path = Path(path)
    attributes = read_attributes(path)
    tcsdl = attributes["tcsdl"]
    header, frames_valid = parse_header(path.name, tcsdl)
    masks = load_masks(path, MASKS, tcsdl)
    tail = load_masks(path, TAIL_MASKS, tcsdl) if tcsdl.get("tail_masks") else None
    check_checksum(path.name, attributes)
    header = load_storage(path, header, tcsdl)
    array = open_measurements(path, header, masks.compression_ratio, frames_valid)
    positions = parse_drift(path.name, tcsdl, frames_valid)
    return CompressedMovie(path, header, masks, tail, frames_valid, positions, array)


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is to be opened as a compressed movie, by its name or by its content."""
    path = Path(path)
    return path.name.endswith(SUFFIX) or is_container(path)
