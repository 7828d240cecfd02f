"""The dock of scores follows the theme, shares its session, and lets go; once in a real window."""

from __future__ import annotations

import gc
import threading
import weakref

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel
from scores_helpers import WAIT, mouse_place

from napari_tcsdl.display._qt.score_controls import PSNR
from napari_tcsdl.display._qt.score_style import STYLES
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.session import Session

# --- themes, closing --------------------------------------------------------------------------


def test_it_follows_the_theme(filled, viewer):
    before = filled.view.plots[PSNR].curves["raw"].opts["pen"].color().name()
    viewer.theme = "light"
    after = filled.view.plots[PSNR].curves["raw"].opts["pen"].color().name()
    assert (before, after) == (STYLES["raw"].dark, STYLES["raw"].light)
    assert filled.view.plots[PSNR].backgroundBrush().color().lightness() > 200


def test_it_lets_go_when_napari_takes_it_away(filled, viewer, qtbot):
    session = filled.session
    other = object()
    session.join(other)
    filled.controls.region_button.click()
    board = session.controller.run.board
    qtbot.waitUntil(lambda: board.overridden, timeout=WAIT)
    listeners = len(viewer.layers.events.removed.callbacks)
    parent = QLabel()
    qtbot.addWidget(parent)
    filled.setParent(parent)
    filled.setParent(None)
    assert not board.overridden, "nobody scores the region any more"
    assert len(viewer.layers.events.removed.callbacks) < listeners
    assert not [t for t in threading.enumerate() if t.name == THREAD_NAME and t.is_alive()]
    session.leave(other)
    assert session.closed


def test_python_may_let_go_of_it_without_a_word(viewer, filled_run, qtbot):
    session = filled_run
    dock = ScoresDock(viewer)
    gone, scorer = weakref.ref(dock), weakref.ref(dock.scorer)
    session.leave(session)
    assert not session.closed, "the dock looks on"
    del dock
    gc.collect()
    assert gone() is None
    assert scorer() is None
    assert session.closed, "the last one has left"


def test_in_a_real_window(window, frames, settings, tell, qtbot):
    viewer = window(show=True)
    layer = viewer.add_image(frames, scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"))
    dock = ScoresDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Scores", area="bottom")
    controller = dock.session.controller
    tell.everything(controller.start(layer, settings), controller.apply)
    plot = dock.view.plots[PSNR]
    qtbot.waitUntil(lambda: "raw" in plot.curves, timeout=WAIT)
    frame.setFloating(True)
    controller.show_frame(1)
    qtbot.wait(500)  # the window gives it its size
    start, port = mouse_place(plot, 1), plot.viewport()
    QTest.mouseMove(port, start)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    for place in (4.5, 5.5, 6):
        QTest.mouseMove(port, mouse_place(plot, place))
        qtbot.wait(50)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=mouse_place(plot, 6))
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 6, timeout=WAIT)
    qtbot.wait(100)
    assert plot.marker.value() == 6
    viewer.dims.set_current_step(0, 3)
    assert plot.marker.value() == 3
    frame.setFloating(False)
    qtbot.wait(50)
    assert not dock.session.closed, "floating is not closing"
    viewer.window.remove_dock_widget(dock)
    assert dock.session.closed
    assert not viewer.canvas.grid.enabled, "the view is as it was"
    dock.deleteLater()


def test_it_shares_the_session_of_its_viewer(dock, viewer):
    assert dock.session is Session.of(viewer)
