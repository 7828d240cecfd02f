"""Lazy stacks that napari can slice: one frame is read for each step of the slider."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..movie import FrameSource, Movie

CACHE_BYTES = 2**28
"""Frames kept for scrubbing back and forth: 256 MiB, never fewer than two."""


class StandIn(Exception):  # noqa: N818 - no error: the frame is shown, as it is
    """Raised with what to show for a frame that cannot be read now; the next look tries again."""

    def __init__(self, frame: NDArray[Any]) -> None:
        super().__init__()
        self.frame = frame


class LazyStack:
    """Frames (T, H, W) that are read one at a time, as ``layer.data``.

    Parameters
    ----------
    shape
        (T, H, W).
    dtype
        Pixel type of the frames that ``read_frame`` returns.
    read_frame
        Index → frame (H, W); called from one thread at a time. What it raises as
        :class:`StandIn` is shown and not kept.
    source
        What reads whole ranges of frames faster than one by one, if there is such a thing.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        read_frame: Callable[[int], NDArray[Any]],
        source: FrameSource | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.source = source
        self._read_frame = read_frame
        self._frames: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        frame_bytes = max(1, shape[1] * shape[2] * self.dtype.itemsize)
        self._capacity = max(2, CACHE_BYTES // frame_bytes)

    @classmethod
    def of_movie(cls, movie: Movie) -> LazyStack:
        """Show ``movie`` as it is stored, without the checks that the pipeline makes."""
        source = movie.source
        return cls(
            movie.shape,
            np.dtype(source.dtype).newbyteorder("="),
            lambda index: np.asarray(source[index : index + 1])[0],
            source,
        )

    @property
    def ndim(self) -> int:
        """Always 3."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """T · H · W."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes that the whole stack would take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def frame(self, index: int) -> NDArray[Any]:
        """Return frame ``index`` (H, W), from the cache where it was shown lately."""
        with self._lock:
            if index in self._frames:
                self._frames.move_to_end(index)
                return self._frames[index]
            try:
                frame = np.asarray(self._read_frame(index), dtype=self.dtype)
            except StandIn as instead:
                return instead.frame
            self._frames[index] = frame
            while len(self._frames) > self._capacity:
                self._frames.popitem(last=False)
            return frame

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read what ``key`` selects, and no other frame."""
        first, *rest = _expand(key, self.ndim)
        if isinstance(first, (int, np.integer)):
            index = int(first) + (len(self) if first < 0 else 0)
            if not 0 <= index < len(self):
                raise IndexError(f"frame {first} of a stack of {len(self)} frames")
            return self.frame(index)[tuple(rest)]
        return self._stack(first)[(slice(None), *rest)]

    def _stack(self, key: Any) -> NDArray[Any]:
        """Frames (n, H, W) of several indices, by slice or by list."""
        indices = np.arange(len(self))[key]
        if self.source is not None and isinstance(key, slice) and len(indices) > 1:
            return np.asarray(self.source[key], dtype=self.dtype)
        frames = [self._whole_frame(int(index)) for index in np.atleast_1d(indices)]
        return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), self.dtype)

    def _whole_frame(self, index: int) -> NDArray[Any]:
        """Frame ``index`` for whoever works on several: what is right, however long it takes."""
        return self.frame(index)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        """Read everything: only for whoever asks for the whole stack as an array."""
        return np.asarray(self[:], dtype=dtype)


def _expand(key: Any, ndim: int) -> list[Any]:
    """Write an index out as one entry an axis."""
    entries = list(key) if isinstance(key, tuple) else [key]
    if any(entry is Ellipsis for entry in entries):
        at = next(i for i, entry in enumerate(entries) if entry is Ellipsis)
        fill = [slice(None)] * (ndim - len(entries) + 1)
        entries = entries[:at] + fill + entries[at + 1 :]
    return entries + [slice(None)] * (ndim - len(entries))
