"""Loss and held-out error of fine-tuning, drawn while it goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from ..training_reports import SOURCES, Curves

SHADES = {
    "dark": {"movie": "#ff9f43", "scenes": "#8f9bb0", "look": "#56b4e9", "best": "#3fc79a"},
    "light": {"movie": "#b85c00", "scenes": "#66707f", "look": "#0b6fae", "best": "#0a7d55"},
}
"""Apart for most colour-blind eyes, on the ground of napari's dark and light themes."""
FAINT = 120
"""Opacity of single steps, of 255: their mean is what counts."""
HEIGHT = 340
AXIS_WIDTH = 52
TIP = (
    "Above: loss of each step (dots) and its running mean (line). Below: squared error on frames "
    "that nothing is learned from, in % of the movie's variance; the lower the better. Both over "
    "the steps."
)


class CurvesPlot(pg.GraphicsLayoutWidget):
    """Training loss above, held-out error below, over the same steps; a star on the best.

    Parameters
    ----------
    theme
        Name of napari's theme.
    """

    def __init__(self, theme: str = "dark", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(HEIGHT)
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.ci.setContentsMargins(2, 4, 8, 2)
        self.ci.setSpacing(0)
        self.loss_plot = self._panel(0, "training loss")
        self.error_plot = self._panel(1, "held-out error", "%")
        self.error_plot.setLabel("bottom", "step")
        self.error_plot.setXLink(self.loss_plot)
        self.loss_plot.getAxis("bottom").setStyle(showValues=False)
        self.dots: dict[str, pg.PlotDataItem] = {}
        self.means: dict[str, pg.PlotDataItem] = {}
        for source, title in SOURCES.items():
            # No name: the legend has a row for the mean only.
            self.dots[source] = self.loss_plot.plot(pen=None, symbolPen=None, symbolSize=4)
            self.means[source] = self.loss_plot.plot(name=title)
        self.start_line = pg.InfiniteLine(angle=0)
        self.error_plot.addItem(self.start_line, ignoreBounds=True)
        self.looks = self.error_plot.plot(symbol="o", symbolSize=5, name="held-out error")
        self.best = self.error_plot.plot(
            pen=None, symbol="star", symbolSize=15, name="best, is kept"
        )
        self._start_key = pg.PlotDataItem()  # an endless line has no row of its own
        self.error_plot.legend.addItem(self._start_key, "at the start")
        self.set_theme(theme)
        self.show_curves(Curves())

    def _panel(self, row: int, title: str, unit: str = "") -> pg.PlotItem:
        panel = self.addPlot(row=row, col=0)
        panel.addLegend(offset=(-4, 4), labelTextSize="8pt", verSpacing=-4)
        panel.setLabel("left", title, units=unit or None)
        panel.setMenuEnabled(False)
        panel.hideButtons()
        panel.setMouseEnabled(x=False, y=False)  # a wheel over it scrolls the dock
        panel.showGrid(x=True, y=True, alpha=0.15)
        for side in ("left", "bottom"):
            panel.getAxis(side).enableAutoSIPrefix(False)
        panel.getAxis("left").setWidth(AXIS_WIDTH)
        return panel

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock."""
        event.ignore()

    # --- what is shown ------------------------------------------------------------------------

    def show_curves(self, curves: Curves) -> None:
        """Draw ``curves``."""
        for source, (steps, values, means) in curves.losses.items():
            x = np.asarray(steps, float)
            self.dots[source].setData(x, np.asarray(values, float), connect="finite")
            self.means[source].setData(x, np.asarray(means, float), connect="finite")
        self._fit_losses(curves)
        steps, errors = curves.looks[0], [100 * error for error in curves.looks[1]]
        self.looks.setData(np.asarray(steps, float), np.asarray(errors, float))
        self.start_line.setVisible(bool(errors))
        if errors:
            self.start_line.setValue(errors[0])
        best = curves.best
        self.best.setData(*(([best[0]], [100 * best[1]]) if best is not None else ([], [])))
        self.loss_plot.setXRange(0, max(curves.step, 10), padding=0.02)
        self._fit_errors(errors)

    def _fit_losses(self, curves: Curves) -> None:
        """Show the bulk of the single steps: a few are far off."""
        values = np.concatenate([np.asarray(v, float) for _, v, _ in curves.losses.values()])
        values = values[np.isfinite(values)]
        if values.size:
            low, high = np.percentile(values, [2, 98])
            self.loss_plot.setYRange(low, high + 1e-9, padding=0.1)
        else:
            self.loss_plot.setYRange(0, 1)

    def _fit_errors(self, errors: list[float]) -> None:
        if not errors:
            self.error_plot.setYRange(0, 1)
            return
        low, high = min(errors), max(errors)
        # Without a change the curve would be noise, drawn large.
        room = max(high - low, 0.01 * abs(errors[0]), 1e-9)
        self.error_plot.setYRange(low - 0.15 * room, high + 0.5 * room, padding=0)

    # --- colours ------------------------------------------------------------------------------

    def set_theme(self, name: str) -> None:
        """Take the colours of napari's theme ``name``."""
        theme = get_theme(name)
        ground, text = (QColor(shade.as_hex()) for shade in (theme.background, theme.text))
        shades = SHADES["light" if ground.lightnessF() > text.lightnessF() else "dark"]
        muted = QColor(text)
        muted.setAlpha(170)
        self.setBackground(ground)
        for panel in (self.loss_plot, self.error_plot):
            for side in ("left", "bottom"):
                axis = panel.getAxis(side)
                axis.setPen(pg.mkPen(muted, width=1))
                axis.setTextPen(pg.mkPen(text))
                axis.labelStyle["color"] = text.name()
                axis.setLabel(axis.labelText, units=axis.labelUnits or None)
            behind = QColor(ground)
            behind.setAlpha(200)
            panel.legend.setBrush(behind)
            for _, label in panel.legend.items:
                label.setText(label.text, color=text.name())
        for source, item in self.means.items():
            item.setPen(pg.mkPen(shades[source], width=2))
            faint = QColor(shades[source])
            faint.setAlpha(FAINT)
            self.dots[source].setSymbol("o")
            self.dots[source].setSymbolBrush(faint)
        for line in (self.start_line, self._start_key):
            line.setPen(pg.mkPen(muted, width=1, style=Qt.PenStyle.DashLine))
        self.looks.setPen(pg.mkPen(shades["look"], width=2))
        self.looks.setSymbolBrush(shades["look"])
        self.looks.setSymbolPen(None)
        self.best.setSymbolBrush(shades["best"])
        self.best.setSymbolPen(pg.mkPen(ground, width=1))
