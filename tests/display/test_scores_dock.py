"""The dock over a viewer without a canvas: built, wired, and its effect under real mouse events."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from panel_helpers import SPAN
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel

from napari_tcsdl._figure_layout import colour_of
from napari_tcsdl.display._qt.score_controls import BOTH, PSNR, SSIM
from napari_tcsdl.display._qt.score_legend import spread
from napari_tcsdl.display._qt.score_style import RECONSTRUCTION as STRONG
from napari_tcsdl.display._qt.score_style import STYLES, style_of
from napari_tcsdl.display._qt.scores_dock import NO_RAW, NO_RUN, STOPPED, WAITING, ScoresDock
from napari_tcsdl.display._qt.worker import THREAD_NAME
from napari_tcsdl.display.rescoring import StackTarget
from napari_tcsdl.display.roles import BINNING, JPEG, RAW, RECONSTRUCTION
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.spectra_style import colours_of
from napari_tcsdl.settings import Settings

WAIT = 60_000
NAMES = ["raw", "unfolding network", "binning", "JPEG, raw/B", "JPEG, same bytes"]


@pytest.fixture
def dock(qtbot, viewer, layer):
    """Over the calibrated movie of 9 frames, before any run; B = 4."""
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(1200, 320)
    with qtbot.waitExposed(dock):
        dock.show()
    yield dock
    dock.session.controller.clear()
    dock.shut_down()


@pytest.fixture
def filled(dock, layer, settings, tell, qtbot):
    """With a run of made-up results: PSNR = 20 + frame + the codec's number."""
    job = dock.session.controller.start(layer, settings)
    tell.everything(job, dock.session.controller.apply)
    qtbot.waitUntil(lambda: len(dock.view.legend.names) == 5, timeout=WAIT)
    dock.session.controller.show_frame(2)
    return dock


@pytest.fixture
def filled_run(viewer, layer, settings, tell):
    """A session with a run of made-up results, and no dock yet."""
    session = Session.of(viewer)
    session.join(session)
    tell.everything(session.controller.start(layer, settings), session.controller.apply)
    return session


def mouse_place(plot, frame, share=0.5):
    """Where ``frame`` is in the widget, at ``share`` of the height of the plot."""
    low, high = plot.getViewBox().viewRange()[1]
    scene = plot.getViewBox().mapViewToScene(QPointF(frame, low + share * (high - low)))
    return plot.mapFromScene(scene)


# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip(filled):
    controls = [w for kind in (QAbstractButton, QComboBox) for w in filled.findChildren(kind)]
    assert len(controls) >= 13
    assert all(control.toolTip() for control in controls)
    assert all(plot.toolTip() for plot in filled.view.plots.values())


def test_before_a_run_it_says_what_will_be_here(dock):
    assert dock.pages.currentWidget() is dock.empty
    assert dock.empty.text() == NO_RUN
    assert not dock.controls.copy_button.isEnabled()
    assert not dock.controls.region_button.isEnabled()


def test_it_says_why_there_are_no_scores(dock, layer, settings, tell, compressed_layer, qtbot):
    controller = dock.session.controller
    job = controller.start(layer, settings)
    controller.apply(tell.prepared(job))
    qtbot.waitUntil(lambda: dock.empty.text() == WAITING, timeout=WAIT)
    controller.cancel()
    controller.changed.emit()
    qtbot.waitUntil(lambda: dock.empty.text() == STOPPED, timeout=WAIT)
    controller.start(compressed_layer, Settings())
    controller.changed.emit()
    qtbot.waitUntil(lambda: dock.empty.text() == NO_RAW, timeout=WAIT)


def test_curves_differ_by_more_than_colour():
    looks = {(style.dark, style.dashes) for style in STYLES.values()}
    assert len(looks) == len(STYLES)
    assert style_of("gap_tv") is STRONG
    assert all(style.width < STRONG.width for style in STYLES.values())


def test_each_codec_has_one_colour_in_curves_spectra_and_figures():
    panels = [
        ("raw", RAW),
        ("reconstruction", RECONSTRUCTION),
        ("JPEG", JPEG),
        ("binning", BINNING),
    ]
    spectra = colours_of(panels)
    assert len(set(spectra.values())) == 4
    curves = dict(zip(spectra, ("raw", "gap_tv", "jpeg_same_bytes", "binning"), strict=True))
    for name, colour in spectra.items():
        assert style_of(curves[name]).dark == colour_of(name) == colour


def test_spreads_are_written_as_far_as_they_are_known():
    assert spread(21.234, 0.5, 2) == "21.23 ± 0.50"
    assert spread(21.234, float("nan"), 2) == "21.23"
    assert spread(float("inf"), float("nan"), 2) == "∞"


