"""The row of spectra: one linked, calibrated panel an image, with rings and spots over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from ..spectra_compute import PanelSpectrum
from ..spectra_rows import Row
from ..spectra_style import Ring
from .fft_panel import SpectrumPanel

REACH = 6.0
"""[screen px] How far off a click on a spot may be."""
RELABEL_MS = 60
AXIS_PX, SPACING, MARGINS = 34, 4, (6, 2, 10, 2)
HOME = 0.6
"""Share of Nyquist's frequency that is shown at first: few images hold spots beyond."""


class SpectraView(pg.GraphicsLayoutWidget):
    """Panels side by side, all of one range; only the leftmost has a vertical axis.

    Signals
    -------
    clicked : str, float, float, float
        Name of the panel, (qy, qx) in its unit, and how far off the click may be.
    pointed : str
        Sentence on the place under the mouse; empty beside the panels.
    """

    panels: Sequence[SpectrumPanel] = ()
    clicked = Signal(str, float, float, float)
    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.panels = []
        self._names: list[tuple[str, str]] = []
        self._rings: list[Ring] = []
        self._rows: tuple[Sequence[Row], int | None] = ((), None)
        self._home: tuple[str, float] | None = None
        self._share: float | None = HOME
        self._linking = False
        self._foreground = "#d0d4da"
        self.ci.layout.setSpacing(SPACING)
        self.ci.layout.setContentsMargins(*MARGINS)
        self._relabel = QTimer(self)
        self._relabel.setSingleShot(True)
        self._relabel.timeout.connect(self._place_labels)
        self.scene().sigMouseClicked.connect(self._on_click)
        self.scene().sigMouseMoved.connect(self._on_move)

    # --- what is shown ------------------------------------------------------------------------

    def show_panels(self, shown: Sequence[PanelSpectrum], colours: dict[str, str]) -> None:
        """Show new spectra; panels are made anew only where the images or units are others."""
        units = [panel.spectrum.unit if panel.spectrum else "" for panel in shown]
        names = list(zip([panel.name for panel in shown], units, strict=True))
        if not _alike(names, self._names):
            self._build(shown, colours)
        self._names = names
        for view, panel in zip(self.panels, shown, strict=True):
            view.set_colour(colours[panel.name])
            view.show_spectrum(panel)
        self._go_home(shown)
        self._relabel.start(RELABEL_MS)

    def _build(self, shown: Sequence[PanelSpectrum], colours: dict[str, str]) -> None:
        self.clear()
        for panel in self.panels:
            panel.close()
        self.panels = [SpectrumPanel(panel.name) for panel in shown]
        first = self.panels[0]
        axis = pg.AxisItem("left")
        for column, panel in enumerate(self.panels, start=1):
            panel.set_colour(colours[panel.name])
            self.addItem(panel.title, row=0, col=column)
            self.addItem(panel.box, row=1, col=column)
            self.addItem(panel.axis, row=2, col=column)
            panel.box.sigRangeChanged.connect(self._link)
            panel.box.sigRangeChangedManually.connect(self._on_zoomed)
        axis.linkToView(first.box)
        axis.enableAutoSIPrefix(False)
        axis.setWidth(AXIS_PX)
        self.addItem(axis, row=1, col=0)
        self._left, self._unit = axis, pg.LabelItem("", size="8pt", justify="right")
        self.addItem(self._unit, row=2, col=0)
        first.box.sigResized.connect(self._on_resized)
        self._home = None
        self._share_width()
        self.set_foreground(self._foreground)
        self.set_rings(self._rings)
        self.set_rows(*self._rows)

    def _share_width(self) -> None:
        """Make all panels exactly as wide: only then one range is square in each."""
        count = len(self.panels)
        left, _, right, _ = MARGINS
        room = self.width() - left - right - AXIS_PX - count * SPACING
        for column in range(1, self.ci.layout.columnCount()):
            wide = max(1.0, room / count) if column <= count else 0.0
            self.ci.layout.setColumnFixedWidth(column, wide)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Share the new width."""
        if self.panels:
            self._share_width()
        super().resizeEvent(event)

    def _go_home(self, shown: Sequence[PanelSpectrum]) -> None:
        """Show everything, when the unit or Nyquist's frequency has changed."""
        spectra = [panel.spectrum for panel in shown if panel.spectrum is not None]
        if not spectra:
            return
        unit = spectra[0].unit
        self._unit.setText(unit, color=self._foreground)
        nyquist = max(-float(spectrum.fx[0]) for spectrum in spectra if spectrum.unit == unit)
        if self._home != (unit, round(nyquist, 6)):
            self._home = (unit, round(nyquist, 6))
            self.fit(HOME)

    def fit(self, share: float = 1.0) -> None:
        """Show the frequencies up to ``share`` of Nyquist's, until the user zooms."""
        if self._home is not None:
            self._share, nyquist = share, self._home[1]
            for panel in self.panels:
                limit = 1.6 * nyquist
                panel.box.setLimits(
                    xMin=-4 * limit, xMax=4 * limit, yMin=-limit, yMax=limit, minXRange=nyquist / 50
                )
            side = share * nyquist
            self.panels[0].box.setRange(xRange=(-side, side), yRange=(-side, side), padding=0.0)

    def _link(self, box: Any) -> None:
        """Give all panels the range of ``box``: all are of one size, so all stay square."""
        if not self._linking:
            self._linking = True
            for panel in self.panels:
                if panel.box is not box:
                    panel.box.setRange(rect=box.viewRect(), padding=0)
            self._linking = False
        self._relabel.start(RELABEL_MS)

    def _on_zoomed(self) -> None:
        self._share = None

    def _on_resized(self) -> None:
        if self._share is not None:
            self.fit(self._share)
        self._relabel.start(RELABEL_MS)

    def set_rings(self, rings: list[Ring]) -> None:
        """Draw ``rings`` over every calibrated panel."""
        if rings == self._rings and all(panel.rings == rings for panel in self.panels):
            return
        self._rings = rings
        for panel in self.panels:
            panel.set_rings(rings)
        self._relabel.start(RELABEL_MS)

    def set_rows(self, rows: Sequence[Row], selected: int | None) -> None:
        """Mark the spots of the table."""
        self._rows = rows, selected
        for panel in self.panels:
            panel.set_rows(rows, selected)
        self._relabel.start(RELABEL_MS)

    def _place_labels(self) -> None:
        for panel in self.panels:
            panel.place_labels()
            panel.choose_pool()

    def set_colours(self, background: str, foreground: str) -> None:
        """Follow the theme of the window."""
        self.setBackground(background)
        self.set_foreground(foreground)

    def set_foreground(self, colour: str) -> None:
        """Colour of axes and numbers."""
        self._foreground = colour
        axes = [panel.axis for panel in self.panels] + ([self._left] if self.panels else [])
        for axis in axes:
            axis.setPen(pg.mkPen(colour, width=1))
            axis.setTextPen(colour)

    # --- the mouse ----------------------------------------------------------------------------

    def _panel_at(self, place: QPointF) -> SpectrumPanel | None:
        return next((p for p in self.panels if p.box.sceneBoundingRect().contains(place)), None)

    def _on_click(self, event: Any) -> None:
        panel = self._panel_at(event.scenePos())
        if panel is None or event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        if event.double():
            self.fit(HOME if self._share == 1.0 else 1.0)
            return
        q = panel.box.mapSceneToView(event.scenePos())
        self.clicked.emit(panel.name, q.y(), q.x(), REACH * panel.box.viewPixelSize()[0])

    def _on_move(self, place: QPointF) -> None:
        panel = self._panel_at(place)
        if panel is None:
            self.pointed.emit("")
            return
        q = panel.box.mapSceneToView(place)
        self.pointed.emit(panel.describe(q.y(), q.x()))

    def leaveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Nothing is pointed at any more."""
        super().leaveEvent(event)
        self.pointed.emit("")


def _alike(new: list[tuple[str, str]], old: list[tuple[str, str]]) -> bool:
    """Whether panels can stay: a panel that shows a sentence for a while has no unit."""
    return len(new) == len(old) > 0 and all(
        a[0] == b[0] and (a[1] == b[1] or "" in (a[1], b[1])) for a, b in zip(new, old, strict=True)
    )
