"""Writes that survive: a file appears under its name complete and on the disk, or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from .._validation import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    the machine stops, ``path`` holds the old content or the new.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
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
