"""Fine-tuning without a window: the job and its reports, files, curves, and the viewer model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_weights import ABOUT, counted_frames, expected_counts, learn_fast, write_tiny_weights

import napari_tcsdl
from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.display import training_files, training_job
from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.training_controller import TrainingController, movie_to_learn_from
from napari_tcsdl.display.training_files import (
    check_free,
    find_trainable,
    free_path,
    origin_of,
    proposed_path,
    start_of,
    with_suffix,
)
from napari_tcsdl.display.training_job import TrainingJob, part_to_show
from napari_tcsdl.display.training_reports import Begun, Curves, Learned, Learning, Pictured
from napari_tcsdl.movie import Movie
from napari_tcsdl.reconstruction import load_checkpoint
from napari_tcsdl.settings import Settings

MINUTES = 1e9


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are fastest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings(tmp_path) -> Settings:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    return Settings(compression_ratio=4, weights=str(weights), device="cpu", mask_tile=16)


@pytest.fixture
def job(tmp_path, settings) -> TrainingJob:
    movie = Movie(counted_frames(), name="counted.tif")
    return TrainingJob(7, movie, settings, tmp_path / "out" / "tuned.safetensors", MINUTES)


def reports_of(job, heard=lambda report: None):
    reports, fractions = [], []

    def report(one):
        reports.append(one)
        heard(one)

    job.run(report, fractions.append)
    return reports, fractions


def one(reports, kind):
    (found,) = [report for report in reports if isinstance(report, kind)]
    return found


def learned(**changes) -> Learned:
    values = {
        "improved": True, "errors": (0.1, 0.05), "decibels": 3.01, "steps": 40, "kept_step": 30,
        "held_out": range(50, 60), "path": Path("w.safetensors"),
        "start": training_files.SHIPPED, "ended": "the time is up",
    }  # fmt: skip
    return Learned(1, **(values | changes))


# --- the job ----------------------------------------------------------------------------------


def test_what_got_better_is_written_and_shown(job, monkeypatch):
    learn_fast(monkeypatch)
    reports, fractions = reports_of(job)
    assert {report.generation for report in reports} == {7}
    assert [type(r) for r in (reports[0], *reports[-2:])] == [Begun, Learned, Pictured]
    assert reports[0].device.startswith("cpu")
    losses = [row for r in reports if isinstance(r, Learning) for row in r.losses]
    assert [step for step, *_ in losses] == list(range(1, 25))
    assert {source for *_, source in losses} == {"movie", "scenes"}
    result = one(reports, Learned)
    assert result.improved
    assert result.errors[1] < 0.95 * result.errors[0]
    assert result.steps == 24
    assert result.kept_step in (8, 16, 24)
    assert result.held_out == range(20, 24)
    assert result.path == job.target
    (fact,) = load_checkpoint(job.target).about["finetuned"]
    assert fact["held_out_error"] == list(result.errors)
    assert f"Better by {result.decibels:.2f} dB on held-out frames 20 to 23" in result.sentence()
    assert "(the time is up)" in result.sentence()
    pictures = one(reports, Pictured)
    assert pictures.before.shape == pictures.after.shape == (4, 40, 36)
    assert (pictures.first_frame, pictures.top, pictures.left) == (20, 0, 0)
    truth = expected_counts()[20:]
    before, after = (np.square(f - truth).mean() for f in (pictures.before, pictures.after))
    assert after < before
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)


def test_without_a_gain_nothing_is_written(job, monkeypatch):
    learn_fast(monkeypatch, steps=2, rate=1e-9)
    reports, _ = reports_of(job)
    result = one(reports, Learned)
    assert result.path is None
    assert result.sentence() == (
        "No gain on held-out frames 20 to 23 after 2 steps (the time is up): the weights tiny stay "
        "best."
    )
    assert not job.target.parent.exists()
    assert not any(isinstance(report, Pictured) for report in reports)


def test_it_ends_early_where_nothing_is_gained(job, monkeypatch):
    learn_fast(monkeypatch, steps=99, rate=1e-9, check_every=1)
    monkeypatch.setattr(training_job, "PATIENCE", 3)
    result = one(reports_of(job)[0], Learned)
    assert result.steps == 3
    assert result.ended == "the last 3 looks brought no gain"


def test_enough_keeps_the_best_so_far(job, monkeypatch):
    learn_fast(monkeypatch, steps=10_000)
    monkeypatch.setattr(training_job, "REPORT_SECONDS", 0.0)

    def heard(report):
        if isinstance(report, Learning) and report.look[0] > 0 and report.look[1] == report.look[2]:
            job.enough.set()

    result = one(reports_of(job, heard)[0], Learned)
    assert result.improved
    assert result.steps < 10_000
    assert result.ended == "stopped by you"
    assert job.target.exists()


def test_enough_at_once_has_learned_nothing(job, monkeypatch):
    learn_fast(monkeypatch)
    job.enough.set()
    with pytest.raises(Cancelled):  # before the movie is read
        reports_of(job)
    assert not job.target.exists()


def test_stop_keeps_nothing_and_ends_within_a_step(job, monkeypatch):
    learn_fast(monkeypatch, steps=10_000)
    with pytest.raises(Cancelled):
        reports_of(job, lambda report: isinstance(report, Learning) and job.stop.set())
    assert not job.target.exists()


def test_pictures_can_be_left_out(job, monkeypatch):
    learn_fast(monkeypatch)
    with pytest.raises(Cancelled):
        reports_of(job, lambda report: isinstance(report, Learned) and job.stop.set())
    assert job.target.exists(), "the weights are written before"


def test_a_name_that_is_taken_meanwhile_is_left_alone(job, monkeypatch):
    learn_fast(monkeypatch)

    def heard(report):
        if isinstance(report, Begun):
            job.target.parent.mkdir()
            job.target.write_text("mine")

    result = one(reports_of(job, heard)[0], Learned)
    assert result.path.name == "tuned_2.safetensors"
    assert job.target.read_text() == "mine"


def test_weights_that_are_there_are_refused_before_any_work(job):
    job.target.parent.mkdir()
    job.target.with_suffix(".json").touch()
    with pytest.raises(OutputError, match=r"got weights .*tuned\.json, which exist already"):
        reports_of(job)


def test_a_movie_without_noise_is_refused(job):
    clean = TrainingJob(
        1, Movie(np.full((24, 40, 36), 9, np.uint8)), job.settings, job.target, MINUTES
    )
    with pytest.raises(InputError, match="got a movie without noise, expected raw frames"):
        reports_of(clean)


def test_a_bad_frame_is_named(job):
    frames = counted_frames()
    frames[3] = 0
    bad = TrainingJob(1, Movie(frames, name="bad"), job.settings, job.target, MINUTES)
    with pytest.raises(InputError, match="bad: frame 3 is all zero"):
        reports_of(bad)


@pytest.mark.parametrize(
    ("shape", "ratio", "expected"),
    [
        ((60, 256, 256), 10, (50, 10, slice(0, 256), slice(0, 256))),
        ((60, 2000, 2000), 10, (50, 10, slice(616, 1384), slice(616, 1384))),
        ((60, 200, 8000), 10, (50, 10, slice(0, 200), slice(2500, 5500))),
        ((60, 8000, 200), 10, (50, 10, slice(2500, 5500), slice(0, 200))),
    ],
)
def test_what_is_shown_fits_the_time(shape, ratio, expected):
    first, count, rows, columns = part_to_show(shape, range(50, 60), ratio)
    assert (first, count, rows, columns) == expected
    pixels = count * (rows.stop - rows.start) * (columns.stop - columns.start)
    assert pixels <= training_job.PICTURE_PIXELS


# --- files ------------------------------------------------------------------------------------


def test_weights_go_beside_the_movie_under_a_free_name(tmp_path):
    movie = Movie(counted_frames(), name="m", path=str(tmp_path / "my movie.tif"))
    path = proposed_path(movie, "unfolding", 10)
    assert path == tmp_path / "my_movie_unfolding_B10.safetensors"
    path.with_suffix(".json").touch()
    assert proposed_path(movie, "unfolding", 10).name == "my_movie_unfolding_B10_2.safetensors"


@pytest.mark.parametrize("path", [None, Path(napari_tcsdl.__file__).parent / "x" / "sample.tif"])
def test_weights_for_samples_and_arrays_go_with_the_users_data(path, tmp_path, monkeypatch):
    monkeypatch.setattr(training_files, "user_data_path", lambda *_, **__: tmp_path / "data")
    movie = Movie(counted_frames(), name="a/b: c", path=str(path) if path else None)
    found = proposed_path(movie, "unfolding", 4)
    assert found.parent == tmp_path / "data" / "weights"
    assert found.name == "b_c_unfolding_B4.safetensors"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="which cannot be written, expected a folder"):
        check_free(tmp_path / "file" / "w.safetensors")
    check_free(tmp_path / "new" / "deep" / "w.safetensors")


def test_names_are_whole_and_free(tmp_path):
    assert with_suffix("a/b.v2").name == "b.v2.safetensors"
    assert with_suffix("b.safetensors").name == "b.safetensors"
    assert free_path(tmp_path / "w.safetensors") == tmp_path / "w.safetensors"


def test_only_learned_decoders_can_be_trained(settings):
    assert list(find_trainable()) == ["unfolding", "bidirectional"]
    with pytest.raises(InputError, match="got decoder 'gap_tv' to train, expected one of unf"):
        start_of(Settings(decoder="gap_tv"))
    start, origin = start_of(settings)
    assert start.about == ABOUT
    assert origin == "the weights tiny"
    assert origin_of(Settings()) == "the weights that come with the package"


def test_a_ratio_that_the_weights_do_not_know_is_refused(settings):
    with pytest.raises(InputError, match=r"got compression ratio B = 9 .* expected B = 2 to 6"):
        start_of(replace(settings, compression_ratio=9))


# --- sentences and curves ---------------------------------------------------------------------


def test_sentences_are_honest():
    assert learned().sentence() == (
        "Better by 3.01 dB on held-out frames 50 to 59 at step 30 of 40 (the time is up): squared "
        "error 10.00% → 5.00% of the movie's variance."
    )
    assert learned(errors=(-0.01, -0.03), decibels=None).sentence() == (
        "Better on held-out frames 50 to 59 at step 30 of 40 (the time is up): squared error lower "
        "by 2.00% of the movie's variance."
    )
    assert learned(improved=False, path=None).sentence() == (
        "No gain on held-out frames 50 to 59 after 40 steps (the time is up): the weights that "
        "come with the package stay best."
    )
    assert learned(steps=0, improved=False, path=None).sentence() == (
        "Stopped before the first step: nothing was learned."
    )


def test_curves_grow_and_mark_the_best():
    curves = Curves()
    assert curves.best is None
    assert curves.step == 0
    assert curves.sentence() == "first look at the held-out frames…"
    curves.add(Learning(1, ((1, 1.0, "movie"), (2, 3.0, "scenes")), (0, 0.2, 0.2), 0.1, 5))
    assert curves.sentence() == "step 2, no gain on held-out frames yet"
    curves.add(Learning(1, ((3, 3.0, "movie"), (4, np.nan, "movie")), (4, 0.1, 0.1), 0.2, 4))
    curves.add(Learning(1, (), (4, 0.1, 0.1), 0.2, 4))
    curves.add(Learning(1, ((5, 2.0, "movie"),), (5, 0.15, 0.1), 0.3, 3))
    steps, losses, means = curves.losses["movie"]
    assert steps == [1, 3, 4, 5]
    assert losses[:2] == [1.0, 3.0]
    assert means[:3] == [1.0, 2.0, 2.0], "a loss that is no number leaves the mean alone"
    assert curves.looks == ([0, 4, 5], [0.2, 0.1, 0.15])
    assert curves.best == (4, 0.1)
    assert curves.sentence() == "step 5, 3.01 dB better at step 4"


# --- the viewer model -------------------------------------------------------------------------


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
