"""The dock of scores over a viewer without a canvas: built, and wired."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox
from scores_helpers import NAMES, WAIT

from napari_tcsdl._figure_layout import colour_of
from napari_tcsdl.display._qt.score_controls import BOTH, PSNR, SSIM
from napari_tcsdl.display._qt.score_legend import spread
from napari_tcsdl.display._qt.score_plot import LEAST_HEIGHT
from napari_tcsdl.display._qt.score_style import RECONSTRUCTION as STRONG
from napari_tcsdl.display._qt.score_style import STYLES, style_of
from napari_tcsdl.display._qt.scores_dock import NO_RAW, NO_RUN, STOPPED, WAITING
from napari_tcsdl.display.roles import BINNING, JPEG, RAW, RECONSTRUCTION
from napari_tcsdl.display.spectra_style import colours_of
from napari_tcsdl.settings import Settings

PIXELS = 20
"""Around the curves, within their widget."""

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
    filled.resize(1200, 230)
    qtbot.mouseClick(views[BOTH], Qt.MouseButton.LeftButton)
    assert [plots[name].isVisible() for name in (PSNR, SSIM)] == [True, True]
    bar = filled.pages.currentWidget().verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0, timeout=WAIT)
    assert all(plot.getViewBox().height() >= LEAST_HEIGHT - PIXELS for plot in plots.values())


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


def test_in_a_narrow_dock_the_plot_gets_the_room_of_a_hidden_progress(filled, qtbot):
    view = filled.view
    assert not view.progress.isVisible()
    for width, beside in ((1200, True), (480, False), (1200, True)):
        filled.resize(width, 400)
        qtbot.waitUntil(lambda beside=beside: (view.width() >= 780) is beside)
        room = view.progress.sizePolicy().retainSizeWhenHidden()
        assert room is beside
    filled.resize(480, 400)
    plot, legend = view.plots[PSNR], view.legend
    qtbot.waitUntil(lambda: plot.height() + legend.height() >= view.height() - 24)


def test_in_a_low_dock_the_curves_keep_their_height_and_the_legend_is_scrolled_to(filled, qtbot):
    plot, legend, area = filled.view.plots[PSNR], filled.view.legend, filled.pages.currentWidget()
    bar = area.verticalScrollBar()
    filled.resize(540, 300)
    qtbot.waitUntil(lambda: bar.maximum() > 0, timeout=WAIT)
    assert plot.getViewBox().height() >= LEAST_HEIGHT - PIXELS
    area.ensureWidgetVisible(legend.names["jpeg_same_bytes"])
    qtbot.waitUntil(lambda: bar.value() > 0, timeout=WAIT)
    assert not legend.names["jpeg_same_bytes"].visibleRegion().isEmpty()
    filled.resize(540, 700)
    qtbot.waitUntil(lambda: bar.maximum() == 0, timeout=WAIT)
    assert plot.getViewBox().height() > LEAST_HEIGHT
