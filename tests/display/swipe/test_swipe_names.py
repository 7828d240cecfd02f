"""Swipe and blink: keys, the names of both images, and blinking by itself."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_tcsdl.display._qt.divider import BRIGHT


def test_keys_move_the_divider_and_blink(screen):
    screen.duo.start("swipe")
    screen.native.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left):
        screen.qtbot.keyClick(screen.native, key, Qt.KeyboardModifier.ShiftModifier)
    assert screen.duo.position == pytest.approx(0.52)
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)
    screen.duo.start("blink")
    assert set(screen.names()) == {"first"}
    screen.qtbot.keyClick(screen.native, Qt.Key.Key_K)
    assert set(screen.names()) == {"second"}
    assert screen.viewer.dims.current_step[0] == 1, "time stays"


def test_names_stand_beside_the_divider_or_not_at_all(screen):
    left, right = screen.view.names
    assert not left.isVisible()
    screen.duo.start("swipe")
    x = screen.expected_edge()
    assert (left.text(), right.text()) == ("first", "second")
    assert left.geometry().right() < x < right.geometry().left()
    screen.duo.toggle()
    assert (left.text(), right.text()) == ("second", "first")
    screen.viewer.layers["first"].name = "raw\n24.1 dB"
    assert right.text() == "raw\n24.1 dB"
    screen.duo.position = 0.01
    assert not left.isVisible(), "there is no room"
    assert right.isVisible()
    screen.duo.position = 1.0
    assert (left.isVisible(), right.isVisible()) == (True, False)


def test_in_a_blink_names_keep_their_places(screen):
    screen.duo.start("blink")
    left, right = screen.view.names
    assert not screen.view.divider.isVisible()
    places = left.geometry(), right.geometry()
    assert (left.styleSheet() == BRIGHT, right.styleSheet() == BRIGHT) == (True, False)
    screen.duo.toggle()
    assert (left.text(), right.text()) == ("first", "second")
    assert (left.styleSheet() == BRIGHT, right.styleSheet() == BRIGHT) == (False, True)
    assert (left.geometry(), right.geometry()) == places


def test_automatic_blink_begins_and_ends(screen):
    told = []
    screen.duo.start("blink")
    screen.duo.changed.connect(lambda: told.append(screen.duo.swapped))
    screen.duo.automatic = True
    screen.qtbot.waitUntil(lambda: told.count(True) >= 2, timeout=5000)
    screen.duo.start("swipe")
    swapped = screen.duo.swapped
    screen.qtbot.wait(700)
    assert screen.duo.swapped == swapped, "a swipe does not blink"
    screen.duo.start("blink")
    screen.view.close()
    count = len(told)
    screen.qtbot.wait(700)
    assert len(told) == count
