from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl.display.arrangement import Arrangement, BoxLabel, best_grid, label_of


@pytest.fixture
def boxes(viewer):
    return [viewer.add_image(np.ones((3, 20, 30)), name=f"box {i}") for i in range(4)]


@pytest.mark.parametrize(
    ("image", "canvas", "expected"),
    [
        ((100, 100), (900, 1300), (2, 2)),
        ((100, 100), (400, 1600), (1, 4)),
        ((300, 100), (900, 1300), (1, 4)),
        ((100, 100), (1600, 400), (4, 1)),
    ],
)
def test_boxes_are_laid_out_so_that_images_are_large(image, canvas, expected):
    assert best_grid(4, image, canvas) == expected


def test_two_boxes_lie_side_by_side():
    assert best_grid(2, (100, 100), (900, 1300)) == (1, 2)


def test_boxes_have_labels_scale_bars_and_nothing_else(viewer, boxes):
    other = viewer.add_image(np.ones((3, 20, 30)))
    Arrangement(viewer, boxes).apply()
    assert viewer.canvas.grid.enabled
    assert not other.visible
    bar = viewer.canvas.overlays.scale_bar
    assert bar.visible
    assert bar.gridded
    assert all(layer.name_overlay.visible for layer in boxes)
    positions = [viewer.canvas.grid.position(i, viewer.layers) for i in range(4)]
    assert positions == sorted(positions)


def test_everything_returns_to_what_it_was(viewer, boxes):
    other = viewer.add_image(np.ones((3, 20, 30)))
    hidden = viewer.add_image(np.ones((3, 20, 30)), visible=False)
    viewer.canvas.grid.shape = (5, 1)
    before = viewer.canvas.grid.model_dump()
    arrangement = Arrangement(viewer, boxes)
    arrangement.apply()
    arrangement.restore()
    assert viewer.canvas.grid.model_dump() == before
    assert not viewer.canvas.overlays.scale_bar.visible
    assert not any(layer.name_overlay.visible for layer in boxes)
    assert (other.visible, hidden.visible) == (True, False)
    arrangement.restore()  # a second time changes nothing
    assert other.visible


def test_the_grid_follows_the_window_until_the_user_shapes_it(viewer, boxes):
    arrangement = Arrangement(viewer, boxes)
    arrangement.apply()
    viewer.canvas.size = (300, 2000)
    assert viewer.canvas.grid.shape == (1, 4)
    viewer.canvas.size = (2000, 300)
    assert viewer.canvas.grid.shape == (4, 1)
    viewer.canvas.grid.shape = (2, 2)
    viewer.canvas.size = (300, 2000)
    assert viewer.canvas.grid.shape == (2, 2)


def test_a_label_is_made_once(boxes):
    label = label_of(boxes[0])
    label.text = "24.1 dB"
    assert isinstance(boxes[0].name_overlay, BoxLabel)
    assert label_of(boxes[0]) is label
