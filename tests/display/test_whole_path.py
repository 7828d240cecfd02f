"""What a microscopist does from the sample to closing the docks, by mouse and keys alone."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress

import mrcfile
import pytest
from look_helpers import no_thread_lives
from mouse import choose, click, click_menu, drag, show_in_panel, title_bar_of, type_into
from planted_fringes import ANGLES, PIXEL, D, click_spectrum, place_of, planted
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QApplication, QWidget

from napari_tcsdl.display._qt.divider import Divider, NameTag
from napari_tcsdl.display._qt.docks import FFT, SCORES, plugin_title
from napari_tcsdl.display._qt.mode_bar import GRID
from napari_tcsdl.display._qt.score_controls import PSNR
from napari_tcsdl.display.duo import SWIPE
from napari_tcsdl.display.session import Session

WAIT = 180_000
SIDE, FRAMES, RATIO = 192, 12, 4
SAMPLE = "Au nanocrystals sinter (simulated)"


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A small movie with the fringes of gold in the place of the sample."""
    path = tmp_path / "sample.mrc"
    with mrcfile.new(path, planted(SIDE, FRAMES)) as file:
        file.set_image_stack()
        file.voxel_size = 10 * PIXEL
    monkeypatch.setattr("napari_tcsdl.simulate.sample_movie_path", lambda name: path)
    return path


