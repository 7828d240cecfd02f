"""Room for everything that opens at once: docks below get their share, images the rest."""

from __future__ import annotations

from collections.abc import Sequence

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from .docks import SHARE

SETTLE_MS = 100
"""Until then Qt has laid the docks out, and the canvas has its size."""


def share_room(viewer: napari.Viewer, below: Sequence[QWidget]) -> None:
    """Give the docks of ``below`` their share of the window's height, then fit the images."""
    docks = [
        dock for dock in (widget.parent() for widget in below) if isinstance(dock, QDockWidget)
    ]
    window = below[0].window() if below else None
    if isinstance(window, QMainWindow):
        heights = [round(SHARE * window.height())] * len(docks)
        window.resizeDocks(docks, heights, Qt.Orientation.Vertical)
    timer = QTimer(window)
    timer.setSingleShot(True)

    def fit() -> None:
        timer.deleteLater()
        if len(viewer.layers):
            viewer.reset_view()

    timer.timeout.connect(fit)
    timer.start(SETTLE_MS)
