"""The workbench: one job at a time, from one step to the next."""

from __future__ import annotations

import threading
from dataclasses import replace

from panel_helpers import (
    WAIT,
    held_run,
)
from workbench_helpers import FORMS, MINE, run_buttons

from napari_tcsdl._validation import DeviceError
from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display.job import ComparisonJob


def test_while_one_step_is_at_work_no_other_can_begin(bench, qtbot, made_up, tmp_path):
    bench.compare.start()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    assert not any(button.isEnabled() for button in run_buttons(bench).values())
    cancels = {name for name in FORMS if bench.panel(name).cancel_button.isEnabled()}
    assert cancels == {"Compare"}
    for name in ("Compress", "Load"):
        assert not bench.panel(name).form.layer.isEnabled(), name
    assert not bench.compare.presets.ask_load.isEnabled()
    bench.panel("Compress").compress(tmp_path / "mine.tcs.zarr")
    bench.panel("Reconstruct").start()
    assert not bench.panel("Compress").running
    made_up.set()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    enabled = {name for name, button in run_buttons(bench).items() if button.isEnabled()}
    assert enabled >= {"Load", "Compress", "Compare"}
    assert "Reconstruct" not in enabled, "it needs a file"


def test_a_step_that_was_closed_does_not_end_the_job_of_another(
    bench, viewer, qtbot, monkeypatch, tell
):
    """What a thread tells late must not set the next one free."""
    go = threading.Event()

    def stubborn(job, report, progress):
        assert go.wait(10)

    monkeypatch.setattr(ComparisonJob, "run", stubborn)
    other = ComparePanel(viewer)
    qtbot.addWidget(other)
    other.start()
    monkeypatch.setattr("napari_tcsdl.display._qt.panel.JOIN_SECONDS", 0.0)
    other.shut_down()
    assert not bench.compare.session.busy
    gate = threading.Event()
    monkeypatch.setattr(ComparisonJob, "run", held_run(tell, gate))
    bench.compare.start()
    go.set()
    qtbot.waitUntil(lambda: bench.compare.controller.run.frames_done == 4, timeout=WAIT)
    qtbot.wait(50)
    assert bench.compare.session.busy
    gate.set()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)


def test_from_compress_to_reconstruct(bench, viewer, qtbot, tmp_path):
    compress, reconstruct = bench.panel("Compress"), bench.panel("Reconstruct")
    assert not reconstruct.run_button.isEnabled()
    compress.compress(tmp_path / "mine.tcs.zarr")
    qtbot.waitUntil(lambda: not compress.running and len(viewer.layers) == 2, timeout=WAIT)
    assert reconstruct.run_button.isEnabled()
    assert reconstruct.form.layer.layer().name == "mine"
    reconstruct.start()
    qtbot.waitUntil(lambda: not reconstruct.running, timeout=WAIT)
    assert reconstruct.error.isHidden(), reconstruct.error.text()
    assert viewer.layers["reconstruction"].data[8].any()
    assert not bench.compare.results.table.isVisibleTo(bench.compare)


def test_from_a_part_to_a_comparison(bench, viewer, qtbot, made_up):
    load = bench.panel("Load")
    load.last.setValue(5)
    load.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    made_up.set()
    bench.compare.form.ratio.setValue(2)
    bench.compare.start()
    assert bench.compare.worker.job.movie.shape == (6, 48, 40)
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert bench.compare.status.text() == "finished: 6 of 6 frames are done"


def test_where_a_gpu_is_the_trouble_compare_offers_the_cpu(bench, qtbot, monkeypatch, tell):
    bench.compare.session.settings = replace(MINE, device="cuda:0")
    gate = threading.Event()
    gate.set()
    good = held_run(tell, gate)

    def run(job, report, progress):
        if job.settings.device != "cpu":
            raise DeviceError("got out of memory while decoding, expected room for one tile")
        good(job, report, progress)

    monkeypatch.setattr(ComparisonJob, "run", run)
    bench.compare.start()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert not bench.compare.box.remedy.isHidden()
    bench.compare.box.remedy.click()
    qtbot.waitUntil(lambda: not bench.compare.running, timeout=WAIT)
    assert bench.compare.status.text() == "finished: 9 of 9 frames are done"
    assert bench.panel("Reconstruct").form.device.currentData() == "cpu"
