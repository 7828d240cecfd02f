"""Curves of the Train step."""

from __future__ import annotations

import pytest

from napari_tcsdl.display._qt.curves_plot import CurvesPlot
from napari_tcsdl.display.training_reports import Curves, Learning


def test_curves_are_drawn_in_the_colours_of_the_theme(panel, viewer):
    panel.show()
    dark = panel.plot.looks.opts["pen"].color().name()
    viewer.theme = "light"
    assert panel.plot.looks.opts["pen"].color().name() != dark
    assert panel.plot.backgroundBrush().color().lightnessF() > 0.5


def test_the_plot_shows_bulk_best_and_start(qtbot):
    plot = CurvesPlot()
    qtbot.addWidget(plot)
    assert not plot.start_line.isVisible()
    curves = Curves()
    losses = tuple((step, 0.5 + 0.01 * (step % 5), "movie") for step in range(1, 200))
    losses = (*losses[:50], (51, 900.0, "scenes"), *losses[51:], (200, float("nan"), "scenes"))
    curves.add(Learning(1, losses[:100], (0, 0.2, 0.2), 0.5, 1.0))
    curves.add(Learning(1, losses[100:], (150, 0.1, 0.1), 0.9, 0.1))
    plot.show_curves(curves)
    low, high = plot.loss_plot.viewRange()[1]
    assert 0.3 < low < high < 2, "a single bad step does not flatten the others"
    assert plot.start_line.value() == pytest.approx(20)
    assert plot.best.getData()[0][0] == 150
    assert plot.best.getData()[1][0] == pytest.approx(10)
    assert plot.error_plot.getAxis("left").labelUnits == "%"
    assert plot.error_plot.getAxis("bottom").labelText == "step"
    titles = [label.text for _, label in plot.loss_plot.legend.items]
    assert titles == ["this movie", "scenes of known truth"]
    titles = [label.text for _, label in plot.error_plot.legend.items]
    assert titles == ["held-out error", "best, is kept", "at the start"]
