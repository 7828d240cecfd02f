"""One spectrum: its image in calibrated axes, rings, and spots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtWidgets import QGraphicsEllipseItem

from ..roles import JPEG, JPEG_RAW_OVER_B
from ..spectra_compute import PanelSpectrum
from ..spectra_rows import Row
from ..spectra_style import ARTEFACT, LOST, RING, SELECTED, SPOT, Ring, label_places

COLORMAP = "inferno"
SPOT_PX, SELECTED_PX = 13, 19
LABEL_PT = 8
_NO_BRUSH = pg.mkBrush(None)


class SpectrumPanel:
    """A title, a view box and its axis; :class:`.fft_panels.SpectraView` lays them out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: PanelSpectrum | None = None
        self.title = pg.LabelItem(justify="center")
        self.box = pg.ViewBox(lockAspect=True, invertY=True, enableMenu=False)
        self.box.setBackgroundColor("#000000")
        self.axis = pg.AxisItem("bottom")
        self.axis.enableAutoSIPrefix(False)
        self.axis.linkToView(self.box)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.image.setLookupTable(pg.colormap.get(COLORMAP).getLookupTable(nPts=256))
        self.grid = pg.ScatterPlotItem(symbol="x", size=7, pen=pg.mkPen(ARTEFACT, width=1))
        self.spots = pg.ScatterPlotItem(pxMode=True)
        self.sentence = pg.TextItem(anchor=(0.5, 0.5), color="#d0d4da")
        self.box.addItem(self.image)
        for item, depth in ((self.grid, 20), (self.spots, 30), (self.sentence, 40)):
            item.setZValue(depth)
            self.box.addItem(item, ignoreBounds=True)
        self.rings: list[Ring] = []
        self._circles: list[Any] = []
        self._labels: list[Any] = []
        self._lost: list[Any] = []
        self._lost_places: list[tuple[float, float]] = []
        self._points: list[dict[str, Any]] = []
        self._places: list[tuple[float, float]] = []
        self._pool = 0
        self._colour = ""

    def close(self) -> None:
        """Let go of what pyqtgraph would keep."""
        self.axis.unlinkFromView()
        self.box.clear()

    # --- image --------------------------------------------------------------------------------

    def set_colour(self, colour: str) -> None:
        """Write the name in its colour."""
        if colour != self._colour:
            self._colour = colour
            self.title.setText(self.name, color=colour, size="10pt", bold=True)

    def show_spectrum(self, panel: PanelSpectrum) -> None:
        """Show the image of ``panel``, or its sentence."""
        self.shown = panel
        spectrum = panel.spectrum
        self.image.setVisible(spectrum is not None)
        self.spots.setVisible(spectrum is not None)
        self.sentence.setText(_wrapped(panel.sentence))
        self.sentence.setVisible(spectrum is None)
        if spectrum is None:
            self.grid.clear()
            return
        self._pool = 0
        self.choose_pool()
        self._show_grid(panel)

    def choose_pool(self) -> None:
        """Show the image whose pixels are about as wide as the screen's: no spot falls between."""
        panel = self.shown
        if panel is None or panel.spectrum is None:
            return
        step = panel.spectrum.steps[1]
        ratio = max(self.box.viewPixelSize()[0], 1e-12) / step
        pool = max(factor for factor in panel.images if factor == 1 or factor <= 1.4 * ratio)
        if pool == self._pool:
            return
        self._pool = pool
        black, image = panel.images[pool]
        self.image.setImage(image, autoLevels=False, levels=(black, 255))
        fy, fx = panel.spectrum.fy, panel.spectrum.fx
        down, across = panel.spectrum.steps
        height, width = (side * pool for side in image.shape)
        self.image.setRect(
            QRectF(fx[0] - across / 2, fy[0] - down / 2, width * across, height * down)
        )

    def _show_grid(self, panel: PanelSpectrum) -> None:
        """Mark where JPEG's blocks of 8 px make spots of their own, in the panel of a JPEG."""
        if panel.request.role not in (JPEG, JPEG_RAW_OVER_B) or panel.spectrum is None:
            self.grid.clear()
            return
        across, down = (-float(f[0]) for f in (panel.spectrum.fx, panel.spectrum.fy))
        parts = [k / 4 for k in (-3, -2, -1, 1, 2, 3)]
        places = [(part * across, 0.0) for part in parts] + [(0.0, part * down) for part in parts]
        self.grid.setData(pos=places)

    # --- rings --------------------------------------------------------------------------------

    def set_rings(self, rings: list[Ring]) -> None:
        """Draw ``rings``; an uncalibrated spectrum has none."""
        if rings == self.rings:
            return
        for item in self._circles + self._labels:
            self.box.removeItem(item)
        self.rings, self._circles, self._labels = rings, [], []
        pen = pg.mkPen(RING, width=1, style=Qt.PenStyle.DashLine)
        pen.setDashPattern([4, 5])
        for ring in rings:
            circle = QGraphicsEllipseItem(-ring.q, -ring.q, 2 * ring.q, 2 * ring.q)
            circle.setPen(pen)
            circle.setOpacity(0.6)
            circle.setZValue(10)
            label = pg.TextItem(ring.name, color=RING, anchor=(0.5, 0.5), fill=(0, 0, 0, 150))
            font = label.textItem.font()
            font.setPointSize(LABEL_PT)
            label.setFont(font)
            label.setZValue(15)
            for item in (circle, label):
                self.box.addItem(item, ignoreBounds=True)
            self._circles.append(circle)
            self._labels.append(label)
        self.place_labels()

    def place_labels(self) -> None:
        """Put the names of the rings where there is room at this zoom."""
        spectrum = self.shown.spectrum if self.shown is not None else None
        calibrated = spectrum is not None and spectrum.unit == "1/nm"
        view = self.box.viewRect()
        edges = (view.left(), view.top(), view.right(), view.bottom())
        places = label_places(self.rings, self.box.viewPixelSize()[0], edges, self._places)
        for circle, label, place in zip(self._circles, self._labels, places, strict=True):
            circle.setVisible(calibrated)
            label.setVisible(calibrated and place is not None)
            if place is not None:
                label.setPos(*place)
        self._show_lost()
        self.sentence.setPos(view.center())

    # --- spots --------------------------------------------------------------------------------

    def set_rows(self, rows: Sequence[Row], selected: int | None) -> None:
        """Mark each spot: a circle; dashed and red where it is lost; a cross on JPEG's grid."""
        points: list[dict[str, Any]] = []
        lost: list[tuple[float, float]] = []
        for k, row in enumerate(rows):
            signal = row.signals.get(self.name)
            if signal is None or (math.isnan(signal.snr) and not signal.pending):
                continue
            chosen = k == selected
            place = (row.spot.qx, row.spot.qy)
            points.append(_mark(place, bool(row.artefact), signal.lost, signal.absent, chosen))
            if signal.lost:
                self._say_lost(len(lost), place, SELECTED_PX if chosen else SPOT_PX)
                lost.append(place)
        self._lost_places = lost
        self._show_lost()
        if points != self._points:
            self._points = points
            self.spots.setData(points)
            self._places = [point["pos"] for point in points]

    def _say_lost(self, number: int, place: tuple[float, float], size: int) -> None:
        """Write "lost" under a spot; texts are kept, as making one takes Qt a millisecond."""
        if number == len(self._lost):
            text = pg.TextItem("lost", color=LOST)
            font = text.textItem.font()
            font.setPointSize(LABEL_PT)
            text.setFont(font)
            text.setZValue(35)
            self.box.addItem(text, ignoreBounds=True)
            self._lost.append(text)
        text = self._lost[number]
        text.setAnchor((0.5, -0.25 - 0.015 * size))
        text.setPos(*place)

    def _show_lost(self) -> None:
        """Show the words of spots within the field; beyond it half a word would stick out."""
        view = self.box.viewRect()
        for k, text in enumerate(self._lost):
            here = k < len(self._lost_places)
            text.setVisible(here and view.contains(QPointF(*self._lost_places[k])))

    def describe(self, qy: float, qx: float) -> str:
        """Return what lies at (qy, qx), in words."""
        spectrum = self.shown.spectrum if self.shown is not None else None
        q = math.hypot(qy, qx)
        if spectrum is None or q == 0 or abs(qx) > -spectrum.fx[0] or abs(qy) > -spectrum.fy[0]:
            return ""
        angle = math.degrees(math.atan2(-qy, qx)) % 180
        d = f"d = {10 / q:.3g} Å" if spectrum.unit == "1/nm" else f"d = {1 / q:.3g} px"
        return f"{d}   |q| = {q:.3g} {spectrum.unit}   {angle:.0f}°"


@lru_cache(maxsize=32)
def _pen(colour: str, width: float, style: Any) -> Any:
    """Make each pen once: pyqtgraph keeps a picture of every symbol, by its pen."""
    return pg.mkPen(colour, width=width, style=style)


def _mark(
    place: tuple[float, float], artefact: bool, lost: bool, absent: bool, chosen: bool
) -> dict[str, Any]:
    colour = SELECTED if chosen else SPOT
    style = Qt.PenStyle.SolidLine
    if artefact and not chosen:
        colour = ARTEFACT
    if lost:
        colour, style = LOST, Qt.PenStyle.DashLine
    elif absent:
        style = Qt.PenStyle.DotLine
    return {
        "pos": place,
        "symbol": "x" if artefact else "o",
        "size": SELECTED_PX if chosen else (9 if artefact else SPOT_PX),
        "pen": _pen(colour, 2.0 if chosen else 1.3, style),
        "brush": _NO_BRUSH,
    }


def _wrapped(sentence: str, width: int = 34) -> str:
    """Break a sentence into lines that fit a panel."""
    lines, line = [], ""
    for word in sentence.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line] if line else lines)
