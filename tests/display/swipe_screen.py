"""Two layers in one canvas: what stands on the screen, and a mouse for it."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_tcsdl.display._qt.swipe import SwipeView
from napari_tcsdl.display.duo import Duo

GREY = {"first": 60, "second": 180, "third": 240}

PAUSE = 60

LEFT = Qt.MouseButton.LeftButton


class Screen:
    """A window with three plain layers, two of which are compared."""

    def __init__(self, viewer, qtbot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        for name, grey in GREY.items():
            data = np.full((3, 60, 80), grey, dtype=np.uint8)
            viewer.add_image(data, name=name, contrast_limits=(0, 255))
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas.native
        viewer.scene.camera.zoom *= 3  # the image fills the canvas
        self.duo = Duo(viewer, viewer.layers["first"], viewer.layers["second"])
        self.view = SwipeView(viewer.window._qt_window, self.duo)

    def names(self, row: float = 0.5) -> list[str]:
        """Layer that each column of the canvas shows, by its grey."""
        self.qtbot.wait(PAUSE)
        picture = self.viewer.screenshot(canvas_only=True, flash=False)[..., 0]
        line = picture[int(row * len(picture))].astype(int)
        near = {name: np.abs(line - grey) <= 1 for name, grey in GREY.items()}
        return [next((name for name, hit in near.items() if hit[x]), "?") for x in range(line.size)]

    def edge(self) -> int:
        """Column [px] where the first layer ends and the second begins; nothing else is shown."""
        names = self.names()
        assert names == self.names(row=0.9)
        edge = names.count("first")
        assert names == ["first"] * edge + ["second"] * (len(names) - edge)
        return edge

    def expected_edge(self) -> float:
        return self.duo.position * self.native.width()

    def at(self, x: float, y: float) -> QWidget:
        """Widget that the mouse finds at ``x``, ``y`` of the canvas."""
        return self.native.childAt(QPoint(round(x), round(y))) or self.native

    def drag(self, start: tuple[int, int], stop: tuple[int, int], button=LEFT) -> None:
        """Press, move and release; Qt sends all of it to the widget that was pressed."""
        target = self.at(*start)

        def there(x: float, y: float) -> QPoint:
            return target.mapFrom(self.native, QPoint(round(x), round(y)))

        self.qtbot.mousePress(target, button, pos=there(*start))
        for share in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + share * (b - a) for a, b in zip(start, stop, strict=True))
            self.qtbot.mouseMove(target, there(x, y))
            self.qtbot.wait(20)
        self.qtbot.mouseRelease(target, button, pos=there(*stop))

    def wheel(self, x: int, y: int) -> bool:
        """Turn the wheel at ``x``, ``y``; whether the widget there has taken it."""
        pos = QPoint(x, y)
        target = self.at(x, y)
        event = QWheelEvent(
            QPointF(target.mapFrom(self.native, pos)),
            QPointF(self.native.mapToGlobal(pos)),
            QPoint(),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(target, event)
        return event.isAccepted()
