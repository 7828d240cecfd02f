"""What the viewer shows, frozen as plain data."""

from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RAW, RECONSTRUCTION
from napari_tcsdl.display.snapshot import snapshot, view_of


def by_title(pictures):
    return {picture.title.split()[0].rstrip(","): picture for picture in pictures}


# --- boxes ------------------------------------------------------------------------------------


def test_each_visible_image_layer_has_a_box(controller, viewer):
    assert [p.title.split()[0] for p in snapshot(viewer, controller.run)] == [
        "raw",
        "reconstruction",
        "JPEG,",
        "measurement",
    ]
    controller.run.layers[JPEG].visible = False
    viewer.add_points(np.zeros((1, 3)))
    viewer.add_image(np.zeros((9, 8, 8, 3), np.uint8), rgb=True)
    assert list(by_title(snapshot(viewer, controller.run))) == [
        "raw",
        "reconstruction",
        "measurement",
    ]


def test_a_box_holds_what_its_layer_shows(controller, viewer, frames):
    viewer.dims.set_point(0, 5 * 0.25)
    layer = controller.run.layers[RAW]
    layer.contrast_limits = (3, 42)
    layer.colormap, layer.gamma = "magma", 0.5
    raw = by_title(snapshot(viewer, controller.run))["raw"]
    np.testing.assert_array_equal(raw.image, frames[5])
    assert raw.image.dtype == frames.dtype
    assert raw.limits == (3, 42)
    assert raw.pixel_size == pytest.approx(0.5)
    expected = layer.colormap.map(np.array([0.0, 0.5**0.5, 1.0]))[:, :3] * 255
    np.testing.assert_allclose(raw.colormap[[0, 128, 255]], expected, atol=1.5)


@pytest.mark.parametrize("frame", range(9))
def test_a_measurement_is_found_by_world_coordinates(controller, viewer, frame):
    viewer.dims.set_point(0, frame * 0.25)
    pictures = by_title(snapshot(viewer, controller.run))
    block = frame // 4
    assert (pictures["measurement"].image == 50 + block).all()
    assert (pictures["reconstruction"].image == 1 + block).all()
    assert pictures["measurement"].title == f"measurement {block + 1} of 3"


def test_words_are_those_in_the_window(controller, viewer):
    for frame in (0, 3, 8):
        viewer.dims.set_point(0, frame * 0.25)
        for layer, picture in zip(
            [controller.run.layers[r] for r in (RAW, RECONSTRUCTION, JPEG, MEASUREMENT)],
            snapshot(viewer, controller.run),
            strict=True,
        ):
            assert "\n".join((picture.title, *picture.lines)) == label_of(layer).text


def test_a_layer_of_no_run_has_its_own_label_or_name(controller, viewer, layer):
    for one in controller.run.added:
        one.visible = False
    layer.visible = True
    (picture,) = snapshot(viewer, controller.run)
    assert (picture.title, picture.lines) == ("lattice", ())
    label_of(layer).text = "swipe\nthis frame's own words"
    (picture,) = snapshot(viewer)
    assert (picture.title, picture.lines) == ("swipe", ())


# --- field of view ----------------------------------------------------------------------------


def test_boxes_are_cropped_to_the_field_of_view(controller, viewer, frames):
    viewer.dims.set_point(0, 0)
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    viewer.scene.camera.center = (0, 20 * 0.05, 16 * 0.05)  # rows, columns [nm]
    viewer.scene.camera.zoom = width / (12 * 0.05)
    top, bottom = 20 + 0.5 - 6 * height / width, 20 + 0.5 + 6 * height / width
    rows = slice(max(0, round(top)), round(bottom))
    for picture in snapshot(viewer, controller.run):
        assert picture.image.shape == (min(48, rows.stop) - rows.start, 12)
    raw = by_title(snapshot(viewer, controller.run))["raw"]
    np.testing.assert_array_equal(raw.image, frames[0, rows, 10:22])


def test_a_view_beside_the_images(viewer, layer):
    viewer.scene.camera.center = (0, 100, 100)
    with pytest.raises(InputError, match="got a field of view beside the images, expected some"):
        view_of(viewer)


def test_boxes_stand_in_the_columns_of_the_grid(controller, viewer):
    grid = viewer.canvas.grid
    assert grid.enabled
    for shape, columns in (((1, 4), 4), ((2, 2), 2)):
        grid.shape = shape
        assert view_of(viewer, controller.run).columns == columns
    grid.enabled = False
    assert view_of(viewer, controller.run).columns == 4


