"""One thread that always works on the latest request; those it has not begun are forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from ..sentences import as_sentence
from .worker import Thread, emit

QUICK, LONE = 0.025, 0.1
"""[s] Work that took no longer the last time needs no draft before it: one of many, a lone one."""
PAUSE = 0.25
"""[s] A request that comes so long after the last one is a lone one: a key, not a drag."""


class Latest(Thread):
    """Calls ``work`` with each request in a thread, or with the newest of those that have piled up.

    Parameters
    ----------
    work
        Answers a request.
    parent
        Nothing is told once it is gone.
    draft
        Answers a request roughly and sooner, in the place of ``work`` where that takes long; or
        None, and ``work`` is done.

    Signals
    -------
    answered : object
        What ``work`` has returned.
    drafted : object
        What ``draft`` has returned.
    failed : TcsdlError
        What it has raised, as one sentence.
    """

    answered = Signal(object)
    drafted = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        work: Callable[[Any], Any],
        parent: QObject | None = None,
        draft: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(parent)
        self._work, self._draft = work, draft
        self._took = 0.0
        self._asked = -PAUSE
        self._wake = threading.Condition()
        self._next: list[Any] = []
        self._ended = self._begun = False

    def post(self, request: Any) -> None:
        """Ask for ``request``; the thread begins with the first."""
        with self._wake:
            if self._ended:
                return
            self._next = [request]
            self._wake.notify()
        if not self._begun:
            self._begun = True
            self.start()

    def stop(self) -> None:
        """End the thread after what it works on; nothing more is heard of it."""
        with self._wake:
            self._ended = True
            self._next = []
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._next and not self._ended:
                    self._wake.wait()
                if self._ended:
                    return
                request = self._next.pop()
            self._answer(request)
            del request

    def _needs_draft(self) -> bool:
        """Whether the next request should show something before the work is done."""
        now = time.monotonic()
        lone, self._asked = now - self._asked >= PAUSE, now
        return self._took > (LONE if lone else QUICK)

    def _answer(self, request: Any) -> None:
        try:
            draft = self._draft if self._needs_draft() else None
            signal, value = "drafted", draft(request) if draft is not None else None
            if value is None:
                start = time.monotonic()
                signal, value = "answered", self._work(request)
                self._took = time.monotonic() - start
        except BaseException as error:  # the thread must go on
            signal, value = "failed", as_sentence(error)
        if not self._ended:
            emit(self, signal, value)
