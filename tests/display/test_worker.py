from __future__ import annotations

import gc
import threading
import time
import weakref
from functools import partial

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, QObject

from napari_tcsdl._validation import DeviceError, TcsdlError
from napari_tcsdl.display._qt.worker import Task, Threads, Turns, Worker, all_within
from napari_tcsdl.display.job import Report


class FakeJob:
    """Does what it is told to, in the worker's thread."""

    n_frames = 8
    generation = 0

    def __init__(self, call):
        self.stop = threading.Event()
        self.call = call
        self.thread = None

    def run(self, report, progress):
        from napari_tcsdl.display.job import stoppable

        self.thread = threading.current_thread()
        self.call(report, stoppable(self.stop, progress))


@pytest.fixture
def worker_of(qtbot):
    workers = []

    def make(call):
        worker = Worker(FakeJob(call))
        worker.heard = []
        worker.reported.connect(lambda report: worker.heard.append(("reported", report)))
        worker.failed.connect(lambda _, error: worker.heard.append(("failed", error)))
        worker.ended.connect(lambda _, how: worker.heard.append(("ended", how)))
        workers.append(worker)
        return worker

    yield make
    for worker in workers:
        worker.cancel()
        assert worker.wait(10)


def test_reports_come_back_to_the_thread_of_the_window(worker_of, qtbot):
    report = Report(0)
    where = []
    worker = worker_of(lambda tell, progress: tell(report))
    worker.reported.connect(lambda _: where.append(threading.current_thread()))
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.start()
    assert worker.heard == [("reported", report), ("ended", "finished")]
    assert where == [threading.main_thread()]
    assert worker.job.thread is not threading.main_thread()


@pytest.mark.parametrize("error", [RuntimeError("lost"), MemoryError(), KeyError("x")])
def test_no_error_is_lost(worker_of, qtbot, error):
    """A generator worker of napari's swallows RuntimeError, torch's out of memory among them."""

    def fail(tell, progress):
        raise error

    worker = worker_of(fail)
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.start()
    assert [name for name, _ in worker.heard] == ["failed", "ended"]
    assert isinstance(worker.heard[0][1], TcsdlError)
    assert worker.heard[1][1] == "failed"


def test_our_own_errors_arrive_as_they_are(worker_of, qtbot):
    error = DeviceError("got no room")

    def fail(tell, progress):
        raise error

    worker = worker_of(fail)
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.start()
    assert worker.heard[0] == ("failed", error)


def test_cancel_stops_at_the_next_step(worker_of, qtbot):
    begun = threading.Event()

    def work(tell, progress):
        while True:
            progress(0.5)
            begun.set()
            time.sleep(0.01)

    worker = worker_of(work)
    worker.start()
    assert begun.wait(5)
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.cancel()
    assert worker.heard == [("ended", "cancelled")]
    assert worker.wait(5)


def test_progress_is_told_now_and_then(worker_of, qtbot):
    fractions = []

    def work(tell, progress):
        for k in range(1001):
            progress(k / 1000)

    worker = worker_of(work)
    worker.progressed.connect(lambda _, fraction: fractions.append(fraction))
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.start()
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert len(fractions) < 200


def test_a_worker_outlives_its_window(qtbot):
    from qtpy import QtCore

    go, heard, window = threading.Event(), [], QtCore.QObject()
    job = FakeJob(lambda tell, progress: go.wait(5) and [tell(Report(0)) for _ in range(100)])
    worker = Worker(job, window)
    worker.reported.connect(heard.append)
    worker.start()
    window.deleteLater()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    go.set()
    assert worker.wait(5), "emitting without a window must not raise"
    qtbot.wait(20)
    assert heard == []


def test_a_task_brings_nothing_to_a_window_that_is_gone(qtbot):
    from qtpy import QtCore

    threads, window, heard = Threads(), QtCore.QObject(), []
    threads.call(lambda: 42, heard.append, heard.append, window)
    assert threads._begun[0].wait(5), "the result waits in the queue of the window"
    window.deleteLater()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    qtbot.wait(20)
    assert heard == []
    threads.join(5)


def test_tasks_bring_results_and_errors(qtbot):
    task = Task(lambda: 42)
    with qtbot.waitSignal(task.done, timeout=5000) as done:
        task.start()
    assert done.args == [42]
    task = Task(lambda: 1 / 0)
    with qtbot.waitSignal(task.failed, timeout=5000) as failed:
        task.start()
    assert "ZeroDivisionError" in str(failed.args[0])
    assert task.wait(5)


