"""A larger network that begins as the smaller one answers the same, and learns with all of it."""

from dataclasses import replace
from functools import partialmethod

import numpy as np
import pytest
import torch
from tiny_training import BATCH, TINY, still_scenes, tiny_batch

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.reconstruction.unfolding import UnfoldingConfig
from napari_tcsdl.training import lasting
from napari_tcsdl.training.averaged import average_states
from napari_tcsdl.training.export import checkpoint_of, export_state
from napari_tcsdl.training.growth import grown
from napari_tcsdl.training.loop import Trainer
from napari_tcsdl.training.objective import build_net
from napari_tcsdl.training.settings import TrainSettings
from napari_tcsdl.training.state import read_log, read_state, write_state

SMALL = {**TINY, "stages": 2, "deviation_width": 0, "persistence_width": 0}
LARGE = {**TINY, "stages": 2, "shifts": [1, 1, 2, 1], "persistence_width": 4}


def net_of(config, seed=0):
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        net, objective = build_net("unfolding", config)
        for weights in net.parameters():
            if not weights.any():
                torch.nn.init.normal_(weights, std=0.05)
    return net, objective


def test_it_answers_the_same():
    small, objective = net_of(SMALL)
    large, _ = build_net("unfolding", LARGE)
    large.load_state_dict(grown(small.state_dict(), large.state_dict()))
    with torch.no_grad():
        before, after = (objective.answer(net, tiny_batch()) for net in (small, large))
    torch.testing.assert_close(before.frames, after.frames)
    torch.testing.assert_close(before.log_sigma, after.log_sigma)


def test_every_new_part_learns(monkeypatch):
    monkeypatch.setattr(lasting, "_UNKNOWN", 0.0)
    small, objective = net_of(SMALL)
    large, _ = build_net("unfolding", LARGE)
    large.load_state_dict(grown(small.state_dict(), large.state_dict()))
    batch = tiny_batch()
    optimiser = torch.optim.SGD(large.parameters(), 0.1)
    start = {name: value.clone() for name, value in large.state_dict().items()}
    for _ in range(3):  # what begins as nothing passes a gradient from the second step on
        optimiser.zero_grad()
        objective.loss(objective.answer(large, batch), batch).backward()
        optimiser.step()
    moved = {name for name, value in large.state_dict().items() if not value.equal(start[name])}
    new = set(large.state_dict()) - set(small.state_dict())
    assert {"persistence.weight", "stages.1.deep.1.first.weight"} <= new <= moved


def test_other_networks_are_left_to_be_refused():
    wide, _ = net_of({**SMALL, "width": 12})
    large, _ = build_net("unfolding", LARGE)
    with pytest.raises(RuntimeError, match="size mismatch"):
        large.load_state_dict(grown(wide.state_dict(), large.state_dict()))


def test_the_average_of_what_is_new_is_an_average_too(tmp_path):
    saved(tmp_path / "small", 0)
    settings = TrainSettings(config=LARGE, steps=2, minutes=1e9, seed=0, batch=BATCH)
    trainer = Trainer(settings, still_scenes, {}, tmp_path / "large", torch.device("cpu"))
    trainer.resume(tmp_path / "small" / "state.pt", new_leg=True)
    live = {tensor.data_ptr() for tensor in trainer.learner.net.state_dict().values()}
    assert not live & {tensor.data_ptr() for tensor in trainer.learner.average.values()}


# --- averages -----------------------------------------------------------------------------------


def saved(folder, seed, config=SMALL, **others):
    settings = TrainSettings(**{
        "config": config, "steps": 2, "minutes": 1e9, "seed": seed, "batch": BATCH, **others
    })  # fmt: skip
    trainer = Trainer(settings, still_scenes, {}, folder, torch.device("cpu"))
    trainer.run(tell=lambda line: None)
    trainer.save()
    return folder / "state.pt"


