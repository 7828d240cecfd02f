"""Swipe: each side of the line shows its layer, and the mouse moves the line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from qtpy.QtCore import Qt
from swipe_screen import LEFT

from napari_tcsdl.display._qt.divider import REACH, Divider


def test_each_side_shows_its_layer_before_and_after_a_drag(screen):
    screen.duo.start("swipe")
    width = screen.native.width()
    assert screen.edge() == pytest.approx(width / 2, abs=1)
    screen.drag((width // 2, 40), (width // 4, 300))
    assert screen.duo.position == pytest.approx(0.25, abs=2 / width)
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)
    screen.drag((width // 4, 300), (width - 30, 10))
    assert screen.edge() == pytest.approx(width - 30, abs=2)


def test_sides_stay_when_the_image_is_zoomed_panned_and_scrubbed(screen):
    screen.duo.start("swipe")
    screen.duo.position = 0.4
    before = screen.edge()
    screen.viewer.scene.camera.zoom *= 4
    screen.viewer.scene.camera.center = (0.0, 35.0, 30.0)
    screen.viewer.dims.set_current_step(0, 2)
    assert screen.edge() == before == pytest.approx(screen.expected_edge(), abs=1)


def test_sides_follow_the_size_of_the_canvas(screen):
    screen.duo.start("swipe")
    screen.duo.position = 0.3
    width = screen.native.width()
    screen.viewer.window._qt_window.resize(1300, 800)
    screen.qtbot.waitUntil(lambda: screen.native.width() > width + 300)
    screen.viewer.scene.camera.zoom *= 3
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)
    divider = screen.view.divider.geometry()
    assert divider.center().x() == pytest.approx(screen.expected_edge(), abs=1)
    assert divider.height() == screen.native.height()


def test_the_lower_layer_may_be_on_either_side(screen):
    screen.duo.choose(screen.viewer.layers["second"], screen.viewer.layers["first"])
    screen.duo.start("swipe")
    screen.duo.position = 0.25
    names = screen.names()
    quarter = len(names) // 4
    assert set(names[: quarter - 1]) == {"second"}
    assert set(names[quarter + 1 :]) == {"first"}


def test_a_layer_that_ends_earlier_lets_no_other_through(screen):
    """Outside its own frames a measurement shows nothing: on its side nothing is shown."""
    screen.viewer.layers["second"].translate = (100, 0, 0)
    screen.duo.start("swipe")
    names = screen.names()
    half = len(names) // 2
    assert set(names[: half - 1]) == {"first"}
    assert set(names[half + 1 :]) == {"?"}


def test_the_mouse_takes_hold_within_reach_of_the_line_and_nowhere_else(screen):
    screen.duo.start("swipe")
    x = round(screen.expected_edge())
    height = screen.native.height()
    for y in (2, height // 3, height - 3):
        for offset in (-REACH, 0, REACH):
            found = screen.at(x + offset, y)
            assert isinstance(found, Divider)
            assert found.cursor().shape() == Qt.CursorShape.SplitHCursor
        for offset in (-REACH - 2, REACH + 2):
            assert screen.at(x + offset, y) is screen.native
    assert screen.view.divider.toolTip()
    tag = screen.view.names[0].geometry().center()
    assert screen.at(tag.x(), tag.y()) is screen.native, "names let the mouse through"


def test_a_drag_keeps_the_distance_at_which_it_took_hold(screen):
    screen.duo.start("swipe")
    x = round(screen.expected_edge())
    screen.drag((x + 5, 50), (x + 105, 50))
    assert screen.expected_edge() == pytest.approx(x + 100, abs=1)
    screen.qtbot.mouseDClick(screen.view.divider, LEFT)
    assert screen.duo.position == 0.5


def test_pan_and_zoom_work_beside_and_above_the_divider(screen):
    screen.duo.start("swipe")
    screen.names()
    camera, x = screen.viewer.scene.camera, round(screen.expected_edge())
    center = camera.center
    screen.drag((x + 40, 100), (x + 100, 150))
    screen.names()
    assert not np.allclose(camera.center, center), "panned"
    zoom = camera.zoom
    assert screen.wheel(x + 60, 200), "taken by the canvas"
    screen.names()
    assert camera.zoom > zoom
    assert not screen.wheel(x, 200), "left to the canvas below, to which Qt hands it"
    assert screen.duo.position == 0.5
    screen.drag((x, 100), (x + 50, 100), button=Qt.MouseButton.RightButton)
    assert screen.duo.position == 0.5, "other buttons do not move it"


def test_the_edge_is_right_where_a_pixel_of_qt_is_two_of_the_screen(screen):
    script = textwrap.dedent(
        """
        import napari, numpy as np
        from qtpy.QtTest import QTest
        from napari_tcsdl.display._qt.swipe import SwipeView
        from napari_tcsdl.display.duo import Duo
        viewer = napari.Viewer()
        layers = [viewer.add_image(np.full((60, 80), v, np.uint8), contrast_limits=(0, 255))
                  for v in (60, 180)]
        viewer.scene.camera.zoom *= 4
        duo = Duo(viewer, *layers)
        view = SwipeView(viewer.window._qt_window, duo)
        duo.start("swipe")
        duo.position = 0.3
        QTest.qWait(300)
        picture = viewer.screenshot(canvas_only=True, flash=False)[..., 0]
        native = viewer.window._qt_viewer.canvas.native
        line = picture[len(picture) // 2]
        print("got", native.devicePixelRatioF(), line.size / native.width(),
              np.count_nonzero(abs(line.astype(int) - 60) < 2) / line.size)
        viewer.close()
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"QT_SCALE_FACTOR": "2"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    (answer,) = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("got")]
    ratio, pixels, share = map(float, answer)
    assert (ratio, pixels) == (2, 2)
    assert share == pytest.approx(0.3, abs=0.002)
