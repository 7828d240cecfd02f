"""The FFT dock over a viewer without a canvas, and in a real window."""

from __future__ import annotations

import numpy as np
import pytest
from planted_fringes import ANGLES, PIXEL, D, click_spectrum, place_of, planted
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QDockWidget

from napari_tcsdl.display._qt.fft_dock import EMPTY, FftDock
from napari_tcsdl.display._qt.lattice_box import OWN, SPACINGS
from napari_tcsdl.display.session import Session

WAIT = 20_000
CALIBRATED = {"scale": (0.5, PIXEL, PIXEL), "units": ("s", "nm", "nm")}


@pytest.fixture
def dock_of(qtbot):
    docks = []

    def make(viewer) -> FftDock:
        dock = FftDock(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        dock.resize(1500, 420)
        dock.show()
        qtbot.waitExposed(dock)
        return dock

    yield make
    for dock in docks:
        dock.shut_down()


@pytest.fixture
def two(viewer):
    """Raw frames with the fringes of gold, and frames of mere noise."""
    frames = planted()
    noise = np.random.default_rng(8).poisson(20, frames.shape).astype(np.uint8)
    viewer.add_image(frames, name="raw", **CALIBRATED)
    viewer.add_image(noise, name="noise", **CALIBRATED)
    viewer.dims.set_point(0, 0.0)
    return viewer.layers


@pytest.fixture
def dock(dock_of, viewer, two, qtbot):
    dock = dock_of(viewer)
    qtbot.waitUntil(lambda: len(dock.controller.spots) == 2, timeout=WAIT)
    return dock


# --- built --------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip(dock):
    controls = [w for kind in (QAbstractButton, QComboBox) for w in dock.findChildren(kind)]
    controls = [w for w in controls if w.parent() not in (dock.table, dock.controls.tabs)]
    assert len(controls) >= 9
    assert [w for w in controls if not w.toolTip()] == []


def test_without_an_image_it_says_what_to_do(dock_of, viewer, qtbot):
    dock = dock_of(viewer)
    assert dock.pages.currentWidget() is dock.empty
    assert dock.empty.text() == EMPTY
    viewer.add_image(planted(), **CALIBRATED)
    qtbot.waitUntil(lambda: dock.pages.currentIndex() == 0, timeout=WAIT)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: dock.pages.currentWidget() is dock.empty, timeout=WAIT)


def test_an_uncalibrated_movie_is_said_to_be_one(dock_of, viewer, qtbot):
    viewer.add_image(planted())
    dock = dock_of(viewer)
    qtbot.waitUntil(dock.note.isVisible, timeout=WAIT)
    assert dock.note.text().startswith("The pixel size is unknown: spatial frequencies are in 1/px")
    assert dock.controls.where.text() == "256 × 256 px of the field of view"
    assert dock.view.panels[0].describe(0.0, 0.25) == "d = 4 px   |q| = 0.25 1/px   0°"
    heads = [dock.table.horizontalHeaderItem(column).text() for column in range(2)]
    assert heads == ["d\n[px]", "|q|\n[1/px]"]  # before there is any spot


def test_panels_are_of_one_size_and_one_square_range(dock, qtbot):
    first, second = (panel.box for panel in dock.view.panels)
    qtbot.waitUntil(lambda: abs(first.width() - second.width()) < 0.5, timeout=WAIT)
    for box in (first, second):
        across, down = box.viewPixelSize()
        assert across == pytest.approx(down, rel=0.02)
    assert first.viewRange() == second.viewRange()
    second.setRange(xRange=(-3, 3), yRange=(-3, 3))
    assert first.viewRange() == second.viewRange()


# --- wired and effect ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["111", "220"])
def test_a_click_on_a_planted_spot_gives_its_d(dock, qtbot, name):
    dock.controls.lattice.preset.setCurrentText("Au")
    dock.spots.clear_button.click()
    qx, qy = place_of(name)
    click_spectrum(dock.view, 0, qx + 0.08, qy - 0.08)
    assert dock.table.rowCount() == 1
    assert float(dock.table.item(0, 0).text()) == pytest.approx(D[name], rel=0.01)
    assert float(dock.table.item(0, 2).text()) == pytest.approx(ANGLES[name], abs=1)
    assert dock.table.item(0, 3).text() == name
    assert dock.table.item(0, 5).text().startswith("lost (")
    assert dock.table.chosen_row() == 0
    click_spectrum(dock.view, 1, qx, qy)
    assert dock.table.rowCount() == 1, "the same spot in another panel"


