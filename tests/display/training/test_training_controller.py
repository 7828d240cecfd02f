"""Fine-tuning and the viewer model: before and after, late reports, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_weights import counted_frames
from training_helpers import learned

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.training_controller import TrainingController, movie_to_learn_from
from napari_tcsdl.display.training_reports import Begun, Pictured


@pytest.fixture
def source(viewer):
    return viewer.add_image(
        counted_frames(), name="counted", scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"),
        translate=(1.0, 0.5, 0.0),
    )  # fmt: skip


@pytest.fixture
def controller(viewer):
    controller = TrainingController(viewer)
    yield controller
    controller.close()


def pictured(job) -> Pictured:
    frames = np.zeros((4, 8, 16), np.float32)
    return Pictured(job.generation, frames, frames + 1, 20, 16, 8, (0.0, 2.0))


def test_before_and_after_lie_where_their_frames_were(
    controller, viewer, source, settings, tmp_path
):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    controller.apply(learned())
    assert controller.apply(pictured(job))
    assert [layer.name for layer in viewer.layers] == ["counted", "before", "after"]
    for role in ("before", "after"):
        layer = viewer.layers[role]
        assert tuple(layer.scale) == tuple(source.scale)
        assert layer.units == source.units
        assert tuple(layer.translate) == pytest.approx((6.0, 1.3, 0.4))
        assert layer.metadata[KEY]["role"] == role
        assert tuple(layer.contrast_limits) == (0.0, 2.0)
    assert controller.pair_shown
    assert viewer.canvas.grid.enabled
    assert 6.0 <= viewer.dims.point[0] <= 6.75, "held-out frames are shown"
    controller.show_pair(False)
    assert not viewer.canvas.grid.enabled
    assert [layer.name for layer in viewer.layers if layer.visible] == ["counted"]
    controller.show_pair(True)
    assert all(layer.visible for layer in viewer.layers)
    for role in ("before", "after"):
        viewer.layers.remove(viewer.layers[role])
    assert not controller.pair_shown, "the view comes back when its layers are deleted"
    assert source.visible


def test_a_new_run_takes_the_last_ones_layers_away(controller, viewer, source, settings, tmp_path):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    controller.apply(pictured(job))
    again = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    assert again.generation == job.generation + 1
    assert job.stop.is_set()
    assert [layer.name for layer in viewer.layers] == ["counted"]
    assert not viewer.canvas.grid.enabled


def test_late_reports_are_dropped(controller, viewer, source, settings, tmp_path):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    controller.start(source, settings, tmp_path / "w.safetensors", 1)
    assert not controller.apply(pictured(job))
    controller.leave()
    assert not controller.apply(Begun(2, "cpu"))
    assert controller.begun is None
    assert len(viewer.layers) == 1


def test_stop_keeps_the_best_and_then_leaves_out_pictures(controller, source, settings, tmp_path):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    controller.stop()
    assert job.enough.is_set()
    assert not job.stop.is_set()
    controller.apply(learned())
    controller.stop()
    assert job.stop.is_set()


def test_before_and_after_show_without_their_source(controller, viewer, source, settings, tmp_path):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    viewer.layers.remove(source)
    controller.apply(pictured(job))
    assert controller.pair_shown
    assert tuple(viewer.layers["before"].translate) == pytest.approx((6.0, 1.3, 0.4))


def test_others_make_room_for_the_pair(viewer, source, settings, tmp_path):
    asked = []
    controller = TrainingController(viewer, lambda: asked.append(1))
    controller.show_pair(True)  # nothing to show yet
    assert not asked
    controller.apply(pictured(controller.start(source, settings, tmp_path / "w.safetensors", 1)))
    assert asked == [1]
    controller.close()
    assert not viewer.canvas.grid.enabled


@pytest.mark.parametrize(
    ("frames", "changes", "sentence"),
    [
        (counted_frames(7), {}, "counted: got 7 frames of 40 × 36, expected at least 8 of 16 × 16"),
        (counted_frames(24, 12), {}, "counted: got 24 frames of 12 × 36, expected at least 8"),
        (
            counted_frames(),
            {"metadata": {KEY: {"role": "reconstruction"}}},
            r"counted: got the result of a run \(reconstruction\), expected raw frames",
        ),
        (
            counted_frames(),
            {"metadata": {KEY: {"role": "measurement", "path": "x.tcs.zarr"}}},
            "counted: got a compressed file, which holds no raw frames",
        ),
        (np.ones((9, 9)), {}, "counted: got one image of 9 × 9, expected a movie"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(viewer, frames, changes, sentence):
    layer = viewer.add_image(frames, name="counted", **changes)
    with pytest.raises(InputError, match=sentence):
        movie_to_learn_from(layer, 4)


def test_the_last_run_stays_where_the_next_is_refused(controller, source, settings, tmp_path):
    job = controller.start(source, settings, tmp_path / "w.safetensors", 1)
    taken = tmp_path / "tiny.safetensors"
    with pytest.raises(OutputError, match="which exist already, expected a new name"):
        controller.start(source, settings, taken, 1)
    assert controller.job is job
    assert not job.stop.is_set()
