"""The step "Compress" over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import threading

import pytest
from look_helpers import names_in
from panel_helpers import WAIT, controls_without_tooltip
from qtpy.QtWidgets import QFileDialog

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.display._qt.compress_panel import CompressPanel
from napari_tcsdl.display.compression_job import Compressed, CompressionJob
from napari_tcsdl.display.run import compressed_file
from napari_tcsdl.io import open_compressed


@pytest.fixture
def panel(layer, step_panel):
    """Over the calibrated movie of 9 frames, B = 4."""
    panel = step_panel(CompressPanel)
    panel.form.ratio.setValue(4)
    return panel


@pytest.fixture
def held(monkeypatch):
    """Jobs wait for ``gate`` before they begin, and heed Cancel."""
    gate, run = threading.Event(), CompressionJob.run

    def held_run(job, report, progress):
        while not gate.wait(0.01):
            if job.stop.is_set():
                raise Cancelled
        run(job, report, progress)

    monkeypatch.setattr(CompressionJob, "run", held_run)
    yield gate
    gate.set()


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits(panel):
    panel.show()
    panel.form.fold.head.click()
    assert controls_without_tooltip(panel) == []
    assert panel.form.parentWidget().minimumSizeHint().width() <= panel.minimumWidth() <= 450


def test_it_asks_for_what_compressing_needs_and_no_more(panel):
    panel.show()
    panel.form.fold.head.click()

    def seen():
        return {name for name in ("ratio", "masks", "seed", "exposures", "mask_tile", "decoder",
                                  "device", "reference", "weights", "decode_tile")
                if getattr(panel.form, name).isVisible()}  # fmt: skip

    needed = {"ratio", "masks", "seed", "exposures", "mask_tile"}
    assert seen() == needed
    choose = panel.form.deviation
    choose.setCurrentIndex(choose.findData("judged"))
    assert seen() == needed | {"decoder", "weights", "device"}
    choose.setCurrentIndex(choose.findData("stated"))
    assert seen() == needed


# --- wired ------------------------------------------------------------------------------------


def test_the_name_is_asked_for(panel, tmp_path, monkeypatch, held):
    asked = []

    def ask(parent, title, proposal, filters, options):
        asked.append((proposal, options))
        return str(tmp_path / "mine"), filters

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    panel.run_button.click()
    assert panel.worker.job.path == tmp_path / "mine.tcs.zarr"
    ((proposal, options),) = asked
    assert proposal == "lattice.tcs.zarr"
    assert options == QFileDialog.Option.DontConfirmOverwrite, "nothing will be replaced"


def test_without_a_name_nothing_begins(panel, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    panel.run_button.click()
    assert not panel.running


def test_what_is_compressed_already_is_not_compressed_again(panel, compressed_layer):
    panel.form.layer.choose(compressed_layer)
    assert not panel.run_button.isEnabled()
    assert panel.form.hint.text() == "It is compressed already: go on with Reconstruct."


def test_a_b_larger_than_the_movie_is_one_sentence(panel, tmp_path):
    panel.form.ratio.setValue(10)
    panel.compress(tmp_path / "mine.tcs.zarr")
    assert panel.error.text().startswith("got compression ratio B = 10 for a movie of 9 frames")
    assert not panel.running
    panel.form.ratio.setValue(4)
    assert panel.error.isHidden()


def test_b_is_recommended_with_the_reason(panel, monkeypatch, qtbot):
    class Advice:
        compression_ratio, reason = 6, "B = 6: nothing moves much"

    monkeypatch.setattr("napari_tcsdl.advice.recommend", lambda movie: Advice)
    panel.form.recommend.click()
    assert not panel.form.recommend.isEnabled()
    qtbot.waitUntil(lambda: panel.form.ratio.value() == 6, timeout=WAIT)
    assert panel.session.settings.compression_ratio == 6
    assert panel.status.text() == "B = 6: nothing moves much"
    assert panel.form.recommend.isEnabled()


def test_advice_for_a_movie_that_is_chosen_no_more_is_dropped(
    panel, viewer, frames, monkeypatch, qtbot
):
    go, gone = threading.Event(), threading.Event()

    class Advice:
        compression_ratio, reason = 6, "too late"

    def slow(movie):
        assert go.wait(10)
        gone.set()
        return Advice

    monkeypatch.setattr("napari_tcsdl.advice.recommend", slow)
    panel.form.recommend.click()
    panel.form.layer.choose(viewer.add_image(frames, name="other"))
    assert panel.form.recommend.isEnabled(), "nothing was asked about this one"
    go.set()
    assert gone.wait(10)
    qtbot.waitUntil(lambda: panel.status.text() == "", timeout=WAIT)
    assert panel.form.ratio.value() == 4


def test_no_advice_is_one_sentence(panel, monkeypatch, qtbot):
    def refuse(movie):
        raise InputError("got frames that are too small, expected larger ones; take others")

    monkeypatch.setattr("napari_tcsdl.advice.recommend", refuse)
    panel.form.recommend.click()
    qtbot.waitUntil(lambda: not panel.error.isHidden(), timeout=WAIT)
    assert panel.error.text().startswith("got frames that are too small")
    assert panel.form.recommend.isEnabled()
    assert panel.status.text() == ""


# --- effect -----------------------------------------------------------------------------------


def test_the_file_is_written_shown_and_chosen(panel, viewer, layer, tmp_path, qtbot):
    target = tmp_path / "mine.tcs.zarr"
    panel.compress(target)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.isHidden(), panel.error.text()
    compressed = open_compressed(target)
    assert compressed.compression_ratio == 4
    assert compressed.frames_valid == 9
    assert names_in(tmp_path) == [target.name]
    assert panel.bytes.values["raw"].text() == "17.3 kB"
    ratio = 9 * 48 * 40 / compressed.bytes_on_disk()["total"]
    assert panel.bytes.values["ratio"].text() == f"{ratio:.2f} ×"
    assert panel.status.text().startswith("mine.tcs.zarr: ")
    assert panel.status.text().endswith("/s of raw frames")
    assert panel.bar.value() == panel.bar.maximum()
    chosen = panel.session.layer
    assert chosen is viewer.layers[-1]
    assert compressed_file(chosen)["path"] == str(target)
    assert not panel.session.busy


def test_a_file_that_is_there_stays(panel, tmp_path, qtbot):
    target = tmp_path / "mine.tcs.zarr"
    target.mkdir()
    (target / "precious").write_text("data")
    panel.compress(target)
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.text().startswith(f"got output {target}, which exists already")
    assert panel.status.text() == "failed: nothing was written"
    assert names_in(target) == ["precious"]
    assert names_in(tmp_path) == [target.name]
    assert panel.box.remedy.isHidden(), "the CPU would not help"


def test_cancel_leaves_nothing(panel, viewer, tmp_path, qtbot, held):
    panel.compress(tmp_path / "mine.tcs.zarr")
    assert panel.session.busy
    assert panel.cancel_button.isEnabled()
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.status.text() == "cancelled: nothing was written"
    assert names_in(tmp_path) == []
    assert len(viewer.layers) == 1
    assert panel.bytes.values["total"].text() == "–"
    assert not panel.session.busy


def test_what_a_stopped_run_tells_after_all_is_dropped(panel, viewer, tmp_path, qtbot, monkeypatch):
    """A step may take longer than the patience of the window."""
    go, told = threading.Event(), threading.Event()

    def stubborn(job, report, progress):
        assert go.wait(10)
        report(Compressed(job.generation, 10, {"total": 5}, job.path, 1.0))
        told.set()

    monkeypatch.setattr(CompressionJob, "run", stubborn)
    panel.compress(tmp_path / "mine.tcs.zarr")
    panel.cancel()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    go.set()
    assert told.wait(10)
    qtbot.wait(50)
    assert panel.status.text() == "cancelled: nothing was written"
    assert panel.bytes.values["raw"].text() == "–"
    assert panel.error.isHidden(), "nobody tried to open it"


def test_an_error_is_one_sentence_and_the_next_run_can_begin(panel, tmp_path, qtbot, monkeypatch):
    def fail(job, report, progress):
        raise OutputError("got a full disk, expected room; free some")

    with monkeypatch.context() as patch:
        patch.setattr(CompressionJob, "run", fail)
        panel.compress(tmp_path / "mine.tcs.zarr")
        qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.text() == "got a full disk, expected room; free some"
    assert panel.run_button.isEnabled()
    panel.compress(tmp_path / "mine.tcs.zarr")
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.isHidden()
    assert names_in(tmp_path) == ["mine.tcs.zarr"]
