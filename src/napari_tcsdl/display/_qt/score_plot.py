"""One score over the frames: a curve for each codec, and a marker on the frame that is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from .score_style import RECONSTRUCTION, style_of

AXIS_GAPS = 12
"""[px] Around the texts below the plot."""
AXIS_WIDTH, LEAST_HEIGHT = 50, 110
"""[px] Of the vertical axis with its words; of the curves, without the frames below them."""
FEWEST_PIXELS = 6
"""Between two boundaries of blocks; closer ones would only be a haze."""
REACH = 24
"""[screen px] From the pointer to a curve whose value is shown."""
TALL = 1e6
"""Half of the length of a boundary, in units of any score."""
TIP = (
    "Drag the marker, or click: the slider follows. Wheel: zoom along the frames. Double click: "
    "all frames."
)
Curve = tuple[NDArray[Any], NDArray[Any]]
"""Frames and values."""


class FrameAxis(pg.AxisItem):
    """Whole frames, and the time at which they begin below them where it is known."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.frame_time: float | None = None
        self.last = 0
        self.enableAutoSIPrefix(False)

    def tickSpacing(  # noqa: N802 - pyqtgraph's name
        self, minVal: float, maxVal: float, size: float
    ) -> list[tuple[float, float]]:
        """Leave out ticks between frames, and the smallest of the others."""
        levels = super().tickSpacing(minVal, maxVal, size)
        whole = [(spacing, offset) for spacing, offset in levels if spacing >= 1]
        return whole[:2] or [(1.0, 0.0)]

    def tickValues(  # noqa: N802 - pyqtgraph's name
        self,
        minVal: float,
        maxVal: float,
        size: float,
    ) -> list[tuple[float, list[float]]]:
        """Mark no frames beyond the last."""
        levels = super().tickValues(minVal, maxVal, size)
        return [(step, [v for v in values if 0 <= v <= self.last]) for step, values in levels]

    def tickStrings(  # noqa: N802 - pyqtgraph's name
        self, values: list[float], scale: float, spacing: float
    ) -> list[str]:
        """Write frame and time."""
        if self.frame_time is None:
            return [f"{value:.0f}" for value in values]
        return [f"{value:.0f}\n{value * self.frame_time:.4g}" for value in values]


