"""The dock of scores over made-up results."""

from __future__ import annotations

import pytest

from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display.session import Session

WAIT = 60_000


@pytest.fixture
def dock(qtbot, viewer, layer):
    """Over the calibrated movie of 9 frames, before any run; B = 4."""
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(1200, 320)
    with qtbot.waitExposed(dock):
        dock.show()
    yield dock
    dock.session.controller.clear()
    dock.shut_down()


@pytest.fixture
def filled(dock, layer, settings, tell, qtbot):
    """With a run of made-up results: PSNR = 20 + frame + the codec's number."""
    job = dock.session.controller.start(layer, settings)
    tell.everything(job, dock.session.controller.apply)
    qtbot.waitUntil(lambda: len(dock.view.legend.names) == 5, timeout=WAIT)
    dock.session.controller.show_frame(2)
    return dock


@pytest.fixture
def filled_run(viewer, layer, settings, tell):
    """A session with a run of made-up results, and no dock yet."""
    session = Session.of(viewer)
    session.join(session)
    tell.everything(session.controller.start(layer, settings), session.controller.apply)
    return session
