from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.display.controller import Controller
from napari_tcsdl.display.job import ComparisonJob, ReconstructionJob
from napari_tcsdl.settings import Settings

NAMES = ["lattice", "raw", "reconstruction", "JPEG", "measurement"]


@pytest.fixture
def controller(viewer):
    controller = Controller(viewer)
    yield controller
    controller.clear()


def labels(controller):
    return {
        role: layer.name_overlay.text.split("\n") for role, layer in controller.run.layers.items()
    }


def test_results_appear_as_they_arrive(controller, viewer, layer, settings, tell):
    viewer.dims.set_current_step(0, 5)
    job = controller.start(layer, settings)
    assert isinstance(job, ComparisonJob)
    prepared = tell.prepared(job)
    assert controller.apply(prepared)
    assert [shown.name for shown in viewer.layers] == NAMES
    assert viewer.dims.current_step[0] == 5, "the slider stays where the user has put it"
    assert viewer.canvas.grid.enabled
    assert not layer.visible
    assert not viewer.layers["reconstruction"]._slice.image.view.any()
    controller.apply(tell.block(job, prepared.store, 0))
    assert not viewer.layers["reconstruction"]._slice.image.view.any()
    controller.apply(tell.block(job, prepared.store, 1))
    assert (viewer.layers["reconstruction"]._slice.image.view == 2).all()
    assert (viewer.layers["measurement"]._slice.image.view == 51).all()
    assert viewer.layers["JPEG"].contrast_limits == [5.0, 95.0]


def test_only_boxes_that_show_the_block_are_drawn_again(
    controller, viewer, layer, settings, tell, monkeypatch
):
    viewer.dims.set_current_step(0, 8)
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    drawn = []
    reconstruction = controller.run.layers["reconstruction"]
    monkeypatch.setattr(reconstruction, "refresh", lambda **_: drawn.append(viewer.dims.point[0]))
    for index in range(3):
        controller.apply(tell.block(job, prepared.store, index))
    assert drawn == [2.0]


def test_scores_follow_the_slider(controller, viewer, layer, settings, tell):
    told = []
    controller.changed.connect(lambda: told.append(controller.frame))
    job = controller.start(layer, settings)
    tell.everything(job, controller.apply)
    for frame in (0, 3, 8):
        viewer.dims.set_point(0, frame * 0.25)
        assert told[-1] == frame
        assert controller.current_scores()["unfolding"].psnr == 21.0 + frame
        text = labels(controller)
        assert text["raw"] == ["raw", f"{20 + frame:.2f} dB   SSIM 0.000"]
        assert text["reconstruction"][0] == "reconstruction (unfolding network)"
        assert text["JPEG"] == ["JPEG, same bytes, q 42", f"{24 + frame:.2f} dB   SSIM 0.400"]
    assert text["measurement"] == ["measurement 3 of 3", "frame 8"]
    viewer.dims.set_point(0, 1.0)
    assert labels(controller)["measurement"] == ["measurement 2 of 3", "frames 4 to 7 in one"]


def test_boxes_say_what_is_not_computed_yet(controller, viewer, layer, settings, tell):
    viewer.dims.set_point(0, 2.0)
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    controller.apply(tell.block(job, prepared.store, 0))
    assert labels(controller)["JPEG"] == ["JPEG, same bytes", "computing…"]
    assert labels(controller)["raw"] == ["raw"]
    assert controller.current_scores() == {}


def test_means_and_real_bytes(controller, layer, settings, tell):
    tell.everything(controller.start(layer, settings), controller.apply)
    means = controller.mean_scores()
    assert list(means) == ["raw", "unfolding", "binning", "jpeg_raw_over_B", "jpeg_same_bytes"]
    psnr, ssim, size = means["binning"]
    assert (psnr, ssim, size) == (pytest.approx(26.0), pytest.approx(0.2), 900)
    assert controller.run.finished.real_bytes["total"] == 1000


def test_layers_carry_scale_units_settings_and_scores(controller, layer, settings, tell):
    tell.everything(controller.start(layer, settings), controller.apply)
    for role, shown in controller.run.layers.items():
        step = 1.0 if role == "measurement" else 0.25
        np.testing.assert_allclose(shown.scale, (step, 0.05, 0.05))
        assert [str(unit) for unit in shown.units] == ["second", "nanometer", "nanometer"]
        assert shown.axis_labels == ("t", "y", "x")
        entry = shown.metadata["tcsdl"]
        assert Settings.from_json(entry["settings"]) == settings
        assert len(entry["scores"]) == (0 if role == "measurement" else 9)
    entry = controller.run.layers["JPEG"].metadata["tcsdl"]
    assert entry["description"] == "made up"
    assert {score["codec"] for score in entry["scores"]} == {"jpeg_same_bytes"}


