"""Storage ratios, three ways: against raw frames as they are, losslessly coded, companded alike.

A ratio against raw bytes alone flatters: raw frames, too, can be coded without loss, and rounded
to their noise as measurements are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._sum_table import sum_table
from ._validation import InputError
from .io import CompressedMovie, Storage, stored_size
from .movie import Movie
from .noise import NoiseModel

PATCHES = 8
"""Raw frames that are coded to learn what they would take, evenly spread over the movie."""

_SIDE = 256  # [px] of what is taken of each: a chunk of the file


@dataclass(frozen=True)
class StorageRatios:
    """Bytes before over bytes after, all of the file counted: masks and metadata, too.

    Attributes
    ----------
    file_bytes
        The compressed file, as it lies on the disk.
    raw_bytes
        Its frames as numbers of the movie's pixel type.
    lossless_bytes
        Its frames, each coded alone by the best lossless coding there is here; None if unknown.
    companded_bytes
        Its frames, rounded to the same share of their noise and coded as the measurements are;
        None if unknown.
    """

    file_bytes: int
    raw_bytes: int
    lossless_bytes: int | None
    companded_bytes: int | None

    @property
    def as_stored(self) -> float:
        """Against raw frames as they are."""
        return self.raw_bytes / self.file_bytes

    @property
    def losslessly_coded(self) -> float | None:
        """Against raw frames, losslessly coded."""
        return None if self.lossless_bytes is None else self.lossless_bytes / self.file_bytes

    @property
    def companded_alike(self) -> float | None:
        """Against raw frames, companded and coded alike."""
        return None if self.companded_bytes is None else self.companded_bytes / self.file_bytes

    def to_json(self) -> dict[str, float | None]:
        """All three ratios, by name."""
        return {
            "raw_as_stored": self.as_stored,
            "raw_losslessly_coded": self.losslessly_coded,
            "raw_companded_alike": self.companded_alike,
        }

    def sentence(self) -> str:
        """All three ratios, in words."""
        said = [f"{self.as_stored:.2f} against raw frames as stored"]
        if self.losslessly_coded is not None:
            said.append(f"{self.losslessly_coded:.2f} against raw frames losslessly coded")
        if self.companded_alike is not None:
            said.append(f"{self.companded_alike:.2f} against raw frames companded and coded alike")
        return f"storage ratio {', '.join(said)}"


def storage_ratios(compressed: CompressedMovie) -> StorageRatios:
    """Ratios of a file as it is now; of an interrupted one, for the frames that it holds."""
    header, coding = compressed.header, compressed.header.raw_coding
    pixels = compressed.frames_valid * int(np.prod(compressed.frame_shape))
    return StorageRatios(
        file_bytes=compressed.bytes_on_disk()["total"],
        raw_bytes=pixels * np.dtype(header.dtype).itemsize,
        lossless_bytes=None if coding is None else round(pixels * coding["lossless"]),
        companded_bytes=None if coding is None else round(pixels * coding["companded"]),
    )


def measure_raw_coding(
    movie: Movie, storage: Storage, noise: NoiseModel
) -> dict[str, float] | None:
    """Bytes per pixel that raw frames take, ``lossless`` and ``companded``, from some of them.

    Parameters
    ----------
    movie
        Its frames are coded one by one, in patches of at most 256 × 256 as they would be in a
        file.
    storage
        Of the measurements: ``companded`` are frames that are stored alike.
    noise
        Of one frame.

    Returns
    -------
    dict or None
        ``lossless`` by the best coding there is, ``companded``, and ``pixels`` they were measured
        on; None if no frame of the sample can be read.
    """
    exact, alike, pixels = 0, 0, 0
    fraction = storage.companding.fraction if storage.companding else 0.0
    for patch in _patches(movie):
        # A table of their own: sums have more exposures, and more noise.
        table = sum_table(noise, 1, patch.dtype, float(patch.max()), fraction)
        exact += stored_size(patch, Storage(entropy="best"))
        alike += stored_size(patch, replace(storage, companding=table))
        pixels += patch.size
    if not pixels:
        return None
    return {"lossless": exact / pixels, "companded": alike / pixels, "pixels": float(pixels)}


def _patches(movie: Movie) -> Iterator[NDArray[Any]]:
    """Pieces of frames, evenly spread over time and wandering over the frame."""
    n_frames, height, width = movie.shape
    count = min(PATCHES, n_frames)
    for place, index in enumerate(np.linspace(0, n_frames - 1, count).round().astype(int)):
        try:
            frame = movie.read(int(index), int(index) + 1)[0]
        except InputError:  # a bad frame is complained of when its turn comes
            continue
        # Golden-ratio steps: no two pieces of a large frame overlap more than they must.
        top = int((place * 0.618) % 1 * max(height - _SIDE, 0))
        left = int((place * 0.382 + 0.5) % 1 * max(width - _SIDE, 0))
        yield np.ascontiguousarray(frame[top : top + _SIDE, left : left + _SIDE])
