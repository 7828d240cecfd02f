"""A run becomes weights that decoders load, and curves that people read."""

import csv
import json
from dataclasses import replace

import pytest
import torch
from tiny_training import BATCH, CPU, TINY, still_scenes, tiny_batch, tiny_settings

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.reconstruction.checkpoint import (
    check_trained_for,
    fill,
    load_checkpoint,
    shipped_weights,
)
from napari_tcsdl.training import export
from napari_tcsdl.training.batches import BatchSettings
from napari_tcsdl.training.curves import series_of, write_curves
from napari_tcsdl.training.export import describe_commit, export_state, served_ratios
from napari_tcsdl.training.loop import Trainer
from napari_tcsdl.training.objective import build_net, load_fitting
from napari_tcsdl.training.settings import TrainSettings
from napari_tcsdl.training.state import read_start
from napari_tcsdl.training.validation import validation_batches


@pytest.fixture
def run(tmp_path):
    validation = validation_batches({"still": still_scenes}, BATCH, (4,), 9)
    settings = tiny_settings(steps=2, seed=5)
    trainer = Trainer(settings, still_scenes, validation, tmp_path / "run", CPU)
    trainer.run(tell=lambda sentence: None)
    return trainer


def test_exported_weights_answer_as_the_run_does(run, tmp_path):
    path = tmp_path / "weights.safetensors"
    export_state(run.folder / "state.pt", path, commit="v1.0-3-gabc")
    checkpoint = load_checkpoint(path)
    assert all(tensor.dtype == torch.float32 for tensor in checkpoint.state.values())
    net, objective = build_net(checkpoint.about["decoder"], dict(checkpoint.config))
    fill(net, checkpoint)
    batch = tiny_batch()
    with torch.inference_mode():
        expected = objective.answer(run.averaged(), batch).frames
        assert torch.equal(objective.answer(net.eval(), batch).frames, expected)


def test_exported_weights_say_what_they_are(run, tmp_path):
    path = tmp_path / "weights.safetensors"
    export_state(run.folder / "state.pt", path, commit="v1.0-3-gabc")
    about = json.loads(path.with_suffix(".json").read_text())["about"]
    assert about["decoder"] == "unfolding"
    assert about["mask_kinds"] == ["balanced", "bernoulli"]
    assert about["compression_ratios"] == [3, 6]
    assert (about["seed"], about["steps"], about["commit"]) == (5, 2, "v1.0-3-gabc")
    assert about["scores"] == run.scores
    assert TrainSettings.from_json(about["settings"]) == run.settings
    assert "standard deviation" in about["normalisation"]
    check_trained_for(load_checkpoint(path), "unfolding", "balanced", 6)


def test_a_configuration_is_stored_whole(tmp_path):
    settings = tiny_settings(config={**TINY, "width": 12}, steps=1)
    trainer = Trainer(settings, still_scenes, {}, tmp_path, CPU)
    trainer.save()
    checkpoint = export_state(tmp_path / "state.pt", tmp_path / "w.safetensors", commit="x")
    usual = {"deviation_width": 24, "persistence_width": 12, "follows": True}
    assert checkpoint.config == {**TINY, "width": 12, **usual}
    assert checkpoint.about["scores"] == {}


def test_the_library_is_counted(tmp_path):
    (tmp_path / "movies").mkdir()
    for number in range(30):
        (tmp_path / "movies" / f"{number}.npy").touch()
    settings = tiny_settings(library=str(tmp_path / "movies"))
    Trainer(settings, still_scenes, {}, tmp_path, CPU).save()
    state, weights = tmp_path / "state.pt", tmp_path / "w.safetensors"
    other = export_state(state, weights, commit="x", library=str(tmp_path / "elsewhere"))
    assert other.about["settings"]["library"] == "elsewhere"  # no paths of this machine
    checkpoint = export_state(state, weights, commit="x")
    library = checkpoint.about["training_data"]["library"]
    assert library["movies"] + library["movies_held_out"] == 30
    assert library["share"] == 0.5


@pytest.mark.parametrize(
    ("ratios", "decoder", "expected"),
    [((4, 40), "unfolding", [2, 50]), ((4, 10), "unfolding", [4, 10]), ((4, 40), "bidirectional",
     [4, 40])],
)  # fmt: skip
def test_ratios_that_weights_serve(ratios, decoder, expected):
    settings = TrainSettings(decoder=decoder, batch=BatchSettings(ratios=ratios))
    assert served_ratios(settings) == expected


