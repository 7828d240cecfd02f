"""A hand on the mouse and on the keys: events as Qt gets them from the desktop."""

from __future__ import annotations

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QComboBox, QDockWidget, QMenuBar, QScrollArea, QSpinBox, QWidget

LEFT = Qt.MouseButton.LeftButton
STEPS = 8
"""Moves of the mouse in one drag."""


def click(qtbot, widget: QWidget) -> None:
    """Press and release the left button in the middle of a control that can be used."""
    assert widget.isEnabled()
    assert widget.isVisible()
    qtbot.mouseClick(widget, LEFT)


def click_menu(qtbot, bar: QMenuBar, *names: str) -> None:
    """Open menu after menu, and take the last entry."""
    menu: QWidget = bar
    for name in names:
        action = next(each for each in menu.actions() if each.text().replace("&", "") == name)
        assert action.isEnabled()
        qtbot.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
        if action.menu() is not None:
            menu = action.menu()
            qtbot.waitUntil(menu.isVisible)


def drag(qtbot, widget: QWidget, start: QPoint, stop: QPoint) -> None:
    """Press at ``start``, move in steps, release at ``stop``; both as seen at the beginning."""
    glob = [widget.mapToGlobal(point) for point in (start, stop)]
    qtbot.mouseMove(widget, start)
    qtbot.mousePress(widget, LEFT, pos=start)
    for step in range(1, STEPS + 1):
        there = glob[0] + (glob[1] - glob[0]) * step / STEPS
        qtbot.mouseMove(widget, widget.mapFromGlobal(there))
        qtbot.wait(20)
    qtbot.mouseRelease(widget, LEFT, pos=widget.mapFromGlobal(glob[1]))


def type_into(qtbot, box: QSpinBox, text: str) -> None:
    """Click into a field of numbers, and type over what it says."""
    line = box.lineEdit()
    qtbot.mouseClick(line, LEFT)
    qtbot.keyClick(line, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(line, text)
    qtbot.keyClick(line, Qt.Key.Key_Return)


def choose(qtbot, combo: QComboBox, text: str) -> None:
    """Type the beginning of an entry, as a list takes it."""
    combo.setFocus()
    qtbot.keyClicks(combo, text)
    assert combo.currentText().startswith(text)


def show_in_panel(panel: QWidget, widget: QWidget) -> None:
    """Scroll a panel to one of its controls."""
    panel.findChild(QScrollArea).ensureWidgetVisible(widget)


def title_bar_of(widget: QWidget) -> QWidget:
    """Return the title bar of the dock that holds ``widget``, with its buttons."""
    dock = widget.parent()
    while not isinstance(dock, QDockWidget):
        dock = dock.parent()
    return dock.titleBarWidget()
