from __future__ import annotations

from pathlib import Path

import napari
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QDockWidget, QWidget

import napari_tcsdl
from napari_tcsdl.display import __main__ as ours
from napari_tcsdl.display.__main__ import areas, main, parse
from napari_tcsdl.display._qt.docks import SCORES, dock_title, open_dock, plugin_title
from napari_tcsdl.display.decoded import DecodedStack
from napari_tcsdl.display.preferences import PLUGIN


def test_options():
    options = parse(["movie.tif", "--run", "--ratio", "8", "--screenshot", "a.png"])
    assert (options.file, options.run, options.ratio) == ("movie.tif", True, 8)
    assert options.screenshot == "a.png"
    assert parse([]).file is None


def test_a_file_that_cannot_be_read_is_one_sentence(qtbot, tmp_path, capsys):
    assert main([str(tmp_path / "missing.tif")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "missing.tif" in line
    assert "expected" in line


def test_the_workbench_on_the_right_spectra_and_scores_below():
    offered = ["Load", "Scores", "FFT", "Workbench"]
    assert areas(offered) == {"Workbench": "right", "FFT": "bottom", "Scores": "bottom"}
    assert areas(["Workbench"]) == {"Workbench": "right"}


def test_the_manifest_has_all_that_is_opened():
    path = Path(napari_tcsdl.__file__).parent / "napari.yaml"
    manifest = PluginManifest.from_file(path)
    assert manifest.display_name == manifest.name  # napari -w knows the one, its menu the other
    offered = {widget.display_name for widget in manifest.contributions.widgets}
    assert {ours.MAIN, *ours.BELOW} <= offered


@pytest.fixture
def started(window, monkeypatch):
    """Start with arguments in a viewer that the test's own fixture takes down again."""
    opened = []

    def make(**kwargs):
        kwargs.pop("title")
        opened.append(window(show=True, **kwargs))
        return opened[-1]

    monkeypatch.setattr(napari, "Viewer", make)
    monkeypatch.setattr(napari, "run", lambda: None)

    def start(*arguments):
        assert main(arguments) == 0
        return opened[-1]

    return start


class Panel(QWidget):
    """A workbench that only says what was done to it."""

    def __init__(self, viewer):
        super().__init__()
        self.viewer, self.done = viewer, []
        self.form = self.ratio = self.compare = self

    def setValue(self, value):  # noqa: N802 - Qt's name
        self.done.append(value)

    def start(self):
        self.done.append("start")


@pytest.fixture
def offered(monkeypatch):
    """Widgets in the place of those of the manifest."""

    class Widget:
        def __init__(self, name):
            self.display_name = name

        def get_callable(self):
            return Panel

    names = ["FFT", "Workbench", "Scores", "Train"]
    monkeypatch.setattr(ours, "_offered", lambda: {name: Widget(name) for name in names})


def test_the_whole_arrangement_opens_at_once(started, offered, movie_path, qtbot):
    viewer = started(str(movie_path), "--ratio", "8", "--run")
    bench, *below = [dock_title(name) for name in ("Workbench", "FFT", "Scores")]
    docks = {
        dock.windowTitle(): dock
        for dock in viewer.window._qt_window.findChildren(QDockWidget)
        if dock.windowTitle().endswith(f"({plugin_title()})")
    }
    assert set(docks) == {bench, *below}
    places = {name: viewer.window._qt_window.dockWidgetArea(d).name for name, d in docks.items()}
    assert places[bench].startswith("Right")
    assert places[below[0]].startswith("Bottom")
    workbench = viewer.window.dock_widgets[bench]
    assert workbench.done == [8, "start"]
    assert viewer.layers[0].name == movie_path.name
    zoom = []
    viewer.scene.camera.events.zoom.connect(lambda event: zoom.append(event.value))
    qtbot.waitUntil(lambda: docks[below[0]].height() < viewer.window._qt_window.height() / 2)
    viewer.scene.camera.zoom *= 3
    qtbot.waitUntil(lambda: len(zoom) > 1)  # fitted once there is room


def test_a_compressed_file_is_decoded_in_its_window(started, offered, compressed_path):
    viewer = started(str(compressed_path))
    assert isinstance(viewer.layers[1].data, DecodedStack)
    viewer.layers[1].data.close()


def test_a_dock_that_napari_has_opened_is_not_opened_again(window):
    """``napari -w`` calls it by the plugin's name."""
    viewer = window(show=True)
    _, scores = viewer.window.add_plugin_dock_widget(PLUGIN, SCORES)
    assert open_dock(viewer, SCORES) is scores
    assert len(viewer.window.dock_widgets) == 1
