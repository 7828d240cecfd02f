"""Threads let the window's thread have its turn, and leave Python as they found it."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from napari_tcsdl.display._qt.worker import Task
from napari_tcsdl.display.calm import TURN, calm


@pytest.fixture(autouse=True)
def nothing_is_frozen():
    assert gc.get_freeze_count() == 0, "no thread of another test is at work"


class Ring:
    """Garbage that only the collector can free."""

    def __init__(self):
        self.myself = self


def test_old_objects_are_left_alone_meanwhile_and_freed_afterwards():
    interval = sys.getswitchinterval()
    ring = Ring()
    alive = weakref.ref(ring)
    with calm():
        assert gc.get_freeze_count() > 10_000
        assert sys.getswitchinterval() == pytest.approx(min(TURN, interval))
        with calm():
            del ring
        gc.collect()
        assert alive() is not None
        new = Ring()
        made_meanwhile = weakref.ref(new)
        del new
        gc.collect()
        assert made_meanwhile() is None, "what is new is freed as ever"
    assert gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == pytest.approx(interval)
    gc.collect()
    assert alive() is None


def test_an_error_ends_it_too():
    with pytest.raises(ValueError, match="wrong"), calm():
        raise ValueError("wrong")
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_has_frozen_stays_frozen():
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with calm():
            pass
        assert gc.get_freeze_count() == pytest.approx(before, rel=0.01)
    finally:
        gc.unfreeze()


def test_a_task_works_calmly(qtbot):
    seen, go = [], threading.Event()

    def work():
        seen.append(gc.get_freeze_count())
        go.wait(10)

    task = Task(work)
    with qtbot.waitSignal(task.done, timeout=10_000):
        task.start()
        go.set()
    assert task.wait(10)
    assert seen[0] > 10_000
    assert gc.get_freeze_count() == 0


LOAD = """
import sys
from napari_tcsdl.display.torch_ahead import LIBRARY, load_libraries
loaded = load_libraries()
assert "torch" not in sys.modules
if sys.platform == "linux":
    assert loaded
    assert LIBRARY in open("/proc/self/maps").read()
import torch
assert not load_libraries(), "there is nothing left to do"
print(int(torch.fft.rfft(torch.ones(4)).real[0]))
"""


def test_the_library_of_torch_is_loaded_ahead_and_torch_works():
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(LOAD)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["4"], run.stderr[-2000:]
