"""Sums of frames as files, exactly as a compressed movie stores its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import Buffer, cpu
from zarr.storage import MemoryStore

from ..companding import Companding, companding_table
from ..io import Storage
from ..io._arrays import AXES, ArrayEncoder
from ..io._layout import DOCUMENT
from ..noise import NoiseModel


@dataclass(frozen=True)
class SumStorage:
    """How sums are stored: with the codecs of a measurement, rounded alike.

    Attributes
    ----------
    noise
        Of one frame; None to keep sums exactly.
    fraction
        Step of rounding in standard deviations of the noise; 0 to keep sums exactly.
    entropy
        As in :class:`napari_tcsdl.io.Storage`.
    """

    noise: NoiseModel | None = None
    fraction: float = 0.0
    entropy: str = "zstd"

    @property
    def words(self) -> str:
        """What is done, for reports."""
        if self.noise is None or not self.fraction:
            return f"stored losslessly as a measurement is ({self.entropy})"
        return f"rounded to {self.fraction:g} σ of their noise, stored as a measurement is" + (
            f" ({self.entropy})"
        )


@dataclass(frozen=True)
class Sums:
    """What is needed to read sums again, besides their files.

    Attributes
    ----------
    storage
        How they are stored.
    dtype
        Of the sums, as text.
    frame_dtype
        Of the frames, as text.
    exposures
        Pixels of single frames in each pixel of a sum, file by file.
    shape
        (H, W) of a sum.
    highest
        Of the movie's frames [detector units], where they are floats.
    """

    storage: SumStorage
    dtype: str
    frame_dtype: str
    exposures: tuple[int, ...]
    shape: tuple[int, int]
    highest: float

    def table(self, exposures: int) -> Companding | None:
        """Table to which a sum of ``exposures`` pixels is rounded; None if it is kept exactly."""
        return _table(self.storage, self.frame_dtype, exposures, self.highest)

    def write(self, sums: Sequence[NDArray[Any]]) -> tuple[bytes, ...]:
        """One file for each of ``sums`` (H, W): its shard with checksums and index."""
        encoders = {count: self._encoder(count) for count in set(self.exposures)}
        return tuple(
            encoders[count].shard(self._stored(values, count))
            for values, count in zip(sums, self.exposures, strict=True)
        )

    def read(self, files: Sequence[bytes]) -> NDArray[Any]:
        """Return the sums (m, H, W) as they were stored."""
        sums = np.empty((len(files), *self.shape), self.dtype)
        for count in set(self.exposures):
            places = [place for place, other in enumerate(self.exposures) if other == count]
            stored = self._open(count, [files[place] for place in places])
            table = self.table(count)
            sums[places] = stored if table is None else table.expand(stored)
        return sums

    def _open(self, exposures: int, files: Sequence[bytes]) -> NDArray[Any]:
        """Read shards (m, H, W) with nothing but zarr."""
        contents = {f"c/{index}/0/0": file for index, file in enumerate(files)}
        contents[DOCUMENT] = self._encoder(exposures).document(len(files))
        store: dict[str, Buffer] = {
            key: cpu.Buffer.from_bytes(content) for key, content in contents.items()
        }
        return np.asarray(zarr.open_array(MemoryStore(store), mode="r", zarr_format=3)[...])

    def _stored(self, values: NDArray[Any], exposures: int) -> NDArray[Any]:
        table = self.table(exposures)
        return values if table is None else table.compress(values)

    def _encoder(self, exposures: int) -> ArrayEncoder:
        storage = Storage(self.table(exposures), self.storage.entropy)
        dtype = storage.stored_dtype(np.dtype(self.dtype))
        return ArrayEncoder((1, *self.shape), dtype, AXES, storage)


@cache
def _table(
    storage: SumStorage, frame_dtype: str, exposures: int, highest: float
) -> Companding | None:
    if storage.noise is None or not storage.fraction:
        return None
    dtype = np.dtype(frame_dtype)
    most = exposures * (int(np.iinfo(dtype).max) if dtype.kind == "u" else highest)
    return companding_table(
        storage.noise, exposures, most, storage.fraction, expected=exposures * highest
    )
