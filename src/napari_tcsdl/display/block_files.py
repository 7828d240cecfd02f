"""Decoded blocks on the disk: those that were used longest ago go when there are too many."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .store import TemporaryFolder

LIMIT_BYTES = 2**32
"""Decoded frames that are kept for scrubbing back: 4 GiB."""
FREE_SHARE = 4
"""No more than one part in this many of the free disk is taken."""


class BlockFiles:
    """One file for each block, in a temporary folder that goes with this object.

    The window reads while a thread writes: the lock is held for the table of what is there, and
    never while the disk is at work.

    Parameters
    ----------
    frame_shape
        (H, W).
    """

    def __init__(self, frame_shape: tuple[int, int]) -> None:
        self.frame_shape = frame_shape
        self._folder: TemporaryFolder | None = None
        self._kept: OrderedDict[int, _Kept] = OrderedDict()  # the one used last is the last
        self._written = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def __contains__(self, block: int) -> bool:
        return block in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes on the disk."""
        with self._lock:
            return self._held()

    def read(self, block: int, offset: int) -> NDArray[np.float32] | None:
        """Frame ``offset`` (H, W) of ``block``; None where the block is not kept."""
        height, width = self.frame_shape
        with self._lock:
            kept = self._kept.get(block)
            if kept is None:
                return None
            self._kept.move_to_end(block)
        start = 4 * offset * height * width
        try:
            frame = np.fromfile(kept.path, np.float32, count=height * width, offset=start)
        except FileNotFoundError:  # it has made room for others since
            return None
        return frame.reshape(height, width)

    def write(self, blocks: Mapping[int, NDArray[np.float32]]) -> None:
        """Keep ``blocks`` (each (n, H, W)), which were decoded together; older ones make room.

        Raises
        ------
        OSError
            If the disk is full; none of ``blocks`` is kept anew then.
        """
        with self._writing:
            self._folder = self._folder or TemporaryFolder(Path(tempfile.gettempdir()))
            self._make_room(self._folder, sum(4 * frames.size for frames in blocks.values()))
            # New names: somebody may be reading the same block, which was kept before.
            self._written += 1
            new = {
                block: _Kept(self._folder.path / f"block-{block}-{self._written}.raw", frames.size)
                for block, frames in blocks.items()
            }
            try:
                for block, frames in blocks.items():
                    np.ascontiguousarray(frames, np.float32).tofile(new[block].path)
            except OSError:
                _remove(new.values())
                raise
            with self._lock:
                old = [self._kept.pop(block) for block in blocks if block in self._kept]
                self._kept.update(new)
            _remove(old)

    def _make_room(self, folder: TemporaryFolder, wanted: int) -> None:
        free, gone = shutil.disk_usage(folder.path).free, []
        with self._lock:
            limit = min(LIMIT_BYTES, (free + self._held()) // FREE_SHARE)
            while self._kept and self._held() + wanted > limit:
                gone.append(self._kept.popitem(last=False)[1])
        _remove(gone)

    def _held(self) -> int:
        return sum(kept.nbytes for kept in self._kept.values())


class _Kept(NamedTuple):
    """File of one block, and its pixels, float32."""

    path: Path
    size: int

    @property
    def nbytes(self) -> int:
        return 4 * self.size


def _remove(files: Iterable[_Kept]) -> None:
    for kept in files:
        with suppress(OSError):  # it goes with the folder
            kept.path.unlink()