def test_other_buttons_and_places_beside_the_spectra_add_nothing(dock):
    dock.spots.clear_button.click()
    click_spectrum(dock.view, 0, *place_of("111"), button=Qt.MouseButton.MiddleButton)
    dock.view.panels[0].box.setRange(xRange=(-28, 28), yRange=(-28, 28))
    click_spectrum(dock.view, 0, 26.0, 0.0)
    assert dock.table.rowCount() == 0


def test_a_lost_spot_is_said_to_be_lost_in_its_panel(dock):
    raw, noise = dock.view.panels
    assert len(raw.spots.data) == len(noise.spots.data) == 2
    assert [text.isVisible() for text in noise._lost] == [True, True]
    assert raw._lost == []
    dashed = [spot.pen().style() for spot in noise.spots.points()]
    assert dashed == [Qt.PenStyle.DashLine] * 2


def test_the_table_leads_to_the_spectra_and_back(dock, qtbot):
    rect = dock.table.visualItemRect(dock.table.item(1, 0))
    qtbot.mouseClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert dock.controller.selected == 1
    sizes = [spot.size() for spot in dock.view.panels[0].spots.points()]
    assert sizes[1] > sizes[0]
    qtbot.keyClick(dock.table, Qt.Key.Key_Delete)
    assert dock.table.rowCount() == 1
    dock.controller.select(0)
    dock.spots.delete_button.click()
    assert dock.table.rowCount() == 0
    assert not dock.spots.copy_button.isEnabled()
    dock.controls.find_button.click()
    qtbot.waitUntil(lambda: dock.table.rowCount() == 2, timeout=WAIT)


def test_the_table_is_copied_and_exported(dock, tmp_path):
    dock.spots.copy_button.click()
    text = QApplication.clipboard().text()
    assert text.startswith("d [Å]\t|q| [1/nm]\tangle [°]\thkl\tSNR raw\tSNR noise\tnote\n")
    assert len(text.splitlines()) == 3
    dock.spots.export(tmp_path / "spots.csv")
    kept = (tmp_path / "spots.csv").read_text(encoding="utf-8")
    assert kept.splitlines()[0] == "d [Å],|q| [1/nm],angle [°],hkl,SNR raw,SNR noise,note"
    assert dock.error.isHidden()
    dock.spots.export(tmp_path / "nowhere" / "spots.csv")
    assert dock.error.isVisible()
    assert "expected a place that can be written; choose another folder" in dock.error.text()


def test_rings_of_a_lattice_can_be_switched_off(dock):
    dock.controls.lattice.preset.setCurrentText("Au")
    panel = dock.view.panels[0]
    assert [ring.name for ring in panel.rings[:3]] == ["111", "200", "220"]
    dock.controls.rings.setChecked(False)
    assert panel.rings == []
    assert dock.table.item(0, 3).text() in D, "hkl stays in the table"


def test_a_lattice_of_ones_own(dock):
    box = dock.controls.lattice
    box.preset.setCurrentText(OWN)
    assert dock.view.panels[0].rings[0].q == pytest.approx(10 * 3**0.5 / box.a.value())
    box.kind.setCurrentText("hcp")
    assert not box.c.isHidden()
    box.kind.setCurrentText(SPACINGS)
    box.spacings.setText("2.35; 1.44")
    box.spacings.editingFinished.emit()
    assert [ring.name for ring in dock.view.panels[0].rings] == ["2.35 Å", "1.44 Å"]
    box.spacings.setText("gold")
    box.spacings.editingFinished.emit()
    assert "got 'gold', expected d-spacings in Å" in dock.error.text()
    box.preset.setCurrentText("Au")
    assert dock.error.isHidden()


def test_spectra_follow_the_slider(dock, viewer, qtbot):
    before = dock.controller.shown
    viewer.dims.set_point(0, 1.5)
    qtbot.waitUntil(lambda: dock.controller.shown is not before, timeout=WAIT)
    frame = dock.controller.shown.panels[0].request.read()
    np.testing.assert_array_equal(frame, viewer.layers["raw"].data[3])
    assert len(dock.controller.spots) == 2


def test_a_light_theme_is_followed(dock, viewer):
    dark = dict(dock._colours)
    viewer.theme = "light"
    assert dock.view.backgroundBrush().color().lightness() > 128
    light = dock._colours
    assert all(int(light[name][1:3], 16) < int(dark[name][1:3], 16) for name in dark)


