"""Threads of an encoder that do not stop the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """Undo what is done within to the scheduling of the calling thread, for new threads as well.

    SVT-AV1 (4.1, ``svt_av1_enc_init``), where it may, as root in a container may, makes itself
    real-time at the highest priority: all its threads, and for good the one that called it. All
    else on those cores then stands still, and what that thread starts later inherits it.

    Threads that others start meanwhile are taken for new ones and get the caller's scheduling.
    Where the system has no such calls (not Linux), nothing is done.
    """
    if not _THREADS.is_dir():
        yield
        return
    kept = _scheduling_of(0)
    before = _threads()
    try:
        yield
    finally:
        for thread in {0} | _threads() - before:  # 0: the calling one
            with suppress(ProcessLookupError):  # it has ended since
                if _scheduling_of(thread) != kept:
                    os.sched_setscheduler(thread, kept[0], os.sched_param(kept[1]))


def _scheduling_of(thread: int) -> tuple[int, int]:
    """Policy and real-time priority."""
    return os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority


def _threads() -> set[int]:
    return {int(entry.name) for entry in _THREADS.iterdir()}
