"""Let a new folder take the place of an old one, without a moment at which neither is there."""

from __future__ import annotations

import ctypes
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from .._validation import OutputError
from ._container_parts import is_container
from ._durable import check_parent
from ._layout import DOCUMENT, SUFFIX

AT_FDCWD = -100
RENAME_EXCHANGE = 2


class Place:
    """Where a compressed movie is written: under its name, or hidden beside the file it replaces.

    Attributes
    ----------
    final
        The name that was asked for.
    now
        Where to write: ``final``, or a name of its own beside it, which nobody else has.

    Raises
    ------
    OutputError
        If ``final`` has another suffix, lies in no folder, exists and ``overwrite`` is False, or is
        something else than a compressed movie.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool) -> None:
        self.final = Path(os.path.abspath(path))
        self.now = self.final
        self._own: int | None = None
        _check_name(self.final)
        check_parent(self.final)
        if not os.path.lexists(self.final):
            return
        if not overwrite:
            raise OutputError(
                f"got output {self.final}, which exists already, expected a new name; choose "
                "another name, or give --overwrite"
            )
        if self.final.is_symlink() or not is_container(self.final):
            raise OutputError(
                f"got output {self.final}, which exists and is no compressed movie, expected a new "
                f"name or a {SUFFIX} to replace; move it away, or choose another name"
            )
        self.now = _beside(self.final, "partial")
        self._old = _state(self.final)

    def occupy(self, folder: Path) -> None:
        """Move ``folder``, which this process made, to where the movie is written."""
        own = folder.stat().st_ino
        folder.rename(self.now)
        self._own = own

    def is_own(self) -> bool:
        """Whether what lies there is still the folder that this process made."""
        try:
            return self.now.lstat().st_ino == self._own
        except OSError:
            return False

    def settle(self) -> Path | None:
        """Give the folder its final name; return where the old one is now, which may be removed.

        Raises
        ------
        OutputError
            If the old one is no longer what it was: then both stay where they are.
        """
        if self.now == self.final:
            return None
        if not os.path.lexists(self.final):
            self.now.rename(self.final)
            self.now = self.final
            return None
        if _state(self.final) != self._old:
            raise OutputError(
                f"got output {self.final}, which was changed while its replacement was written, "
                f"expected it to stay as it was; compare it with the new file, {self.now}, and "
                "keep the one you want"
            )
        aside = _beside(self.final, "old")
        if _exchange(self.now, self.final):
            replaced, self.now = self.now, self.final
            with suppress(OSError):  # a name that tells it from an unfinished movie
                replaced = replaced.rename(aside)
            return replaced
        _rename_twice(self.now, self.final, aside)
        self.now = self.final
        return aside


def _check_name(final: Path) -> None:
    if not final.name.endswith(SUFFIX) or final.name == SUFFIX:
        raise OutputError(
            f"got output {final.name}, expected a name that ends in {SUFFIX}; "
            f"give for example {final.name.split('.')[0] or 'movie'}{SUFFIX}"
        )


def _beside(final: Path, kind: str) -> Path:
    """Make a hidden name that opens as a compressed movie, and that no other process makes."""
    stem = final.name.removesuffix(SUFFIX)
    return final.with_name(f".{stem}.{uuid.uuid4().hex}.{kind}{SUFFIX}")


def _state(folder: Path) -> tuple[int, int]:
    """Return what changes when a container is replaced, or when anything is added to it."""
    document = (folder / DOCUMENT).stat()
    return document.st_mtime_ns, document.st_size


def _exchange(a: Path, b: Path) -> bool:
    """Let two paths trade places in one step; False where the system cannot do it."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # a C library without it
        return False
    failed = rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE)
    return not failed


def _rename_twice(new: Path, old: Path, aside: Path) -> None:
    """Put ``new`` in the place of ``old``; if that fails, ``old`` is still there.

    A process that is killed between the two renames leaves both, each whole, under hidden names.
    """
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
