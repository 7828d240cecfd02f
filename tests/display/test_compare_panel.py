"""The dock over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from napari.layers._source import layer_source
from qtpy.QtWidgets import QAbstractButton, QComboBox, QProgressBar

from napari_tcsdl._validation import DeviceError
from napari_tcsdl._words import human_bytes
from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display.job import ComparisonJob
from napari_tcsdl.io import open_compressed

WAIT = 60_000


@pytest.fixture
def dock_of(qtbot):
    docks = []

    def make(viewer) -> ComparePanel:
        dock = ComparePanel(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        return dock

    yield make
    for dock in docks:
        dock.shut_down()


@pytest.fixture
def dock(dock_of, viewer, layer):
    """Over the calibrated movie of 9 frames, B = 4, scored against raw frames."""
    dock = dock_of(viewer)
    dock.form.ratio.setValue(4)
    dock.form.reference.setCurrentIndex(dock.form.reference.findData("raw"))
    return dock


@pytest.fixture
def made_up(monkeypatch, tell):
    """Runs report made-up results at once; ``gate`` holds them after the first block."""
    gate = threading.Event()

    def run(job, report, progress):
        prepared = tell.prepared(job)
        report(prepared)
        assert prepared.shown.wait(10)
        for index in range(3):
            report(tell.block(job, prepared.store, index))
            progress((index + 1) / 3)
            while not gate.wait(0.01):
                progress((index + 1) / 3)
                if job.stop.is_set():
                    from napari_tcsdl._validation import Cancelled

                    raise Cancelled
        report(tell.finished(job, prepared.store))

    monkeypatch.setattr(ComparisonJob, "run", run)
    yield gate
    gate.set()


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip(dock):
    kinds = (QAbstractButton, QComboBox, QProgressBar)
    controls = [
        w for kind in kinds for w in dock.findChildren(kind) if w.parent() is not dock.results.table
    ]
    assert len(controls) >= 10
    assert [control for control in controls if not control.toolTip()] == [dock.box.remedy]


def test_devices_are_named_without_waiting_for_torch(dock, qtbot):
    qtbot.waitUntil(lambda: dock.form.device.count() > 1, timeout=WAIT)
    texts = [dock.form.device.itemText(i) for i in range(dock.form.device.count())]
    assert texts[0].startswith("auto (")
    assert any(text.startswith("cpu:") for text in texts)


def test_it_fits_a_small_screen(dock):
    assert dock.minimumSizeHint().height() < 300
    assert dock.minimumWidth() <= 450


# --- wired ------------------------------------------------------------------------------------


def test_without_a_movie_it_says_what_to_do(dock_of, viewer):
    dock = dock_of(viewer)
    assert not dock.run_button.isEnabled()
    assert dock.form.facts.text() == "Open a movie, or drop it into the window."


def test_a_layer_that_is_no_movie_is_named_in_place(dock_of, viewer):
    dock = dock_of(viewer)
    viewer.add_image(np.ones((8, 9)), name="one")
    assert dock.form.facts.text().startswith("one: got one image of 8 × 9, expected a movie")
    assert not dock.run_button.isEnabled()


def test_layers_are_followed(dock, viewer, layer, frames):
    assert dock.form.layer.layer() is layer
    other = viewer.add_image(frames, name="other")
    layer.name = "renamed"
    texts = [dock.form.layer.itemText(i) for i in range(dock.form.layer.count())]
    assert texts == ["renamed", "other"]
    viewer.layers.remove(layer)
    assert dock.form.layer.layer() is other


def test_a_tiff_opened_by_napari_gets_the_calibration_of_its_file(
    dock, viewer, frames, movie_path, qtbot
):
    with layer_source(path=str(movie_path)):
        layer = viewer.add_image(frames, name="from file")
    dock.form.layer.choose(layer)
    qtbot.waitUntil(lambda: str(layer.units[1]) == "nanometer", timeout=WAIT)
    np.testing.assert_allclose(layer.scale, (0.25, 0.05, 0.05))
    assert "0.05 nm/px,  0.25 s per frame" in dock.form.facts.text()


# --- effect -----------------------------------------------------------------------------------


def test_run_shows_layers_scores_and_real_bytes(dock, viewer, qtbot, made_up):
    made_up.set()
    dock.run_button.click()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert [layer.name for layer in viewer.layers][1:] == [
        "raw",
        "reconstruction",
        "JPEG",
        "measurement",
    ]
    assert dock.status.text() == "finished: 9 of 9 frames are done"
    assert dock.bar.value() == dock.bar.maximum() == 1000
    table = dock.results.table
    viewer.dims.set_point(0, 1.5)
    assert dock.form.layer.count() == 1, "results are not offered as input"
    assert table.item(1, 0).text() == "unfolding network"
    assert table.item(1, 1).text() == "27.00"
    assert table.item(1, 3).text() == "25.00"
    assert dock.results.caption.text() == "frame 6, whole field, against raw frames  (B = 4)"
    assert dock.results.bytes["total"].text() == "1 kB"
    assert dock.results.bytes["ratio"].text() == "0.90 ×"
    assert dock.save_button.isEnabled()


def test_cancel_is_quick_and_everything_is_usable_after_it(dock, viewer, qtbot, made_up):
    dock.start()
    qtbot.waitUntil(lambda: dock.controller.run.frames_done == 4, timeout=WAIT)
    assert not dock.run_button.isEnabled()
    assert not dock.form.ratio.isEnabled()
    dock.cancel_button.click()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=1000)
    assert dock.status.text() == "cancelled: 4 of 9 frames are done"
    assert dock.run_button.isEnabled()
    assert not dock.cancel_button.isEnabled()
    assert not dock.save_button.isEnabled()
    made_up.set()
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert dock.status.text() == "finished: 9 of 9 frames are done"


def test_a_run_that_does_not_heed_cancel_ends_in_the_background(
    dock, viewer, qtbot, monkeypatch, tell
):
    go, late = threading.Event(), []

    def run(job, report, progress):
        late.append(job)
        assert go.wait(10)
        report(tell.prepared(job))

    monkeypatch.setattr(ComparisonJob, "run", run)
    dock.start()
    dock.cancel()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=1000)
    assert dock.run_button.isEnabled()
    dock.start()
    dock.cancel()
    go.set()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=1000)
    assert len(late) == 2
    assert len(viewer.layers) == 1, "what comes late is dropped"


def test_an_error_is_one_sentence_in_the_dock(dock, qtbot, monkeypatch):
    sentence = "got out of memory while decoding, expected room for one tile; choose 'cpu'"

    def fail(job, report, progress):
        raise DeviceError(sentence)

    monkeypatch.setattr(ComparisonJob, "run", fail)
    dock.show()
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert dock.error.text() == sentence
    assert dock.error.isVisible()
    assert dock.error.wordWrap()
    assert dock.status.text() == "failed: 0 of 9 frames are done"
    assert dock.run_button.isEnabled()


def test_b_larger_than_the_movie(dock, viewer):
    dock.form.ratio.setValue(30)
    dock.start()
    assert dock.error.text().startswith(
        "got compression ratio B = 30 for a movie of 9 frames, expected B ≤ 9"
    )
    assert dock.worker is None
    dock.form.ratio.setValue(4)
    assert dock.error.isHidden(), "a change of the settings clears the sentence"


def test_results_deleted_while_running(dock, viewer, layer, qtbot, made_up):
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=WAIT)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=1000)
    assert dock.error.text().startswith("got the result layers deleted while they were computed")
    viewer.add_layer(layer)
    made_up.set()
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert dock.status.text() == "finished: 9 of 9 frames are done"
    assert dock.error.isHidden()


def test_the_compressed_file_can_be_saved_and_never_replaces_another(dock, viewer, qtbot, tmp_path):
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    dock.save(tmp_path / "kept")
    target = tmp_path / "kept.tcs.zarr"
    qtbot.waitUntil(lambda: dock.status.text().startswith("saved kept.tcs.zarr"), timeout=WAIT)
    assert open_compressed(target).frames_valid == 9
    dock.save(target)
    qtbot.waitUntil(lambda: "which exists already" in dock.error.text(), timeout=WAIT)


def test_the_copy_is_made_and_weighed_in_a_thread(dock, qtbot, tmp_path, monkeypatch):
    """A folder of thousands of files may lie on a slow disk."""
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    where, weigh = [], Path.rglob

    def rglob(self, pattern):
        where.append(threading.current_thread())
        return weigh(self, pattern)

    monkeypatch.setattr(Path, "rglob", rglob)
    dock.save(tmp_path / "kept")
    qtbot.waitUntil(lambda: dock.status.text().startswith("saved kept.tcs.zarr"), timeout=WAIT)
    assert where
    assert threading.main_thread() not in where
    size = sum(file.stat().st_size for file in weigh(tmp_path, "*") if file.is_file())
    assert dock.status.text() == f"saved kept.tcs.zarr, {human_bytes(size)}"


def test_a_measurement_can_be_reconstructed(dock_of, viewer, compressed_layer, qtbot):
    dock = dock_of(viewer)
    assert dock.run_button.text() == "Reconstruct"
    assert dock.form.facts.text() == "compressed file: 9 frames,  B = 4"
    assert not dock.form.ratio.isEnabled()
    assert dock.form.ratio.value() == 4, "the file's B, not the one chosen before"
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert viewer.layers["reconstruction"].data.shape == (9, 48, 40)
    assert dock.error.isHidden()
    assert dock.results.table.isHidden(), "there is nothing to compare with"
    assert dock.results.bytes["raw"].text() == "17.3 kB"


def test_the_dock_lets_go_of_the_viewer(dock, viewer, layer, qtbot, made_up):
    dock.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 5, timeout=WAIT)
    dock.shut_down()
    assert not viewer.canvas.grid.enabled
    assert layer.visible
    viewer.layers.clear()
    viewer.add_image(np.ones((3, 4, 5)))
    assert dock.form.layer.count() == 1, "no event reaches a dock that was shut down"


def test_a_run_begun_in_a_swipe_leaves_no_grid_behind(dock, viewer, qtbot, made_up, without_canvas):
    made_up.set()
    before = viewer.canvas.grid.model_dump()
    for _ in range(2):
        dock.start()
        qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
        dock.view.modes.set_mode("swipe")
        assert not viewer.canvas.grid.enabled
    dock.inputs.opened.emit()
    assert dock.view.modes.mode == "grid"
    assert viewer.canvas.grid.model_dump() == before
    dock.shut_down()
    assert viewer.canvas.grid.model_dump() == before


def test_a_step_of_the_slider_fills_no_list_anew(dock, viewer, qtbot, made_up, monkeypatch):
    made_up.set()
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    filled = []
    monkeypatch.setattr(dock.view.modes, "follow", lambda: filled.append(viewer.dims.point))
    for step in (2, 5, 7):
        viewer.dims.set_current_step(0, step)
    assert dock.results.caption.text().startswith("frame 7, ")
    assert filled == []