def test_it_becomes_narrow(filled, qtbot):
    filled.resize(560, 600)
    assert filled.minimumSizeHint().width() <= 560
    view = filled.view
    qtbot.waitUntil(lambda: view.legend.y() > view.plots[PSNR].geometry().bottom(), timeout=WAIT)
    assert all(name.width() >= name.sizeHint().width() for name in view.legend.names.values())


# --- wired ------------------------------------------------------------------------------------


def test_curves_and_legend_fill_as_blocks_arrive(dock, layer, settings, tell, qtbot):
    controller = dock.session.controller
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    curve = dock.view.plots[PSNR].curves
    for index, count in enumerate((4, 8, 9)):
        controller.apply(tell.block(job, prepared.store, index))
        qtbot.waitUntil(
            lambda count=count: "raw" in curve and len(curve["raw"].xData) == count, timeout=WAIT
        )
    assert [name.text() for name in dock.view.legend.names.values()] == NAMES
    np.testing.assert_allclose(curve["unfolding"].yData, 21.0 + np.arange(9))
    cells = dock.view.legend.cells
    deviation = np.std(np.arange(9), ddof=1)
    assert cells["unfolding", "PSNR (dB)"].text() == f"25.00 ± {deviation:.2f}"
    assert cells["unfolding", "SSIM"].text() == "0.100 ± 0.000"
    assert cells["unfolding", "size"].text() == "900 B"
    assert cells["unfolding", "ratio"].text() == "1 ×"


def test_psnr_ssim_or_both(filled, qtbot):
    plots, views = filled.view.plots, filled.controls.views
    assert plots[PSNR].isVisible()
    assert not plots[SSIM].isVisible()
    qtbot.mouseClick(views[SSIM], Qt.MouseButton.LeftButton)
    assert [plots[name].isVisible() for name in (PSNR, SSIM)] == [False, True]
    filled.resize(1200, 500)
    qtbot.waitUntil(views[BOTH].isEnabled, timeout=WAIT)
    qtbot.mouseClick(views[BOTH], Qt.MouseButton.LeftButton)
    assert [plots[name].isVisible() for name in (PSNR, SSIM)] == [True, True]
    filled.resize(1200, 230)
    qtbot.waitUntil(lambda: not views[BOTH].isEnabled(), timeout=WAIT)
    assert filled.controls.view == PSNR
    assert not plots[SSIM].isVisible()


def test_both_plots_show_the_same_frames_whichever_is_zoomed(filled):
    boxes = {name: plot.getViewBox() for name, plot in filled.view.plots.items()}
    for name, other, shown in ((PSNR, SSIM, [2.0, 5.0]), (SSIM, PSNR, [1.0, 7.0])):
        boxes[name].setXRange(*shown, padding=0)
        assert boxes[other].viewRange()[0] == pytest.approx(shown)
    filled.view.plots[SSIM].show_all()
    left, right = boxes[PSNR].viewRange()[0]
    assert left < 0
    assert right > 8


def test_a_click_on_a_name_hides_its_curve(filled, qtbot):
    qtbot.mouseClick(filled.view.legend.names["raw"], Qt.MouseButton.LeftButton)
    assert not filled.view.plots[PSNR].curves["raw"].isVisible()
    assert filled.view.plots[PSNR].curves["binning"].isVisible()


def test_block_boundaries_lie_between_blocks(filled):
    places = np.unique(filled.view.plots[PSNR].boundaries.getData()[0])
    assert places.tolist() == [3.5, 7.5]
    assert filled.view.plots[PSNR].boundaries.isVisible()


def test_the_axis_has_frames_and_their_times(filled):
    axis = filled.view.plots[PSNR].axis
    assert axis.tickStrings([0, 4], 1, 4) == ["0\n0", "4\n1"]
    assert all(spacing >= 1 for spacing, _ in axis.tickSpacing(0, 9, 2000))
    axis.frame_time = None
    assert axis.tickStrings([4], 1, 4) == ["4"]


# --- the marker -------------------------------------------------------------------------------


def test_the_slider_moves_the_marker(filled, viewer):
    for frame in (7, 0, 3):
        viewer.dims.set_current_step(0, frame)
        assert filled.view.plots[PSNR].marker.value() == frame
        assert filled.view.plots[SSIM].marker.value() == frame