def test_the_slider_ends_with_the_movie(controller, viewer, layer, settings, tell):
    """The last block holds one frame: its measurement's span would reach four frames further."""
    tell.everything(controller.start(layer, settings), controller.apply)
    assert viewer.dims.nsteps[0] == 9
    viewer.add_image(np.ones((12, 48, 40)), scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"))
    assert viewer.dims.nsteps[0] == 12


def test_late_reports_are_dropped(controller, viewer, layer, settings, tell):
    old = controller.start(layer, settings)
    late = tell.prepared(old)
    new = controller.start(layer, settings)
    assert old.stop.is_set()
    assert not controller.apply(late)
    assert not late.store.folder.path.exists(), "what nobody shows is removed"
    assert len(viewer.layers) == 1
    assert controller.apply(tell.prepared(new))


def test_after_cancel_frames_that_are_done_stay(controller, viewer, layer, settings, tell):
    viewer.dims.set_point(0, 0.0)
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    controller.apply(tell.block(job, prepared.store, 0))
    controller.cancel()
    assert job.stop.is_set()
    assert not controller.apply(tell.block(job, prepared.store, 1))
    assert (viewer.layers["reconstruction"]._slice.image.view == 1).all()
    assert controller.run.frames_done == 4
    viewer.dims.set_point(0, 2.0)
    assert labels(controller)["JPEG"] == ["JPEG, same bytes"]


def test_a_new_run_replaces_the_layers_of_the_last(controller, viewer, layer, settings, tell):
    tell.everything(controller.start(layer, settings), controller.apply)
    tell.everything(controller.start(layer, settings), controller.apply)
    assert [shown.name for shown in viewer.layers] == NAMES


def test_one_deleted_layer_does_not_matter(controller, viewer, layer, settings, tell):
    job = controller.start(layer, settings)
    prepared = tell.prepared(job)
    controller.apply(prepared)
    viewer.layers.remove(viewer.layers["JPEG"])
    viewer.layers.remove(layer)
    assert controller.apply(tell.block(job, prepared.store, 0))
    assert not job.stop.is_set()
    assert "JPEG" not in controller.run.layers


def test_a_run_ends_when_its_results_are_deleted(controller, viewer, layer, settings, tell):
    left = []
    controller.abandoned.connect(lambda: left.append(True))
    job = controller.start(layer, settings)
    controller.apply(tell.prepared(job))
    for name in ("JPEG", "reconstruction"):
        viewer.layers.remove(viewer.layers[name])
    assert left == [True]
    assert job.stop.is_set()
    assert [shown.name for shown in viewer.layers] == ["lattice"]
    assert layer.visible
    assert not viewer.canvas.grid.enabled


def test_clearing_all_layers_at_once_is_survived(controller, viewer, layer, settings, tell):
    tell.everything(controller.start(layer, settings), controller.apply)
    viewer.layers.clear()
    assert controller.run is None
    assert not viewer.canvas.grid.enabled


def test_close_restores_the_view_and_lets_go(viewer, layer, settings, tell):
    controller = Controller(viewer)
    before = len(viewer.dims.events.point.callbacks)
    job = controller.start(layer, settings)
    tell.everything(job, controller.apply)
    controller.close()
    assert not viewer.canvas.grid.enabled
    assert layer.visible
    assert len(viewer.layers) == 5, "results are the user's now"
    assert len(viewer.dims.events.point.callbacks) == before - 1


@pytest.mark.parametrize(
    ("ratio", "reference", "sentence"),
    [
        (10, "raw", "got compression ratio B = 10 for a movie of 9 frames, expected B ≤ 9"),
        (4, "truth", "got reference 'truth' without a truth layer, expected a noise-free movie"),
    ],
)
def test_bad_settings_leave_the_last_run_alone(
    controller, viewer, layer, settings, tell, ratio, reference, sentence
):
    tell.everything(controller.start(layer, settings), controller.apply)
    with pytest.raises(InputError, match=sentence):
        controller.start(layer, Settings(compression_ratio=ratio, reference=reference))
    assert len(viewer.layers) == 5


def test_an_uncalibrated_movie_stays_in_pixels(controller, viewer, frames, settings, tell):
    layer = viewer.add_image(frames)
    tell.everything(controller.start(layer, settings), controller.apply)
    assert {str(unit) for shown in viewer.layers for unit in shown.units} == {"pixel"}


def test_a_compressed_file_is_reconstructed_without_comparison(
    controller, viewer, compressed_layer
):
    job = controller.start(compressed_layer, Settings(compression_ratio=99))
    assert isinstance(job, ReconstructionJob)
    job.run(controller.apply, lambda _: None)
    assert [shown.name for shown in viewer.layers] == ["movie", "reconstruction"]
    reconstruction = viewer.layers["reconstruction"]
    assert reconstruction.data.shape == (9, 48, 40)
    assert reconstruction.data[8].any()
    np.testing.assert_allclose(reconstruction.scale, (0.25, 0.05, 0.05))
    np.testing.assert_allclose(reconstruction.translate, 0, atol=1e-12)
    assert viewer.dims.nsteps[0] == 9
    assert compressed_layer.visible
    assert controller.run.finished.real_bytes["total"] > 0
    assert controller.run.finished.raw_bytes == 9 * 48 * 40
    assert reconstruction.contrast_limits == compressed_layer.contrast_limits


def test_a_viewer_whose_window_is_gone_is_left_as_it_is(controller, viewer, layer, settings, tell):
    controller.apply(tell.prepared(controller.start(layer, settings)))
    controller.close(restore=False)
    assert viewer.canvas.grid.enabled, "a canvas that is gone must not be touched"
    viewer.dims.set_current_step(0, 2)
    assert controller.run is None