class Person:
    """At a window with mouse and keys; what is asked of the window otherwise is only looked at."""

    def __init__(self, viewer, qtbot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.main = viewer.window._qt_window
        self.canvas = viewer.window._qt_viewer.canvas.native

    def until(self, condition) -> None:
        self.qtbot.waitUntil(condition, timeout=WAIT)

    def key(self, key) -> None:
        self.qtbot.keyClick(self.canvas, key)

    @property
    def frame(self) -> int:
        return self.viewer.dims.current_step[0]

    @property
    def shown(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers if layer.visible]

    def docked(self, name: str):
        return next(
            widget
            for title, widget in self.viewer.window.dock_widgets.items()
            if title.split(" (")[0] == name
        )

    # --- what is done, one after the other ------------------------------------------------------

    def load_and_open(self) -> None:
        bar = self.main.menuBar()
        click_menu(self.qtbot, bar, "File", "Open Sample", plugin_title(), SAMPLE)
        assert [layer.name for layer in self.viewer.layers] == [SAMPLE]
        assert str(self.viewer.layers[0].units[-1]) == "nanometer"
        click_menu(self.qtbot, bar, "Plugins", plugin_title(), "Workbench")
        self.bench = weakref.proxy(self.docked("Workbench"))
        self.panel = weakref.proxy(self.bench.compare)
        self.until(lambda: self.panel.form.device.count() > 1)

    def run(self) -> None:
        form = self.panel.form
        type_into(self.qtbot, form.ratio, str(RATIO))
        choose(self.qtbot, form.decoder, "GAP-TV")
        choose(self.qtbot, form.reference, "raw frames")
        settings = self.panel.session.settings
        chosen = settings.compression_ratio, settings.decoder, settings.reference
        assert chosen == (RATIO, "gap_tv", "raw")
        self.click_in_panel(self.panel.run_button)
        self.until(lambda: not self.panel.running)
        assert self.panel.error.isHidden(), self.panel.error.text()
        assert self.panel.status.text() == f"finished: {FRAMES} of {FRAMES} frames are done"
        assert self.shown == ["raw", "reconstruction", "JPEG", "measurement"]
        self.spectra, self.scores = (weakref.proxy(self.docked(name)) for name in (FFT, SCORES))

    def click_in_panel(self, button) -> None:
        show_in_panel(self.panel, button)
        click(self.qtbot, button)

    def scrub(self) -> None:
        """By keys, by blocks, and by the slider itself."""
        before = self.frame
        for _ in range(2):
            self.key(Qt.Key.Key_Right)
        assert self.frame == before + 2
        self.key(Qt.Key.Key_Left)
        self.key(Qt.Key.Key_PageUp)
        assert self.frame == before + 1 - RATIO
        slider = self.viewer.window._qt_viewer.dims.slider_widgets[0].slider
        width, middle = slider.width(), slider.height() // 2
        handle = round(width * self.frame / (FRAMES - 1))
        drag(self.qtbot, slider, QPoint(min(max(handle, 3), width - 3), middle), QPoint(0, middle))
        assert self.frame == 0
        text = f"frame 0 of the run with B = {RATIO}\n{self.panel.controller.run.board.basis.text}"
        assert self.panel.results.caption.text() == text

    def click_spots(self) -> None:
        """Each planted spot: d within 1 %."""
        spectra, table = self.spectra, self.spectra.table
        self.until(lambda: spectra.controller.shown is not None and table.rowCount() > 0)
        click(self.qtbot, spectra.spots.clear_button)
        assert table.rowCount() == 0
        for row, name in enumerate(D):
            qx, qy = place_of(name)
            click_spectrum(spectra.view, 0, qx + 0.06, qy - 0.06)
            assert table.rowCount() == row + 1
            assert float(table.item(row, 0).text()) == pytest.approx(D[name], rel=0.01)
            assert float(table.item(row, 2).text()) == pytest.approx(ANGLES[name], abs=1)

    def drag_marker(self) -> None:
        plot = self.scores.view.plots[PSNR]
        self.until(lambda: "gap_tv" in plot.curves and plot.marker.value() == 0)

        def place(frame: float) -> QPoint:
            low, high = plot.getViewBox().viewRange()[1]
            scene = plot.getViewBox().mapViewToScene(QPointF(frame, (low + high) / 2))
            return plot.mapFromScene(scene)

        for start, stop in ((0, 7), (7, 3)):
            drag(self.qtbot, plot.viewport(), place(start), place(stop))
            self.until(lambda stop=stop: self.frame == stop)
            assert plot.marker.value() == stop

    def swipe(self) -> None:
        self.key(Qt.Key.Key_U)
        modes = self.panel.view.modes
        assert modes.mode == SWIPE
        assert not self.viewer.canvas.grid.enabled
        self.qtbot.wait(50)
        (divider,) = self.canvas.findChildren(Divider)
        assert divider.isVisible()
        middle = divider.rect().center()
        drag(self.qtbot, divider, middle, middle - QPoint(self.canvas.width() // 4, 0))
        assert modes.duo.position == pytest.approx(0.25, abs=0.01)
        assert [tag.text().split("\n")[0] for tag in self.canvas.findChildren(NameTag)] == [
            "raw",
            "reconstruction (GAP-TV)",
        ]
        self.key(Qt.Key.Key_U)
        assert modes.mode == GRID
        assert self.viewer.canvas.grid.enabled

    def cancel_a_second_run(self) -> None:
        type_into(self.qtbot, self.panel.form.ratio, "2")
        first = self.panel.controller.run
        self.click_in_panel(self.panel.run_button)
        self.until(lambda: self.panel.controller.arranged)
        assert self.panel.controller.run is not first
        self.click_in_panel(self.panel.cancel_button)
        self.until(lambda: not self.panel.running)
        assert self.panel.status.text().startswith("cancelled")
        assert self.panel.run_button.isEnabled()

    def float_spectra(self) -> None:
        bar = title_bar_of(self.spectra)
        dock = bar.parent()
        click(self.qtbot, bar.float_button)
        assert dock.isFloating()
        assert dock.isVisible()
        before = self.spectra.controller.shown
        self.key(Qt.Key.Key_Right)
        self.until(lambda: self.spectra.controller.shown is not before)
        assert self.spectra.view.isVisible()

    def close_docks(self) -> list[weakref.ref]:
        """Press × of each dock; return who must be gone then."""
        bench = self.docked("Workbench")
        ours = [bench, *bench.panels.values(), *(self.docked(name) for name in (FFT, SCORES))]
        gone = [weakref.ref(widget) for widget in ours]
        assert Session.find(self.viewer) is not None
        for name in (FFT, SCORES, "Workbench"):
            click(self.qtbot, title_bar_of(self.docked(name)).close_button)
        return gone


def ours_among(widgets) -> list:
    return [w for w in widgets if type(w).__module__.startswith("napari_tcsdl")]


def test_from_the_sample_to_closed_docks_by_mouse_and_keys(window, qtbot, sample):
    viewer = window(show=True)
    viewer.window._qt_window.resize(1800, 1100)
    before = set(QApplication.topLevelWidgets())
    listeners = len(viewer.dims.events.point.callbacks)
    person = Person(viewer, qtbot)
    person.load_and_open()
    person.run()
    person.scrub()
    person.click_spots()
    person.drag_marker()
    person.swipe()
    person.cancel_a_second_run()
    person.float_spectra()
    gone = person.close_docks()
    assert person.shown == [SAMPLE]
    assert not viewer.canvas.grid.enabled
    assert not list(viewer.window.dock_widgets)
    qtbot.waitUntil(no_thread_lives, timeout=WAIT)

    def all_gone() -> bool:
        gc.collect()
        return all(ref() is None for ref in gone)

    with suppress(qtbot.TimeoutError):  # what threads have told last is delivered meanwhile
        qtbot.waitUntil(all_gone, timeout=5000)
    assert [ref() for ref in gone if ref() is not None] == []
    assert Session.find(viewer) is None
    assert ours_among(set(QApplication.topLevelWidgets()) - before) == []
    assert ours_among(viewer.window._qt_window.findChildren(QWidget)) == []
    assert len(viewer.dims.events.point.callbacks) == listeners
    assert not person.canvas.findChildren(Divider) + person.canvas.findChildren(NameTag)
