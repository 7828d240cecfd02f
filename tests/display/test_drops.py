"""Drag and drop into a real window: files are napari's, folders that are movies are ours."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
import tifffile
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_tcsdl.display._qt.drops import FolderDrops
from napari_tcsdl.display.preferences import open_without_asking

NONE, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier

# PySide6 deprecates the constructors of drag and drop events, and has no others for tests.
pytestmark = pytest.mark.filterwarnings("ignore:Function.*Event:DeprecationWarning")


@pytest.fixture
def asked(window, monkeypatch):
    """Paths for which napari asks what reader to take."""
    import napari._qt.qt_viewer as qt_viewer

    before = get_settings().plugins.extension2reader
    found = []
    monkeypatch.setattr(
        qt_viewer, "handle_gui_reading", lambda paths, *_, **__: found.append(paths)
    )
    yield found
    get_settings().plugins.extension2reader = before


@pytest.fixture
def viewer(window):
    return window(show=True)


@pytest.fixture
def folder(tmp_path, frames):
    path = tmp_path / "frames"
    path.mkdir()
    for k, frame in enumerate(frames):
        tifffile.imwrite(path / f"frame{k}.tif", frame)
    return path


def drop(target: QWidget, *paths, modifiers=NONE) -> None:
    """Drop ``paths``, as the desktop does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(9, 9), copy, data, left, modifiers))
    QApplication.sendEvent(target, QDropEvent(QPointF(9, 9), copy, data, left, modifiers))
    QApplication.processEvents()


@pytest.fixture
def ours(viewer, asked):
    """Folders that an open workbench is given, and what gives them."""
    widget, given = QLabel("workbench"), []
    viewer.window.add_dock_widget(widget)
    drops = FolderDrops(widget, given.append)
    yield given, drops
    drops.close()


def test_mrc_opens_lazily_without_a_question(viewer, asked, tmp_path, frames):
    with mrcfile.new(tmp_path / "movie.mrc", frames.astype(np.uint16)) as file:
        file.voxel_size = 0.5
    drop(viewer.window._qt_viewer, tmp_path / "movie.mrc")
    np.testing.assert_allclose(viewer.layers[0].scale[1:], 0.05)
    assert not asked


def test_tiff_is_left_to_napari_without_a_question(viewer, asked, movie_path):
    drop(viewer.window._qt_viewer, movie_path)
    assert viewer.layers[0].source.reader_plugin == "napari"
    assert not asked


def test_a_compressed_file_opens_without_a_question_where_preferences_say_so(
    viewer, asked, compressed_path
):
    open_without_asking()
    drop(viewer.window._qt_viewer, compressed_path)
    assert [layer.name for layer in viewer.layers] == [
        "movie",
        "movie reconstruction (unfolding network)",
    ]
    assert not asked
    viewer.layers[1].data.close()


def test_without_a_workbench_napari_asks_about_folders(viewer, asked, folder):
    drop(viewer.window._qt_viewer, folder)
    assert asked == [[str(folder)]]


def test_a_workbench_takes_folders_that_are_movies(viewer, asked, ours, folder, compressed_path):
    given, drops = ours
    drop(viewer.window._qt_viewer, folder, compressed_path)
    assert given == [str(folder), str(compressed_path)]
    welcome = next(w for w in drops._targets if w is not viewer.window._qt_viewer)
    drop(welcome, folder)
    assert len(given) == 3
    assert not asked


def test_a_workbench_leaves_the_rest_to_napari(viewer, asked, ours, folder, tmp_path, movie_path):
    given, drops = ours
    other = tmp_path / "notes"
    other.mkdir()
    drop(viewer.window._qt_viewer, other)
    drop(viewer.window._qt_viewer, movie_path)
    assert not given
    assert asked == [[str(other)]]
    drops.close()
    drop(viewer.window._qt_viewer, folder)
    assert not given
    assert asked[1:] == [[str(folder)]]


def test_whoever_holds_alt_wants_to_choose(viewer, asked, ours, folder):
    given, _ = ours
    drop(viewer.window._qt_viewer, folder, modifiers=ALT)
    assert not given


def test_in_another_window_there_is_nothing_to_take(qtbot):
    widget = QLabel()
    qtbot.addWidget(widget)
    assert not FolderDrops(widget, print)._targets