def test_dragging_the_marker_moves_the_slider_and_nothing_comes_back(filled, viewer, qtbot):
    plot = filled.view.plots[PSNR]
    port = plot.viewport()
    qtbot.waitUntil(lambda: plot.marker.value() == 2, timeout=WAIT)
    seen = []
    viewer.dims.events.point.connect(lambda: seen.append(filled.scorer.frame))
    start = mouse_place(plot, 2)
    QTest.mouseMove(port, start)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    for frame in (3, 4, 6):
        # In two steps: a drag begins only some pixels away.
        for place in (mouse_place(plot, frame - 0.4), mouse_place(plot, frame)):
            QTest.mouseMove(port, place)
            qtbot.wait(30)
        assert plot.marker.value() == frame, "the marker does not wait for the slider"
    qtbot.waitUntil(lambda: filled.scorer.frame == 6, timeout=WAIT)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=mouse_place(plot, 6))
    qtbot.wait(100)
    assert filled.scorer.frame == 6
    assert viewer.dims.current_step[0] == 6
    assert seen == sorted(seen), "never back"
    assert filled.view.plots[SSIM].marker.value() == 6
    viewer.dims.set_current_step(0, 1)
    assert plot.marker.value() == 1


def test_a_drag_ends_at_the_ends_of_the_movie(filled, qtbot):
    plot = filled.view.plots[PSNR]
    plot.marker.moving = True
    plot.marker.setValue(50)
    plot.marker.sigDragged.emit(plot.marker)
    plot.marker.moving = False
    qtbot.waitUntil(lambda: filled.scorer.frame == 8, timeout=WAIT)


def test_a_click_moves_the_slider(filled, qtbot):
    plot = filled.view.plots[PSNR]
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=mouse_place(plot, 5, 0.15))
    qtbot.waitUntil(lambda: filled.scorer.frame == 5, timeout=WAIT)
    assert plot.marker.value() == 5


def test_the_value_under_the_pointer_is_shown(filled):
    plot = filled.view.plots[PSNR]
    curve = plot.getViewBox().mapViewToScene(QPointF(6, 27.0))
    plot.point_at(curve)
    assert plot.readout.isVisible()
    assert plot.readout.toPlainText() == "unfolding network  27.00   frame 6, 1.5 s"
    plot.point_at(curve + QPointF(0, 4000))
    assert not plot.readout.isVisible()


# --- regions and references -------------------------------------------------------------------


def test_a_region_is_scored_in_the_background_and_cleared_at_once(filled, qtbot):
    session, controls = filled.session, filled.controls
    board = session.controller.run.board
    qtbot.mouseClick(controls.region_button, Qt.MouseButton.LeftButton)
    assert session.roi.square is not None
    qtbot.waitUntil(lambda: board.overridden and not board.missing(), timeout=WAIT)
    qtbot.waitUntil(lambda: controls.region_button.text() == "Clear region", timeout=WAIT)
    assert controls.field.text() == "region of 32 × 32 px"
    region = filled.scorer.region
    image, raw = (
        np.asarray(session.controller.run.stack(role)[5][region.slices], float)
        for role in ("reconstruction", "raw")
    )
    own = board.own_rows()
    assert {row.psnr for row in own if row.codec == "unfolding"} == {21.0 + k for k in range(9)}
    expected = 10 * np.log10(SPAN**2 / np.mean((image - raw) ** 2))
    assert board.score("unfolding", 5).psnr == pytest.approx(expected)
    qtbot.waitUntil(lambda: not filled.view.progress.isVisible(), timeout=WAIT)
    qtbot.mouseClick(controls.region_button, Qt.MouseButton.LeftButton)
    assert board.rows() == own
    qtbot.waitUntil(lambda: controls.field.text() == "whole field", timeout=WAIT)


def test_another_reference_can_be_chosen_and_stopped(filled, viewer, frames, qtbot, monkeypatch):
    gate = threading.Event()
    held = StackTarget.frame

    def frame(self, index, region, step):
        while not gate.wait(0.01):
            step()
        return held(self, index, region, step)

    monkeypatch.setattr(StackTarget, "frame", frame)
    viewer.add_image(frames.astype(np.float32) + 1, name="truth of it")
    combo = filled.controls.reference
    texts = [combo.itemText(i) for i in range(combo.count())]
    assert texts == ["raw frames (of the run)", "denoised raw frames", "truth: truth of it"]
    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    qtbot.waitUntil(filled.view.progress.isVisible, timeout=WAIT)
    assert filled.view.progress.status.text() == "preparing the reference…"
    qtbot.mouseClick(filled.view.progress.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not filled.view.progress.isVisible(), timeout=WAIT)
    combo.setCurrentIndex(0)
    combo.activated.emit(0)
    gate.set()
    assert not filled.session.controller.run.board.overridden


