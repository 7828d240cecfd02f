"""Deviations are set right on movies that were held out, by one number."""

import math

import pytest
import torch
from tiny_training import CPU, TINY, still_scenes, tiny_batch, tiny_settings

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.training import calibrated
from napari_tcsdl.training.averaged import average_states
from napari_tcsdl.training.calibrated import calibrated_state, find_calibration, main
from napari_tcsdl.training.export import checkpoint_of
from napari_tcsdl.training.loop import Trainer
from napari_tcsdl.training.objective import build_net
from napari_tcsdl.training.state import read_log, read_state

BIAS = "deviation.tell.bias"


@pytest.fixture
def run(tmp_path):
    trainer = Trainer(tiny_settings(), still_scenes, {}, tmp_path / "run", CPU)
    trainer.run(tell=lambda sentence: None)
    trainer.save()
    return tmp_path / "run" / "state.pt"


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
    found = find_calibration(net, batches(), 0)
    assert abs(found.inside - 0.68) > 0.05  # untrained: far from right
    with torch.no_grad():
        net.deviation.tell.bias += found.added
    again = find_calibration(net, batches(), 0)
    # The last step deals the rest out anew.
    assert again.inside == pytest.approx(0.683, abs=0.04)
    assert abs(again.added) < 0.3 * abs(found.added)


def test_all_movies_count_alike_and_untold_ones_not_at_all():
    coded = [batch.coded for batch in batches()]
    movies = sum(len(one.mean) for one in coded)
    told = sum(int(one.persistence.any(1).sum()) for one in coded)
    assert 0 < told < movies
    assert find_calibration(net_of(), batches(), 0).movies == told
    silent = [batch._replace(coded=batch.coded._replace(persistence=None)) for batch in batches()]
    with pytest.raises(InputError, match=r"got no movie that tells how long its structure lasts"):
        find_calibration(net_of(), silent, 0)


def test_a_calibrated_state_says_so_and_is_scored(run, small, tmp_path):
    found = calibrated_state(tmp_path / "out", run, batches=3)
    before, after = (read_state(path)["average"] for path in (run, tmp_path / "out" / "state.pt"))
    torch.testing.assert_close(after[BIAS], before[BIAS] + found.added)
    assert all(torch.equal(after[name], before[name]) for name in before if name != BIAS)
    (row,) = read_log(tmp_path / "out" / "log.jsonl")
    assert "inside" in row
    about = checkpoint_of(tmp_path / "out" / "state.pt", commit="x").about
    assert about["calibration"] == {
        "added": found.added, "inside": found.inside, "movies": found.movies
    }  # fmt: skip
    average_states(tmp_path / "mean", [tmp_path / "out" / "state.pt", run])
    assert "calibration" not in read_state(tmp_path / "mean" / "state.pt")


def test_the_command_says_what_it_found(run, small, tmp_path, capsys):
    assert main([str(tmp_path / "out"), str(run), "--batches", "2"]) == 0
    said = capsys.readouterr().out
    added = read_state(tmp_path / "out" / "state.pt")["calibration"]["added"]
    assert f"deviation × {math.exp(added):.3f}; before, it held" in said
    assert main([str(tmp_path / "out"), str(run)]) == 2
    assert "which holds a training run already" in capsys.readouterr().err


def test_what_cannot_be_calibrated(run, tmp_path):
    settings = tiny_settings(config={**TINY, "deviation_width": 0})
    Trainer(settings, still_scenes, {}, tmp_path / "plain", CPU).save()
    with pytest.raises(InputError, match=r"whose deviation has no correction, expected one of"):
        calibrated_state(tmp_path / "out", tmp_path / "plain" / "state.pt")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match=r"holds a training run already"):
        calibrated_state(run.parent, run)
