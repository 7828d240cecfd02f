"""Quality against real bytes: a curve for each rival, ours among them, and where we stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from ..rivals_job import Look
from ..rivals_spots import Spot, spots_of
from ..rivals_text import HELD_OUT, Choice
from .rivals_axis import ByteAxis
from .rivals_style import SYMBOLS, is_dark, pen, shade
from .rivals_words import RING, put_beside, put_over

if TYPE_CHECKING:
    from ...rivals import RatePoint, Rival

HEIGHT, AXIS_WIDTH, AXIS_HEIGHT = 330, 46, 62
CHOSEN, STEP = 11.0, 6.5
"""[px] Size of points that serve a purpose, and of mere steps of a curve."""
REACH = 14
"""[screen px] From the pointer to a point that is meant."""
ROOM, HEADROOM = 0.08, 0.22
"""Of the range of values: around them, and above them for the names of the dashed lines."""
TITLES = {"psnr": "PSNR [dB]", "ssim": "SSIM"}
UNSEEN = "PSNR by held-out electrons [dB]"
REAL, HALF = (f"real bytes of {what}, and raw ÷ bytes" for what in ("the movie", "half the dose"))
TIP = (
    "A score against real bytes, of the whole movie or of half its dose, and raw bytes over these. "
    "Large points serve a purpose of the table, small ones are steps of a curve. Point at one for "
    "its numbers, click it to choose it."
)


class RivalsPlot(pg.PlotWidget):
    """Curves of all rivals.

    Signals
    -------
    chosen : str, object
        Name of a rival and the point that was clicked.
    """

    chosen = Signal(str, object)

    def __init__(self, theme: str = "dark", parent: QWidget | None = None) -> None:
        self.axis = ByteAxis()
        super().__init__(parent, axisItems={"bottom": self.axis})
        self.words: Callable[[str, RatePoint], str] = lambda name, point: name
        self.curves: dict[str, pg.PlotDataItem] = {}
        self.spots: list[Spot] = []
        self._looks: dict[str, Look] = {}
        self._what = "psnr"
        self._highlight: tuple[str, RatePoint | None] | None = None
        self._choice: Choice | None = None
        self._budgets: Mapping[str, int] = {}
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)  # a wheel over it scrolls the dock
        item.showGrid(x=True, y=True, alpha=0.14)
        item.getAxis("left").setWidth(AXIS_WIDTH)
        item.getAxis("left").enableAutoSIPrefix(False)
        item.setContentsMargins(0, 0, 4, 6)  # pyqtgraph lets the title of an axis stick out
        self.axis.setHeight(AXIS_HEIGHT)
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFixedHeight(HEIGHT)
        self._add_marks()
        self.scene().sigMouseClicked.connect(self._on_click)
        item.getViewBox().sigResized.connect(self._place_words)
        self.set_theme(theme)

    def _add_marks(self) -> None:
        self.lines: list[pg.InfiniteLine] = []
        self.bars = pg.ErrorBarItem()
        self.ring = pg.ScatterPlotItem(size=19, brush=None)
        self.ring_label = pg.TextItem()
        self.halo = pg.ScatterPlotItem(size=16, brush=None)
        self.readout = pg.TextItem()
        marks = (self.bars, self.halo, self.ring, self.ring_label, self.readout)
        for level, mark in enumerate(marks):
            mark.setZValue(20 + level)
            mark.hide()
            self.addItem(mark, ignoreBounds=True)

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave the wheel to the dock."""
        event.ignore()

    # --- what is shown ------------------------------------------------------------------------

    def show_rivals(
        self, looks: Iterable[Look], rivals: Mapping[str, Rival], budgets: Mapping[str, int]
    ) -> None:
        """Draw the curves of lossy rivals, and byte budgets as dashed lines."""
        self._looks = {look.name: look for look in looks}
        known = {name: rival for name, rival in rivals.items() if name in self._looks}
        self.spots = spots_of(known, self._what)
        self._budgets = {} if self._of_half else budgets
        self._draw()

    def show_score(self, what: str) -> None:
        """Draw ``psnr``, ``ssim`` or held-out scores; curves follow by :meth:`show_rivals`."""
        self._what = what
        self.getPlotItem().setLabel("left", TITLES.get(what, UNSEEN))
        self.getPlotItem().setLabel("bottom", HALF if self._of_half else REAL)

    @property
    def _of_half(self) -> bool:  # whose bytes compare with no others
        return self._what == HELD_OUT

    def highlight(self, chosen: tuple[str, RatePoint | None] | None) -> None:
        """Bring out one rival, and ring one of its points."""
        self._highlight = chosen
        self._draw()

    def show_choice(self, choice: Choice | None) -> None:
        """Mark where the settings stand: a ring on our curve, or a dashed line."""
        self._choice = choice
        self._fit()
        self._draw_marks()

    def _draw(self) -> None:
        self.readout.hide()
        names = list(dict.fromkeys(spot.name for spot in self.spots))
        for name in [name for name in self.curves if name not in names]:
            self.removeItem(self.curves.pop(name))
        for name in names:
            self._draw_curve(name)
        self._draw_errors()
        self._fit()
        self._draw_marks()

    def _draw_curve(self, name: str) -> None:
        look, own = self._looks[name], [spot for spot in self.spots if spot.name == name]
        if name not in self.curves:
            self.curves[name] = self.plot(antialias=True)
        bright = self._highlight is not None and self._highlight[0] == name
        faint = self._highlight is not None and not bright
        colour = shade(look, self._dark)
        colour.setAlphaF(0.3 if faint else 1.0)
        curve = self.curves[name]
        curve.setZValue(10 if bright else 5 if look.ours else 0)
        curve.setData(
            [spot.x for spot in own],
            [spot.y for spot in own],
            pen=pen(look, self._dark, strong=bright, faint=faint),
            symbol=SYMBOLS[look.symbol],
            symbolSize=[CHOSEN if set(s.point.purposes) - {"ladder"} else STEP for s in own],
            symbolBrush=colour,
            symbolPen=None,
        )

    def _draw_errors(self) -> None:
        sure = [spot for spot in self.spots if spot.error]
        self.bars.setVisible(bool(sure))
        if sure:
            x, y, error = np.array([(spot.x, spot.y, spot.error) for spot in sure]).T
            self.bars.setData(x=x, y=y, height=2 * error, pen=pg.mkPen(self._muted, width=1))

    def _fit(self) -> None:
        if not self.spots:
            return
        across = [spot.x for spot in self.spots]
        across += [math.log10(count) for count in self._budgets.values()]
        if self._choice is not None and not self._of_half:
            across.append(math.log10(self._choice.n_bytes))
        up = [spot.y + side * spot.error for spot in self.spots for side in (-1, 1)]
        room = (max(up) - min(up)) or 1.0
        self.setXRange(min(across) - 0.12, max(across) + 0.12, padding=0)
        self.setYRange(min(up) - ROOM * room, max(up) + HEADROOM * room, padding=0)

    # --- marks --------------------------------------------------------------------------------

    def _draw_marks(self) -> None:
        for line in self.lines:
            self.removeItem(line)
        self.lines = []
        for row, (word, count) in enumerate(self._budgets.items()):
            self._line(math.log10(count), word, 0.955 - 0.065 * row, self._muted)
        choice, ours = self._choice, self._our_colour()
        spot = self._spot_of(choice.point) if choice is not None else None
        for mark in (self.ring, self.ring_label):
            mark.setVisible(spot is not None)
        if spot is not None and choice is not None:
            self.ring.setData([spot.x], [spot.y], pen=pg.mkPen(self._text, width=2), brush=None)
            self.ring_label.setText(RING + choice.text, self._text)
            self._place_words()
        elif choice is not None and choice.point is None and self.spots and not self._of_half:
            self._line(math.log10(choice.n_bytes), choice.text, 0.825, ours)
        halo = self._spot_of(self._highlight[1]) if self._highlight is not None else None
        self.halo.setVisible(halo is not None)
        if halo is not None:
            colour = shade(self._looks[halo.name], self._dark)
            self.halo.setData([halo.x], [halo.y], pen=pg.mkPen(colour, width=2), brush=None)

    def _place_words(self) -> None:
        spot = self._spot_of(self._choice.point) if self._choice is not None else None
        if spot is not None:
            put_beside(self.ring_label, self.getViewBox(), spot, self.spots, self.lines)

    def _line(self, x: float, word: str, height: float, colour: QColor) -> None:
        left, right = self.getViewBox().viewRange()[0]
        late = x > (left + right) / 2
        line = pg.InfiniteLine(
            x,
            angle=90,
            pen=pg.mkPen(colour, width=1.2, style=Qt.PenStyle.DashLine),
            label=word,
            labelOpts={
                "position": height,
                "color": colour,
                "fill": self._veil,
                "anchors": [(1.06, 0.5)] * 2 if late else [(-0.06, 0.5)] * 2,
            },
        )
        line.setZValue(-5)
        self.lines.append(line)
        self.addItem(line, ignoreBounds=True)

    def _our_colour(self) -> QColor:
        own = next((look for look in self._looks.values() if look.ours), None)
        return self._text if own is None else shade(own, self._dark)

    def _spot_of(self, point: RatePoint | None) -> Spot | None:
        return next((spot for spot in self.spots if spot.point == point), None)

    # --- the mouse ----------------------------------------------------------------------------

    def spot_at(self, place: QPointF) -> Spot | None:
        """Return the point that is nearest to ``place`` in the scene, within reach."""
        box = self.getViewBox()
        found = []
        for spot in self.spots:
            there = box.mapViewToScene(QPointF(spot.x, spot.y))
            found.append((math.hypot(there.x() - place.x(), there.y() - place.y()), spot))
        distance, nearest = min(found, key=lambda entry: entry[0], default=(math.inf, None))
        return nearest if distance <= REACH else None

    def _on_click(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            spot = self.spot_at(event.scenePos())
            if spot is not None:
                self.chosen.emit(spot.name, spot.point)

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Show the numbers of the point under the pointer."""
        super().mouseMoveEvent(event)
        spot = self.spot_at(self.mapToScene(event.position().toPoint()))
        if spot is None:
            self.readout.hide()
        else:
            self._show_readout(spot)

    def leaveEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take the numbers away."""
        super().leaveEvent(event)
        self.readout.hide()

    def _show_readout(self, spot: Spot) -> None:
        self.readout.setText(self.words(spot.name, spot.point))
        put_over(self.readout, self.getViewBox(), spot, CHOSEN)
        self.readout.setVisible(True)  # show() would not tell pyqtgraph, which then misplaces it

    # --- colours ------------------------------------------------------------------------------

    def set_theme(self, name: str) -> None:
        """Take the colours of napari's theme ``name``."""
        theme = get_theme(name)
        self._dark, self._text = is_dark(theme), QColor(theme.text.as_hex())
        self._muted = QColor(self._text)
        self._muted.setAlpha(170)
        self._veil = QColor(theme.background.as_hex())
        self._veil.setAlpha(190)
        self.ring_label.fill = pg.mkBrush(self._veil)
        self.setBackground(theme.background.as_hex())
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pg.mkPen(self._muted, width=1))
            axis.setTextPen(pg.mkPen(self._text))
            axis.labelStyle["color"] = self._text.name()
        self.show_score(self._what)
        self.readout.setColor(self._text)
        self.readout.fill = pg.mkBrush(theme.foreground.as_hex())
        self._draw()
