"""The whole window: its size, and pictures of it for demonstrations and the documentation."""

from __future__ import annotations

import napari
from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QApplication

from .compare_panel import ComparePanel

POLL_MS, SETTLE_MS = 100, 1500


def fill_screen(viewer: napari.viewer.Viewer) -> None:
    """Make the window as large as the screen: four images need the room."""
    screen = QGuiApplication.primaryScreen()
    if screen is not None:
        area = screen.availableGeometry()
        viewer.window.set_geometry(area.x(), area.y(), area.width(), area.height())


def save_and_quit(viewer: napari.viewer.Viewer, panel: ComparePanel, path: str) -> None:
    """Save a picture of the window once the panel has ended its run, and quit."""
    timer = QTimer(panel)

    def save() -> None:
        viewer.screenshot(path, canvas_only=False, flash=False)
        viewer.close()
        QApplication.quit()

    def poll() -> None:
        if panel.worker is None:
            timer.stop()
            # Layers that were refreshed last are painted after the events in the queue.
            QTimer.singleShot(SETTLE_MS, save)

    timer.timeout.connect(poll)
    timer.start(POLL_MS)
