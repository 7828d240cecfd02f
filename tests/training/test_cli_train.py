"""``train`` on the command line: what it writes, refuses, and says."""

import json
import os
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import tifffile
import torch
from test_thinned import poisson_movie
from tiny_training import BATCH, TINY, still_scenes
from typer.testing import CliRunner

from napari_tcsdl import cli
from napari_tcsdl._validation import TcsdlError
from napari_tcsdl.reconstruction.checkpoint import load_checkpoint
from napari_tcsdl.training import __main__ as plain
from napari_tcsdl.training import command, validation
from napari_tcsdl.training.curves import write_curves
from napari_tcsdl.training.finetune import FinetuneSettings
from napari_tcsdl.training.loop import Trainer
from napari_tcsdl.training.state import read_log, read_state

TINY_RUN = [
    "--device", "cpu", "--minutes", "1e9",
    *(text for name, value in TINY.items() for text in ("--set", f"config.{name}={value}")),
    "--set", "batch.crop=16", "--set", "batch.pixels=2000", "--set", "batch.ratios=[3,6]",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Validate on little, and draw scenes that cost nothing."""
    monkeypatch.setattr(validation, "VALIDATION", BATCH)
    monkeypatch.setattr(command, "training_scenes", lambda library, share: still_scenes)
    monkeypatch.setattr(validation, "held_out_scenes", lambda *_: {"still": still_scenes})
    monkeypatch.setattr(
        command, "FinetuneSettings", partial(FinetuneSettings, batch=BATCH, synthetic=0.0)
    )
    monkeypatch.setattr(command, "write_curves", lambda log, picture, table: None)


def run(*arguments, code=0):
    """Run the command line in this process; returns what it said."""
    out = CliRunner().invoke(cli.app, ["train", *map(str, arguments)])
    assert out.exit_code == code, (out.stdout, out.stderr, out.exception)
    return out.stdout


def refused(*arguments):
    """Run a command that is refused; returns its sentence."""
    out = CliRunner().invoke(cli.app, ["train", *map(str, arguments)])
    assert isinstance(out.exception, TcsdlError), (out.stdout, out.stderr, out.exception)
    return str(out.exception)


def test_a_run_writes_weights_curves_and_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "write_curves", write_curves)
    out = tmp_path / "run"
    said = run(out, "--steps", 2, "--seed", 4, *TINY_RUN)
    assert said.startswith("Trained 2 steps in ")
    assert {path.name for path in out.iterdir()} == {
        "state.pt", "log.jsonl", "settings.json", "unfolding.safetensors", "unfolding.json",
        "curves.png", "curves.csv",
    }  # fmt: skip
    checkpoint = load_checkpoint(out / "unfolding.safetensors")
    assert (checkpoint.about["steps"], checkpoint.about["seed"]) == (2, 4)
    assert "still_B6" in checkpoint.about["scores"]
    again = tmp_path / "again"
    run(again, "--preset", out / "settings.json", "--device", "cpu")
    first, second = (read_state(folder / "state.pt") for folder in (out, again))
    assert all(torch.equal(first["net"][name], second["net"][name]) for name in first["net"])


def test_a_run_is_not_overwritten_unasked(tmp_path):
    run(tmp_path, "--steps", 1, *TINY_RUN)
    sentence = refused(tmp_path, "--steps", 1, *TINY_RUN)
    assert "holds a training run already" in sentence
    assert "add --resume to go on with it, or --overwrite to replace it" in sentence
    assert "whose run is finished (1 steps" in refused(tmp_path, "--resume", "--device", "cpu")
    run(tmp_path, "--resume", "--steps", 2, "--device", "cpu")
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1, 2]
    run(tmp_path, "--overwrite", "--steps", 1, *TINY_RUN)
    assert [row["step"] for row in read_log(tmp_path / "log.jsonl")] == [1]


def test_a_leg_is_gone_on_with(tmp_path):
    said = run(tmp_path, "--steps", 2, "--leg", 1e-9, *TINY_RUN)
    assert said.startswith("This leg is over after 1 steps")
    assert "--resume goes on from there" in said
    assert run(tmp_path, "--resume", "--device", "cpu").startswith("Trained 2 steps")


@pytest.mark.parametrize("main", [run, lambda *given: plain.main([str(a) for a in given])])
def test_both_commands_save_by_steps_and_by_minutes(tmp_path, monkeypatch, main):
    saved, save = [], Trainer.save
    monkeypatch.setattr(Trainer, "save", lambda self: saved.append(self.step) or save(self))
    main(tmp_path / "steps", "--steps", 5, "--save-steps", 2, *TINY_RUN)
    assert saved == [2, 4, 5]
    assert [row["step"] for row in read_log(tmp_path / "steps" / "log.jsonl")] == [5]
    main(tmp_path / "minutes", "--steps", 2, "--save-every", 0, *TINY_RUN)
    assert [row["step"] for row in read_log(tmp_path / "minutes" / "log.jsonl")] == [1, 2]


def test_weights_of_another_run_are_the_start(tmp_path):
    run(tmp_path / "a", "--steps", 2, *TINY_RUN)
    settings = ["--device", "cpu", "--minutes", "1e9", "--set", "batch.crop=16",
                "--set", "batch.pixels=2000", "--set", "batch.ratios=[3,6]"]  # fmt: skip
    run(tmp_path / "b", "--from", tmp_path / "a" / "state.pt", "--steps", 1, "--set", "rate=1e-30",
        *settings)  # fmt: skip
    first, second = (read_state(tmp_path / name / "state.pt") for name in "ab")
    for name, value in first["average"].items():
        torch.testing.assert_close(second["net"][name], value)
    assert second["settings"]["start"] == str(tmp_path / "a" / "state.pt")
    sentence = refused(
        tmp_path / "c", "--from", tmp_path / "a" / "state.pt", "--set", "config.width=12"
    )
    assert "leave these settings out, or train anew" in sentence


def test_ctrl_c_saves_and_ends_in_one_sentence(tmp_path, monkeypatch):
    calls = []

    def scenes(count, shape, generator):
        calls.append(count)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return still_scenes(count, shape, generator)

    monkeypatch.setattr(command, "training_scenes", lambda library, share: scenes)
    said = run(tmp_path, "--steps", 100, *TINY_RUN, code=130)
    assert said.startswith("Stopped by you after 2 steps")
    assert len(said.splitlines()) == 1
    assert read_state(tmp_path / "state.pt")["step"] == 2
    assert (tmp_path / "unfolding.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--decoder", "gap_tv"], "got decoder 'gap_tv' to train, expected one of unfolding"),
        (["--precision", "float8"], "got precision 'float8', expected float32 or bfloat16"),
        (["--device", "tpu"], "got device 'tpu', expected one that torch can use here"),
        (["--save-every", "-1"], "got save_every = -1, expected minutes of 0 or more"),
        (["--save-steps", "0"], "got save_steps = 0, expected a whole number of steps"),
        (["--finetune", "m.tif", "--save-steps", "5"], "got --save-steps with --finetune"),
        (["--resume"], "expected the state of a training run"),
        (["--set", "speed=1"], "got unknown training setting speed"),
        (["--weights", "w.safetensors"], "got --weights with training on simulated movies"),
        (["--preset", "none.json"], "got none.json, which holds no training settings"),
        (["--finetune", "m.tif", "--resume"], "got --resume with --finetune, expected none"),
        (["--finetune", "m.tif", "--weights", "w.safetensors"], "got no weights from w.json"),
        (["--decoder", "bidirectional", "--set", "config.largest_ratio=3"],
         "got B from 4 to 40 for a network with largest_ratio = 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_in_a_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused("out", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.undo()
    sentence = refused(tmp_path / "out", "--library", tmp_path / "none", *TINY_RUN)
    assert "which is no folder" in sentence
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    assert "expected a folder that can be written" in refused(tmp_path / "out", *TINY_RUN)


def test_settings_that_cannot_be_written(tmp_path):
    (tmp_path / "run" / "settings.json").mkdir(parents=True)
    assert "cannot write" in refused(tmp_path / "run", *TINY_RUN)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["settings.json"]


# --- fine-tuning ------------------------------------------------------------------------------


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "raw.tif"
    tifffile.imwrite(path, poisson_movie(), imagej=True)
    return path


def test_fine_tuning_writes_weights_and_a_figure(tmp_path, movie):
    run(tmp_path / "run", "--steps", 1, *TINY_RUN)
    weights = tmp_path / "run" / "unfolding.safetensors"
    options = ["--finetune", movie, "--weights", weights, "--steps", 2, "--device", "cpu"]
    said = run(tmp_path / "tuned", *options)
    assert "2 steps on raw.tif" in said
    assert {path.name for path in (tmp_path / "tuned").iterdir()} == {
        "unfolding.safetensors", "unfolding.json", "log.jsonl", "before_after.png"
    }  # fmt: skip
    tuned = load_checkpoint(tmp_path / "tuned" / "unfolding.safetensors")
    assert tuned.about["finetuned"][0]["movie"] == "raw.tif"
    assert "holds weights already, expected a folder without" in refused(
        tmp_path / "tuned", *options
    )
    run(tmp_path / "tuned", *options, "--overwrite")


# --- without typer, rich and zarr -------------------------------------------------------------


def test_the_plain_command_does_the_same(tmp_path, capsys):
    out = tmp_path / "run"
    assert plain.main([str(out), "--steps", "1", *TINY_RUN]) == 0
    assert "Trained 1 steps" in capsys.readouterr().out
    assert load_checkpoint(out / "unfolding.safetensors").about["steps"] == 1
    assert plain.main([str(out), "--steps", "1", *TINY_RUN]) == 2
    assert "holds a training run already" in capsys.readouterr().err


def test_it_starts_where_little_is_installed():
    """With torch, NumPy, SciPy, scikit-image, numba, tifffile and safetensors, and no more."""
    absent = ["rich", "typer", "zarr", "matplotlib", "napari", "imagecodecs", "mrcfile", "qtpy"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import napari_tcsdl.training.__main__ as m\n"
        "import napari_tcsdl.training.export, napari_tcsdl.training.sources\n"
        "print(m.job_of(m.parse(['out', '--steps', '3'])).given['steps'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


def test_without_matplotlib_the_picture_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "write_curves", write_curves)
    for name in list(sys.modules):
        if name.startswith(("matplotlib", "napari_tcsdl._figure_layout")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plain.main([str(tmp_path), "--steps", "1", *TINY_RUN]) == 0
    assert "curves.png was left out: matplotlib is not installed" in capsys.readouterr().out
    assert (tmp_path / "curves.csv").exists()
    assert not (tmp_path / "curves.png").exists()


def test_settings_json_holds_the_run(tmp_path):
    run(tmp_path, "--steps", 1, *TINY_RUN)
    values = json.loads((tmp_path / "settings.json").read_text())
    assert values["batch"]["ratios"] == [3, 6]
    assert values["config"]["width"] == TINY["width"]
    assert np.isclose(values["minutes"], 1e9)
