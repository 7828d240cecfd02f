"""The step "Reconstruct" over a viewer without a canvas: built, wired, and its effect."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import CHOICES, WAIT, controls_without_tooltip

from napari_tcsdl._validation import Cancelled, DeviceError, InputError
from napari_tcsdl.display._qt.reconstruct_panel import NEEDS_A_FILE, ReconstructPanel
from napari_tcsdl.display._qt.run_panel import ABANDONED
from napari_tcsdl.display.choices import Choices
from napari_tcsdl.display.job import BlockReady, Prepared, ReconstructionJob
from napari_tcsdl.display.roles import RECONSTRUCTION
from napari_tcsdl.display.store import ResultStore


@pytest.fixture
def panel(compressed_layer, step_panel):
    """Over a compressed file of 9 frames, B = 4."""
    return step_panel(ReconstructPanel)


@pytest.fixture
def made_up(monkeypatch):
    """Runs give frames of ones, and wait for ``gate`` after the first block."""
    gate = threading.Event()

    def run(job, report, progress):
        store = ResultStore((9, 48, 40), 4, {RECONSTRUCTION: np.dtype(np.float32)})
        prepared = Prepared(job.generation, store)
        report(prepared)
        assert prepared.shown.wait(10)
        for index, count in enumerate((4, 4, 1)):
            store.write(RECONSTRUCTION, 4 * index, np.ones((count, 48, 40)))
            report(BlockReady(job.generation, index, 4 * index, count))
            while not gate.wait(0.01):
                if job.stop.is_set():
                    raise Cancelled

    monkeypatch.setattr(ReconstructionJob, "run", run)
    yield gate
    gate.set()


# --- built, wired -----------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits(panel):
    panel.show()
    panel.form.fold.head.click()
    assert controls_without_tooltip(panel) == []
    assert panel.form.parentWidget().minimumSizeHint().width() <= panel.minimumWidth() <= 450


def test_it_says_what_the_file_holds(panel):
    assert panel.form.facts.text() == "compressed file: 9 frames,  B = 4"
    assert panel.hint.text() == "4 frames = 1 s per measurement\nfixed by the file"
    assert panel.run_button.isEnabled()


def test_a_movie_is_refused_in_a_sentence(panel, viewer, layer):
    panel.form.layer.choose(layer)
    assert panel.hint.text() == NEEDS_A_FILE
    assert not panel.run_button.isEnabled()
    panel.start()
    assert not panel.running


def test_without_a_layer_it_says_what_to_do(panel, viewer):
    viewer.layers.clear()
    assert panel.hint.text() == ""
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."
    assert not panel.run_button.isEnabled()


def test_settings_of_the_decoder_are_shared_those_of_the_file_are_not(panel):
    before = panel.session.settings
    panel.form.decode_tile.setValue(128)
    assert panel.session.settings == replace(before, decode_tile=128), "B stays the user's"


# --- effect -----------------------------------------------------------------------------------


def test_the_frames_come_beside_their_measurements(panel, viewer, compressed_layer, qtbot):
    """Once with nothing made up."""
    panel.session.settings = replace(
        panel.session.settings, decoder="gap_tv", device="cpu", mask_tile=16
    )
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text() == "finished: 9 of 9 frames are done"
    result = viewer.layers["reconstruction"]
    assert result.data.shape == (9, 48, 40)
    assert result.data[8].any()
    np.testing.assert_allclose(result.scale, (0.25, 0.05, 0.05))
    assert [shown.name for shown in viewer.layers if shown.visible] == ["movie", "reconstruction"]
    assert panel.session.layer is compressed_layer


def test_cancel_keeps_what_is_done(panel, viewer, qtbot, made_up):
    panel.start()
    qtbot.waitUntil(lambda: panel.controller.run.frames_done == 4, timeout=WAIT)
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.status.text() == "cancelled: 4 of 9 frames are done"
    assert viewer.layers["reconstruction"].data[3].all()
    assert not viewer.layers["reconstruction"].data[4].any()


def test_results_deleted_while_running(panel, viewer, qtbot, made_up):
    panel.start()
    qtbot.waitUntil(lambda: "reconstruction" in viewer.layers, timeout=WAIT)
    viewer.layers.remove("reconstruction")
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.text() == ABANDONED
    assert panel.run_button.isEnabled()


def fail_off_the_cpu(monkeypatch, error):
    devices = []

    def run(job, report, progress):
        devices.append(job.settings.device)
        if job.settings.device != "cpu":
            raise error

    monkeypatch.setattr(ReconstructionJob, "run", run)
    return devices


def test_where_the_device_is_the_trouble_the_cpu_is_offered(panel, qtbot, monkeypatch):
    sentence = "got out of memory while decoding, expected room for one tile; choose 'cpu'"
    devices = fail_off_the_cpu(monkeypatch, DeviceError(sentence))
    panel.show()
    panel.start()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.text() == sentence
    assert panel.box.remedy.isVisible()
    assert panel.box.remedy.text() == "Run on the CPU"
    assert controls_without_tooltip(panel) == []
    panel.box.remedy.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert devices == ["auto", "cpu"]
    assert panel.session.settings.device == panel.form.device.currentData() == "cpu"
    assert panel.error.isHidden()
    assert panel.box.remedy.isHidden()


@pytest.mark.parametrize(
    ("device", "error"),
    [("cuda:0", InputError("got weights of another kind")), ("cpu", DeviceError("got no memory"))],
)
def test_where_the_cpu_would_not_help_it_is_not_offered(panel, qtbot, monkeypatch, device, error):
    panel.session.settings = replace(panel.session.settings, device=device)

    def fail(job, report, progress):
        raise error

    monkeypatch.setattr(ReconstructionJob, "run", fail)
    panel.start()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.text() == str(error)
    assert panel.box.remedy.isHidden()


def test_auto_without_another_device_is_the_cpu(panel, qtbot):
    qtbot.waitUntil(lambda: panel.form.device.count() == 3, timeout=WAIT)
    assert not panel.form.on_cpu(), "auto may take the GPU"
    panel.form.show_choices(Choices({"auto": "auto (cpu)", "cpu": "cpu"}, CHOICES.decoders))
    assert panel.form.on_cpu()
