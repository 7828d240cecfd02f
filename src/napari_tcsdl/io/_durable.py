"""Writes that survive: a file appears under its name complete and on the disk, or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from .._validation import OutputError

if sys.platform != "win32":
    import fcntl

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PARTIAL, NEW, OLD = ".partial", ".new", ".old"
"""How files and folders end that are not complete yet, and what is about to be replaced."""


def check_parent(path: Path) -> None:
    """Raise OutputError if ``path`` cannot be made since its folder does not exist."""
    try:
        exists = path.parent.is_dir()
    except OSError as error:
        raise cannot_write(path, error) from error
    if not exists:
        raise OutputError(
            f"got output {path}, but {path.parent} is no folder, expected an existing folder; "
            "create it first"
        )


def cannot_write(path: Path, error: OSError, kept: str = "") -> OutputError:
    """Make the sentence for an operating system error on writing ``path``.

    ``kept`` is a clause that says what is safe, such as "30 frames are safely kept in X".
    """
    also = f" ({kept})" if kept else ""
    # NumPy reports a short write without an error number.
    if error.errno in FULL or "requested and" in str(error):
        return OutputError(
            f"{path}: the disk is full or a size limit was reached{also}, expected room for the "
            "output; free space or choose another disk"
        )
    reason = error.strerror or str(error)
    return OutputError(
        f"{path}: cannot be written: {reason}{also}, expected write access; "
        "check permissions and disk, or choose another place"
    )


def write_durably(path: Path, content: bytes) -> None:
    """Put ``content`` under ``path`` atomically, and on the disk before returning.

    Written beside it, synchronised, renamed, and the folder synchronised: whenever the process or
    the machine stops, ``path`` holds the old content or the new. Only one process may write
    ``path``: what a killed one leaves beside it, the next attempt writes over.
    """
    hidden = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with hidden.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in ``folder`` on the disk."""
    if os.name == "nt":  # Windows can neither open nor needs to synchronise folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_files(paths: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """Open files that appear as ``paths`` together once the block ends without an error.

    They grow hidden beside these names. What killed processes left there is removed: a lock tells
    the files in use from these, and the system lets go of it however a process ends.

    Raises
    ------
    OutputError
        If one of them can neither be made nor take its name: what lies under the names stays then.
    """
    with ExitStack() as stack:
        grown = [stack.enter_context(_hidden_file(path)) for path in paths]
        yield [file for _, file in grown]
        for path, (_, file) in zip(paths, grown, strict=True):
            with told_of(path):
                file.flush()
                if os.name == "nt":  # where an open file cannot be renamed
                    file.close()
        _give_names([hidden for hidden, _ in grown], paths)


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into the sentence of ``path``."""
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def _hidden_file(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    with told_of(path):
        _remove_stale(path, PARTIAL, Path.unlink)
        hidden, descriptor = _claim(path, PARTIAL, lambda place: os.open(place, flags, 0o666))
        file = open(hidden, "w+b", opener=lambda *_: descriptor)  # noqa: SIM115 - closed below
    try:
        yield hidden, file
    finally:
        with suppress(OSError):  # what a full disk did not take, of which an error told already
            file.close()
        hidden.unlink(missing_ok=True)


def _give_names(hidden: Sequence[Path], paths: Sequence[Path]) -> None:
    """Rename all of them; where the system refuses one, put back what lay there."""
    undo: list[Callable[[], object]] = []
    replaced: list[Path] = []
    try:
        for new, path in zip(hidden, paths, strict=True):
            with told_of(path):
                # Nothing can fail once the last has its name: it replaces without a gap.
                if path != paths[-1] and os.path.lexists(path):
                    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}{OLD}")
                    path.rename(aside)
                    replaced.append(aside)
                    undo.append(partial(aside.replace, path))
                    new.replace(path)
                else:
                    new.replace(path)
                    undo.append(path.unlink)
    except BaseException:
        for step in reversed(undo):
            with suppress(OSError):
                step()
        raise
    for aside in replaced:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def new_folder(path: Path, is_debris: Callable[[Path], bool]) -> Iterator[Path]:
    """Make a hidden folder beside ``path``, which the block is to rename; it is removed if not.

    Folders that killed processes left there are removed if ``is_debris`` says so of them.
    """
    _remove_stale(path, NEW, lambda stale: shutil.rmtree(stale) if is_debris(stale) else None)
    hidden, descriptor = _claim(path, NEW, _make_folder)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        os.close(descriptor)


def _make_folder(path: Path) -> int:
    path.mkdir()
    return os.open(os.devnull if os.name == "nt" else path, os.O_RDONLY)


def _claim(path: Path, kind: str, make: Callable[[Path], int]) -> tuple[Path, int]:
    """Make something of a new name beside ``path`` and lock it; ``make`` returns its descriptor."""
    while True:
        hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}{kind}")
        descriptor = make(hidden)
        with suppress(OSError):  # some network disks have no locks: nothing is removed there
            _lock(descriptor, wait=True)
        if hidden.exists():  # else another process took it for stale before it was locked
            return hidden, descriptor
        os.close(descriptor)


def _remove_stale(path: Path, kind: str, remove: Callable[[Path], object]) -> None:
    """Remove what processes that are gone left beside ``path``."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}{re.escape(kind)}")
    try:
        found = [place for place in path.parent.iterdir() if pattern.fullmatch(place.name)]
    except OSError:  # a folder may be closed to looking but open to writing
        return
    for stale in found:
        with suppress(OSError):
            descriptor = os.open(stale, os.O_RDONLY)
            try:
                _lock(descriptor, wait=False)
                remove(stale)
            finally:
                os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
