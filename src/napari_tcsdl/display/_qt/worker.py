"""Work in threads: every outcome comes back to the window as a signal, no error is lost."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]

from ..._validation import Cancelled, TcsdlError
from ..calm import calm
from ..job import Job, Report
from ..sentences import as_sentence

logger = logging.getLogger(__name__)

THREAD_NAME = "napari-tcsdl"
PROGRESS_INTERVAL = 0.25
"""Least time between two progress signals [s]: Qt repaints the whole window at each."""
END_SECONDS = 0.1
"""Longest wait for a thread that has nothing left to do."""
TURN_MS = 10
"""Pause between two steps of showing layers: napari paints in it, and the user is heard."""


def emit(owner: QObject, signal: str, *values: Any) -> None:
    """Emit ``signal`` of ``owner``; nobody hears it once the window of ``owner`` is gone."""
    with suppress(RuntimeError):  # at the end of Python, Qt goes first
        getattr(owner, signal).emit(*values)


class Thread(QObject):
    """A plain Python thread that tells the window by signals.

    It is no child of ``parent``: Qt would delete it with the window, while the thread may be about
    to emit. It falls silent instead when ``parent`` is destroyed.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__()
        self.silent = False
        self._thread = threading.Thread(target=self._run_to_the_end, name=THREAD_NAME, daemon=True)
        if parent is not None:
            parent.destroyed.connect(self._fall_silent)

    def _fall_silent(self) -> None:
        self.silent = True
        self.blockSignals(True)

    def start(self) -> None:
        """Begin; returns at once."""
        _let_go_of_ended()
        _running.add(self)
        _keeper()  # made here, in the thread of the window
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread; False if it still runs after ``timeout`` [s]."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run_to_the_end(self) -> None:
        try:
            self._run()
        finally:
            emit(_keeper(), "told_its_last", self)

    def _run(self) -> None:
        raise NotImplementedError


_running: set[Thread] = set()
"""Keeps them until they are let go of here: Qt's objects must not end in another thread."""


def _let_go_of_ended() -> None:
    """Delete those that have ended, after what they told is delivered; from the main thread."""
    for thread in [thread for thread in _running if thread.wait(0)]:
        _running.discard(thread)
        with suppress(RuntimeError):  # at the end of Python, Qt goes first
            thread.deleteLater()


class _Keeper(QObject):
    """Hears of every thread that it has told its last, also where the thread has fallen silent.

    The thread, and whoever listens to it, are let go of then: a dock that was closed meanwhile
    would otherwise live on until the next thread begins.
    """

    told_its_last = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.told_its_last.connect(self._let_go, Qt.ConnectionType.QueuedConnection)

    def _let_go(self, thread: Thread) -> None:
        thread.wait(END_SECONDS)
        _let_go_of_ended()


@lru_cache
def _keeper() -> _Keeper:
    return _Keeper()


class Worker(Thread):
    """Runs one job in a thread of its own.

    A plain thread and not ``napari.qt.threading``: a generator worker there swallows every
    RuntimeError, and ``torch.OutOfMemoryError`` is one.

    Signals
    -------
    reported : Report
        As the job reports.
    progressed : Worker, float
        Fraction done, at most four times a second.
    failed : Worker, TcsdlError
        The run has ended with an error.
    ended : Worker, str
        The thread is done: ``finished``, ``cancelled`` or ``failed``. Always the last.
    """

    reported = Signal(object)
    progressed = Signal(object, float)
    failed = Signal(object, object)
    ended = Signal(object, str)

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job = job
        self._last = 0.0

    def cancel(self) -> None:
        """Ask the job to stop at its next step; returns at once."""
        self.job.stop.set()

    def _run(self) -> None:
        outcome = "finished"
        try:
            with calm():
                self.job.run(self._report, self._progress)
        except Cancelled:
            outcome = "cancelled"
        except BaseException as error:  # a thread must never end without a word
            outcome = "cancelled" if self.job.stop.is_set() else "failed"
            if outcome == "failed":
                emit(self, "failed", self, as_sentence(error))
        emit(self, "ended", self, outcome)

    def _report(self, report: Report) -> None:
        emit(self, "reported", report)

    def _progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_INTERVAL or fraction >= 1:
            self._last = now
            emit(self, "progressed", self, float(fraction))


class Task(Thread):
    """A short call in a thread: ``done`` brings its result, ``failed`` its error."""

    done = Signal(object)
    failed = Signal(object)

    def __init__(self, call: Callable[[], Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._call = call

    def _run(self) -> None:
        try:
            with calm():
                result = self._call()
        except BaseException as error:
            if not isinstance(error, TcsdlError):
                logger.exception("a background task failed")
            emit(self, "failed", as_sentence(error))
        else:
            emit(self, "done", result)


class Threads:
    """All threads of one dock: those that have ended are let go, with what they hold."""

    def __init__(self) -> None:
        self._begun: list[Thread] = []

    def begin(self, thread: Thread) -> None:
        """Start ``thread`` and remember it."""
        self.forget_ended()
        self._begun.append(thread)
        thread.start()

    def call(
        self,
        call: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Any], None],
        parent: QObject,
    ) -> None:
        """Run ``call`` in a thread; ``done`` gets its result, ``failed`` its error.

        Neither is called once ``parent`` is gone.
        """
        task = Task(call, parent)
        for signal, hear in ((task.done, done), (task.failed, failed)):
            signal.connect(partial(_if_heard, task, hear))
        self.begin(task)

    def forget_ended(self) -> None:
        """Let go of the threads that have ended; what they told is delivered before."""
        self._begun = [thread for thread in self._begun if not thread.wait(0)]
        _let_go_of_ended()

    def cancel(self) -> None:
        """Ask all jobs to stop at their next step; returns at once."""
        for thread in self._begun:
            if isinstance(thread, Worker):
                thread.cancel()

    def join(self, timeout: float) -> None:
        """Wait for all threads together, at most ``timeout`` [s]."""
        deadline = min(time.monotonic() + timeout, _deadline)
        for thread in self._begun:
            thread.wait(max(0.0, deadline - time.monotonic()))
        self._begun = []
        _let_go_of_ended()


_deadline = math.inf


@contextmanager
def all_within(timeout: float) -> Iterator[None]:
    """Whatever :class:`Threads` are joined in here, all together take at most ``timeout`` [s]."""
    global _deadline
    before, _deadline = _deadline, min(time.monotonic() + timeout, _deadline)
    try:
        yield
    finally:
        _deadline = before


def _if_heard(task: Task, hear: Callable[[Any], None], value: Any) -> None:
    if not task.silent:
        hear(value)


class Turns(QObject):
    """Calls what it is given in later turns of the window, one in each, in their order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take)

    def later(self, call: Callable[[], None]) -> None:
        """Call ``call`` after a pause."""
        self._waiting.append(call)
        if not self._timer.isActive():
            self._timer.start(TURN_MS)

    def _take(self) -> None:
        call = self._waiting.popleft()
        if self._waiting:
            self._timer.start(TURN_MS)
        call()
