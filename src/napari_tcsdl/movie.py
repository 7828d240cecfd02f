"""Movies: lazy frames (T, H, W) with their physics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._validation import DETECTOR_DTYPES, InputError, check_frames, check_movie_shape


class FrameSource(Protocol):
    """Lazy frames: anything with shape (T, H, W), a dtype, and slicing along time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type as stored."""
        ...

    def __getitem__(self, key: slice) -> Any: ...


def detector_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """Return the pixel type in which frames of ``dtype`` travel, without loss for counts ≥ 0.

    bool and int8 become uint8, int16 becomes uint16, float16 and float64 become float32.

    Raises
    ------
    InputError
        For complex, 32- and 64-bit integer and non-numeric pixels.
    """
    if dtype.newbyteorder("=") in DETECTOR_DTYPES:
        return dtype.newbyteorder("=")
    table = {"b1": "u1", "i1": "u1", "i2": "u2", "f2": "f4", "f8": "f4"}
    key = f"{dtype.kind}{dtype.itemsize}"
    if key not in table:
        raise InputError(
            f"{name}: got pixels of type {dtype}, expected uint8, uint16 or float32; "
            "convert the movie first"
        )
    return np.dtype(table[key])


@dataclass(frozen=True, eq=False)
class Movie:
    """A TEM movie whose frames are read only when they are asked for.

    Attributes
    ----------
    source
        Lazy frames (T, H, W) as stored.
    name
        What to call the movie in messages and layers.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    frame_time
        [s], start of one frame to start of the next, or None where it is unknown.
    path
        Where it was read from, or None.
    """

    source: FrameSource = field(repr=False)
    name: str = "movie"
    pixel_size: float | None = None
    frame_time: float | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        check_movie_shape(tuple(self.source.shape), self.name)
        detector_dtype(np.dtype(self.source.dtype), self.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        t, h, w = self.source.shape
        return int(t), int(h), int(w)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type of the frames that :meth:`read` returns: uint8, uint16 or float32."""
        return detector_dtype(np.dtype(self.source.dtype), self.name)

    @property
    def nbytes(self) -> int:
        """Bytes of the raw movie: T · H · W · bytes per pixel of :attr:`dtype`.

        Every ratio is taken to this, also where a file stores wider pixels (float64) than needed.
        """
        t, h, w = self.shape
        return t * h * w * self.dtype.itemsize

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read and check frames ``start`` … ``stop − 1``.

        Returns
        -------
        NDArray
            (stop − start, H, W), C-contiguous, in detector units.

        Raises
        ------
        InputError
            If a frame holds what no detector records; the frame is named.
        """
        stored = np.asarray(self.source[start:stop])
        check_frames(stored, self.name, start)
        return np.ascontiguousarray(stored, dtype=self.dtype)

    def blocks(self, compression_ratio: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (first frame, frames) for each block of B frames; the last may be shorter."""
        n_frames = self.shape[0]
        for start in range(0, n_frames, compression_ratio):
            yield start, self.read(start, min(start + compression_ratio, n_frames))

    def sample(self, max_pixels: int = 2**25) -> NDArray[Any]:
        """Evenly spaced frames (n, H, W), all of them where they hold ≤ ``max_pixels``.

        Statistics of a movie larger than memory (value range, data range) are taken on these.
        """
        n_frames, height, width = self.shape
        count = int(np.clip(max_pixels // (height * width), 2, n_frames))
        indices = np.unique(np.linspace(0, n_frames - 1, count).round().astype(int))
        if len(indices) == n_frames:
            return self.read(0, n_frames)
        return np.concatenate([self.read(int(i), int(i) + 1) for i in indices])
