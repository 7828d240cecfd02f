"""What is drawn over the canvas while two layers are compared: a divider and two names."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from qtpy.QtWidgets import QLabel, QWidget

REACH = 6
"""Distance from the divider within which the mouse takes hold of it [px]."""
GAP, TOP = 10, 10
"""From the names to the divider, and to the upper edge [px]."""
HANDLE = (12, 44)
"""Width and height of the handle [px]."""
LIGHT, DARK = QColor(250, 250, 250), QColor(0, 0, 0, 150)

STYLE = (
    "QLabel {{ color: rgba(255, 255, 255, {text}); background: rgba(0, 0, 0, {ground});"
    " padding: 3px 8px; border-radius: 3px; font-size: 12pt; }}"
)
BRIGHT, DIM = STYLE.format(text=255, ground=170), STYLE.format(text=140, ground=110)

TIP = "Drag to move the divider, or press Shift and an arrow key; double-click to centre it."


class Divider(QWidget):
    """A line over the whole height of its parent, with a handle; can be dragged along x.

    Signals
    -------
    moved : float
        Where the mouse has taken it, as a share of the parent's width.
    """

    moved = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip(TIP)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._held: float | None = None
        self.hide()

    def place(self, position: float, width: int, height: int) -> None:
        """Stand at the share ``position`` of a canvas of ``width`` × ``height`` [px]."""
        self.setGeometry(round(position * width) - REACH, 0, 2 * REACH + 1, height)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take hold; other buttons are the canvas's."""
        assert event is not None
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        self._held = event.position().x() - REACH
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Follow the mouse, at the distance at which it took hold."""
        assert event is not None
        parent = self.parentWidget()
        if self._held is None or parent is None:
            event.ignore()
            return
        x = self.mapTo(parent, event.position()).x() - self._held
        self.moved.emit(x / max(parent.width(), 1))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Let go."""
        assert event is not None
        if self._held is None:
            event.ignore()
        self._held = None
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802 - Qt's name
        """Back to the middle."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self.moved.emit(0.5)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw line and handle, each with a dark rim: images may be black or white here."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, height = self.width() / 2, self.height()
        painter.fillRect(QRectF(middle - 1.5, 0, 3, height), DARK)
        painter.fillRect(QRectF(middle - 0.5, 0, 1, height), LIGHT)
        wide, high = HANDLE
        top = (height - high) / 2
        painter.setPen(QPen(DARK, 1))
        painter.setBrush(LIGHT if self._held is None else QColor(255, 210, 90))
        painter.drawRoundedRect(QRectF(middle - wide / 2, top, wide, high), 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(60, 60, 60))
        for side in (-1, 1):
            painter.drawPath(_arrow(middle + side * 1.2, height / 2, side))


def _arrow(x: float, y: float, side: int) -> QPainterPath:
    path = QPainterPath(QPointF(x, y - 4))
    path.lineTo(x + side * 3.2, y)
    path.lineTo(x, y + 4)
    path.closeSubpath()
    return path


class NameTag(QLabel):
    """What is shown on one side; lets the mouse through to the canvas.

    Parameters
    ----------
    parent
        The canvas.
    side
        −1 left of the divider, +1 right of it.
    """

    def __init__(self, parent: QWidget, side: int) -> None:
        super().__init__(parent)
        self._side = side
        if side < 0:
            self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setStyleSheet(BRIGHT)
        self.hide()

    def say(self, text: str, *, bright: bool) -> None:
        """Write ``text``; dim it where its layer is not the one that is shown."""
        style = BRIGHT if bright else DIM
        if self.styleSheet() != style:
            self.setStyleSheet(style)
        self.setText(text)
        self.adjustSize()

    def stand(self, edge: int, width: int) -> None:
        """Stand on its side of ``edge``; hidden where a canvas of ``width`` has no room for it."""
        left = edge - GAP - self.width() if self._side < 0 else edge + GAP
        self.move(left, TOP)
        self.setVisible(left >= 0 and left + self.width() <= width)
