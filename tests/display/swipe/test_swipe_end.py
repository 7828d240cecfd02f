"""Swipe: what napari replaces, deletes or closes meanwhile, and what is left at the end."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel, QWidget
from swipe_screen import PAUSE

from napari_tcsdl._validation import OutputError
from napari_tcsdl.display._qt.divider import Divider, NameTag
from napari_tcsdl.display._qt.swipe import SwipeView
from napari_tcsdl.display.arrangement import Arrangement
from napari_tcsdl.display.duo import Duo


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
