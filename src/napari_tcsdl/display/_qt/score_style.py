"""What the curve of each codec looks like, in the plots and beside their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QPen

from ... import _colours


@dataclass(frozen=True)
class Style:
    """Colour by napari's kind of theme, width [px] and dashes: apart without colours too."""

    dark: str
    light: str
    width: float = 1.8
    dashes: Qt.PenStyle = Qt.PenStyle.SolidLine

    def pen(self, theme: Any) -> QPen:
        """Return a pen for ``theme``."""
        colour = self.light if theme.type == "light" else self.dark
        return pg.mkPen(colour, width=self.width, style=self.dashes)


RECONSTRUCTION = Style(_colours.RECONSTRUCTION, "#b85c00", width=3.0)
STYLES = {
    "raw": Style(_colours.RAW, "#66707f"),
    "binning": Style(_colours.BINNING, "#0a7d55", dashes=Qt.PenStyle.DashDotLine),
    "jpeg_raw_over_B": Style(_colours.JPEG, "#0b6fae", dashes=Qt.PenStyle.DashLine),
    "jpeg_same_bytes": Style(_colours.JPEG, "#0b6fae"),
}
"""Dashes tell the two JPEGs apart, whatever the ground."""


def style_of(codec: str) -> Style:
    """Return the style of ``codec``: what is no rival is the reconstruction."""
    return STYLES.get(codec, RECONSTRUCTION)
