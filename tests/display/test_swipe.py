"""Two layers in one canvas: what stands on the screen left and right of the divider."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_tcsdl._validation import OutputError
from napari_tcsdl.display._qt.divider import BRIGHT, REACH, Divider, NameTag
from napari_tcsdl.display._qt.swipe import SwipeView
from napari_tcsdl.display.arrangement import Arrangement
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


@pytest.fixture
def screen(window, qtbot):
    viewer = window(show=True)
    viewer.window._qt_window.resize(900, 700)
    qtbot.wait(PAUSE)
    screen = Screen(viewer, qtbot)
    yield screen
    screen.view.close()


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


def test_clips_follow_the_visuals_that_napari_replaces(screen):
    layer = screen.viewer.layers["second"]
    screen.duo.start("swipe")
    screen.edge()
    visual = screen.canvas.layer_to_visual[layer]
    visual._layer_node.MAX_TEXTURE_SIZE_2D = 40  # larger images are drawn in tiles
    visual._layer_node._tiledimage_node.tile_size = 40
    layer.data = layer.data.copy()
    assert len(visual.node.adopted_children) == 4
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)
    visual._layer_node.MAX_TEXTURE_SIZE_2D = 4096
    layer.data = layer.data.astype(np.float32)
    assert not hasattr(visual.node, "adopted_children")
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)
    screen.viewer.dims.ndisplay = 3
    screen.names()
    screen.viewer.dims.ndisplay = 2
    screen.viewer.reset_view()
    screen.viewer.scene.camera.zoom *= 3
    assert screen.edge() == pytest.approx(screen.expected_edge(), abs=1)


def test_the_end_leaves_nothing_in_the_canvas(screen):
    before = screen.names()
    assert set(before) == {"third"}
    screen.duo.start("swipe")
    screen.edge()
    screen.duo.stop()
    assert screen.names() == before
    assert not screen.view.divider.isVisible()
    screen.viewer.layers["third"].visible = False
    assert set(screen.names()) == {"second"}, "clipped no more"
    screen.duo.start("blink")
    screen.view.close()
    screen.view.close()
    screen.qtbot.wait(PAUSE)
    assert not screen.native.findChildren(Divider) + screen.native.findChildren(NameTag)
    assert set(screen.names()) == {"second"}
    screen.duo.toggle()
    assert set(screen.names()) == {"second"}, "it draws no more"


def test_a_deleted_layer_brings_the_boxes_back(screen):
    arrangement = Arrangement(screen.viewer, list(screen.viewer.layers))
    arrangement.apply()
    screen.duo.start("swipe")
    screen.names()
    screen.viewer.layers.remove("second")
    screen.names()
    assert screen.viewer.canvas.grid.enabled
    assert not screen.view.divider.isVisible()
    bars = screen.canvas._viewer_overlay_to_visual[screen.viewer.canvas.overlays.scale_bar]
    assert len(bars) == 2
    arrangement.restore()


def test_the_window_may_close_first(screen):
    screen.duo.start("blink")
    screen.duo.automatic = True
    screen.viewer.close()
    screen.qtbot.wait(PAUSE)
    screen.duo.toggle()
    screen.duo.stop()


def test_a_floating_dock_finds_its_canvas(screen):
    home = QLabel("a dock")
    dock = screen.viewer.window.add_dock_widget(home, name="a dock", area="right")
    dock.setFloating(True)
    view = SwipeView(home, screen.duo)
    screen.duo.start("swipe")
    assert view.divider.parentWidget() is screen.native
    view.close()


def test_a_window_without_napari_is_refused_with_a_sentence(qtbot, viewer):
    layers = [viewer.add_image(np.ones((3, 4, 4))) for _ in range(2)]
    home = QWidget()
    qtbot.addWidget(home)
    with pytest.raises(OutputError, match=r"got a window without the canvas .* in the grid, or"):
        SwipeView(home, Duo(viewer, *layers))
    home._qt_viewer = object()  # another napari, built differently
    with pytest.raises(OutputError, match=r"expected it for swipe and blink"):
        SwipeView(home, Duo(viewer, *layers))


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
