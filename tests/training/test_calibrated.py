"""Deviations are set right on movies that were held out, by one number."""

import math

import numpy as np
import pytest
import torch
from tiny_training import CPU, TINY, still_scenes, tiny_batch, tiny_settings

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.training import calibrated
from napari_tcsdl.training.averaged import average_states
from napari_tcsdl.training.calibrated import calibrated_state, main, measure_coverage
from napari_tcsdl.training.export import checkpoint_of
from napari_tcsdl.training.loop import Trainer
from napari_tcsdl.training.objective import build_net
from napari_tcsdl.training.sources import held_out_names
from napari_tcsdl.training.state import read_log, read_state

BIAS = "deviation.tell.bias"


@pytest.fixture
def run(tmp_path):
    trainer = Trainer(tiny_settings(), still_scenes, {}, tmp_path / "run", CPU)
    trainer.run(tell=lambda sentence: None)
    trainer.save()
    return tmp_path / "run" / "state.pt"


@pytest.fixture
def library(tmp_path):
    """Twenty movies of different brightness, which tells them apart."""
    folder = tmp_path / "library"
    folder.mkdir()
    for number in range(20):
        movie = 1 + number + 0.1 * np.random.default_rng(number).random((12, 24, 24))
        np.save(folder / f"scene_{number:03d}.npy", movie.astype(np.float16))
    return folder


@pytest.fixture
def small(monkeypatch):
    """Batches that take no time."""
    for name, value in (("_CROP", 16), ("_PIXELS", 3000), ("_FRAMES", 6)):
        monkeypatch.setattr(calibrated, name, value)


def batches(count=6):
    return [tiny_batch(seed) for seed in range(count)]


def net_of(**changes):
    torch.manual_seed(0)
    return build_net("unfolding", {**TINY, **changes})[0].eval()


def test_what_is_added_holds_68_percent_of_the_truth():
    net = net_of()
    seen = batches(12)
    found = measure_coverage(net, seen, 0)
    assert found.inside < 0.6  # untrained: too sure
    with torch.no_grad():
        net.deviation.tell.bias += found.beyond
    again = measure_coverage(net, seen, 0)
    # The last step deals a little of it out anew.
    assert again.inside == pytest.approx(0.683, abs=0.02)
    assert abs(again.beyond) < 0.1 * abs(found.beyond)


def test_all_movies_count_alike_and_untold_ones_not_at_all():
    net, seen = net_of(), batches(20)
    told = [movie for batch in seen for movie in batch.coded.persistence.any(1).tolist()]
    alone = [measure_coverage(net, [one], 0) for one in seen if one.coded.persistence.any()]
    together = measure_coverage(net, seen, 0)
    assert together.movies == sum(told) < len(told)
    mean = sum(one.inside * one.movies for one in alone) / together.movies
    assert together.inside == pytest.approx(mean, abs=0.01)  # other pixels of the same movies
    silent = [one._replace(coded=one.coded._replace(persistence=None)) for one in seen]
    with pytest.raises(InputError, match=r"got no movie that tells how long its structure lasts"):
        measure_coverage(net, silent, 0)


def test_frames_decoded_as_context_do_not_count():
    net = net_of()
    tried = map(tiny_batch, range(30))
    seen = next(one for one in tried if one.core.start and one.coded.persistence.any())
    truth = seen.truth.clone()
    truth[:, : seen.core.start] += 100
    changed = seen._replace(truth=truth)
    assert measure_coverage(net, [changed], 0) == measure_coverage(net, [seen], 0)


def test_only_movies_that_were_held_out_are_looked_at(library, small, monkeypatch):
    names = held_out_names(str(library))
    held = {1 + int(name[6:9]) for name in names}
    assert 0 < len(held) < 20
    seen = []

    def make_batch(movies, settings, generator):
        scenes = movies(4, (6, 16, 16), generator)
        seen.extend(scenes.frames.mean((1, 2, 3)).round().int().tolist())

    monkeypatch.setattr(calibrated, "make_batch", make_batch)
    settings = tiny_settings(library=str(library), held_out=names)
    list(calibrated._held_out(settings, 10))
    assert set(seen) == held


def test_a_calibrated_state_says_so_and_is_scored(run, small, tmp_path):
    before, after = calibrated_state(tmp_path / "out", run, n_batches=3)
    first, second = (read_state(path)["average"] for path in (run, tmp_path / "out" / "state.pt"))
    torch.testing.assert_close(second[BIAS], first[BIAS] + before.beyond)
    assert all(torch.equal(second[name], first[name]) for name in first if name != BIAS)
    assert abs(after.inside - 0.683) < abs(before.inside - 0.683)
    (row,) = read_log(tmp_path / "out" / "log.jsonl")
    assert "inside" in row
    about = checkpoint_of(tmp_path / "out" / "state.pt", commit="x").about["calibration"]
    assert (about["added"], about["after"]["inside"]) == (before.beyond, after.inside)
    average_states(tmp_path / "mean", [tmp_path / "out" / "state.pt", run])
    mean = read_state(tmp_path / "mean" / "state.pt")
    assert "calibration" not in mean
    assert [run.get("calibration") for run in mean["runs"]] == [about, None]


def test_a_library_may_be_named_that_the_run_had_not(run, library, small, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        calibrated, "_held_out", lambda settings, count: asked.append(settings) or batches(2)
    )
    calibrated_state(tmp_path / "out", run, str(library))
    assert asked[0].held_out == held_out_names(str(library)) != []


def test_the_command_says_what_it_found(run, small, tmp_path, capsys):
    assert main([str(tmp_path / "out"), str(run), "--batches", "2"]) == 0
    said = capsys.readouterr().out
    found = read_state(tmp_path / "out" / "state.pt")["calibration"]
    assert f"deviation × {math.exp(found['added']):.3f}; of " in said
    assert f"→ {found['after']['inside']:.3f} ± " in said
    assert main([str(tmp_path / "out"), str(run)]) == 2
    assert "which holds a training run already" in capsys.readouterr().err


def test_what_cannot_be_calibrated(run, small, tmp_path):
    settings = tiny_settings(config={**TINY, "deviation_width": 0})
    Trainer(settings, still_scenes, {}, tmp_path / "plain", CPU).save()
    with pytest.raises(InputError, match=r"network that has no deviation to correct, expected"):
        calibrated_state(tmp_path / "out", tmp_path / "plain" / "state.pt")
    with pytest.raises(InputError, match=r"got no .*nowhere.*state.pt, expected the state"):
        calibrated_state(tmp_path / "out", tmp_path / "nowhere" / "state.pt")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match=r"holds a training run already"):
        calibrated_state(run.parent, run)
    calibrated_state(tmp_path / "out", run, n_batches=2)
    with pytest.raises(InputError, match=r"network that was calibrated already, expected one as"):
        calibrated_state(tmp_path / "again", tmp_path / "out" / "state.pt")
