"""What is compared, in files and as the command that does it: there and back."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
import typer.testing
from qtpy.QtGui import QGuiApplication
from rivals_helpers import MINE

from napari_tcsdl import cli, cli_compare
from napari_tcsdl._validation import InputError
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.display.rivals_job import ALL, Wish
from napari_tcsdl.display.rivals_presets import StudyPreset, study_command
from napari_tcsdl.presets import load_preset
from napari_tcsdl.settings import Settings

WISH = Wish(("jpeg", "frame_binning"), (2, 8), cost=False, held_out=True, split_seed=5)


@pytest.fixture
def studied_by_command(monkeypatch):
    """Have the command line parse a command, and return what it would study."""
    taken = {}

    def run(movie, truth, out, settings, options):
        taken.update(movie=movie, out=out, settings=settings, options=options)

    monkeypatch.setattr(cli_compare, "run_study", run)

    def parse(command):
        program, *arguments = shlex.split(command)
        assert program == "napari-tcsdl"
        result = typer.testing.CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, result.output
        return taken

    return parse


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_preset_holds_both_and_the_command_line_reads_its_settings(tmp_path, suffix):
    path = StudyPreset(MINE, WISH).save(tmp_path / f"mine{suffix}")
    assert StudyPreset.load(path) == StudyPreset(MINE, WISH)
    assert load_preset(path) == MINE


def test_a_preset_of_settings_alone_says_nothing_of_a_study(tmp_path):
    path = StudyPreset(MINE, None).save(tmp_path / "mine.json")
    assert StudyPreset.load(path) == StudyPreset(MINE, None)


@pytest.mark.parametrize("kept", ['["jpeg"]', '{"split_seed": -1}', '{"colour": "red"}'])
def test_a_study_that_is_none_gets_a_sentence(tmp_path, kept):
    path = tmp_path / "bad.json"
    path.write_text(f'{{"settings": {{}}, "study": {kept}}}')
    with pytest.raises(InputError, match="for a study, expected rivals, ratios, cost, held_out"):
        StudyPreset.load(path)


def test_the_command_makes_the_same_study(movie_path, studied_by_command):
    found = studied_by_command(study_command(MINE, WISH, movie_path, pixel_size=0.5))
    options = found["options"]
    assert (options.rivals, options.ratios) == (WISH.rivals, WISH.ratios)
    assert (options.held_out, options.split_seed) == (True, 5)
    assert found["settings"] == MINE
    assert found["out"].name == f"{movie_path.stem}-rivals"
    found = studied_by_command(study_command(Settings(), Wish(), movie_path))
    assert (found["options"].rivals, found["options"].held_out) == (ALL, False)


def test_a_name_that_looks_like_an_option_is_none():
    command = study_command(Settings(), Wish(), "-odd.tif")
    assert command == "napari-tcsdl compare ./-odd.tif --report ./-odd-rivals"


def test_the_row_of_the_panel_saves_loads_and_copies(panel, viewer, movie_path, tmp_path):
    from napari.layers import Layer

    panel.options.show_wish(replace(WISH, rivals=("jpeg",)))
    panel.presets.save(tmp_path / "mine.json")
    assert panel.status.text() == "saved mine.json"
    panel.options.show_wish(Wish())
    assert panel.options.wish() == Wish()
    panel.session.settings = replace(MINE, compression_ratio=7)
    panel.presets.load(tmp_path / "mine.json")
    assert panel.options.wish() == replace(WISH, rivals=("jpeg",))
    assert panel.options.seed.isEnabled()
    assert panel.session.settings == MINE
    (entry,) = read_layers(movie_path)
    panel.session.layer = viewer.add_layer(Layer.create(*entry))
    panel.presets.copy.click()
    text = QGuiApplication.clipboard().text()
    assert text.endswith("--rivals jpeg --ratios 2,8 --held-out --split-seed 5")
    assert panel.status.text() == f"copied: {text}"


def test_a_choice_made_before_codecs_are_listed_is_kept(panel):
    picker, offers = panel.options.picker, panel.options.picker.offers
    picker.offers = ()
    picker.choose(("h264_mp4",))
    picker.offer(offers)
    assert picker.names() == ("h264_mp4",)
    picker.choose(ALL)
    assert picker.names() == ALL
