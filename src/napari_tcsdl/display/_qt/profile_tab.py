"""Radial profiles, and Fourier ring correlation with the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QWidget

from ...frc import ESTIMATE_THRESHOLD, HALVES_THRESHOLD
from ..spectra_compute import HALVES, Answer
from ..spectra_style import RING, Ring

AXIS_PX = 62
PROFILE_TIP = "Mean power of each ring of the spectrum, on a logarithmic scale"
FRC_TIP = (
    "Correlation ring by ring: 1 where two pictures agree, 0 where they do not. 0.5 is the limit "
    "against a noise-free reference, 1/7 between two noisy halves. A rival that keeps the noise of "
    "its reference agrees with that too: read it beside the spots."
)


class ProfileTab(QWidget):
    """Two plots side by side over one axis of spatial frequency."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.profile, self.frc = pg.PlotWidget(), pg.PlotWidget()
        self.profile.setToolTip(PROFILE_TIP)
        self.frc.setToolTip(FRC_TIP)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(8)
        self._curves: dict[tuple[str, str], Any] = {}
        self._lines: list[Any] = []
        self._rings: list[Ring] = []
        self._legends = {}
        self._foreground = "#d0d4da"
        for kind, plot, label in (
            ("profile", self.profile, "mean power"),
            ("frc", self.frc, "FRC"),
        ):
            layout.addWidget(plot)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.showGrid(x=True, y=True, alpha=0.15)
            plot.setLabel("left", label)
            plot.getAxis("left").setWidth(AXIS_PX)
            for side in ("left", "bottom"):
                plot.getAxis(side).enableAutoSIPrefix(False)
            self._legends[kind] = plot.addLegend(offset=(-10, 8), labelTextSize="9pt")
        self.profile.setLogMode(y=True)
        self.frc.setYRange(-0.1, 1.05, padding=0)
        self.frc.setXLink(self.profile)
        self._add_thresholds()

    def _add_thresholds(self) -> None:
        for value, text in ((ESTIMATE_THRESHOLD, "0.5"), (HALVES_THRESHOLD, "1/7 ≈ 0.143")):
            line = pg.InfiniteLine(
                value,
                angle=0,
                pen=pg.mkPen("#8a919c", width=1, style=Qt.PenStyle.DashLine),
                label=text,
                labelOpts={"position": 0.97, "color": "#8a919c", "anchors": [(1, 1), (1, 1)]},
            )
            self.frc.addItem(line)

    def show_answer(self, answer: Answer | None, colours: dict[str, str]) -> None:
        """Show the profile of each panel, and the FRC of each rival."""
        profiles, curves, unit = {}, {}, "1/nm"
        for panel in answer.panels if answer is not None else ():
            if panel.spectrum is not None:
                unit = panel.spectrum.unit
            if panel.profile is not None:
                profiles[panel.name] = (panel.profile, panel.name)
        for name, curve in (answer.curves if answer is not None else {}).items():
            calibrated = unit == "1/nm"
            kind = f"{name}, even/odd of {HALVES} frames" if answer and answer.halves else name
            frequencies = curve.frequencies * (10 if calibrated else 1)
            curves[name] = ((frequencies, curve.values), kind)
        for plot in (self.profile, self.frc):
            plot.setLabel("bottom", f"q [{unit}]")
        reference = answer.panels[answer.reference].name if answer and answer.panels else ""
        alone = answer is not None and answer.halves
        self.frc.setLabel("left", "FRC" if alone or not reference else f"FRC against {reference}")
        self._draw("profile", self.profile, profiles, colours)
        self._draw("frc", self.frc, curves, colours)

    def _draw(self, kind: str, plot: Any, wanted: dict[str, Any], colours: dict[str, str]) -> None:
        for key in [key for key in self._curves if key[0] == kind and key[1] not in wanted]:
            plot.removeItem(self._curves.pop(key))
        for name, ((x, y), text) in wanted.items():
            curve = self._curves.get((kind, name))
            if curve is None:
                curve = self._curves[kind, name] = plot.plot(name=text)
            curve.setPen(pg.mkPen(colours[name], width=2))
            curve.setData(x, np.maximum(y, np.finfo(np.float32).tiny) if kind == "profile" else y)
            self._legends[kind].getLabel(curve).setText(text)

    def set_rings(self, rings: list[Ring]) -> None:
        """Mark the spatial frequencies of a lattice."""
        if rings == self._rings:
            return
        self._rings = rings
        for plot, line in self._lines:
            plot.removeItem(line)
        pen = pg.mkPen(RING, width=1, style=Qt.PenStyle.DotLine)
        self._lines = []
        for plot in (self.profile, self.frc):
            for k, ring in enumerate(rings):
                label = ring.name if plot is self.profile else None
                options = {"position": 0.05 + 0.09 * (k % 2), "color": RING, "rotateAxis": (1, 0)}
                line = pg.InfiniteLine(ring.q, pen=pen, label=label, labelOpts=options)
                line.setOpacity(0.7)
                plot.addItem(line, ignoreBounds=True)
                self._lines.append((plot, line))

    def set_colours(self, background: str, foreground: str) -> None:
        """Follow the theme of the window."""
        for kind, plot in (("profile", self.profile), ("frc", self.frc)):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pg.mkPen(foreground, width=1))
                plot.getAxis(side).setTextPen(foreground)
            self._legends[kind].setLabelTextColor(foreground)
