"""All steps over one session, without a canvas; runs report made-up results."""

from __future__ import annotations

import pytest
from panel_helpers import (
    WAIT,
    offer_made_up_choices,
)
from workbench_helpers import MINE

from napari_tcsdl.display._qt import estimate
from napari_tcsdl.display._qt.workbench import STEPS, Workbench


@pytest.fixture(autouse=True)
def no_torch(request, monkeypatch):
    """Nothing here depends on what this machine has; the real window does."""
    if "window" not in request.fixturenames:
        offer_made_up_choices(monkeypatch)
        made_up = {"unfolding": "unfolding network"}
        monkeypatch.setattr("napari_tcsdl.display._qt.train_panel.find_trainable", lambda: made_up)
        monkeypatch.setattr(estimate, "PATIENCE_MS", 10**6)


@pytest.fixture
def bench_of(qtbot):
    made = []

    def make(viewer) -> Workbench:
        bench = Workbench(viewer)
        qtbot.addWidget(bench)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.shut_down()


@pytest.fixture
def bench(bench_of, viewer, layer):
    """All steps over the calibrated movie of 9 frames, B = 4."""
    bench = bench_of(viewer)
    for name in STEPS:
        bench.panel(name)
    bench.compare.session.settings = MINE
    return bench


@pytest.fixture
def at_work(bench, viewer, qtbot, made_up):
    """A bench whose run has shown its boxes."""
    bench.compare.start()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=WAIT)
    return bench
