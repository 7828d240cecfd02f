"""The Train step over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar
from tiny_weights import counted_frames, learn_fast, write_tiny_weights

from napari_tcsdl._validation import Cancelled, DeviceError
from napari_tcsdl.display._qt.curves_plot import CurvesPlot
from napari_tcsdl.display._qt.train_form import shortened
from napari_tcsdl.display._qt.train_layout import SKIP, STOP
from napari_tcsdl.display._qt.train_panel import NOTHING_YET, TrainPanel
from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.training_job import TrainingJob
from napari_tcsdl.display.training_reports import Begun, Curves, Learned, Learning
from napari_tcsdl.reconstruction import load_checkpoint

WAIT = 60_000


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def session(viewer, tmp_path) -> Session:
    session = Session.of(viewer)
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    session.settings = replace(
        session.settings, compression_ratio=4, weights=str(weights), device="cpu", mask_tile=16
    )
    return session


@pytest.fixture
def source(viewer):
    return viewer.add_image(
        counted_frames(), name="counted", scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm")
    )


@pytest.fixture
def panel_of(qtbot):
    panels = []

    def make(viewer, session=None) -> TrainPanel:
        panel = TrainPanel(viewer, session)
        qtbot.addWidget(panel)
        panels.append(panel)
        return panel

    yield make
    for panel in panels:
        panel.shut_down()


@pytest.fixture
def panel(panel_of, viewer, session, source, tmp_path) -> TrainPanel:
    panel = panel_of(viewer)
    panel.form.set_path(tmp_path / "tuned.safetensors")
    return panel


@pytest.fixture
def made_up(monkeypatch):
    """Runs report made-up steps until ``enough``; ``gate`` holds them before the first."""
    gate = threading.Event()

    def run(job, report, progress):
        report(Begun(job.generation, "cpu: made up"))
        step = 0
        while not job.enough.wait(0.01):
            if gate.is_set():
                step += 1
                error = 0.2 - 0.001 * step
                losses = ((step, 0.5, "movie"),)
                report(Learning(job.generation, losses, (step, error, error), 0.25, 3.0))
        if job.stop.is_set() or not step:
            raise Cancelled
        report(
            Learned(
                job.generation, False, (0.2, 0.2), None, step, 0, range(20, 24), None,
                "the weights made up", "stopped by you",
            )
        )  # fmt: skip

    monkeypatch.setattr(TrainingJob, "run", run)
    return gate


def finish(panel, qtbot):
    qtbot.waitUntil(lambda: panel.worker is None, timeout=WAIT)


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip(panel):
    kinds = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar, CurvesPlot)
    controls = [widget for kind in kinds for widget in panel.findChildren(kind)]
    own = [w for w in controls if not isinstance(w.parent(), (QAbstractSpinBox, QComboBox))]
    assert len(own) >= 10
    assert all(control.toolTip() for control in own)


def test_it_fits_a_small_screen(panel):
    assert panel.minimumSizeHint().height() < 300
    assert panel.minimumWidth() <= 450


def test_only_trainable_decoders_are_offered(panel, qtbot):
    qtbot.waitUntil(lambda: panel.form.decoder.count() == 2, timeout=WAIT)
    names = [panel.form.decoder.itemData(i) for i in range(2)]
    assert names == ["unfolding", "bidirectional"]
    assert panel.form.decoder.currentData() == "unfolding"


def test_it_says_what_is_compared(panel):
    assert "two halves with independent noise" in panel.compared.text()
    assert "which nothing is learned from" in panel.compared.text()


def test_names_are_shortened_in_the_middle():
    assert shortened("short") == "short"
    assert shortened("a" * 30 + "b" * 30) == "a" * 22 + "…" + "b" * 22


# --- wired ------------------------------------------------------------------------------------


def test_without_a_movie_it_says_what_to_do(panel_of, viewer):
    panel = panel_of(viewer)
    assert not panel.start_button.isEnabled()
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."


def test_what_cannot_be_learned_from_is_named_in_place(panel_of, viewer, source):
    panel = panel_of(viewer)
    assert panel.start_button.isEnabled()
    viewer.add_image(counted_frames(), name="result", metadata={KEY: {"role": "reconstruction"}})
    panel.form.layer.setCurrentIndex(1)
    assert panel.form.facts.text().startswith("result: got the result of a run (reconstruction)")
    assert not panel.start_button.isEnabled()


def test_b_needs_frames_to_learn_from_and_to_judge_by(panel):
    panel.form.ratio.setValue(13)
    assert "got 24 frames of 40 × 36, expected at least 26" in panel.form.facts.text()
    assert not panel.start_button.isEnabled()
    panel.form.ratio.setValue(12)
    assert panel.form.facts.text() == "24 frames of 40 × 36, uint8, 0.25 s per frame"
    assert panel.start_button.isEnabled()


def test_the_session_is_followed(panel, session, viewer, source):
    assert panel.form.ratio.value() == 4
    assert panel.form.origin.text() == "the weights tiny"
    session.settings = replace(session.settings, compression_ratio=6, weights=None)
    assert panel.form.ratio.value() == 6
    assert panel.form.origin.text() == "the weights that come with the package"
    assert panel.settings == session.settings
    other = viewer.add_image(counted_frames(), name="other")
    session.layer = other
    assert panel.form.layer.layer() is other
    panel.form.layer.setCurrentIndex(0)
    panel.form.layer.activated.emit(0)
    assert session.layer is source


def test_a_place_is_proposed_until_one_is_chosen(panel_of, viewer, session, source, tmp_path):
    panel = panel_of(viewer)
    assert panel.form.path.name == "counted_unfolding_B4.safetensors"
    panel.form.ratio.setValue(5)
    assert panel.form.target.text() == "counted_unfolding_B5.safetensors"
    panel.form.set_path(tmp_path / "mine")
    panel.form.ratio.setValue(6)
    assert panel.form.path == tmp_path / "mine"
    panel.form.forget_path()
    panel.form.ratio.setValue(5)
    assert panel.form.target.text() == "counted_unfolding_B5.safetensors"


def test_the_place_is_asked_for(panel, monkeypatch, tmp_path):
    asked = []

    def answer(*arguments, **options):
        asked.append(arguments[2])
        return str(tmp_path / "there"), ""

    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", answer)
    panel.form.choose.click()
    assert asked == [str(tmp_path / "tuned.safetensors")]
    assert panel.form.path == tmp_path / "there"


def test_one_job_at_a_time(panel, session):
    session.busy = True
    assert not panel.start_button.isEnabled()
    panel.start()
    assert panel.worker is None
    session.busy = False
    assert panel.start_button.isEnabled()


# --- its effect -------------------------------------------------------------------------------


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


# --- curves -----------------------------------------------------------------------------------


def test_curves_are_drawn_in_the_colours_of_the_theme(panel, viewer):
    panel.show()
    dark = panel.plot.looks.opts["pen"].color().name()
    viewer.theme = "light"
    assert panel.plot.looks.opts["pen"].color().name() != dark
    assert panel.plot.backgroundBrush().color().lightnessF() > 0.5


def test_the_plot_shows_bulk_best_and_start(qtbot):
    plot = CurvesPlot()
    qtbot.addWidget(plot)
    assert not plot.start_line.isVisible()
    curves = Curves()
    losses = tuple((step, 0.5 + 0.01 * (step % 5), "movie") for step in range(1, 200))
    losses = (*losses[:50], (51, 900.0, "scenes"), *losses[51:], (200, float("nan"), "scenes"))
    curves.add(Learning(1, losses[:100], (0, 0.2, 0.2), 0.5, 1.0))
    curves.add(Learning(1, losses[100:], (150, 0.1, 0.1), 0.9, 0.1))
    plot.show_curves(curves)
    low, high = plot.loss_plot.viewRange()[1]
    assert 0.3 < low < high < 2, "a single bad step does not flatten the others"
    assert plot.start_line.value() == pytest.approx(20)
    assert plot.best.getData()[0][0] == 150
    assert plot.best.getData()[1][0] == pytest.approx(10)
    assert plot.error_plot.getAxis("left").labelUnits == "%"
    assert plot.error_plot.getAxis("bottom").labelText == "step"
    titles = [label.text for _, label in plot.loss_plot.legend.items]
    assert titles == ["this movie", "scenes of known truth"]
    titles = [label.text for _, label in plot.error_plot.legend.items]
    assert titles == ["held-out error", "best, is kept", "at the start"]
