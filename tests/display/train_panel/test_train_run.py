"""The Train step at work: it learns, stops, keeps the best, and says what came of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tiny_weights import learn_fast
from train_panel_helpers import WAIT, finish

from napari_tcsdl._validation import Cancelled, DeviceError
from napari_tcsdl.display._qt.train_layout import SKIP, STOP
from napari_tcsdl.display._qt.train_panel import NOTHING_YET
from napari_tcsdl.display.training_job import TrainingJob
from napari_tcsdl.display.training_reports import Begun, Learned
from napari_tcsdl.reconstruction import load_checkpoint


def test_one_job_at_a_time(panel, session):
    session.busy = True
    assert not panel.start_button.isEnabled()
    panel.start()
    assert panel.worker is None
    session.busy = False
    assert panel.start_button.isEnabled()


def test_it_learns_and_the_weights_are_used(panel, viewer, session, source, qtbot, monkeypatch):
    learn_fast(monkeypatch)
    panel.show()
    panel.start_button.click()
    assert session.busy
    assert not panel.start_button.isEnabled()
    assert not panel.form.layer.isEnabled()
    finish(panel, qtbot)
    assert panel.error.isHidden(), panel.error.text()
    assert not session.busy
    assert panel.result.text().startswith("Better by ")
    assert "dB on held-out frames 20 to 23" in panel.result.text()
    assert [layer.name for layer in viewer.layers] == ["counted", "before", "after"]
    qtbot.waitUntil(lambda: all(layer.visible for layer in viewer.layers), timeout=WAIT)
    assert viewer.layers["after"].data.shape == (4, 40, 36)
    assert panel.form.layer.count() == 1, "what it has made is no input"
    assert panel.pair_button.isChecked()
    panel.pair_button.click()
    assert not viewer.canvas.grid.enabled
    path = panel.controller.learned.path
    assert "finetuned" in load_checkpoint(path).about
    with qtbot.waitSignal(panel.weights_ready) as ready:
        panel.use_button.click()
    assert ready.args == [str(path)]
    assert session.settings.weights == str(path)
    assert panel.form.origin.text() == "the weights tuned"
    assert panel.form.path != path, "the next run needs another name"
    steps, errors = panel.plot.looks.getData()
    assert steps[0] == 0, "the weights as they came"
    assert steps[-1] == 24
    assert (np.diff(steps) % 8 == 0).all(), "how often it looks depends on the time that it takes"
    assert panel.plot.best.getData()[0][0] == panel.controller.learned.kept_step
    assert panel.plot.start_line.value() == pytest.approx(errors[0])


def test_no_gain_is_said(panel, viewer, qtbot, monkeypatch):
    learn_fast(monkeypatch, steps=2, rate=1e-9)
    panel.start()
    finish(panel, qtbot)
    assert panel.result.text().startswith("No gain on held-out frames 20 to 23 after 2 steps")
    assert not panel.use_button.isEnabled()
    assert not panel.pair_button.isEnabled()
    assert len(viewer.layers) == 1


def test_stop_keeps_the_best_within_a_second(panel, qtbot, made_up):
    made_up.set()
    panel.start()
    qtbot.waitUntil(lambda: panel.controller.curves.step > 3, timeout=WAIT)
    assert " dB better at step " in panel.status.text()
    assert panel.status.text().endswith("180 s left") or "3 min left" in panel.status.text()
    assert panel.bar.value() == 250
    panel.stop_button.click()
    assert panel.status.text() == "stopping…"
    qtbot.waitUntil(lambda: panel.worker is None, timeout=1000)
    assert "(stopped by you)" in panel.result.text()
    assert panel.stop_button.text() == STOP
    assert not panel.stop_button.isEnabled()
    assert panel.start_button.isEnabled()


def test_stop_before_the_first_step(panel, qtbot, monkeypatch):
    """The first look may take long: the panel does not wait for it."""
    gate = threading.Event()

    def run(job, report, progress):
        report(Begun(job.generation, "cpu: made up"))
        gate.wait(30)

    monkeypatch.setattr(TrainingJob, "run", run)
    panel.start()
    qtbot.waitUntil(lambda: "cpu: made up" in panel.status.text(), timeout=WAIT)
    panel.stop_button.click()
    qtbot.waitUntil(lambda: panel.worker is None, timeout=1500)
    assert panel.status.text() == NOTHING_YET
    assert panel.start_button.isEnabled()
    gate.set()


def test_pictures_can_be_left_out(panel, session, qtbot, monkeypatch, tmp_path):
    def run(job, report, progress):
        report(
            Learned(
                job.generation, True, (0.2, 0.1), 3.0, 9, 9, range(20, 24), tmp_path / "w",
                "the weights made up", "the time is up",
            )
        )  # fmt: skip
        while not job.stop.wait(0.01):
            progress(0.5)
        raise Cancelled

    monkeypatch.setattr(TrainingJob, "run", run)
    panel.start()
    qtbot.waitUntil(lambda: panel.stop_button.text() == SKIP, timeout=WAIT)
    qtbot.waitUntil(lambda: "decoding held-out frames" in panel.status.text(), timeout=WAIT)
    panel.stop_button.click()
    finish(panel, qtbot)
    assert panel.result.text().startswith("Better by 3.00 dB")
    assert panel.use_button.isEnabled(), "the weights are there"


def test_an_error_is_one_sentence_in_place(panel, session, qtbot, monkeypatch):
    def run(job, report, progress):
        raise DeviceError("got no room, expected some; make some")

    monkeypatch.setattr(TrainingJob, "run", run)
    panel.show()
    panel.start()
    finish(panel, qtbot)
    assert panel.error.text() == "got no room, expected some; make some"
    assert panel.error.isVisible()
    assert not session.busy
    assert panel.start_button.isEnabled()


def test_weights_that_exist_are_refused(panel, tmp_path):
    panel.form.set_path(tmp_path / "tiny")
    panel.start()
    assert panel.worker is None
    assert "which exist already, expected a new name" in panel.error.text()
