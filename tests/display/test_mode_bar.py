from __future__ import annotations

import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox

from napari_tcsdl._validation import OutputError
from napari_tcsdl.display._qt.divider import Divider
from napari_tcsdl.display._qt.mode_bar import ModeBar

LEFT = Qt.MouseButton.LeftButton


def add_layers(viewer, count=4):
    rng = np.random.default_rng(0)
    return [
        viewer.add_image(
            rng.uniform(0, 10 * i + 10, (3, 16, 16)).astype(np.float32), name=f"box {i}"
        )
        for i in range(count)
    ]


@pytest.fixture
def layers(viewer):
    return add_layers(viewer)


@pytest.fixture
def bar(viewer, layers, qtbot):
    bar = ModeBar(viewer, lambda: [la for la in layers if la in viewer.layers])
    qtbot.addWidget(bar)
    yield bar
    bar.shut_down()


@pytest.fixture
def docked(window, qtbot):
    """The bar in a real window with four boxes."""
    viewer = window(show=True)
    layers = add_layers(viewer)
    viewer.canvas.grid.enabled = True
    bar = ModeBar(viewer, lambda: [la for la in layers if la in viewer.layers])
    viewer.window.add_dock_widget(bar, name="bar", area="right")
    yield viewer, bar
    bar.shut_down()


def pair(bar):
    return bar.first.currentText(), bar.second.currentText()


def test_every_control_has_a_tooltip(bar):
    controls = bar.findChildren(QAbstractButton) + bar.findChildren(QComboBox)
    assert len(controls) == 9
    assert all(control.toolTip() for control in controls)


def test_the_grid_is_where_it_begins(bar):
    assert bar.mode == "grid"
    assert bar.buttons["grid"].isChecked()
    assert pair(bar) == ("box 0", "box 1")
    for control in (bar.first, bar.second, bar.exchange, bar.automatic):
        assert not control.isEnabled()
    assert bar.link.isChecked()


def test_both_layers_are_always_different(bar, layers):
    bar.first.choose(layers[1])
    assert pair(bar) == ("box 1", "box 0")
    bar.second.choose(layers[3])
    bar.second.choose(layers[1])
    assert pair(bar) == ("box 3", "box 1")


def test_layers_come_and_go(viewer, bar, layers):
    viewer.layers.remove(layers[0])
    bar.follow()
    assert pair(bar) == ("box 1", "box 2")
    for layer in layers[1:3]:
        viewer.layers.remove(layer)
    bar.follow()
    assert not bar.buttons["swipe"].isEnabled(), "one layer has nothing to be compared with"
    viewer.layers.remove(layers[3])
    bar.follow()
    assert not bar.buttons["blink"].isEnabled()
    assert not bar.auto.isEnabled()
    bar.set_mode("swipe")
    assert bar.mode == "grid"


def test_without_a_canvas_the_boxes_stay_and_a_sentence_says_why(viewer, bar, qtbot):
    viewer.canvas.grid.enabled = True
    with qtbot.waitSignal(bar.failed) as told:
        bar.buttons["swipe"].click()
    assert isinstance(told.args[0], OutputError)
    assert "compare in the grid" in str(told.args[0])
    assert bar.mode == "grid"
    assert bar.buttons["grid"].isChecked()
    assert viewer.canvas.grid.enabled


def test_buttons_change_the_mode_and_tell_it_once(docked, qtbot):
    viewer, bar = docked
    told = []
    bar.mode_changed.connect(told.append)
    for name in ("swipe", "swipe", "blink", "grid"):
        qtbot.mouseClick(bar.buttons[name], LEFT)
        assert bar.mode == name
        assert [b for b, button in bar.buttons.items() if button.isChecked()] == [name]
        assert viewer.canvas.grid.enabled == (name == "grid")
        assert bar.first.isEnabled() == (name != "grid")
        assert bar.automatic.isEnabled() == (name == "blink")
    assert told == ["swipe", "blink", "grid"]
    assert all(layer.visible for layer in viewer.layers)
    qtbot.wait(50)
    assert not viewer.window._qt_viewer.canvas.native.findChildren(Divider)


