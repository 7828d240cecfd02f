"""The step "Compare" over a viewer without a canvas: built, and wired."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from napari.layers._source import layer_source
from qtpy.QtWidgets import QAbstractButton, QComboBox, QProgressBar

from napari_tcsdl._words import human_bytes
from napari_tcsdl.io import open_compressed

WAIT = 60_000


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
