"""Which boxes a comparison shows, and in which order."""

from __future__ import annotations

import numpy as np
import pytest
from look_helpers import shown_in

from napari_tcsdl.display.controller import Controller
from napari_tcsdl.display.roles import CONSISTENCY, DEFAULT_ROLES, ROLES, in_order
from napari_tcsdl.settings import Settings


@pytest.fixture
def controller(viewer):
    controller = Controller(viewer)
    yield controller
    controller.clear()


def test_order_is_that_of_the_table():
    assert in_order({"measurement", "raw", "JPEG"}) == ["raw", "JPEG", "measurement"]
    assert DEFAULT_ROLES == ("raw", "reconstruction", "JPEG", "measurement")
    assert all(role.tip.endswith(".") for role in ROLES.values())


def test_a_real_run_can_show_every_role(controller, viewer, layer, settings):
    job = controller.start(layer, Settings(compression_ratio=4, companding=0))
    job.run(controller.apply, lambda _: None)
    assert controller.roles() == list(ROLES)
    assert controller.shown_roles() == list(DEFAULT_ROLES)
    for role in ROLES:
        controller.show_role(role)
    assert shown_in(viewer) == list(ROLES)
    viewer.dims.set_current_step(0, 5)
    shown = {layer.name: layer._slice.image.view for layer in viewer.layers if layer.visible}
    assert np.isfinite(shown["uncertainty"]).all()
    assert (shown["uncertainty"] > 0).all()
    binned = layer.data[4:8].mean(0)
    np.testing.assert_allclose(shown["binning"], binned, rtol=1e-5)
    assert 0 < np.abs(shown[CONSISTENCY]).mean() < 3, "in units of the noise"
    scales = {layer.name: layer.scale[0] for layer in viewer.layers}
    assert scales[CONSISTENCY] == scales["measurement"] == 4 * scales["raw"]
    assert "denoised raw frames" in viewer.layers["reference"].name_overlay.text


def test_a_box_can_be_hidden_and_shown_again(controller, viewer, layer, settings, tell):
    tell.everything(controller.start(layer, settings), controller.apply)
    controller.show_role("JPEG", False)
    assert shown_in(viewer) == ["raw", "reconstruction", "measurement"]
    assert viewer.canvas.grid.shape[0] * viewer.canvas.grid.shape[1] in (3, 4)
    controller.show_role("JPEG")
    assert shown_in(viewer) == ["raw", "reconstruction", "JPEG", "measurement"]


def test_the_grid_shrinks_with_its_boxes(controller, viewer, layer, settings, tell):
    viewer.canvas.size = (300, 2000)
    tell.everything(controller.start(layer, settings), controller.apply)
    assert viewer.canvas.grid.shape == (1, 4)
    viewer.layers["JPEG"].visible = False  # by the eye in napari's list
    assert viewer.canvas.grid.shape == (1, 3)
    viewer.layers["JPEG"].visible = True
    assert viewer.canvas.grid.shape == (1, 4)


def test_boxes_that_were_chosen_stay_so_in_the_next_run(controller, viewer, layer, settings, tell):
    controller.show_role("measurement", False)
    tell.everything(controller.start(layer, settings), controller.apply)
    assert shown_in(viewer) == ["raw", "reconstruction", "JPEG"]


def test_contrast_of_frames_is_not_forced_on_maps(controller, viewer, layer, settings, tell):
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    prepared.store.filled.add(CONSISTENCY)
    prepared.store.stacks[CONSISTENCY] = np.zeros((3, 48, 40), np.float16)
    controller.show_role(CONSISTENCY)
    controller.apply(tell.block(job, prepared.store, 0))
    assert viewer.layers[CONSISTENCY].contrast_limits == [-5.0, 5.0]
    assert viewer.layers["reconstruction"].contrast_limits == [5.0, 95.0]


def test_a_box_can_be_added_after_the_reconstruction_was_deleted(
    controller, viewer, layer, settings, tell
):
    tell.everything(controller.start(layer, settings), controller.apply)
    viewer.layers.remove(viewer.layers["reconstruction"])
    controller.show_role("reconstruction")
    assert viewer.layers["reconstruction"].contrast_limits == [5.0, 95.0]


def test_boxes_say_when_nothing_more_will_come(controller, viewer, layer, settings, tell):
    job = controller.start(layer, settings)
    controller.apply(tell.prepared(job))
    assert "computing" in viewer.layers["JPEG"].name_overlay.text
    controller.stop()
    assert "computing" not in viewer.layers["JPEG"].name_overlay.text


def test_a_run_over_a_part_shows_a_frame_of_that_part(controller, viewer, layer, settings, tell):
    """The slider stood beyond it: boxes would be black, with numbers of a frame not shown."""
    part = viewer.add_image(
        layer.data[:5], name="part", scale=layer.scale, units=layer.units, visible=False
    )
    viewer.dims.set_point(0, 2.0)
    job = controller.start(part, settings)
    controller.apply(tell.prepared(job))
    assert controller.frame == 4
    assert viewer.dims.point[0] == pytest.approx(1.0)
    assert not viewer.layers["raw"]._slice.empty


def test_beyond_its_movie_a_box_shows_no_numbers(controller, viewer, layer, settings, tell):
    part = viewer.add_image(layer.data[:5], name="part", scale=layer.scale, units=layer.units)
    viewer.dims.set_point(0, 0.5)
    job = controller.start(part, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    controller.apply(tell.block(job, prepared.store, 0))
    label = viewer.layers["reconstruction"].name_overlay
    assert " dB" in label.text
    viewer.dims.set_point(0, 2.0)
    assert label.text == "reconstruction (unfolding network)\nno frame at this time"
    viewer.dims.set_point(0, 0.5)
    assert " dB" in label.text


def test_a_run_leaves_the_slider_where_its_movie_shows_a_frame(
    controller, viewer, layer, settings, tell
):
    viewer.dims.set_point(0, 0.5)
    controller.apply(tell.prepared(controller.start(layer, settings)))
    assert viewer.dims.point[0] == pytest.approx(0.5)
