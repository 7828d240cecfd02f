"""Small controls that all panels share, and how they write numbers."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

QUIET = 170
"""Of 255: how much of a quiet label's colour is let through."""
SHORTEST = 16
"""Characters that a combo box shows at least; it must not widen the dock."""
LEAST_SHOWN = 8
"""Characters of a line that is cut off: fewer would say nothing."""


class LayerCombo(QComboBox):
    """Image layers of a viewer; follows additions, removals and new names."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(SHORTEST)

    def offer(self, layers: list[Layer]) -> None:
        """List ``layers``; keeps the choice while its layer is there."""
        before = self.layer()
        self.blockSignals(True)
        self.clear()
        images = [layer for layer in layers if isinstance(layer, Image)]
        for layer in images:
            self.addItem(layer.name, layer)
        if before in images:
            self.setCurrentIndex(images.index(before))
        self.blockSignals(False)
        if self.layer() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave out the middle of a long name: Qt would cut its end off."""
        option, painter = QStyleOptionComboBox(), QStylePainter(self)
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width()
        )
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def layer(self) -> Layer | None:
        """Return the chosen layer."""
        return self.currentData()

    def choose(self, layer: Layer) -> None:
        """Choose ``layer``, if it is listed."""
        for index in range(self.count()):
            if self.itemData(index) == layer:  # not "is": napari hands plugins proxies of layers
                self.setCurrentIndex(index)


class Fold(QWidget):
    """A headline that opens and closes what is below it."""

    def __init__(self, title: str, tip: str, content: QWidget) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(title)
        self.head.setToolTip(tip)
        self.head.setCheckable(True)
        self.head.setAutoRaise(True)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setStyleSheet("QToolButton { border: none; background: transparent; }")
        self.content = content
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.head)
        layout.addWidget(content)
        self.head.toggled.connect(self._show)
        self._show(False)

    def _show(self, opened: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow
        self.head.setArrowType(arrow)
        self.content.setVisible(opened)


def layer_events(viewer: ViewerModel) -> list[Any]:
    """List the events after which the layers on offer have changed."""
    events = viewer.layers.events
    names = [layer.events.name for layer in viewer.layers]
    return [events.inserted, events.removed, events.reordered, *names]


def choice(entries: dict[str, str]) -> QComboBox:
    """Return a combo box over ``entries`` (value → text) that does not widen the dock."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(SHORTEST)
    for name, text in entries.items():
        combo.addItem(text, name)
    return combo


def choose(combo: QComboBox, name: str, text: str) -> None:
    """Choose ``name``, and offer it as ``text`` where it is not there (yet): a run will say so."""
    if combo.findData(name) < 0:
        combo.addItem(text, name)
    combo.setCurrentIndex(combo.findData(name))


def button(text: str, tip: str) -> QPushButton:
    """Return a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    return made


def beside(field: QWidget, *others: QWidget) -> QWidget:
    """Return a row in which ``field`` takes the room that the others leave."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    layout.addWidget(field, 1)
    for other in others:
        layout.addWidget(other)
    return row


def scrolled(content: QWidget) -> QScrollArea:
    """Return a frameless area in which ``content`` is scrolled up and down where it is too tall."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area


def rule() -> QFrame:
    """Return a thin horizontal line."""
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: rgba(128, 128, 128, 80);")
    return line


class ElidedLabel(QLabel):
    """One line that ends in … where it does not fit, and says nothing where it would say little."""

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Write as much as there is room for."""
        ground = self.contentsRect()
        shown = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, ground.width()
        )
        if shown == self.text() or len(shown) >= LEAST_SHOWN:
            painter = QPainter(self)
            painter.drawText(ground, self.alignment(), shown)
            painter.end()


class QuietLabel(QLabel):
    """Text in a softer voice: the colour of the theme, dark or light, let through in part."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self._colour = ""

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take the colour once the theme is known."""
        super().showEvent(event)
        self._take_colour()

    def changeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take the colour of another theme, in the next turn: what is around takes it now."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self.isVisible():
            # Not a timer: what is posted to a label ends with it.
            QCoreApplication.postEvent(self, QEvent(QEvent.Type.User))

    def customEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Take the colour now."""
        self._take_colour()

    def _take_colour(self) -> None:
        around = self.parentWidget()
        if around is not None:
            red, green, blue, _ = around.palette().color(around.foregroundRole()).getRgb()
            colour = f"color: rgba({red}, {green}, {blue}, {QUIET});"
            if colour != self._colour:
                self._colour = colour
                self.setStyleSheet(colour)


def quiet_label(lines: int = 2) -> QuietLabel:
    """Return a label for facts beside a control.

    It keeps room for ``lines``, so that the controls below do not move with the text.
    """
    label = QuietLabel()
    label.setMinimumHeight(lines * label.fontMetrics().lineSpacing() + 4)
    return label


def duration(seconds: float) -> str:
    """Write a time in the unit that reads best."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def form_layout() -> QFormLayout:
    """Return an empty form: labels on the right, fields as wide as there is room."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(6)
    form.setHorizontalSpacing(10)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def whole(least: int, most: int, value: int) -> QSpinBox:
    """Return a box for a whole number."""
    box = QSpinBox()
    box.setRange(least, most)
    box.setValue(value)
    return box
