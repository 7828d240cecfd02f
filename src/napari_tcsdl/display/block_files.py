"""Decoded blocks on the disk: those that were used longest ago go when there are too many."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .store import TemporaryFolder

LIMIT_BYTES = 2**32
"""Decoded frames that are kept for scrubbing back: 4 GiB."""
FREE_SHARE = 4
"""No more than one part in this many of the free disk is taken."""


class BlockFiles:
    """One file for each block, in a temporary folder that goes with this object.

    Parameters
    ----------
    frame_shape
        (H, W).
    """

    def __init__(self, frame_shape: tuple[int, int]) -> None:
        self.frame_shape = frame_shape
        self._folder: TemporaryFolder | None = None
        self._sizes: OrderedDict[int, int] = OrderedDict()  # the one used last is the last
        self._lock = threading.Lock()

    def __contains__(self, block: int) -> bool:
        return block in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def nbytes(self) -> int:
        """Bytes on the disk."""
        with self._lock:
            return sum(self._sizes.values())

    def read(self, block: int, offset: int) -> NDArray[np.float32] | None:
        """Frame ``offset`` (H, W) of ``block``; None where the block is not kept."""
        height, width = self.frame_shape
        with self._lock:
            if self._folder is None or block not in self._sizes:
                return None
            self._sizes.move_to_end(block)
            path, start = self._path(self._folder, block), 4 * offset * height * width
            frame = np.fromfile(path, np.float32, count=height * width, offset=start)
        return frame.reshape(height, width)

    def write(self, blocks: Mapping[int, NDArray[np.float32]]) -> None:
        """Keep ``blocks`` (each (n, H, W)), which were decoded together; older ones make room.

        Raises
        ------
        OSError
            If the disk is full; none of ``blocks`` is kept then.
        """
        with self._lock:
            self._folder = self._folder or TemporaryFolder(Path(tempfile.gettempdir()))
            wanted = sum(4 * frames.size for frames in blocks.values())
            self._make_room(self._folder, wanted)
            for block, frames in blocks.items():
                np.ascontiguousarray(frames, np.float32).tofile(self._path(self._folder, block))
            self._sizes.update({block: 4 * frames.size for block, frames in blocks.items()})

    def _make_room(self, folder: TemporaryFolder, wanted: int) -> None:
        held = sum(self._sizes.values())
        limit = min(LIMIT_BYTES, (shutil.disk_usage(folder.path).free + held) // FREE_SHARE)
        while self._sizes and sum(self._sizes.values()) + wanted > limit:
            block, _ = self._sizes.popitem(last=False)
            with suppress(OSError):
                self._path(folder, block).unlink()

    @staticmethod
    def _path(folder: TemporaryFolder, block: int) -> Path:
        return folder.path / f"block-{block}.raw"
