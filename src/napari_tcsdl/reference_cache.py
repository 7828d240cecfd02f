"""Denoised reference frames, kept in the user's cache folder: computed once for each movie.

One file for each movie and way of denoising: a header, one record for each frame, then the frames.
A frame is written before its record, and the record holds the checksums of the raw frame that it
was made of and of what was made: after a kill, a flipped bit, or under two processes that write at
once, a frame is either what it claims to be or is computed again. Files are opened anew for each
frame, so that another process may delete them at any time, and are not memory-mapped: a full disk
then is an error that can be caught, where a write to a map would kill the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from ._validation import InputError
from .movie import Movie

FORMAT_VERSION = 2

LIMIT = 4 * 2**30
"""[bytes] Of all cached references together; beyond, what was not used for longest is deleted."""

_SUFFIX = ".tcsref"
_PARTIAL = ".partial"
_ABANDONED = 3600  # seconds
_MAGIC = b"tcsdl reference\n"
_HEADER = 1024  # bytes
_RECORD = np.dtype([("raw", "<u4"), ("kept", "<u4"), ("done", "<u4")])
_DONE = 0x7C5D1EAF
_RANGE = np.dtype([("value", "<f8"), ("check", "<u4"), ("done", "<u4")])
_SAMPLED = 2**20  # pixels that tell movies apart; each frame has a checksum of its own besides


@dataclass(frozen=True)
class ReferenceStore:
    """Where denoised references are kept.

    Attributes
    ----------
    folder
        Created when it is needed; None stands for ``references`` in the user's cache folder.
    limit
        [bytes] of all files in it. A movie that needs more than that is not kept at all.

    Raises
    ------
    InputError
        If ``limit`` is below 0.
    """

    folder: Path | None = None
    limit: int = LIMIT

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise InputError(
                f"got a limit of {self.limit} bytes for cached references, expected 0 or more; "
                "give 0 to keep none"
            )

    def open(self, movie: Movie, method: Mapping[str, Any]) -> CachedFrames | None:
        """Open the reference of ``movie`` by ``method``, begun here if there is none yet.

        Parameters
        ----------
        movie
            Told from others by name, shape, pixel type, file, and a sample of its frames.
        method
            All that decides what denoising gives, as plain numbers and words.

        Returns
        -------
        CachedFrames or None
            None where it is larger than the limit or the folder cannot be written: a cache that
            is missing costs time, not results.
        """
        frames = CachedFrames(self._place / (_key(movie, method) + _SUFFIX), movie.shape)
        if frames.nbytes > self.limit:
            return None
        try:
            if not frames.intact:
                self._make_room(frames.nbytes)
                frames.create()
            os.utime(frames.path)  # used last, deleted last
        except OSError:
            return None
        return frames

    @property
    def _place(self) -> Path:
        return self.folder or user_cache_path("napari-tcsdl", appauthor=False) / "references"

    def _make_room(self, needed: int) -> None:
        """Delete what was not used for longest until ``needed`` bytes fit in."""
        self._place.mkdir(parents=True, exist_ok=True)
        for path in self._place.glob(f"*{_PARTIAL}"):  # of processes that were killed
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()
        files = []
        for path in self._place.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):  # deleted by another process meanwhile
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total + needed <= self.limit:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                total -= size


DEFAULT_STORE = ReferenceStore()
"""At most 4 GiB in the user's cache folder."""


def _key(movie: Movie, method: Mapping[str, Any]) -> str:
    facts = {
        "format": FORMAT_VERSION,
        "name": movie.name,
        "shape": movie.shape,
        "dtype": str(movie.dtype),
        "file": _file_facts(movie.path),
        "sample": hashlib.sha256(movie.sample(_SAMPLED).tobytes()).hexdigest(),
        "method": dict(method),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:40]


def _file_facts(path: str | None) -> list[Any] | None:
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [str(Path(path).resolve()), status.st_size, status.st_mtime_ns]


