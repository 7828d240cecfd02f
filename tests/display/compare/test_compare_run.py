"""Runs of the step "Compare": shown, cancelled, failed, and let go of."""

from __future__ import annotations

import threading

import numpy as np

from napari_tcsdl._validation import DeviceError
from napari_tcsdl.display.job import ComparisonJob

WAIT = 60_000


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
    assert (
        dock.results.caption.text()
        == "frame 6 of the run with B = 4\nwhole field, against raw frames"
    )
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
    assert dock.results.caption.text().startswith("frame 7 of ")
    assert filled == []
