"""Folders of results: all files of a run appear together, or none does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ._validation import OutputError


def check_unused(out: Path, files: Sequence[str], overwrite: bool) -> None:
    """Refuse a folder that holds one of ``files`` already, unless it may be replaced.

    Raises
    ------
    OutputError
        Naming the file.
    """
    for name in files:
        if (out / name).exists() and not overwrite:
            raise OutputError(
                f"got output folder {out}, which holds {name} already, expected a new folder; "
                "choose another --out, or give --overwrite"
            )


@contextmanager
def all_or_nothing(out: Path, files: Sequence[str]) -> Iterator[Path]:
    """Yield a folder to write ``files`` into; they move to ``out`` together once all are there.

    A table never lies beside another run's file, and a failed run leaves nothing in the way of
    the next.
    """
    created = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=out, prefix=".comparing-"))
    try:
        yield work
        _move_together(work, out, files)
        created = False
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if created:
            with suppress(OSError):  # others may have put files there meanwhile
                out.rmdir()


def _move_together(work: Path, out: Path, files: Sequence[str]) -> None:
    """Move ``files`` from ``work`` to ``out``; what lies there stays until all have arrived."""
    replaced = work / "replaced"
    replaced.mkdir()
    try:
        for name in files:
            if (out / name).exists():
                (out / name).rename(replaced / name)
            (work / name).rename(out / name)
    except BaseException:
        for old in replaced.iterdir():
            if (out / old.name).exists():
                (out / old.name).rename(work / f"new-{old.name}")
            old.rename(out / old.name)
        raise
