"""Fine-tuning on a raw movie: better on what was held out, or not at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_thinned import poisson_movie
from tiny_training import BATCH, CPU, TINY, still_scenes

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.movie import Movie
from napari_tcsdl.reconstruction.checkpoint import Checkpoint
from napari_tcsdl.training.finetune import SOURCES, FinetuneSettings, finetune, thinned_loss
from napari_tcsdl.training.finetune_figure import preview, write_before_after
from napari_tcsdl.training.held_out import HeldOut, Looks
from napari_tcsdl.training.objective import Answer, build_net
from napari_tcsdl.training.thinned import RawMovie, ThinnedSettings

SETTINGS = FinetuneSettings(
    steps=24, minutes=1e9, rate=1e-2, check_every=8, patience=2, synthetic=0.25, batch=BATCH
)


def start(decoder="unfolding", config=TINY, kinds=("balanced",)):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net, _ = build_net(decoder, config)
    about = {"decoder": decoder, "mask_kinds": list(kinds), "compression_ratios": [2, 6]}
    return Checkpoint(config, net.state_dict(), about)


def tune(settings=SETTINGS, checkpoint=None, movie=None, watch=lambda moment: None):
    movie = movie or Movie(poisson_movie(), name="raw.tif")
    return finetune(movie, checkpoint or start(), settings, CPU, watch, still_scenes)


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_an_untrained_network_gets_better_on_frames_it_did_not_see(tmp_path):
    begun = start()
    tuned = tune(checkpoint=begun)
    before, after = tuned.errors
    assert tuned.improved
    assert after < 0.95 * before
    assert not equal(begun.state, tuned.checkpoint.state)
    assert equal(tuned.after.state_dict(), tuned.checkpoint.state)
    assert equal(tuned.before.state_dict(), begun.state)
    assert "lowered the squared error on its held-out frames by" in tuned.sentence()
    assert " dB)" in tuned.sentence()
    (fact,) = tuned.checkpoint.about["finetuned"]
    assert fact["movie"] == "raw.tif"
    assert fact["improved"]
    assert fact["held_out_error"] == [before, after]
    assert tuned.held_out == range(18, 24)
    write_before_after(tuned, tmp_path / "before_after.png")
    assert (tmp_path / "before_after.png").stat().st_size > 20_000


def test_a_start_that_nothing_beats_is_returned():
    begun = start()
    tuned = tune(FinetuneSettings(
        steps=24, minutes=1e9, rate=5.0, check_every=2, patience=3, batch=BATCH
    ), begun)  # fmt: skip
    assert not tuned.improved
    assert equal(begun.state, tuned.checkpoint.state)
    assert equal(begun.state, tuned.after.state_dict())
    assert tuned.errors[0] == tuned.errors[1]
    assert tuned.history[-1]["step"] == 6  # three looks in vain
    assert "made nothing better on its held-out frames: the weights are those of" in (
        tuned.sentence()
    )


def test_stopping_early_returns_what_is_best_so_far():
    def watch(moment):
        if moment.step == 3:
            raise Cancelled

    tuned = tune(watch=watch)
    assert not tuned.improved
    assert equal(tuned.checkpoint.state, start().state)


def test_each_step_is_told_with_its_source_and_the_least_error():
    moments = []
    tuned = tune(watch=moments.append)
    moments = {moment.step: moment for moment in moments if moment.step}.values()
    assert [moment.step for moment in moments] == list(range(1, 25))
    assert {moment.source for moment in moments} == set(SOURCES)
    least = [moment.scores["least_error"] for moment in moments]
    assert least == sorted(least, reverse=True)
    assert (least[0], least[-1]) == tuned.errors
    assert "least_error" not in tuned.history[-1]


def test_a_long_step_can_be_stopped_within(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.training.loop._ASK_EVERY", 0.0)
    steps = []

    def watch(moment):
        steps.append(moment.step)
        if len(steps) == 60:
            raise Cancelled

    tuned = tune(watch=watch)
    assert len(steps) == 60
    assert max(steps) < 3, "it was asked many times within each step"
    assert not tuned.improved


def test_slow_steps_are_looked_at_by_the_clock():
    settings = replace(SETTINGS, steps=4, patience=9, check_every=1000, check_minutes=1e-9)
    assert [row["step"] for row in tune(settings).history] == [0, 1, 2, 3, 4]


def test_the_loss_of_the_truth_is_about_nothing():
    """The noise of the target is taken off: what is left is what can be learned."""
    frames = np.random.default_rng(0).poisson(9.0, (24, 64, 64)).astype(np.uint8)
    raw = RawMovie.measured(Movie(frames))
    (thinned,) = HeldOut(raw, ThinnedSettings(0.5, BATCH, CPU), 0.15).parts
    target = thinned.batch.truth
    mean = torch.full_like(target, float(target.mean()))
    noise = float(thinned.noise.mean())
    assert float(thinned_loss(Answer(mean, []), thinned)) == pytest.approx(0, abs=0.05 * noise)
    off = Answer(mean + noise**0.5, [])
    assert float(thinned_loss(off, thinned)) == pytest.approx(noise, rel=0.1)


def test_the_preview_is_in_detector_units():
    tuned = tune(FinetuneSettings(steps=1, minutes=1e9, rate=1e-9, batch=BATCH))
    images = preview(tuned)
    assert list(images) == ["raw", "mean of the block", "before", "after"]
    for image in images.values():
        assert image.shape == (40, 36)
        assert float(image.mean()) == pytest.approx(20, rel=0.1)


def test_the_papers_network_can_be_tuned_too():
    config = {"width": 0.1, "largest_ratio": 4}
    settings = FinetuneSettings(steps=2, minutes=1e9, check_every=1, batch=BATCH)
    tuned = tune(settings, start("bidirectional", config))
    assert len(tuned.history) == 3
    assert np.isfinite(tuned.errors).all()


def test_held_out_frames_are_the_last_blocks_and_always_the_same():
    raw = RawMovie.measured(Movie(poisson_movie(60)))
    held = [HeldOut(raw, ThinnedSettings(0.5, BATCH, CPU), 0.15) for _ in range(2)]
    assert held[0].frames == range(48, 60)  # two of ten blocks of six
    assert len(held[0].parts) == 2
    for first, second in zip(held[0].parts, held[1].parts, strict=True):
        assert torch.equal(first.batch.truth, second.batch.truth)


class SpoilsShortEnds:
    """An objective whose net is better than the start everywhere but in a lone last frame."""

    def __init__(self, better, worse):
        self.better, self.worse = better, worse

    def answer(self, net, batch):
        frames = batch.truth + 0.5 - self.better
        if batch.coded.lengths[-1] == 1:
            frames[:, -1] += self.worse
        return Answer(frames, [])


def test_weights_that_spoil_a_short_last_block_are_not_kept():
    """All frames of a movie may gain but the last, and that one be lost."""
    raw = RawMovie.measured(Movie(poisson_movie(60)))
    settings = ThinnedSettings(0.5, replace(BATCH, short_ends=0.3), CPU)
    held = HeldOut(raw, settings, 0.15)
    assert [part.batch.coded.lengths for part in held.ends] == [(5, 1)]
    net = torch.nn.Linear(1, 1)
    errors = [held.errors(net, SpoilsShortEnds(*how)) for how in ((0, 0), (0.2, 0), (0.2, 3))]
    kept = []
    for later in errors[1:]:
        looks = Looks(errors[0], patience=2)
        looks.add(1, later, net)
        kept.append(looks.best is not None)
    assert kept == [True, False]
    assert HeldOut(raw, replace(settings, batch=replace(BATCH, short_ends=0)), 0.15).ends == []


@pytest.mark.parametrize("n_frames", [4, 5, 9])
def test_the_shortest_movies_keep_frames_to_learn_from(n_frames):
    raw = RawMovie.measured(Movie(poisson_movie(n_frames)))
    held = HeldOut(raw, ThinnedSettings(0.5, BATCH, CPU), 0.15)
    assert held.frames.stop == n_frames
    assert held.frames.start >= 2
    tune(FinetuneSettings(steps=2, minutes=1e9, batch=BATCH), movie=raw.movie)


def test_the_error_of_the_truth_itself_is_nothing():
    """Of a still movie of known mean, the unbiased error of that mean is zero on average."""
    frames = np.random.default_rng(0).poisson(9.0, (60, 64, 64)).astype(np.uint8)
    raw = RawMovie.measured(Movie(frames))
    held = HeldOut(raw, ThinnedSettings(0.5, BATCH, CPU), 0.15)
    found = []
    for batch, noise in held.parts:
        level = batch.truth.mean()
        found.append(((batch.truth - level).square().mean((-2, -1)) - noise).mean() / noise.mean())
    assert float(torch.stack(found).mean()) == pytest.approx(0, abs=0.03)


def test_an_error_below_zero_is_no_decibel():
    """The noise may be estimated a little too high."""
    tuned = tune(FinetuneSettings(steps=1, minutes=1e9, batch=BATCH))
    sentence = replace(tuned, improved=True, errors=(-0.01, -0.03)).sentence()
    assert sentence.endswith("lowered the squared error on its held-out frames by 0.02 of the "
                             "movie's variance")  # fmt: skip


def test_a_gain_must_be_sure_and_worth_it():
    net = torch.nn.Linear(1, 1)
    errors = torch.linspace(1, 2, 40, dtype=torch.float64)
    looks = Looks(errors, patience=2)
    noise = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(20)
    looks.add(1, errors - 0.05 + noise, net)  # within its error
    assert looks.best is None
    looks.add(2, errors - 1e-4, net)  # sure, but next to nothing
    assert looks.best is None
    assert looks.given_up
    looks.add(3, errors - 0.05, net)
    assert looks.best is not None
    assert looks.errors == (pytest.approx(1.5), pytest.approx(1.45))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fraction": 1.0}, "got fraction = 1.0, expected a number between 0 and 1"),
        ({"synthetic": 1.0}, "got synthetic = 1.0, expected a share of 0 or more, below 1"),
        ({"steps": 0}, "got steps = 0, expected a number above 0"),
        ({"check_minutes": 0}, "got check_minutes = 0, expected a number above 0"),
    ],
)
def test_settings_that_cannot_be(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        FinetuneSettings(**changes)
