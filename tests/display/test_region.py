from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_tcsdl.display.layers import Geometry
from napari_tcsdl.display.region import ROI, Region, Roi, square_crop, visible_region
from napari_tcsdl.display.roi_drag import grip_at
from napari_tcsdl.display.world import frame_index, reader_of


@pytest.fixture
def large(viewer):
    """12 frames of 200 × 300 px, 0.5 s and 0.1 nm apart; all of a frame is seen."""
    frames = np.broadcast_to(np.arange(12.0)[:, None, None], (12, 200, 300))
    return viewer.add_image(
        frames, name="large", scale=(0.5, 0.1, 0.1), units=("s", "nm", "nm"), contrast_limits=(0, 9)
    )


# --- field of view ------------------------------------------------------------------------------


def test_the_whole_frame_is_seen_at_first(viewer, large):
    assert visible_region(large, viewer) == Region(0, 0, 200, 300)
    assert visible_region(large) == Region(0, 0, 200, 300)


def test_it_follows_zoom_and_centre_at_once(viewer, large):
    viewer.canvas.size = (400, 400)
    viewer.scene.camera.zoom = 400 / 10.0  # 10 nm = 100 px across
    viewer.scene.camera.center = (0.0, 9.95, 14.95)
    assert visible_region(large, viewer) == Region(50, 100, 150, 200)


def test_it_is_that_of_one_box_of_the_grid(viewer, large):
    viewer.add_image(large.data, scale=large.scale, units=large.units, contrast_limits=(0, 9))
    viewer.canvas.size = (400, 800)
    viewer.scene.camera.zoom = 40.0
    viewer.scene.camera.center = (0.0, 9.95, 14.95)
    grid = viewer.canvas.grid
    grid.shape, grid.spacing, grid.enabled = (1, 2), 0, True
    assert visible_region(large, viewer) == Region(50, 100, 150, 200)


def test_outside_the_view_nothing_is_seen(viewer, large):
    viewer.scene.camera.center = (0.0, 500.0, 500.0)
    assert not visible_region(large, viewer)


def test_units_are_converted(viewer, large):
    """A layer in Å beside one in nm shows the same field."""
    other = viewer.add_image(
        large.data, scale=(0.5, 1.0, 1.0), units=("s", "Å", "Å"), contrast_limits=(0, 9)
    )
    viewer.canvas.size = (400, 400)
    edge = 10.0 if str(viewer.dims.units[-1]) == "nanometer" else 100.0
    viewer.scene.camera.zoom = 400 / edge
    viewer.scene.camera.center = (0.0, 0.995 * edge, 1.495 * edge)
    assert visible_region(large, viewer) == Region(50, 100, 150, 200)
    assert visible_region(other, viewer) == Region(50, 100, 150, 200)


@pytest.mark.parametrize(
    ("region", "largest", "side"),
    [
        (Region(0, 0, 200, 300), 1024, 200),
        (Region(0, 0, 4096, 4096), 1024, 1024),
        (Region(10, 10, 517, 523), 1024, 500),
        (Region(0, 0, 48, 40), 1024, 40),
        (Region(0, 0, 1, 7), 1024, 1),
    ],
)
def test_the_crop_is_a_centred_square_of_a_fast_length(region, largest, side):
    crop = square_crop(region, largest)
    assert crop.shape == (side, side)
    for low, high, first, last in (
        (region.top, region.bottom, crop.top, crop.bottom),
        (region.left, region.right, crop.left, crop.right),
    ):
        assert low <= first
        assert last <= high
        assert abs((first - low) - (high - last)) <= 1


def test_a_tiny_field_is_widened_within_the_frame():
    assert square_crop(Region(0, 195, 4, 200), frame=(100, 200)) == Region(0, 168, 32, 200)
    assert square_crop(Region(0, 0, 4, 4), frame=(20, 200)) == Region(0, 6, 20, 26)


# --- time ---------------------------------------------------------------------------------------


def test_a_measurement_is_found_by_world_time(viewer, large):
    geometry = Geometry.of(large).measurement(5)
    measured = viewer.add_image(
        np.zeros((3, 200, 300)), **vars(geometry), name="measurement", contrast_limits=(0, 1)
    )
    found = []
    for frame in range(12):
        viewer.dims.set_point(0, 0.5 * frame)
        assert frame_index(viewer, large) == (frame,)
        found.append(frame_index(viewer, measured)[0])
    assert found == [0] * 5 + [1] * 5 + [2] * 2


def test_beyond_its_frames_a_layer_shows_nothing(viewer, large):
    short = viewer.add_image(
        np.zeros((4, 200, 300)), scale=large.scale, units=large.units, contrast_limits=(0, 1)
    )
    viewer.dims.set_point(0, 2.0)
    assert frame_index(viewer, short) is None
    assert frame_index(viewer, large) == (4,)


def test_one_image_has_no_time(viewer, large):
    image = viewer.add_image(np.zeros((200, 300)))
    assert frame_index(viewer, image) == ()