def test_what_cannot_be_scored_gets_a_sentence_in_place(filled, viewer, frames, qtbot):
    viewer.add_image(np.full(frames.shape, np.nan, np.float32), name="empty")
    filled.controls.reference.setCurrentIndex(2)
    filled.controls.reference.activated.emit(2)
    qtbot.waitUntil(filled.error.isVisible, timeout=WAIT)
    assert "expected finite" in filled.error.text()
    filled.controls.reference.activated.emit(0)
    assert filled.error.isHidden()


# --- what goes out ----------------------------------------------------------------------------


def test_copy_and_export(filled, tmp_path, qtbot):
    qtbot.mouseClick(filled.controls.copy_button, Qt.MouseButton.LeftButton)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 6
    assert lines[2].split("\t")[:2] == ["unfolding", "25.000"]
    filled.export(tmp_path / "scores")
    path = tmp_path / "scores.csv"
    qtbot.waitUntil(path.exists, timeout=WAIT)
    assert len(path.read_text().splitlines()) == 1 + 5 * 9
    filled.export(tmp_path / "nowhere" / "scores.csv")
    qtbot.waitUntil(filled.error.isVisible, timeout=WAIT)
    assert "choose another place" in filled.error.text()


# --- themes, closing --------------------------------------------------------------------------


def test_it_follows_the_theme(filled, viewer):
    before = filled.view.plots[PSNR].curves["raw"].opts["pen"].color().name()
    viewer.theme = "light"
    after = filled.view.plots[PSNR].curves["raw"].opts["pen"].color().name()
    assert (before, after) == (STYLES["raw"].dark, STYLES["raw"].light)
    assert filled.view.plots[PSNR].backgroundBrush().color().lightness() > 200


def test_it_lets_go_when_napari_takes_it_away(filled, viewer, qtbot):
    session = filled.session
    other = object()
    session.join(other)
    filled.controls.region_button.click()
    board = session.controller.run.board
    qtbot.waitUntil(lambda: board.overridden, timeout=WAIT)
    listeners = len(viewer.layers.events.removed.callbacks)
    parent = QLabel()
    qtbot.addWidget(parent)
    filled.setParent(parent)
    filled.setParent(None)
    assert not board.overridden, "nobody scores the region any more"
    assert len(viewer.layers.events.removed.callbacks) < listeners
    assert not [t for t in threading.enumerate() if t.name == THREAD_NAME and t.is_alive()]
    session.leave(other)
    assert session.closed


def test_python_may_let_go_of_it_without_a_word(viewer, filled_run, qtbot):
    session = filled_run
    dock = ScoresDock(viewer)
    gone, scorer = weakref.ref(dock), weakref.ref(dock.scorer)
    session.leave(session)
    assert not session.closed, "the dock looks on"
    del dock
    gc.collect()
    assert gone() is None
    assert scorer() is None
    assert session.closed, "the last one has left"


def test_in_a_real_window(window, frames, settings, tell, qtbot):
    viewer = window(show=True)
    layer = viewer.add_image(frames, scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"))
    dock = ScoresDock(viewer)
    frame = viewer.window.add_dock_widget(dock, name="Scores", area="bottom")
    controller = dock.session.controller
    tell.everything(controller.start(layer, settings), controller.apply)
    plot = dock.view.plots[PSNR]
    qtbot.waitUntil(lambda: "raw" in plot.curves, timeout=WAIT)
    frame.setFloating(True)
    controller.show_frame(1)
    qtbot.wait(500)  # the window gives it its size
    start, port = mouse_place(plot, 1), plot.viewport()
    QTest.mouseMove(port, start)
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    for place in (4.5, 5.5, 6):
        QTest.mouseMove(port, mouse_place(plot, place))
        qtbot.wait(50)
    QTest.mouseRelease(port, Qt.MouseButton.LeftButton, pos=mouse_place(plot, 6))
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] == 6, timeout=WAIT)
    qtbot.wait(100)
    assert plot.marker.value() == 6
    viewer.dims.set_current_step(0, 3)
    assert plot.marker.value() == 3
    frame.setFloating(False)
    qtbot.wait(50)
    assert not dock.session.closed, "floating is not closing"
    viewer.window.remove_dock_widget(dock)
    assert dock.session.closed
    assert not viewer.canvas.grid.enabled, "the view is as it was"
    dock.deleteLater()


def test_it_shares_the_session_of_its_viewer(dock, viewer):
    assert dock.session is Session.of(viewer)


def test_a_pointer_far_from_any_curve_shows_nothing(filled):
    plot = filled.view.plots[PSNR]
    QTest.mouseMove(plot.viewport(), QPoint(2, 2))
    assert not plot.readout.isVisible()
