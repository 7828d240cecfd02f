"""Settings as files, and as the command line that repeats them."""

import json
import shlex
import sys
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from napari_tcsdl import cli, cli_compare, presets
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.presets import as_command, load_preset, save_preset
from napari_tcsdl.settings import Settings

OTHER = Settings(
    compression_ratio=7, masks="bernoulli", exposures=None, seed=3, mask_tile=16, decoder="gap_tv",
    deviation="judged", weights="my weights/it's.safetensors", device="cpu", decode_tile=128,
    reference="raw",
)  # fmt: skip


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.YML"])
@pytest.mark.parametrize("settings", [Settings(), OTHER])
def test_a_preset_comes_back(tmp_path, name, settings):
    path = save_preset(settings, tmp_path / name)
    assert load_preset(path) == settings
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_what_a_preset_leaves_out_is_default(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text("compression_ratio: 12 # frames\nmasks: balanced\n")
    assert load_preset(path) == Settings(compression_ratio=12)


def test_the_summary_of_a_comparison_is_a_preset(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"settings": OTHER.to_json(), "bytes": {"raw": 1}}))
    assert load_preset(path) == OTHER


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.json", '{"ratio": 4}', "preset .*a.json: got unknown setting ratio, expected comp"),
        ("a.yaml", "ratio: 4", "got unknown setting ratio"),
        ("a.json", '{"seed": -1}', "a.json: got seed = -1, expected a whole number"),
        ("a.json", "{", r"is no JSON or YAML object of settings \(Expecting property name"),
        ("a.yaml", "a: [", r"is no JSON or YAML object of settings \(while parsing a flow"),
        ("a.json", "[1]", r"\(it holds a list\)"),
        ("a.yaml", "", r"\(it holds nothing\)"),
        ("a.yaml", "fast", r"\(it holds one value, 'fast'\)"),
        ("a.yaml", "1: 2", r"\(it holds names that are no text\)"),
        ("a.json", '{"settings": 5}', r"\(it holds one value, 5\)"),
    ],
)
def test_a_bad_preset_is_one_sentence(tmp_path, name, text, sentence):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        load_preset(path)


def test_a_preset_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"which cannot be read .*expected a JSON or YAML file"):
        load_preset(tmp_path / "no.json")


def test_a_preset_that_is_no_text_is_one_sentence(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="it is no text"):
        load_preset(path)


def test_yaml_without_its_library_is_one_sentence(tmp_path, monkeypatch):
    path = save_preset(OTHER, tmp_path / "a.yaml")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(InputError, match="which is YAML, expected JSON where PyYAML is not"):
        load_preset(path)


def test_a_preset_is_not_overwritten_unless_asked(tmp_path):
    path = save_preset(OTHER, tmp_path / "a.json")
    with pytest.raises(OutputError, match="which exists already, expected a new name"):
        save_preset(Settings(), path)
    assert load_preset(path) == OTHER
    save_preset(Settings(), path, overwrite=True)
    assert load_preset(path) == Settings()


def test_other_endings_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"got output a.txt, expected a name that ends in .json"):
        save_preset(OTHER, tmp_path / "a.txt")
    with pytest.raises(OutputError, match=r"while writing .*expected a folder that can be written"):
        save_preset(OTHER, tmp_path / "no" / "a.json")


# --- as a command -----------------------------------------------------------------------------


@pytest.fixture
def parsed(monkeypatch):
    """Run a command line as a shell would; returns what ``compare`` was asked for."""
    asked = {}

    def remember(movie, truth, out, settings, overwrite):
        asked.update(movie=movie, truth=truth, out=out, settings=settings)

    def parse(command):
        program, *arguments = shlex.split(command)
        assert program == "napari-tcsdl"
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return asked

    monkeypatch.setattr(cli_compare, "run_comparison", remember)
    return parse


@pytest.mark.parametrize("settings", [Settings(), OTHER, Settings(exposures=2, reference="raw")])
def test_a_command_gives_the_same_settings(parsed, movie_path, settings):
    assert parsed(as_command(settings, movie_path))["settings"] == settings


def test_only_what_is_not_default_is_in_a_command(movie_path):
    assert as_command(Settings(), "gold.tif") == (
        "napari-tcsdl compare gold.tif --out gold-comparison"
    )
    assert "--ratio" not in as_command(OTHER, "gold.tif").replace("--ratio 7", "")


def test_every_setting_has_an_option():
    assert set(presets.OPTIONS) == {field.name for field in fields(Settings)}


@pytest.mark.parametrize("name", ['my movie\'s "best" $HOME.tif', "-5 °C.tif", "a;b&c.tif"])
def test_awkward_paths_are_quoted(parsed, movie_path, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    movie_path.rename(tmp_path / name)
    asked = parsed(as_command(Settings(compression_ratio=3), name))
    assert asked["movie"].name == name
    assert asked["out"].name == f"{name.removesuffix('.tif')}-comparison"
    assert asked["settings"] == Settings(compression_ratio=3)


def test_calibration_and_truth_are_in_a_command(parsed, movie_path, tmp_path):
    settings = Settings(reference="truth", compression_ratio=3)
    command = as_command(
        settings, movie_path, tmp_path / "out", truth=movie_path, pixel_size=0.123, frame_time=1e-3
    )
    asked = parsed(command)
    assert asked["settings"] == settings
    assert asked["truth"].shape == asked["movie"].shape
    assert (asked["movie"].pixel_size, asked["movie"].frame_time) == (0.123, 1e-3)
    assert asked["out"] == tmp_path / "out"


def test_a_truth_without_a_file_is_refused():
    with pytest.raises(InputError, match="got reference 'truth' without a file of it"):
        as_command(Settings(reference="truth"), "gold.tif")
