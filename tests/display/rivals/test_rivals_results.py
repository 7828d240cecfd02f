"""The step "Rivals": what curves, marks, verdict and table show, and what a click does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panel_helpers import WAIT
from qtpy.QtCore import QPointF
from qtpy.QtWidgets import QScrollArea
from rivals_helpers import JPEG, LEFT, MINE, OWN, place_of

from napari_tcsdl.display._qt.rivals_plot import RivalsPlot
from napari_tcsdl.display._qt.rivals_results import UNCHOSEN
from napari_tcsdl.display._qt.rivals_style import is_dark

# --- effect -----------------------------------------------------------------------------------


def test_curves_verdict_and_table_are_shown(studied):
    results = studied.results
    assert studied.status.text() == "finished in 61 s"
    assert set(results.plot.curves) == {"gap_tv", "jpeg"}
    x, y = results.plot.curves["jpeg"].getData()
    np.testing.assert_allclose(x, np.log10([900, 3000]))
    np.testing.assert_allclose(y, [20, 27])
    assert results.verdict.text() == "• At raw/B JPEG beats us.\n• Our encoder is cheap."
    assert [row.name for row in results.table.rows] == ["jpeg", "gap_tv", "av1_mp4"]
    assert results.table.item(0, 3).text() == "27.00"
    assert results.table.item(2, 1).text() == "missing"
    assert results.detail.text() == UNCHOSEN
    words = [line.label.format for line in results.plot.lines]
    assert words == ["raw/4", "our bytes"]
    places = [10 ** line.value() for line in results.plot.lines]
    assert places == pytest.approx([studied.rivals.raw_bytes // 4, 2000])


def test_ssim_instead_of_psnr(studied):
    results = studied.results
    results.score.setCurrentIndex(results.score.findData("ssim"))
    np.testing.assert_allclose(results.plot.curves["jpeg"].getData()[1], [0.4, 0.54])
    assert results.plot.getPlotItem().getAxis("left").labelText == "SSIM"


def test_the_ring_marks_the_current_choice_and_follows_b(studied):
    plot = studied.results.plot
    assert plot.ring.isVisible()
    assert plot.ring_label.toPlainText() == "○ current choice, B = 4"
    assert plot.ring.getData()[1] == pytest.approx([25.0])
    studied.form.ratio.setValue(8)  # as in any other panel of the session
    assert plot.ring.getData()[1] == pytest.approx([21.0])
    studied.session.settings = replace(MINE, compression_ratio=16)
    assert not plot.ring.isVisible()
    assert plot.lines[-1].label.format == "B = 16, not measured yet"
    assert 10 ** plot.lines[-1].value() == pytest.approx(500)


def test_the_axis_says_bytes_and_their_ratio(studied):
    axis = studied.results.plot.axis
    assert axis.tickStrings([3.0], 1, 1) == [f"1 kB\n{studied.rivals.raw_bytes / 1000:.3g} ×"]
    ((_, values),) = axis.tickValues(2.9, 3.6, 400)
    np.testing.assert_allclose(values, np.log10([1000, 2000]), atol=1e-9)


def test_a_point_under_the_pointer_tells_its_numbers(studied, qtbot):
    plot = studied.results.plot
    qtbot.mouseMove(plot.viewport(), plot.mapFromScene(place_of(plot, JPEG.points[1])))
    qtbot.waitUntil(plot.readout.isVisible, timeout=WAIT)
    text, ground = plot.readout.toPlainText(), plot.getViewBox().sceneBoundingRect()
    assert ground.contains(plot.readout.textItem.sceneBoundingRect()), "it is cut off"
    assert text.startswith("JPEG, quality 40\n3 kB (")
    assert "27.00 dB,  SSIM 0.540" in text
    assert "encoding: 0.5 CPU s" in text
    assert plot.spot_at(QPointF(-500, -500)) is None


def test_a_click_on_a_point_or_a_row_chooses_it(studied, qtbot):
    plot, table = studied.results.plot, studied.results.table
    assert not studied.results.show_button.isEnabled()
    studied.findChild(QScrollArea).ensureWidgetVisible(plot)
    place = plot.mapFromScene(place_of(plot, JPEG.points[0]))
    qtbot.mouseClick(plot.viewport(), LEFT, pos=place)
    assert studied.rivals.chosen == ("jpeg", JPEG.points[0])
    assert studied.results.detail.text().startswith("JPEG, quality 10\n")
    assert table.selectedItems()[0].text() == "JPEG"
    assert plot.halo.getData()[1] == pytest.approx([20.0])
    assert studied.results.show_button.isEnabled()
    faint = plot.curves["gap_tv"].opts["pen"].color().alphaF()
    assert plot.curves["jpeg"].opts["pen"].color().alphaF() == 1.0
    assert faint < 0.5
    table.cellClicked.emit(1, 0)
    assert studied.rivals.chosen == ("gap_tv", OWN.points[1])
    table.cellClicked.emit(2, 0)
    assert studied.results.detail.text() == "AV1 MP4: PyAV is not installed"
    assert not studied.results.show_button.isEnabled()


def test_the_plot_follows_the_theme(qtbot):
    from napari.utils.theme import get_theme

    plot = RivalsPlot("dark")
    qtbot.addWidget(plot)
    dark = plot.backgroundBrush().color().lightnessF()
    plot.set_theme("light")
    assert plot.backgroundBrush().color().lightnessF() > dark + 0.3
    assert is_dark(get_theme("dark"))
    assert not is_dark(get_theme("light"))
