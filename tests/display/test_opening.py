"""The button "Open…": built, wired, and what comes of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_tcsdl.display._qt import inputs
from napari_tcsdl.display._qt.compare_panel import ComparePanel
from napari_tcsdl.display._qt.opening import EVERYTHING, OpenButton
from napari_tcsdl.display.choices import find_choices
from napari_tcsdl.display.lazy import LazyStack

WAIT = 60_000


@pytest.fixture
def dock(qtbot, viewer):
    dock = ComparePanel(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.shut_down()


@pytest.fixture
def folder(tmp_path, frames):
    """A folder of TIFF frames without calibration."""
    import tifffile

    path = tmp_path / "frames"
    path.mkdir()
    for k, frame in enumerate(frames):
        tifffile.imwrite(path / f"frame{k}.tif", frame)
    return path


# --- built, wired -----------------------------------------------------------------------------


def test_files_and_folders_can_be_asked_for(qtbot, monkeypatch):
    button = OpenButton()
    qtbot.addWidget(button)
    asked = []

    def file_name(parent, title, folder, filters):
        asked.append(filters)
        return "/data/movie.tif", filters

    monkeypatch.setattr(QFileDialog, "getOpenFileName", file_name)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "/data/a.tcs.zarr")
    with qtbot.waitSignal(button.chosen) as chosen:
        button.ask_file.trigger()
    assert chosen.args == ["/data/movie.tif"]
    with qtbot.waitSignal(button.chosen) as chosen:
        button.ask_folder.trigger()
    assert chosen.args == ["/data/a.tcs.zarr"]
    assert asked == [EVERYTHING]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    with qtbot.assertNotEmitted(button.chosen):
        button.ask_folder.trigger()


def test_the_dialog_offers_the_formats_that_can_be_read(qtbot):
    button = OpenButton()
    qtbot.addWidget(button)
    button.offer(find_choices().formats)
    rows = button.filters.split(";;")
    assert rows[0].startswith("Movies (*.tif *.tiff ")
    assert "*.mrc" in rows[0]
    assert rows[-1] == EVERYTHING
    assert all(row.count("(") == 1 for row in rows), "a second parenthesis hides the patterns"


# --- effect -----------------------------------------------------------------------------------


def test_a_tiff_opens_lazily_calibrated_and_chosen(dock, viewer, layer, movie_path, frames, qtbot):
    dock.form.open.chosen.emit(str(movie_path))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    opened = dock.form.layer.layer()
    assert opened is viewer.layers[1]
    assert isinstance(opened.data, LazyStack)
    np.testing.assert_array_equal(opened.data[3], frames[3])
    np.testing.assert_allclose(opened.scale, (0.25, 0.05, 0.05))
    assert "0.05 nm/px,  0.25 s per frame" in dock.form.facts.text()
    assert dock.status.text() == f"opened {movie_path.name}"
    assert dock.form.open.isEnabled()


def test_a_folder_of_frames_opens(dock, viewer, folder, frames, qtbot):
    dock.inputs.open(folder)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=WAIT)
    assert dock.form.layer.layer().data.shape == frames.shape
    assert "pixel size unknown" in dock.form.facts.text()
    assert dock.run_button.isEnabled()


def test_a_compressed_file_opens(dock, viewer, compressed_path, qtbot):
    dock.inputs.open(compressed_path)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT)
    assert dock.run_button.text() == "Reconstruct"
    assert [dock.form.layer.itemText(i) for i in range(dock.form.layer.count())] == ["movie"]


def test_a_file_that_cannot_be_read_is_one_sentence_in_place(dock, viewer, tmp_path, qtbot):
    path = tmp_path / "notes.txt"
    path.write_text("no movie")
    dock.inputs.open(path)
    qtbot.waitUntil(lambda: not dock.error.isHidden(), timeout=WAIT)
    assert dock.error.text().startswith("got notes.txt, which is of no known format, expected TIFF")
    assert dock.form.open.isEnabled()
    assert not viewer.layers


def test_reading_does_not_hold_up_the_window(dock, viewer, qtbot, monkeypatch):
    go, where = threading.Event(), []

    def slow(path, decoded):
        where.append(threading.current_thread())
        assert go.wait(10)
        return []

    monkeypatch.setattr(inputs, "read_layers", slow)
    dock.inputs.open("slow.tif")
    assert dock.status.text() == "opening slow.tif…"
    assert not dock.form.open.isEnabled()
    go.set()
    qtbot.waitUntil(dock.form.open.isEnabled, timeout=WAIT)
    assert where != [threading.main_thread()]


def test_a_file_that_comes_after_the_dock_has_closed_is_dropped(
    dock, viewer, movie_path, qtbot, monkeypatch
):
    go, read = threading.Event(), inputs.read_layers
    monkeypatch.setattr(inputs, "read_layers", lambda path: go.wait(10) and read(path))
    dock.inputs.open(movie_path)
    go.set()
    dock.shut_down()
    qtbot.wait(100)
    assert not viewer.layers


def test_another_movie_leaves_the_boxes_of_the_last_run(dock, viewer, layer, movie_path, qtbot):
    dock.form.ratio.setValue(4)
    dock.form.reference.setCurrentIndex(dock.form.reference.findData("raw"))
    dock.start()
    qtbot.waitUntil(lambda: dock.worker is None, timeout=WAIT)
    assert viewer.canvas.grid.enabled
    dock.inputs.open(movie_path)
    qtbot.waitUntil(lambda: len(viewer.layers) == 6, timeout=WAIT)
    assert not viewer.canvas.grid.enabled
    assert [shown.name for shown in viewer.layers if shown.visible] == [
        "lattice",
        viewer.layers[-1].name,
    ]
    assert dock.save_button.isEnabled(), "the results are still there"