def test_threads_bring_results_to_the_window_and_are_let_go(qtbot):
    threads, parent, heard = Threads(), QObject(), []

    def hear(kind, value):
        heard.append((kind, str(value), threading.current_thread()))

    threads.call(lambda: 42, partial(hear, "done"), partial(hear, "failed"), parent)
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=5000)
    threads.call(lambda: 1 / 0, partial(hear, "done"), partial(hear, "failed"), parent)
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=5000)
    assert [kind for kind, *_ in heard] == ["done", "failed"]
    assert "ZeroDivisionError" in heard[1][1]
    assert {thread for *_, thread in heard} == {threading.main_thread()}
    threads.join(5)
    threads.forget_ended()


def test_what_a_thread_told_is_heard_even_if_it_is_let_go_at_once(qtbot):
    threads, parent, heard = Threads(), QObject(), []
    task = Task(lambda: 42, parent)
    task.done.connect(heard.append)
    threads.begin(task)
    assert task.wait(5)
    threads.forget_ended()
    qtbot.waitUntil(lambda: heard == [42], timeout=5000)
    qtbot.waitUntil(lambda: not parent.children(), timeout=5000)


def test_who_listens_is_let_go_of_when_the_thread_is_over(qtbot):
    """And not only when the next one begins: a closed dock would live on until then."""

    class Listener:
        def hear(self, value):
            heard.append(value)

    heard, threads, parent, listener = [], Threads(), QObject(), Listener()
    gone = weakref.ref(listener)
    threads.call(lambda: 42, listener.hear, listener.hear, parent)
    del listener
    qtbot.waitUntil(lambda: heard == [42], timeout=5000)
    threads._begun = []  # the dock is closed

    def let_go() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(let_go, timeout=5000)


def test_a_thread_whose_window_has_gone_is_let_go_of_too(qtbot):
    go, threads, window = threading.Event(), Threads(), QObject()

    class Listener:
        def hear(self, value):
            pytest.fail("its window is gone")

    listener = Listener()
    gone = weakref.ref(listener)
    threads.call(lambda: go.wait(10), listener.hear, listener.hear, window)
    del listener
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    threads._begun = []
    go.set()

    def let_go() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(let_go, timeout=5000)


# --- one deadline for all -----------------------------------------------------------------------


@pytest.fixture
def stubborn():
    """Threads that heed nothing until the end of the test."""
    go = threading.Event()

    def make(count: int) -> Threads:
        threads = Threads()
        for _ in range(count):
            threads.begin(Task(lambda: go.wait(30)))
        return threads

    yield make
    go.set()


def test_many_threads_are_waited_for_together(qtbot, stubborn):
    threads = stubborn(5)
    begun = time.monotonic()
    threads.join(0.3)
    assert 0.3 <= time.monotonic() - begun < 0.9


def test_several_docks_are_waited_for_together(qtbot, stubborn):
    docks = [stubborn(1) for _ in range(5)]
    begun = time.monotonic()
    with all_within(0.3):
        for threads in docks:
            threads.join(0.25)
    assert time.monotonic() - begun < 0.8
    threads = stubborn(1)
    begun = time.monotonic()
    threads.join(0.3)
    assert time.monotonic() - begun >= 0.3, "it is over with the others"


# --- turns --------------------------------------------------------------------------------------


def test_each_turn_is_taken_in_order_and_the_window_lives_between(qtbot):
    turns, told = Turns(), []
    turns.later(lambda: told.append(1))
    turns.later(lambda: (told.append(2), turns.later(lambda: told.append(3))))
    assert told == []
    qtbot.waitUntil(lambda: told == [1], timeout=5000)
    qtbot.waitUntil(lambda: told == [1, 2, 3], timeout=5000)


def test_a_turn_that_fails_does_not_take_the_next_along(qtbot):
    turns, told = Turns(), []

    def fail():
        raise RuntimeError("a layer was deleted")

    with qtbot.captureExceptions() as raised:
        turns.later(fail)
        turns.later(lambda: told.append(2))
        qtbot.waitUntil(lambda: told == [2], timeout=5000)
    assert [str(value) for _, value, _ in raised] == ["a layer was deleted"]