def test_only_the_crop_is_read():
    asked = []

    class Data:
        def __getitem__(self, key):
            asked.append(key)
            return np.full((3, 4), 1 + 2j)

    layer = SimpleNamespace(data=Data(), multiscale=False)
    pixels = reader_of(layer, (7,), Region(1, 2, 4, 6).slices)()
    assert asked == [(7, slice(1, 4), slice(2, 6))]
    np.testing.assert_allclose(pixels, 5**0.5, err_msg="the modulus of a complex image")


# --- ROI ----------------------------------------------------------------------------------------


@pytest.fixture
def roi(viewer, large):
    roi = Roi(viewer)
    roi.heard = []
    roi.changed.connect(lambda: roi.heard.append(roi.square))
    yield roi
    roi.close()


def test_it_begins_as_half_of_the_view_in_its_middle(roi, large):
    assert roi.region(large) is None
    roi.draw(large)
    assert roi.region(large) == Region(50, 100, 150, 200)
    assert roi.heard == [roi.square]


def test_it_shows_in_the_box_of_every_image_in_the_layers_own_pixels(roi, viewer, large):
    coarse = viewer.add_image(
        np.zeros((12, 100, 150)), scale=(0.5, 0.2, 0.2), units=large.units, contrast_limits=(0, 1)
    )
    coarse.translate = (0, 0.05, 0.05)  # pixel edges on pixel edges
    roi.draw(large)
    assert roi.region(coarse) == Region(25, 50, 75, 100)
    np.testing.assert_allclose(large._overlays[ROI].bounds, [(49.5, 99.5), (149.5, 199.5)])
    np.testing.assert_allclose(coarse._overlays[ROI].bounds, [(24.5, 49.5), (74.5, 99.5)])
    later = viewer.add_image(np.zeros((200, 300)), scale=(0.1, 0.1), units=("nm", "nm"))
    assert later._overlays[ROI].visible
    assert len(viewer.layers) == 3, "it is no layer: it would take a box of the grid"


def test_it_stays_within_the_frames_and_is_never_tiny(roi, large):
    roi.draw(large)
    roi.move_to((-5.0, 100.0), 4.0)
    assert roi.region(large) == Region(0, 260, 40, 300)
    roi.move_to((10.0, 15.0), 0.0)
    assert roi.region(large).shape == (32, 32)
    roi.move_to((10.0, 15.0), 1e6)
    assert roi.region(large).shape == (200, 200)


def test_cleared_it_leaves_nothing(roi, viewer, large):
    before = len(viewer.mouse_drag_callbacks)
    roi.draw(large)
    roi.clear()
    assert roi.square is None
    assert roi.heard[-1] is None
    assert ROI not in large._overlays
    roi.close()
    assert len(viewer.mouse_drag_callbacks) == before - 1


@pytest.mark.parametrize(
    ("position", "grip"),
    [
        ((0.0, 0.0), "corner"),
        ((101.0, 99.0), "corner"),
        ((0.5, 50.0), "move"),
        ((40.0, 100.0), "move"),
        ((50.0, 51.0), "move"),
        ((25.0, 25.0), None),
        ((120.0, 50.0), None),
    ],
)
def test_grips(position, grip):
    assert grip_at((0.0, 0.0, 100.0, 100.0), position, 2.0) == grip


def drag(viewer, begin, *then):
    """Move the mouse over the canvas with its button pressed, as napari tells of it."""
    for callback in list(viewer.mouse_drag_callbacks):
        event = SimpleNamespace(type="mouse_press", position=(0.0, *begin), modifiers=())
        steps = callback(viewer, event)
        if steps is None or next(steps, StopIteration) is StopIteration:
            continue
        panning = viewer.scene.camera.mouse_pan
        for place in then:
            event.type, event.position = "mouse_move", (0.0, *place)
            next(steps)
        event.type = "mouse_release"
        assert next(steps, None) is None
        return panning
    return None


def test_its_outline_moves_it(roi, viewer, large):
    roi.draw(large)
    top, left, _, right = roi.square
    middle = (left + right) / 2
    assert drag(viewer, (top, middle), (top + 1, middle + 2), (top - 2, middle + 3)) is False
    assert roi.region(large) == Region(30, 130, 130, 230)
    assert viewer.scene.camera.mouse_pan, "the canvas can be moved again"


def test_its_corner_resizes_it_about_the_other(roi, viewer, large):
    roi.draw(large)
    _, _, bottom, right = roi.square
    drag(viewer, (bottom, right), (bottom + 2.0, right + 2.0))
    assert roi.region(large) == Region(50, 100, 170, 220)


def test_elsewhere_and_with_another_tool_the_mouse_is_not_touched(roi, viewer, large):
    roi.draw(large)
    top, left, *_ = roi.square
    assert drag(viewer, (top - 3, left), (0.0, 0.0)) is None
    viewer.layers.selection.active = large
    large.mode = "transform"
    assert drag(viewer, (top, left), (0.0, 0.0)) is None
    assert roi.region(large) == Region(50, 100, 150, 200)


def test_the_cursor_says_that_it_can_be_taken_hold_of(roi, viewer, large):
    roi.draw(large)
    for place, style in ((roi.square[:2], "pointing"), ((0.0, 0.0), "standard")):
        for callback in viewer.mouse_move_callbacks:
            callback(viewer, SimpleNamespace(position=(0.0, *place)))
        assert viewer.cursor.style == style