def test_the_mean_of_two_runs_is_scored_and_can_be_gone_on_with(tmp_path):
    paths = [saved(tmp_path / str(seed), seed) for seed in (0, 1)]
    scores = average_states(tmp_path / "mean", paths)
    mean = read_state(tmp_path / "mean" / "state.pt")
    first, second = (read_state(path)["average"] for path in paths)
    for name, tensor in mean["average"].items():
        torch.testing.assert_close(tensor, (first[name] + second[name]) / 2)
    assert (mean["step"], mean["settings"]["seed"]) == (4, 0)
    (row,) = read_log(tmp_path / "mean" / "log.jsonl")
    assert scores.items() <= row.items()
    about = checkpoint_of(tmp_path / "mean" / "state.pt", commit="x").about
    minutes = [round(read_state(path)["minutes"], 2) for path in paths]
    assert about["mean_of_runs"] == [
        {"seed": seed, "steps": 2, "minutes": took}
        for seed, took in zip((0, 1), minutes, strict=True)
    ]
    assert "procedural_B6" in scores


def test_a_mean_is_scored_on_what_is_held_out_where_the_library_lies_now(tmp_path):
    """Also if the runs had none, or another."""
    paths = [saved(tmp_path / str(seed), seed) for seed in (0, 1)]
    library = tmp_path / "library"
    library.mkdir()
    for number in range(20):
        movie = 1 + 0.1 * np.random.default_rng(number).random((40, 100, 100))
        np.save(library / f"scene_{number:03d}.npy", movie.astype(np.float16))
    scores = average_states(tmp_path / "mean", paths, str(library))
    assert {"procedural_B6", "library_B6"} <= scores.keys()


def test_one_run_has_no_mean_and_neither_have_two_networks(tmp_path):
    one, other = saved(tmp_path / "a", 0), saved(tmp_path / "b", 1, {**SMALL, "width": 12})
    with pytest.raises(InputError, match=r"got 1 state, expected at least two"):
        average_states(tmp_path / "mean", [one])
    with pytest.raises(InputError, match=r"b/state\.pt of another network than .*a/state\.pt"):
        average_states(tmp_path / "mean", [one, other])
    assert not (tmp_path / "mean").exists()


def test_a_mean_tells_what_was_not_alike_in_its_runs(tmp_path):
    other = {"rate": 1e-4, "batch": replace(BATCH, crop=BATCH.crop + 4)}
    paths = [saved(tmp_path / "a", 0), saved(tmp_path / "b", 1, **other)]
    older = read_state(paths[1])
    del older["settings"]["optimiser"]  # as of before there was a choice: AdamW
    write_state(paths[1], older)
    average_states(tmp_path / "mean", paths)
    average_states(tmp_path / "again", [tmp_path / "mean" / "state.pt", paths[0]])
    first, second = read_state(tmp_path / "mean" / "state.pt")["runs"]
    assert {"rate", "batch.crop", "optimiser"} == second.keys() - first.keys()
    assert (second["rate"], second["batch.crop"]) == (1e-4, BATCH.crop + 4)
    assert second["optimiser"] == "adamw"
    assert read_state(tmp_path / "again" / "state.pt")["runs"][0]["runs"] == [first, second]


def test_what_the_runs_began_with_counts_in_the_mean_as_weights_do(tmp_path):
    paths = [saved(tmp_path / str(seed), seed) for seed in (0, 1, 2)]
    begun = tmp_path / "begun.safetensors"
    export_state(paths[2], begun, commit="x")
    average_states(tmp_path / "weights", [*paths[:2], begun])
    average_states(tmp_path / "state", paths)
    of_weights, of_states = (read_state(tmp_path / n / "state.pt") for n in ("weights", "state"))
    torch.testing.assert_close(of_weights["average"], of_states["average"])
    assert [run["steps"] for run in of_weights["runs"]] == [2, 2, 2]
    assert of_weights["step"] == of_states["step"] == 6


def test_a_mean_takes_no_place_of_a_run(tmp_path):
    paths = [saved(tmp_path / str(seed), seed) for seed in (0, 1)]
    before = paths[0].read_bytes()
    with pytest.raises(OutputError, match=r"got .*0, which holds a training run already"):
        average_states(tmp_path / "0", paths)
    assert paths[0].read_bytes() == before


def test_states_of_another_version_are_neither_exported_nor_averaged(tmp_path, monkeypatch):
    paths = [saved(tmp_path / str(seed), seed, {}) for seed in (0, 1)]
    monkeypatch.setattr(
        UnfoldingConfig, "__init__", partialmethod(UnfoldingConfig.__init__, width=8)
    )
    for act in (
        lambda: checkpoint_of(paths[0], commit="x"),
        lambda: average_states(tmp_path / "mean", paths),
    ):
        with pytest.raises(InputError, match="got weights of another network than decoder 'unf"):
            act()