def test_the_roi_button_draws_and_clears(dock, viewer, qtbot):
    dock.controls.roi.click()
    qtbot.waitUntil(lambda: dock.controls.where.text() == "128 × 128 px of the ROI", timeout=WAIT)
    dock.roi.clear()
    assert not dock.controls.roi.isChecked()
    qtbot.waitUntil(lambda: "field of view" in dock.controls.where.text(), timeout=WAIT)


def test_another_reference(dock, qtbot):
    combo = dock.controls.reference
    assert [combo.itemText(k) for k in range(combo.count())] == ["raw (usual)", "raw", "noise"]
    combo.setCurrentIndex(2)
    qtbot.waitUntil(lambda: dock.controller.panel().name == "noise", timeout=WAIT)
    assert dock.controller.rows()[0].lost_in == [], "the reference itself has none"


def test_profiles_are_computed_while_their_tab_is_open(dock, qtbot):
    assert dock.controller.panel().profile is None
    dock.controls.tabs.setCurrentIndex(1)
    qtbot.waitUntil(lambda: len(dock.profiles._curves) == 3, timeout=WAIT)
    assert dock.pages.currentWidget() is dock.profiles
    q, _ = dock.profiles._curves["profile", "raw"].getOriginalDataset()
    assert q[-1] == pytest.approx(0.5 / PIXEL)
    q, values = dock.profiles._curves["frc", "noise"].getOriginalDataset()
    assert q[-1] == pytest.approx(0.5 / PIXEL)
    assert abs(values[20:].mean()) < 0.1
    dock.controls.tabs.setCurrentIndex(0)
    qtbot.waitUntil(lambda: dock.controller.panel().profile is None, timeout=WAIT)


def test_hidden_it_does_nothing(dock, viewer, qtbot, monkeypatch):
    posted = []
    monkeypatch.setattr(dock.controller, "_compute", posted.append)
    dock.hide()
    viewer.dims.set_point(0, 1.0)
    qtbot.wait(100)
    assert posted == []
    dock.show()
    qtbot.waitUntil(lambda: len(posted) == 1, timeout=WAIT)


def test_requests_are_throttled(dock, viewer, qtbot, monkeypatch):
    posted = []
    monkeypatch.setattr(dock.controller, "_compute", posted.append)
    for step in range(40):
        viewer.dims.set_point(0, 0.5 * (step % 6))
    qtbot.waitUntil(lambda: len(posted) > 0, timeout=WAIT)
    qtbot.wait(100)
    assert len(posted) <= 2


def test_it_lets_go_of_the_viewer(dock_of, viewer, two, qtbot):
    session = Session.of(viewer)
    before = len(viewer.dims.events.point.callbacks)
    dock = dock_of(viewer)
    assert dock.session is session
    qtbot.waitUntil(lambda: dock.controller.shown is not None, timeout=WAIT)
    dock.shut_down()
    dock.shut_down()
    assert dock.latest.wait(5)
    assert session.closed, "the last one has left"
    assert len(viewer.dims.events.point.callbacks) < before
    viewer.layers.clear()
    assert dock.controller.shown is not None, "no event reaches a dock that was shut down"


# --- a real window ------------------------------------------------------------------------------


def test_in_a_real_window_it_floats_comes_back_and_closes(window, qtbot):
    viewer = window(show=True)
    viewer.add_image(planted(), name="raw", **CALIBRATED)
    viewer.add_image(planted() // 2, name="rival", **CALIBRATED)
    viewer.canvas.grid.enabled = True
    dock = FftDock(viewer)
    viewer.window.add_dock_widget(dock, area="bottom", name="Spectra")
    qtbot.waitUntil(lambda: len(dock.controller.spots) == 2, timeout=WAIT)
    outer = dock.parent()
    while not isinstance(outer, QDockWidget):
        outer = outer.parent()
    for floating in (True, False):
        outer.setFloating(floating)
        qtbot.wait(100)
        before = dock.controller.shown
        viewer.dims.set_point(0, 0.0 if floating else 2.0)  # it has begun in the middle, at 1.0
        qtbot.waitUntil(lambda old=before: dock.controller.shown is not old, timeout=WAIT)
        assert len(dock.view.panels) == 2
    dock.controls.roi.click()
    qtbot.waitUntil(lambda: "of the ROI" in dock.controls.where.text(), timeout=WAIT)
    viewer.window.remove_dock_widget(dock)
    assert dock.controller.enabled is False
    assert dock.latest.wait(5)
    assert dock.roi.square is None
    viewer.dims.set_point(0, 0.5)