class ScorePlot(pg.PlotWidget):
    """Curves of one score.

    Parameters
    ----------
    title
        Of the vertical axis, with its unit.
    digits
        Decimals of a value.

    Signals
    -------
    frame_asked : int
        The user wants to see this frame.
    """

    frame_asked = Signal(int)

    def __init__(self, title: str, digits: int, parent: QWidget | None = None) -> None:
        self.axis = FrameAxis()
        super().__init__(parent, axisItems={"bottom": self.axis})
        self.digits = digits
        self.curves: dict[str, pg.PlotDataItem] = {}
        self._data: dict[str, Curve] = {}
        self._names: Mapping[str, str] = {}
        self._hidden: frozenset[str] = frozenset()
        self._extent, self._axis_shown = (1, 1), True
        self._theme = get_theme("dark")
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=True, y=False)
        item.setLabel("left", title)
        item.getAxis("left").enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(AXIS_WIDTH)
        item.getViewBox().setDefaultPadding(0.04)
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._add_marks()
        self.scene().sigMouseClicked.connect(self._on_click)
        item.getViewBox().sigXRangeChanged.connect(self._thin_out)

    def _add_marks(self) -> None:
        self.boundaries = pg.PlotCurveItem(connect="pairs")
        self.boundaries.setZValue(-10)
        self.addItem(self.boundaries, ignoreBounds=True)
        self.lonely = pg.ScatterPlotItem(size=5, pen=None)
        self.addItem(self.lonely)
        hanging = {"position": 0.99, "anchors": [(0, 0), (1, 0)]}  # whole in a low plot, too
        self.marker = pg.InfiniteLine(movable=True, label="{value:.0f}", labelOpts=hanging)
        self.marker.setCursor(Qt.CursorShape.SizeHorCursor)
        self.marker.sigDragged.connect(self._on_drag)
        self.addItem(self.marker, ignoreBounds=True)
        self.spot = pg.ScatterPlotItem(size=8)
        self.readout = pg.TextItem(anchor=(0, 1))
        for item in (self.spot, self.readout):
            item.setZValue(20)
            item.hide()
            self.addItem(item, ignoreBounds=True)

    # --- what is shown ------------------------------------------------------------------------

    def show_extent(self, n_frames: int, ratio: int, frame_time: float | None) -> None:
        """Prepare for a movie of ``n_frames`` in blocks of ``ratio``; ``frame_time`` [s]."""
        self.axis.frame_time, self.axis.last = frame_time, n_frames - 1
        self.show_axis(self._axis_shown)
        if (n_frames, ratio) == self._extent:
            return
        self._extent = n_frames, ratio
        edges = np.arange(ratio, n_frames, ratio) - 0.5
        self.boundaries.setData(np.repeat(edges, 2), np.tile([-TALL, TALL], len(edges)))
        self.marker.setBounds((0, n_frames - 1))
        self.getViewBox().setLimits(xMin=-0.5 - 0.02 * n_frames, xMax=n_frames * 1.02 - 0.5)
        self.show_all()

    def show_axis(self, shown: bool) -> None:
        """Write frames below the plot, or leave that to the plot below it."""
        self._axis_shown = shown
        timed = self.axis.frame_time is not None
        self.axis.setStyle(showValues=shown)
        self.axis.setLabel("frame, and its time (s)" if timed else "frame", **self.axis.labelStyle)
        self.axis.showLabel(shown)
        line = self.fontMetrics().lineSpacing()
        below = (2 + timed) * line + AXIS_GAPS if shown else AXIS_GAPS
        self.axis.setHeight(below)
        self.setMinimumHeight(LEAST_HEIGHT + below)

    def show_all(self) -> None:
        """Zoom out to all frames."""
        self.setXRange(-0.5, self._extent[0] - 0.5, padding=0.01)
        self.enableAutoRange("y")

    def show_curves(
        self, curves: Mapping[str, Curve], names: Mapping[str, str], hidden: frozenset[str]
    ) -> None:
        """Draw ``curves`` by codec, except those that are hidden; ``names`` says what they are."""
        self._data = {
            codec: (frames[np.isfinite(values)], values[np.isfinite(values)])
            for codec, (frames, values) in curves.items()
        }
        self._names, self._hidden = names, hidden
        for codec in [codec for codec in self.curves if codec not in curves]:
            self.removeItem(self.curves.pop(codec))
        for codec, (frames, values) in self._data.items():
            if codec not in self.curves:
                self._add_curve(codec)
            # A frame that is still missing leaves a gap.
            joined = np.append(np.diff(frames) == 1, False)
            self.curves[codec].setData(frames, values, connect=joined.astype(np.int32))
            self.curves[codec].setVisible(codec not in hidden)
        self._show_lonely(hidden)
        self._forget_readout()

    def show_frame(self, frame: int) -> None:
        """Move the marker, unless it is dragged just now."""
        if not self.marker.moving and self.marker.value() != frame:
            self.marker.setValue(frame)

    def show_theme(self, name: str) -> None:
        """Take the colours of napari's theme ``name``."""
        self._theme = theme = get_theme(name)
        text, faint = QColor(theme.text.as_hex()), QColor(theme.text.as_hex())
        faint.setAlpha(38)
        self.setBackground(theme.background.as_hex())
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(theme.secondary.as_hex()))
            axis.setTextPen(text)  # after the line, which would take it along
        self.boundaries.setPen(pg.mkPen(faint, width=1))
        self.marker.setPen(pg.mkPen(text, width=1.4))
        self.marker.setHoverPen(pg.mkPen(text, width=3))
        self.marker.label.setColor(text)
        self.marker.label.fill = pg.mkBrush(theme.background.as_hex())
        self.readout.setColor(text)
        self.readout.fill = pg.mkBrush(theme.foreground.as_hex())
        for codec, curve in self.curves.items():
            curve.setPen(style_of(codec).pen(theme))

    def _add_curve(self, codec: str) -> None:
        curve = self.plot(pen=style_of(codec).pen(self._theme), antialias=True)
        curve.setZValue(5 if style_of(codec) is RECONSTRUCTION else 0)
        curve.setDownsampling(auto=True, method="peak")
        self.curves[codec] = curve

    def _show_lonely(self, hidden: frozenset[str]) -> None:
        """Mark frames with no neighbour yet: no line would show them."""
        spots: list[dict[str, Any]] = []
        for codec, (frames, values) in self._data.items():
            gaps = np.diff(frames, prepend=-9, append=2**62) > 1
            lonely = np.flatnonzero(gaps[:-1] & gaps[1:])
            if codec not in hidden:
                brush = style_of(codec).pen(self._theme).color()
                spots += [{"pos": (frames[i], values[i]), "brush": brush} for i in lonely]
        self.lonely.setData(spots)

    def _thin_out(self) -> None:
        left, right = self.getViewBox().viewRange()[0]
        pixels = self.getViewBox().width() * self._extent[1] / max(right - left, 1e-9)
        self.boundaries.setVisible(pixels >= FEWEST_PIXELS)

    # --- the mouse ----------------------------------------------------------------------------

    def _on_drag(self) -> None:
        frame = round(self.marker.value())
        self.marker.setValue(frame)
        self.frame_asked.emit(frame)

    def _on_click(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if event.double():
            self.show_all()
        elif self.getViewBox().sceneBoundingRect().contains(event.scenePos()):
            frame = round(self.getViewBox().mapSceneToView(event.scenePos()).x())
            self.frame_asked.emit(min(max(frame, 0), self._extent[0] - 1))

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Show the value of the curve under the pointer."""
        super().mouseMoveEvent(event)
        if event.buttons() == Qt.MouseButton.NoButton:
            self.point_at(self.mapToScene(event.position().toPoint()))

    def leaveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take the value away."""
        super().leaveEvent(event)
        self._forget_readout()

    def point_at(self, place: QPointF) -> None:
        """Show the value of the curve that is nearest to ``place`` in the scene."""
        box = self.getViewBox()
        if not box.sceneBoundingRect().contains(place):
            self._forget_readout()
            return
        frame = round(box.mapSceneToView(place).x())
        found: list[tuple[float, str, float]] = []
        for codec, (frames, values) in self._data.items():
            at = int(np.searchsorted(frames, frame))
            if codec not in self._hidden and at < len(frames) and frames[at] == frame:
                y = box.mapViewToScene(QPointF(frame, values[at])).y()
                found.append((abs(y - place.y()), codec, float(values[at])))
        distance, codec, value = min(found, default=(math.inf, "", 0.0))
        if distance > REACH:
            self._forget_readout()
            return
        self._show_readout(codec, frame, value)

    def _show_readout(self, codec: str, frame: int, value: float) -> None:
        time = self.axis.frame_time
        when = f"frame {frame}" if time is None else f"frame {frame}, {frame * time:.4g} s"
        self.readout.setText(f"{self._names.get(codec, codec)}  {value:.{self.digits}f}   {when}")
        (left, right), (low, high) = self.getViewBox().viewRange()
        # On the side where there is room for it.
        side = 1.02 if frame > (left + right) / 2 else -0.02
        self.readout.setAnchor((side, 0.0 if value > (low + high) / 2 else 1.0))
        self.readout.setPos(frame, value)
        brush = style_of(codec).pen(self._theme).color()
        self.spot.setData([frame], [value], pen=None, brush=brush)
        for item in (self.spot, self.readout):
            item.show()

    def _forget_readout(self) -> None:
        for item in (self.spot, self.readout):
            item.hide()
