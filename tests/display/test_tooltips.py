"""Every control of every dock that the plugin menu offers says what it does, hidden ones too."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pyqtgraph as pg
import pytest
from npe2 import PluginManifest
from panel_helpers import offer_made_up_choices
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QMenu,
    QProgressBar,
    QScrollBar,
    QTabBar,
    QTextEdit,
    QWidget,
)

import napari_tcsdl
from napari_tcsdl.display._qt.run_box import RunBox
from napari_tcsdl.display._qt.workbench import STEPS, Workbench

CONTROLS = (
    *(QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QTextEdit, QProgressBar),
    *(QAbstractSlider, QAbstractItemView, QTabBar, pg.GraphicsView),
)
PARTS = (QScrollBar, QHeaderView)
"""Of Qt's own widgets: no controls of ours."""
MANIFEST = PluginManifest.from_file(Path(napari_tcsdl.__file__).parent / "napari.yaml")
DOCKS = {
    row.display_name: next(
        c.python_name for c in MANIFEST.contributions.commands if c.id == row.command
    )
    for row in MANIFEST.contributions.widgets
}


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    offer_made_up_choices(monkeypatch)
    made_up = {"unfolding": "unfolding network"}
    monkeypatch.setattr("napari_tcsdl.display._qt.train_panel.find_trainable", lambda: made_up)
    monkeypatch.setattr("napari_tcsdl.display._qt.estimate.PATIENCE_MS", 10**6)


@pytest.fixture
def dock_of(viewer, layer, qtbot):
    """Build a dock as the menu does; the steps of a workbench are all made."""
    docks = []

    def make(name: str) -> QWidget:
        module, _, kind = DOCKS[name].partition(":")
        dock = getattr(import_module(module), kind)(viewer)
        qtbot.addWidget(dock)
        docks.append(dock)
        if isinstance(dock, Workbench):
            for step in STEPS:
                dock.panel(step)
        return dock

    yield make
    for dock in docks:
        dock.shut_down()


def owned(widget: QWidget) -> bool:
    """Whether a widget is a part of a control: the field and the list of a combo box, say."""
    parent = widget.parentWidget()
    kinds = (QComboBox, QAbstractSpinBox, QTabBar, QAbstractItemView, QMenu)
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parentWidget()
    return False


def name_of(widget) -> str:
    text = widget.text() if hasattr(widget, "text") else ""
    return f"{type(widget).__name__} {text!r} in {type(widget.parentWidget()).__name__}"


def silent_controls(dock: QWidget) -> tuple[list[str], int]:
    """Those without a tooltip of their own or of each tab, and how many were looked at."""
    ways_out = [box.remedy for box in dock.findChildren(RunBox)]  # their text comes with an error
    silent, count = [], 0
    for widget in dock.findChildren(QWidget):
        if not isinstance(widget, CONTROLS) or isinstance(widget, PARTS) or owned(widget):
            continue
        count += 1
        if isinstance(widget, QTabBar):
            tips = [widget.tabToolTip(k) for k in range(widget.count())]
        else:
            tips = [widget.toolTip()]
        if not all(tips) and widget not in ways_out:
            silent.append(name_of(widget))
    return silent, count


def silent_entries(dock: QWidget) -> list[str]:
    """Entries of menus that say no more than their name, or whose menu shows no tooltips."""
    return [
        action.text()
        for menu in dock.findChildren(QMenu)
        for action in menu.actions()
        if not action.isSeparator()
        and (action.toolTip() in ("", action.text().rstrip("…")) or not menu.toolTipsVisible())
    ]


@pytest.mark.parametrize("name", DOCKS)
def test_every_control_of_every_dock_says_what_it_does(name, dock_of):
    dock = dock_of(name)
    silent, count = silent_controls(dock)
    assert count >= 5
    assert silent == []
    assert silent_entries(dock) == []


def test_the_walk_finds_a_control_that_says_nothing(dock_of):
    dock = dock_of("Load")
    dock.run_button.setToolTip("")
    silent, _ = silent_controls(dock)
    assert silent == [f"QPushButton {dock.run_button.text()!r} in RunBox"]


def test_a_way_out_of_an_error_says_what_it_does(dock_of):
    box = dock_of("Compare").box
    box.offer("Run on the CPU", "Slower, with the same result.", lambda: None)
    assert not box.remedy.isHidden()
    assert box.remedy.toolTip() == "Slower, with the same result."
