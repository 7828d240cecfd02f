"""Settings as files and as a command: built, wired, and the way there and back."""

from __future__ import annotations

import json
import shlex

import pytest
import typer.testing
from panel_helpers import controls_without_tooltip
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_tcsdl import cli, cli_compare
from napari_tcsdl.display._qt.presets_row import PresetsRow, path_of
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.display.session import Session
from napari_tcsdl.settings import Settings

OTHERS = Settings(
    compression_ratio=4,
    masks="bernoulli",
    seed=3,
    mask_tile=16,
    decoder="gap_tv",
    device="cpu",
    decode_tile=128,
    reference="raw",
)


@pytest.fixture
def row(qtbot, viewer):
    row = PresetsRow(Session.of(viewer))
    qtbot.addWidget(row)
    row.said.connect(lambda text: setattr(row, "last", text))
    row.failed.connect(lambda error: setattr(row, "last", str(error)))
    return row


@pytest.fixture
def from_file(viewer, movie_path):
    """The movie, opened by our reader."""
    from napari.layers import Layer

    (entry,) = read_layers(movie_path)
    return viewer.add_layer(Layer.create(*entry))


@pytest.fixture
def parsed(monkeypatch):
    """Have the command line parse a command, and return what it would compare."""
    taken = {}

    def compare(movie, truth, out, settings, overwrite):
        taken.update(movie=movie, truth=truth, out=out, settings=settings, overwrite=overwrite)

    monkeypatch.setattr(cli_compare, "run_comparison", compare)

    def parse(command: str) -> dict:
        program, *arguments = shlex.split(command)
        assert program == "napari-tcsdl"
        result = typer.testing.CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, result.output
        return taken

    return parse


# --- built, wired -----------------------------------------------------------------------------


def test_every_control_has_a_tooltip(row):
    row.show()
    assert controls_without_tooltip(row) == []
    tips = {row.ask_save.toolTip(), row.ask_load.toolTip()}
    assert not tips & {row.ask_save.text(), row.ask_load.text(), ""}


def test_names_are_asked_for(row, tmp_path, monkeypatch):
    row.session.settings = OTHERS
    path = tmp_path / "mine"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    row.ask_save.trigger()
    assert row.last == "saved mine.json"
    row.session.settings = Settings()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (f"{path}.json", ""))
    row.ask_load.trigger()
    assert row.session.settings == OTHERS
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    del row.last
    row.ask_load.trigger()
    assert not hasattr(row, "last"), "nothing was chosen"


def test_settings_are_not_replaced_while_a_job_runs(row, layer):
    row.follow(layer, None, running=True)
    assert not row.ask_load.isEnabled()
    row.follow(layer, None, running=False)
    assert row.ask_load.isEnabled()


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mine.json", "mine.yaml"])
def test_there_and_back(row, tmp_path, name):
    pytest.importorskip("yaml")
    row.session.settings = OTHERS
    row.save(tmp_path / name)
    assert row.last == f"saved {name}"
    row.session.settings = Settings()
    row.load(tmp_path / name)
    assert row.last == f"loaded {name}"
    assert row.session.settings == OTHERS


def test_a_file_is_replaced_only_knowingly(row, tmp_path):
    path = tmp_path / "mine.json"
    row.save(path)
    row.session.settings = OTHERS
    row.save(path)
    assert "which exists already, expected a new name" in row.last
    row.save(path, overwrite=True)
    assert json.loads(path.read_text())["seed"] == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no JSON", "which is no JSON or YAML object of settings"),
        ('{"colour": "red"}', "got unknown setting colour, expected companding, compression_ratio"),
        ('{"compression_ratio": 1}', "got compression ratio B = 1, expected at least 2"),
    ],
)
def test_a_bad_file_is_one_sentence_and_changes_nothing(row, tmp_path, text, sentence):
    path = tmp_path / "bad.json"
    path.write_text(text)
    row.session.settings = OTHERS
    row.load(path)
    assert sentence in row.last
    assert str(path) in row.last
    assert row.session.settings == OTHERS


# --- the command ------------------------------------------------------------------------------


def test_the_command_line_takes_the_command_and_means_the_same(row, from_file, parsed, movie_path):
    row.session.settings = OTHERS
    row.follow(from_file, None, running=False)
    assert row.copy.isEnabled()
    row.copy.click()
    command = QGuiApplication.clipboard().text()
    assert row.last == f"copied: {command}"
    taken = parsed(command)
    assert taken["settings"] == OTHERS
    assert taken["movie"].path == str(movie_path)
    assert taken["movie"].pixel_size == pytest.approx(0.5)
    assert taken["movie"].frame_time == pytest.approx(0.25)
    assert taken["overwrite"] is False


def test_a_truth_of_a_file_comes_along(row, from_file, parsed, movie_path):
    row.session.settings = Settings(compression_ratio=4, reference="truth")
    row.follow(from_file, from_file, running=False)
    row.copy_command()
    taken = parsed(QGuiApplication.clipboard().text())
    assert taken["settings"] == row.session.settings
    assert taken["truth"].path == str(movie_path)


def test_a_truth_without_a_file_is_one_sentence(row, from_file, layer):
    row.session.settings = Settings(compression_ratio=4, reference="truth")
    row.follow(from_file, layer, running=False)
    row.copy_command()
    assert row.last.startswith("got reference 'truth' without a file of it, expected one")


def test_without_a_file_there_is_no_command(row, layer, compressed_layer):
    for shown in (None, layer, compressed_layer):
        row.follow(shown, None, running=False)
        assert not row.copy.isEnabled()
        row.copy_command()
    assert not hasattr(row, "last")
    assert path_of(None) is None