@dataclass(frozen=True)
class CachedFrames:
    """Reference frames of one movie on disk.

    Attributes
    ----------
    path
        The file.
    shape
        (T, H, W) of the movie.
    """

    path: Path
    shape: tuple[int, int, int]

    @cached_property
    def nbytes(self) -> int:
        """Size of the file once all frames are in it; it has this size from the beginning."""
        return self._frame_start(self.shape[0])

    @property
    def intact(self) -> bool:
        """Whether the file exists and is that of this movie; its frames are checked one by one."""
        try:
            with self.path.open("rb") as file:
                header = file.read(len(self._header))
                return header == self._header and os.fstat(file.fileno()).st_size == self.nbytes
        except OSError:
            return False

    def create(self) -> None:
        """Begin the file, without frames; what lay in its place is thrown away.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".", suffix=_PARTIAL)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self._header)
                file.truncate(self.nbytes)
            os.replace(name, self.path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def has(self, index: int) -> bool:
        """Whether frame ``index`` is there; :meth:`load` finds out whether it is right."""
        record = self._read(self._record_start(index), _RECORD.itemsize)
        return record is not None and np.frombuffer(record, _RECORD)["done"][0] == _DONE

    def load(self, index: int, raw: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return the reference (H, W) of frame ``index``, or None where it must be computed.

        Parameters
        ----------
        index
            0 … T − 1.
        raw
            (H, W), the raw frame: a reference that was made of another one is not returned.
        """
        if raw.shape != self.shape[1:] or not self.has(index):
            return None
        record = self._read(self._record_start(index), _RECORD.itemsize)
        content = self._read(self._frame_start(index), self._frame_bytes)
        if record is None or content is None:
            return None
        found = np.frombuffer(record, _RECORD)[0]
        if found["raw"] != _checksum(raw) or found["kept"] != zlib.crc32(content):
            return None
        return np.frombuffer(content, np.float32).reshape(raw.shape).copy()

    def keep(self, index: int, raw: NDArray[Any], reference: NDArray[np.float32]) -> bool:
        """Keep the reference of frame ``index``; False where that is not possible.

        Parameters
        ----------
        index
            0 … T − 1.
        raw, reference
            (H, W) each. Parts of frames are not kept.
        """
        if raw.shape != self.shape[1:]:
            return False
        content = np.ascontiguousarray(reference, "<f4").tobytes()
        record = np.array([(_checksum(raw), zlib.crc32(content), _DONE)], _RECORD).tobytes()
        return self._write(self._frame_start(index), content) and self._write(
            self._record_start(index), record
        )

    @property
    def data_range(self) -> float | None:
        """What :meth:`keep_data_range` was given, or None."""
        found = self._read(_HEADER, _RANGE.itemsize)
        if found is None:
            return None
        value = np.frombuffer(found, _RANGE)[0]
        known = value["done"] == _DONE and value["check"] == zlib.crc32(found[:8])
        return float(value["value"]) if known else None

    def keep_data_range(self, value: float) -> None:
        """Keep the data range of the reference: it costs denoising, too."""
        content = np.float64(value).astype("<f8").tobytes()
        self._write(_HEADER, np.array([(value, zlib.crc32(content), _DONE)], _RANGE).tobytes())

    @cached_property
    def _header(self) -> bytes:
        facts = json.dumps({"version": FORMAT_VERSION, "shape": self.shape})
        return (_MAGIC + facts.encode()).ljust(_HEADER, b"\n")

    @property
    def _frame_bytes(self) -> int:
        return 4 * self.shape[1] * self.shape[2]

    def _record_start(self, index: int) -> int:
        return _HEADER + _RANGE.itemsize + index * _RECORD.itemsize

    def _frame_start(self, index: int) -> int:
        return self._record_start(self.shape[0]) + index * self._frame_bytes

    def _read(self, start: int, count: int) -> bytes | None:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                found = file.read(count)
        except OSError:
            return None
        return found if len(found) == count else None

    def _write(self, start: int, content: bytes) -> bool:
        try:
            with self.path.open("r+b") as file:
                file.seek(start)
                file.write(content)
        except OSError:  # deleted by another process, or the disk is full
            return False
        return True


def _checksum(frame: NDArray[Any]) -> int:
    return zlib.crc32(frame.tobytes())
