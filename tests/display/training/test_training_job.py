"""Fine-tuning without a window: the job, its reports, and the curves."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_weights import counted_frames, expected_counts, learn_fast
from training_helpers import MINUTES, learned, one, reports_of

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.display import training_job
from napari_tcsdl.display.training_job import TrainingJob, part_to_show
from napari_tcsdl.display.training_reports import Begun, Curves, Learned, Learning, Pictured
from napari_tcsdl.movie import Movie
from napari_tcsdl.reconstruction import load_checkpoint


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