def test_layers_can_be_changed_and_exchanged_while_they_are_compared(docked, qtbot):
    viewer, bar = docked
    bar.set_mode("swipe")
    bar.second.choose(viewer.layers["box 3"])
    assert bar.duo.texts() == ("box 0", "box 3")
    assert [la.name for la in viewer.layers if la.visible] == ["box 0", "box 3"]
    qtbot.mouseClick(bar.exchange, LEFT)
    assert pair(bar) == bar.duo.texts() == ("box 3", "box 0")
    bar.duo.toggle()  # by its key
    assert pair(bar) == bar.duo.texts() == ("box 0", "box 3")
    assert [tag.text() for tag in bar.view.names] == ["box 0", "box 3"]
    bar.set_mode("blink")
    bar.duo.toggle()
    assert pair(bar) == ("box 0", "box 3"), "a blink exchanges nothing"
    bar.automatic.setChecked(True)
    assert bar.duo.automatic
    bar.automatic.setChecked(False)
    assert not bar.duo.automatic


def test_it_shows_when_the_comparison_has_ended_by_itself(docked):
    viewer, bar = docked
    bar.set_mode("swipe")
    viewer.canvas.grid.enabled = True
    assert bar.mode == "grid"
    assert bar.buttons["grid"].isChecked()
    bar.set_mode("blink")
    viewer.layers.remove("box 1")
    assert bar.buttons["grid"].isChecked()
    bar.follow()
    bar.set_mode("blink")
    assert bar.duo.texts() == ("box 0", "box 2")


def test_layers_may_go_while_others_are_compared(docked):
    viewer, bar = docked
    bar.set_mode("swipe")
    viewer.layers.remove("box 3")
    bar.follow()
    assert bar.mode == "swipe"
    viewer.layers.remove("box 0")
    viewer.layers.remove("box 1")
    bar.follow()
    assert bar.mode == "grid"
    assert not bar.buttons["swipe"].isEnabled()


def test_shut_down_brings_the_boxes_back(docked):
    viewer, bar = docked
    bar.set_mode("swipe")
    bar.shut_down()
    assert viewer.canvas.grid.enabled
    assert all(layer.visible for layer in viewer.layers)
    viewer.layers[0].contrast_limits = (1, 2)
    assert tuple(viewer.layers[1].contrast_limits) != (1, 2)


def test_a_viewer_from_the_menu_serves_too(viewer, layers, qtbot):
    """It wraps itself and its layers, each time anew, and hides what is private."""
    wrapped = PublicOnlyProxy(viewer)
    bar = ModeBar(wrapped, lambda: list(wrapped.layers))
    qtbot.addWidget(bar)
    bar.first.setCurrentIndex(2)
    bar.follow()
    assert pair(bar) == ("box 2", "box 1")
    bar.second.setCurrentIndex(2)
    assert pair(bar) == ("box 1", "box 2")
    bar.auto.click()
    limits = tuple(layers[0].contrast_limits)
    assert limits != (0, 1)
    assert tuple(layers[3].contrast_limits) == limits
    bar.shut_down()


def test_contrast_is_linked_until_the_button_says_otherwise(bar, layers):
    layers[2].contrast_limits = (1, 2)
    assert tuple(layers[0].contrast_limits) == (1, 2)
    bar.link.setChecked(False)
    layers[2].contrast_limits = (3, 4)
    assert tuple(layers[0].contrast_limits) == (1, 2)
    bar.link.setChecked(True)
    assert tuple(layers[2].contrast_limits) == (1, 2)


def test_auto_contrast_comes_from_the_reference(viewer, layers, qtbot):
    bar = ModeBar(viewer, lambda: layers, lambda: layers[:2], lambda: layers[3])
    qtbot.addWidget(bar)
    before = tuple(layers[2].contrast_limits)
    bar.auto.click()
    low, high = layers[0].contrast_limits
    assert low < 1
    assert 38 < high <= 40, "of the reference, which is linked to none"
    assert tuple(layers[1].contrast_limits) == (low, high)
    assert tuple(layers[2].contrast_limits) == before, "another unit"
    bar.shut_down()


def test_auto_contrast_without_a_reference_comes_from_the_first(bar, layers):
    bar.auto.click()
    assert 9 < layers[3].contrast_limits[1] <= 10
