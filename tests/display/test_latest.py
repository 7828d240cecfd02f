"""The thread of the spectra: the last request is answered, and an error does not end it."""

from __future__ import annotations

from napari_tcsdl.display._qt.latest import Latest

WAIT = 20_000


def test_of_requests_that_pile_up_only_the_last_is_answered(qtbot):
    import threading

    go, begun, done = threading.Event(), threading.Event(), []

    def work(request):
        begun.set()
        assert go.wait(10)
        return request

    latest = Latest(work)
    latest.answered.connect(done.append)
    latest.post(0)
    assert begun.wait(10)
    for request in range(1, 20):
        latest.post(request)
    go.set()
    qtbot.waitUntil(lambda: done == [0, 19], timeout=WAIT)
    latest.stop()
    latest.post(20)
    assert latest.wait(10)
    assert done == [0, 19]


def test_an_error_is_told_and_the_thread_goes_on(qtbot):
    told, done = [], []

    def work(request):
        return 1 / request

    latest = Latest(work)
    latest.failed.connect(told.append)
    latest.answered.connect(done.append)
    latest.post(0)
    qtbot.waitUntil(lambda: len(told) == 1, timeout=WAIT)
    assert "ZeroDivisionError" in str(told[0])
    latest.post(4)
    qtbot.waitUntil(lambda: done == [0.25], timeout=WAIT)
    latest.stop()
    assert latest.wait(10)
