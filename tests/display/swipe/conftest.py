"""A real window with three plain layers, two of which are compared."""

from __future__ import annotations

import pytest
from swipe_screen import PAUSE, Screen


@pytest.fixture
def screen(window, qtbot):
    viewer = window(show=True)
    viewer.window._qt_window.resize(900, 700)
    qtbot.wait(PAUSE)
    screen = Screen(viewer, qtbot)
    yield screen
    screen.view.close()
