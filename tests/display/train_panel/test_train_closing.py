"""The Train step hidden, beside another job, and closed."""

from __future__ import annotations

import numpy as np
from tiny_weights import counted_frames, learn_fast
from train_panel_helpers import WAIT, finish

from napari_tcsdl.display._qt.train_panel import TrainPanel


def test_a_hidden_panel_draws_nothing(panel, qtbot, made_up, monkeypatch):
    drawn = []
    monkeypatch.setattr(panel.plot, "show_curves", drawn.append)
    made_up.set()
    panel.start()
    qtbot.waitUntil(lambda: panel.controller.curves.step > 3, timeout=WAIT)
    assert not drawn
    panel.show()
    qtbot.waitUntil(lambda: len(drawn) > 0, timeout=WAIT)
    panel.stop()
    finish(panel, qtbot)


def test_another_job_gets_its_room_back(panel, viewer, session, qtbot, monkeypatch):
    learn_fast(monkeypatch)
    panel.start()
    finish(panel, qtbot)
    qtbot.waitUntil(lambda: viewer.canvas.grid.enabled, timeout=WAIT)
    session.busy = True
    assert not viewer.canvas.grid.enabled
    assert not panel.pair_button.isChecked()


def test_closing_ends_the_run_and_lets_go_of_the_viewer(panel, viewer, session, qtbot, made_up):
    made_up.set()
    panel.start()
    qtbot.waitUntil(lambda: panel.controller.curves.step > 0, timeout=WAIT)
    job = panel.worker.job
    panel.shut_down()
    assert job.stop.is_set()
    assert not session.busy
    assert session.closed, "the last member has left"
    viewer.add_image(np.ones((3, 4, 5)))
    assert panel.form.layer.count() == 1, "no event reaches a panel that was shut down"
    viewer.theme = "light"


def test_a_dock_that_napari_takes_away_lets_go(window, qtbot):
    viewer = window()
    viewer.add_image(counted_frames(), name="counted")
    panel = TrainPanel(viewer)
    dock = viewer.window.add_dock_widget(panel, name="Train", area="right")
    assert not panel.session.closed
    viewer.window.remove_dock_widget(dock)
    assert panel.session.closed, "without a close event"
    viewer.layers.clear()