@pytest.mark.parametrize(
    ("share", "kinds"), [(0.0, ["balanced"]), (0.2, ["balanced", "bernoulli"]), (1, ["bernoulli"])]
)
def test_mask_kinds_are_those_drawn(share, kinds):
    assert BatchSettings(bernoulli=share).mask_kinds == kinds


def test_the_command_exports(run, tmp_path, capsys):
    path = tmp_path / "w.safetensors"
    assert export.main([str(run.folder / "state.pt"), str(path), "--commit", "x"]) == 0
    assert "2 steps" in capsys.readouterr().out
    assert export.main([str(tmp_path / "none.pt"), str(path)]) == 2
    assert "expected the state of a training run" in capsys.readouterr().err


def test_the_commit_is_a_version_without_a_repository(monkeypatch, tmp_path):
    assert describe_commit()
    package = tmp_path / "lib" / "site" / "napari_tcsdl" / "training" / "export.py"
    monkeypatch.setattr(export, "__file__", str(package))
    monkeypatch.setattr(export.subprocess, "run", lambda *_, **__: 1 / 0)
    assert describe_commit().startswith("v")


# --- curves ---------------------------------------------------------------------------------------


ROWS = [
    {"step": 10, "minutes": 1.0, "loss": 2.0, "rate": 1e-3, "a_B10": 20.0, "inside": 0.6},
    {"step": 20, "minutes": 2.0, "loss": None, "rate": 1e-3, "a_B10": 21.0, "b_B10": 18.0},
]


def written(tmp_path, rows):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return log


def test_curves_as_table_and_picture(tmp_path):
    picture, table = tmp_path / "curves.png", tmp_path / "curves.csv"
    write_curves(written(tmp_path, ROWS), picture, table)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["a_B10"] for row in rows] == ["20.0", "21.0"]
    assert [row["b_B10"] for row in rows] == ["", "18.0"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000
    assert series_of(ROWS) == ["a_B10", "b_B10"]


def test_a_run_without_validation_has_curves(tmp_path):
    rows = [{"step": 1, "minutes": 0.1, "loss": 1.0, "rate": 1.0}]
    write_curves(written(tmp_path, rows), tmp_path / "curves.png", None)
    assert (tmp_path / "curves.png").exists()


def test_nothing_to_draw(tmp_path):
    with pytest.raises(
        InputError, match=r"got no .*log.jsonl .*expected the log of a training run"
    ):
        write_curves(tmp_path / "log.jsonl", None, None)
    with pytest.raises(InputError, match="without a row, expected at least one validation"):
        write_curves(written(tmp_path, []), None, None)
    with pytest.raises(OutputError, match=r"cannot write .*curves.csv .*, expected a folder"):
        write_curves(written(tmp_path, ROWS), None, tmp_path / "no" / "curves.csv")


def test_a_run_may_begin_with_exported_weights(tmp_path):
    settings = tiny_settings()
    first = Trainer(settings, still_scenes, {}, tmp_path / "first", CPU)
    first.save()
    weights = tmp_path / "unfolding.safetensors"
    export_state(tmp_path / "first" / "state.pt", weights, commit="x")
    second = Trainer(replace(settings, seed=9), still_scenes, {}, tmp_path / "second", CPU)
    second.resume(weights, new_leg=True)
    for name, value in first.learner.average.items():
        assert torch.equal(second.learner.net.state_dict()[name], value)
    assert second.step == 0
    about = json.loads(weights.with_suffix(".json").read_text())
    del about["about"]["settings"]
    weights.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="without the settings of their training"):
        second.resume(weights, new_leg=True)


@pytest.mark.parametrize("row", [row for row in RECONSTRUCTORS.values() if row.weights])
def test_a_run_may_begin_with_the_weights_that_ship(row):
    """Whatever version trained them: settings that are gone since do not stand in the way."""
    start = read_start(shipped_weights(row.weights))
    settings = TrainSettings.of_run(start["settings"])
    load_fitting(settings.decoder, settings.config, start["average"])


def test_settings_of_earlier_versions_are_read_unless_they_meant_something_else():
    stored = tiny_settings().to_json()
    assert TrainSettings.from_json({**stored, "taught": "all"}) == tiny_settings()
    with pytest.raises(InputError, match="got unknown training setting taught, expected"):
        TrainSettings.from_json({**stored, "taught": "deviation"})
