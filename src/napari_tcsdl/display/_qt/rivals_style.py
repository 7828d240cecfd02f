"""How rivals look on napari's dark and light grounds: the colours of the report, legible."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from ..rivals_job import Look

SYMBOLS = {"circle": "o", "square": "s", "triangle": "t1", "diamond": "d"}
"""Names of pyqtgraph for those of the report."""
LEAST_LIGHT, MOST_LIGHT = 0.66, 0.46
"""Lightness (HSL) of colours on a dark ground at least, on a light one at most."""
ICON = 14
"""[px]"""


def is_dark(theme: Any) -> bool:
    """Whether napari's ``theme`` writes light on dark."""
    ground, text = (QColor(shade.as_hex()) for shade in (theme.background, theme.text))
    return bool(ground.lightnessF() < text.lightnessF())


def shade(look: Look, dark: bool) -> QColor:
    """Return the colour of the report's page, as light or dark as the ground wants it."""
    colour = QColor(look.colour)
    hue, saturation, light, _ = (float(value) for value in colour.getHslF())
    light = max(light, LEAST_LIGHT) if dark else min(light, MOST_LIGHT)
    return QColor.fromHslF(max(hue, 0.0), saturation, light)


def pen(look: Look, dark: bool, *, strong: bool = False, faint: bool = False) -> QPen:
    """Return the pen of a curve; ours is wider, what is chosen widest, the others give way."""
    colour = shade(look, dark)
    colour.setAlphaF(0.3 if faint else 1.0)
    width = 3.2 if strong else 2.4 if look.ours else 1.6
    made: QPen = pg.mkPen(colour, width=width)
    if look.dash:
        made.setDashPattern([length / width for length in look.dash])
    return made


def icon(look: Look, dark: bool) -> QIcon:
    """Return the symbol of a rival in its colour, as in the plot."""
    pixmap = QPixmap(ICON, ICON)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(ICON / 2, ICON / 2)
    painter.scale(0.75 * ICON, 0.75 * ICON)
    painter.fillPath(Symbols[SYMBOLS[look.symbol]], shade(look, dark))
    painter.end()
    return QIcon(pixmap)
