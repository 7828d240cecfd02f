"""Unfinished folders that carry the name of their process: those of dead ones are cleaned up."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import psutil  # type: ignore[import-untyped] # napari needs it, too

_NAME = re.compile(
    r"\.napari-tcsdl-(?P<place>[0-9a-f]{16})-(?P<process>\d+)-[0-9a-f]{32}\.partial\..+"
)


def partial_name(name: str) -> str:
    """Return a hidden name for what will be ``name`` when it is whole, and that nobody else has."""
    return f".napari-tcsdl-{_place()}-{os.getpid()}-{uuid.uuid4().hex}.partial.{name}"


def clean_up(folder: Path) -> list[str]:
    """Remove the unfinished folders in ``folder`` whose process has ended.

    Whatever has another kind of name, is no folder, or belongs to a process that lives, or that
    ran elsewhere (on another machine, in another container), stays as it is.

    Returns
    -------
    list of str
        Names of what is gone.
    """
    gone = []
    with suppress(OSError):
        for entry in folder.iterdir():
            if _is_left_over(entry):
                shutil.rmtree(entry, ignore_errors=True)
                if not entry.exists():
                    gone.append(entry.name)
    return gone


def _is_left_over(path: Path) -> bool:
    found = _NAME.fullmatch(path.name)
    if found is None or found["place"] != _place() or path.is_symlink() or not path.is_dir():
        return False
    return not psutil.pid_exists(int(found["process"]))


@lru_cache
def _place() -> str:
    """Stand for what counts processes: their numbers mean nothing on another machine.

    A drive may be shared by machines of one name, and by containers of one machine.
    """
    facts = [platform.node()]
    for read in (lambda: Path("/etc/machine-id").read_text(), lambda: os.readlink(_PROCESSES)):
        with suppress(OSError):
            facts.append(read())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


_PROCESSES = "/proc/self/ns/pid"
"""On Linux, what tells apart containers: each numbers its own processes."""
