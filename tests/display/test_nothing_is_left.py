"""Docks that were opened and closed leave nothing behind, however often."""

from __future__ import annotations

import gc
import threading

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent, QTimer
from qtpy.QtWidgets import QApplication

from napari_tcsdl.display._qt.fft_dock import FftDock
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display._qt.workbench import Workbench

CYCLES = 20


def callbacks(viewer: ViewerModel) -> int:
    """Count what is connected to a viewer and its layers."""
    canvas = viewer.canvas
    groups = [viewer.events, viewer.dims.events, viewer.layers.events, viewer.scene.camera.events]
    groups += [canvas.events, canvas.grid.events, *(layer.events for layer in viewer.layers)]
    return sum(len(emitter.callbacks) for group in groups for emitter in group.emitters.values())


def census(viewer: ViewerModel) -> dict[str, int]:
    """Count what a dock could leave behind."""
    for _ in range(3):
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
        gc.collect()
    return {
        "callbacks": callbacks(viewer),
        "timers": sum(issubclass(type(thing), QTimer) for thing in gc.get_objects()),
        "widgets": len(QApplication.allWidgets()),
        "threads": threading.active_count(),
        "overlays": sum(len(layer._overlays) for layer in viewer.layers),
        "keys": len(viewer.keymap) + len(viewer.mouse_drag_callbacks),
    }


@pytest.mark.parametrize("kind", [FftDock, ScoresDock, Workbench])
def test_twenty_openings_leave_nothing_behind(kind, viewer, two, qtbot):
    def open_and_close():
        dock = kind(viewer)
        dock.show()
        qtbot.wait(1)
        dock.close()
        dock.deleteLater()

    for _ in range(2):
        open_and_close()
    before = census(viewer)
    for _ in range(CYCLES):
        open_and_close()
    assert census(viewer) == before
