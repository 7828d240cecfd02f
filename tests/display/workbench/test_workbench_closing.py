"""The workbench closed, taken away or destroyed: all is as before, and no thread is left."""

from __future__ import annotations

from dataclasses import replace

from look_helpers import no_thread_lives
from panel_helpers import (
    WAIT,
    destroy,
)
from qtpy.QtWidgets import QWidget
from workbench_helpers import FORMS, MINE

from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.compress_panel import CompressPanel
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display._qt.workbench import Workbench
from napari_tcsdl.display.keys import action_of
from napari_tcsdl.display.session import Session
from napari_tcsdl.settings import Settings


def test_closing_brings_everything_back_and_the_next_begins_anew(
    at_work, bench_of, viewer, layer, qtbot
):
    session = at_work.compare.session
    at_work.close()
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    assert session.closed
    assert Session.find(viewer) is None
    assert not viewer.canvas.grid.enabled
    assert not viewer.canvas.overlays.scale_bar.visible
    assert [shown.name for shown in viewer.layers if shown.visible] == ["lattice"]
    assert action_of(viewer, "swipe") is None
    fresh = bench_of(viewer)
    assert fresh.compare.session is not session
    assert fresh.compare.session.settings.compression_ratio == Settings().compression_ratio
    assert fresh.compare.run_button.isEnabled()
    assert not fresh.compare.save_button.isEnabled()


def test_napari_takes_a_dock_away_without_a_close_event(at_work, viewer, qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    at_work.setParent(parent)
    assert not at_work.compare.session.closed
    at_work.setParent(None)
    assert at_work.compare.session.closed
    assert not viewer.canvas.grid.enabled
    at_work.tabs.setCurrentIndex(0)
    assert Session.find(viewer) is None, "nothing of it comes to life again"


def test_qt_may_destroy_it_without_a_word(viewer, layer, frames, qtbot, made_up):
    parent = QWidget()
    bench = Workbench(viewer)
    bench.setParent(parent)
    for name in FORMS:
        bench.panel(name)
    session, compress = bench.compare.session, bench.panel("Compress")
    session.settings = MINE
    bench.compare.start()
    qtbot.waitUntil(lambda: session.controller.run.frames_done == 4, timeout=WAIT)
    destroy(parent)
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)
    assert session.closed
    assert not session.busy
    assert Session.find(viewer) is None
    assert action_of(viewer, "swipe") is None
    # Python still holds what Qt has deleted: nothing may reach it any more.
    viewer.add_image(frames, name="later")
    layer.name = "renamed"
    session.settings = replace(MINE, seed=9)
    session.layer = layer
    session.begin_job(self := object())
    session.end_job(self)
    viewer.dims.set_point(0, 0.5)
    assert compress.session is session


def test_one_of_two_panels_is_destroyed_while_it_is_at_work(viewer, layer, qtbot, made_up):
    parent = QWidget()
    doomed = ComparePanel(viewer)
    doomed.setParent(parent)
    other = CompressPanel(viewer)
    qtbot.addWidget(other)
    session = other.session
    session.settings = MINE
    doomed.start()
    qtbot.waitUntil(lambda: session.controller.run.frames_done == 4, timeout=WAIT)
    assert not other.run_button.isEnabled()
    destroy(parent)
    assert not session.closed
    assert not session.busy
    assert other.run_button.isEnabled()
    other.shut_down()
    assert session.closed
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)


def test_scores_stay_when_the_last_panel_is_closed(at_work, viewer, layer, qtbot, made_up):
    session = at_work.compare.session
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    made_up.set()
    qtbot.waitUntil(lambda: not at_work.compare.running, timeout=WAIT)
    at_work.close()
    assert not session.closed
    assert not viewer.canvas.grid.enabled
    assert [shown.name for shown in viewer.layers if shown.visible] == ["lattice"]
    assert dock.scorer.board.n_frames == 9
    session.controller.show_frame(6)
    assert dock.scorer.frame == 6
    again = CompressPanel(viewer)
    qtbot.addWidget(again)
    assert again.session is session, "who comes now shares it"
    again.shut_down()
    dock.shut_down()
    assert session.closed
