"""Frames with fringes whose d-spacings and directions are known, and a mouse on their spots."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

PIXEL = 0.025  # nm
D = {"111": 2.355, "220": 1.442}  # [Å]
ANGLES = {"111": 20.0, "220": 75.0}  # [°]


def planted(side: int = 256, n_frames: int = 6) -> np.ndarray:
    """Counts of two sets of fringes with the d-spacings of gold."""
    y, x = np.mgrid[:side, :side]
    scene = np.full((side, side), 20.0)
    for name, d in D.items():
        angle = np.radians(ANGLES[name])
        phase = (np.cos(angle) * x - np.sin(angle) * y) * PIXEL * 10 / d
        scene += 5 * np.cos(2 * np.pi * phase)
    return np.random.default_rng(3).poisson([scene] * n_frames).astype(np.uint8)


def place_of(name: str) -> tuple[float, float]:
    """(qx, qy) of a planted spot [1/nm]."""
    angle, q = np.radians(ANGLES[name]), 10 / D[name]
    return q * np.cos(angle), -q * np.sin(angle)


def click_spectrum(view, panel: int, qx: float, qy: float, button=Qt.MouseButton.LeftButton):
    """Press and release the mouse on a place of a spectrum, through Qt."""
    place = view.mapFromScene(view.panels[panel].box.mapViewToScene(QPointF(qx, qy)))
    port = view.viewport()
    for kind, pressed in (
        (QEvent.Type.MouseMove, Qt.MouseButton.NoButton),
        (QEvent.Type.MouseButtonPress, button),
        (QEvent.Type.MouseButtonRelease, Qt.MouseButton.NoButton),
    ):
        which = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
        event = QMouseEvent(
            kind,
            QPointF(place),
            QPointF(port.mapToGlobal(QPoint(place))),
            which,
            pressed,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(port, event)
