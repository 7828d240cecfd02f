"""Sums of frames as files, exactly as a compressed movie stores its measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import Buffer, cpu
from zarr.storage import MemoryStore

from .._sum_table import sum_table
from ..companding import Companding
from ..io import Storage
from ..io._arrays import AXES, ArrayEncoder
from ..io._layout import DOCUMENT
from ..noise import NoiseModel

_TOGETHER = 2**18
"""Pixels of small sums that are read at once: to open files one by one takes twice the time."""


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
    shape
        (H, W) of a sum.
    highest
        Of the movie's frames [detector units], where they are floats.
    """

    storage: SumStorage
    dtype: str
    frame_dtype: str
    shape: tuple[int, int]
    highest: float

    def table(self, exposures: int) -> Companding | None:
        """Table to which a sum of ``exposures`` pixels is rounded; None if it is kept exactly."""
        return _table(self.storage, self.frame_dtype, exposures, self.highest)

    def write(self, sums: Iterable[NDArray[Any]], exposures: Iterable[int]) -> Iterator[bytes]:
        """Yield one file for each of ``sums`` (H, W): its shard with checksums and index.

        Parameters
        ----------
        sums
            One after the other.
        exposures
            Pixels of single frames in each pixel of a sum, sum by sum.
        """
        encoders: dict[int, ArrayEncoder] = {}
        for values, count in zip(sums, exposures, strict=True):
            if count not in encoders:
                encoders[count] = self._encoder(count)
            table = self.table(count)
            yield encoders[count].shard(values if table is None else table.compress(values))

    def read(self, files: Iterable[bytes], exposures: Iterable[int]) -> Iterator[NDArray[Any]]:
        """Yield the sums (H, W) as they were stored; a few files are in memory at a time."""
        together = max(1, _TOGETHER // math.prod(self.shape))
        pairs = zip(files, exposures, strict=True)
        for count, group in groupby(pairs, key=itemgetter(1)):
            encoder, table = self._encoder(count), self.table(count)
            while some := [file for file, _ in islice(group, together)]:
                stored = _open(some, encoder.document(len(some)))
                yield from np.asarray(stored if table is None else table.expand(stored), self.dtype)

    def _encoder(self, exposures: int) -> ArrayEncoder:
        storage = Storage(self.table(exposures), self.storage.entropy)
        dtype = storage.stored_dtype(np.dtype(self.dtype))
        return ArrayEncoder((1, *self.shape), dtype, AXES, storage)


def _open(files: Sequence[bytes], document: bytes) -> NDArray[Any]:
    """Read shards (m, H, W) with nothing but zarr."""
    contents = {f"c/{index}/0/0": file for index, file in enumerate(files)}
    store: dict[str, Buffer] = {
        key: cpu.Buffer.from_bytes(content)
        for key, content in (contents | {DOCUMENT: document}).items()
    }
    return np.asarray(zarr.open_array(MemoryStore(store), mode="r", zarr_format=3)[...])


@cache
def _table(
    storage: SumStorage, frame_dtype: str, exposures: int, highest: float
) -> Companding | None:
    dtype = np.dtype(frame_dtype)
    return sum_table(storage.noise, exposures, dtype, exposures * highest, storage.fraction)