def test_a_reversed_grid_is_read_in_its_order(viewer, frames):
    for name in ("one", "two"):
        viewer.add_image(frames, name=name)
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.stride = -1
    assert [picture.title for picture in snapshot(viewer)] == ["two", "one"]


# --- time -------------------------------------------------------------------------------------


def test_the_clock_is_that_of_the_movie(controller, viewer):
    viewer.dims.set_point(0, 1.25)
    view = view_of(viewer, controller.run)
    assert (view.clock.count, view.frame) == (9, 5)
    assert view.clock.words(5) == "frame 5 / 8   t = 1.25 s"


@pytest.mark.parametrize(
    ("step", "unit", "words"),
    [
        (0.025, "s", "frame 4 / 8   t = 0.100 s"),
        (25.0, "ms", "frame 4 / 8   t = 0.100 s"),
        (2.0, "s", "frame 4 / 8   t = 8.0 s"),
        (3.0, "pixel", "frame 4 / 8"),
    ],
)
def test_time_is_written_in_seconds_where_it_is_known(viewer, frames, step, unit, words):
    viewer.add_image(frames, scale=(step, 1, 1), units=(unit, "nm", "nm"))
    viewer.dims.set_point(0, 4 * step)
    view = view_of(viewer)
    assert view.clock.words(view.frame) == words


def test_without_a_run_the_finest_layer_sets_the_frames(viewer, frames):
    units = ("s", "nm", "nm")
    viewer.add_image(frames[:3], name="coarse", scale=(1, 1, 1), units=units)
    viewer.add_image(frames, name="fine", scale=(0.25, 1, 1), units=units, translate=(1, 0, 0))
    view = view_of(viewer)
    assert view.clock.count == 9
    coarse, fine = view.pictures(4)  # at 2 s
    np.testing.assert_array_equal(coarse.image, frames[2])
    np.testing.assert_array_equal(fine.image, frames[4])
    coarse, fine = view.pictures(8)  # at 3 s the coarse one has ended
    assert np.isnan(coarse.image).all()
    assert coarse.image.shape == fine.image.shape


def test_any_frame_can_be_pictured_later(controller, viewer, frames):
    viewer.dims.set_point(0, 0)
    view = view_of(viewer, controller.run)
    viewer.scene.camera.zoom *= 5
    viewer.dims.set_point(0, 1)
    controller.run.layers[RAW].contrast_limits = (0, 1)
    raw, reconstruction, *_ = view.pictures(7)
    np.testing.assert_array_equal(raw.image, frames[7])
    assert raw.limits != (0, 1)
    assert reconstruction.lines == (controller.run.label(RECONSTRUCTION, 7)[1],)
    np.testing.assert_array_equal(view.pictures()[0].image, frames[0])


def test_single_images_and_further_axes(viewer, frames):
    stack = np.stack([frames, 255 - frames])
    viewer.add_image(stack, name="two channels")
    viewer.add_image(frames[0], name="still")
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(1, 3)
    movie, still = snapshot(viewer)
    np.testing.assert_array_equal(movie.image, 255 - frames[3])
    np.testing.assert_array_equal(still.image, frames[0])
    assert movie.pixel_size is None


def test_a_view_reads_nothing_and_a_picture_one_frame(viewer, frames):
    read = []

    def read_frame(index):
        read.append(index)
        return frames[index]

    stack = LazyStack(frames.shape, frames.dtype, read_frame)
    viewer.add_image(stack, contrast_limits=(0, 255), multiscale=False)
    read.clear()
    view = view_of(viewer)
    assert read == []
    view.pictures(6)
    assert read == [6]


def test_a_lazily_decoded_stack_gives_no_stand_in(viewer, frames):
    class Decoded(LazyStack):
        def _whole_frame(self, index):
            return frames[index]

    stack = Decoded(frames.shape, frames.dtype, lambda index: np.zeros_like(frames[0]))
    viewer.add_image(stack, contrast_limits=(0, 255), multiscale=False)
    (picture,) = view_of(viewer).pictures(3)
    np.testing.assert_array_equal(picture.image, frames[3])


# --- refused ----------------------------------------------------------------------------------


def test_an_empty_viewer(viewer):
    with pytest.raises(InputError, match="got no visible image layer, expected at least one; op"):
        view_of(viewer)


def test_a_view_in_3d(viewer, layer):
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="got a view in 3-D or along other axes, expected images"):
        view_of(viewer)


def test_a_turned_layer(viewer, layer):
    layer.rotate = (0, 0, 30)
    with pytest.raises(InputError, match="lattice: got a layer that is turned or sheared, expect"):
        view_of(viewer)
