"""Frames, uncertainty and consistency map as TIFFs: all of them, or what was there before."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from bump_movie import N_FRAMES, SETTINGS
from cli_helpers import fails, run

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.export import TiffOutputs, reconstruct_to_tiff
from napari_tcsdl.io import open_compressed, open_movie
from napari_tcsdl.pipeline import consistency_map, reconstruct
from napari_tcsdl.settings import Settings

NAMES = ("rec.tif", "unc.tif", "con.tif")


@pytest.fixture
def outputs(tmp_path):
    """Three files in a folder of their own."""
    folder = tmp_path / "out"
    folder.mkdir()
    return TiffOutputs(*(folder / name for name in NAMES))


def options(outputs):
    return ("--device", "cpu", "-o", outputs.frames, "--uncertainty", outputs.uncertainty,
            "--consistency", outputs.consistency)  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_precious(outputs):
    """Put something under every name; returns what lies in the folder."""
    for path in (outputs.sidecar, *outputs.stacks.values()):
        path.write_bytes(b"precious " + path.name.encode())
    return contents(outputs.frames.parent)


# --- on the command line ----------------------------------------------------------------------


def test_the_files_hold_what_the_python_api_gives(compressed_path, outputs, movie):
    """With the weights that ship: 9 frames in measurements of 4, 4 and 1."""
    said, _ = run("reconstruct", compressed_path, *options(outputs))
    compressed = open_compressed(compressed_path)
    settings = replace(Settings.from_file(compressed.header.settings), device="cpu")
    blocks = list(reconstruct(compressed, settings))
    maps = [consistency_map(compressed, k, block.frames) for k, block in enumerate(blocks)]
    expected = {
        "rec.tif": np.concatenate([block.frames for block in blocks]),
        "unc.tif": np.concatenate([block.uncertainty for block in blocks]),
        "con.tif": np.stack(maps),
    }
    for name, values in expected.items():
        found = open_movie(outputs.frames.with_name(name))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.source[0 : len(values)], values)
        assert found.pixel_size == pytest.approx(movie.pixel_size)
        time = movie.frame_time * (4 if name == "con.tif" else 1)
        assert found.frame_time == pytest.approx(time)
    assert expected["unc.tif"].shape == movie.shape
    assert expected["con.tif"].shape == (3, *movie.shape[1:])
    files = json.loads(outputs.sidecar.read_text())["files"]
    assert (
        set(files.values()) == set(NAMES) == set(contents(outputs.frames.parent)) - {"rec.tif.json"}
    )
    assert f"{outputs.uncertainty}: standard deviation of each frame" in said
    assert f"{outputs.consistency}: (Y − ΦX̂) / σ_Y of 3 measurements" in said


def test_each_map_can_be_had_alone(compressed_path, tmp_path):
    rec, con = tmp_path / "rec.tif", tmp_path / "con.tif"
    arguments = ("reconstruct", compressed_path, "--decoder", "gap_tv", "--device", "cpu")
    run(*arguments, "-o", rec, "--consistency", con)
    assert tifffile.imread(con).shape == (3, 48, 40)
    assert set(json.loads((tmp_path / "rec.tif.json").read_text())["files"]) == {
        "frames", "consistency"
    }  # fmt: skip


def test_a_decoder_without_uncertainty_is_one_sentence(
    monkeypatch, capsys, compressed_path, outputs
):
    before = put_precious(outputs)
    arguments = ("reconstruct", compressed_path, "--decoder", "gap_tv", "--overwrite")
    sentence = fails(monkeypatch, capsys, *arguments, *options(outputs))
    assert sentence == (
        "Error: got decoder 'gap_tv', which states no uncertainty, expected one that does "
        "(unfolding) where the uncertainty is to be written or judged; choose such a decoder, or "
        "leave that out"
    )
    assert contents(outputs.frames.parent) == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_is_replaced_only_if_asked(
    monkeypatch, capsys, compressed_path, outputs, name
):
    (outputs.frames.parent / name).write_bytes(b"precious")
    arguments = ("reconstruct", compressed_path, *options(outputs))
    assert f"{name}, which exists already" in fails(monkeypatch, capsys, *arguments)
    assert contents(outputs.frames.parent) == {name: b"precious"}


# --- refused before any work ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"uncertainty": "unc.mrc"}, r"got output unc\.mrc, expected a name that ends in \.tif"),
        ({"consistency": "rec.tif"}, r"rec\.tif for both consistency and frames, expected a file"),
        ({"uncertainty": "none/u.tif"}, r"none is no folder, expected an existing folder"),
        ({"consistency": "."}, r"expected a name that ends in \.tif"),
    ],
)
def test_names_that_cannot_be_written(compressed, learned, outputs, changed, sentence):
    folder = outputs.frames.parent
    wrong = replace(outputs, **{what: folder / name for what, name in changed.items()})
    with pytest.raises(OutputError, match=sentence):
        reconstruct_to_tiff(compressed, wrong, SETTINGS)
    assert contents(folder) == {}
    assert learned[0].groups == []


def test_a_file_that_does_not_know_the_noise_has_no_consistency(compressed, learned, outputs):
    unknown = replace(compressed, header=replace(compressed.header, noise=None))
    with pytest.raises(InputError, match=r"m\.tcs\.zarr without the noise of its movie, expected"):
        reconstruct_to_tiff(unknown, outputs, SETTINGS)
    assert contents(outputs.frames.parent) == {}
    assert learned[0].groups == []
    reconstruct_to_tiff(unknown, replace(outputs, consistency=None), SETTINGS)
    assert set(contents(outputs.frames.parent)) == {"rec.tif", "rec.tif.json", "unc.tif"}


# --- all or none ------------------------------------------------------------------------------


def test_a_run_that_is_stopped_leaves_what_was_there(compressed, learned, outputs):
    before = put_precious(outputs)

    def stop(fraction):
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        reconstruct_to_tiff(compressed, replace(outputs, overwrite=True), SETTINGS, progress=stop)
    assert contents(outputs.frames.parent) == before
    reconstruct_to_tiff(compressed, replace(outputs, overwrite=True), SETTINGS)
    after = contents(outputs.frames.parent)
    assert after.keys() == before.keys()
    assert not any(content.startswith(b"precious") for content in after.values())


@pytest.mark.parametrize("refused", NAMES)
@pytest.mark.parametrize("there", [False, True])
def test_a_name_that_the_system_refuses_leaves_all_as_it_was(
    compressed, learned, outputs, monkeypatch, refused, there
):
    """As Windows does where another program has the old file open."""
    before = put_precious(outputs) if there else {}
    replace_file = type(outputs.frames).replace

    def refuse(self, target):
        if self.name.endswith(".partial") and target.name == refused:
            raise PermissionError(13, "Permission denied")
        return replace_file(self, target)

    monkeypatch.setattr(type(outputs.frames), "replace", refuse)
    with pytest.raises(OutputError, match=rf"{refused}: cannot be written: Permission denied"):
        reconstruct_to_tiff(compressed, replace(outputs, overwrite=True), SETTINGS)
    assert contents(outputs.frames.parent) == before


def test_files_grow_together_and_no_block_waits_for_the_end(compressed, learned, outputs):
    """No more than a group of blocks is ever held: what is done is in the hidden files."""
    folder, seen = outputs.frames.parent, []

    def look(fraction):
        tiffs = [path for path in folder.iterdir() if ".json." not in path.name]
        frames = [np.fromfile(path, np.float32) for path in tiffs]
        seen.append(sorted(int(np.count_nonzero(values > 1)) for values in frames))

    reconstruct_to_tiff(compressed, outputs, SETTINGS, progress=look)
    assert all(len(counts) == 3 for counts in seen)
    totals = [counts[-1] for counts in seen]
    assert totals == sorted(totals)
    assert len(set(totals)) > 3


def test_a_full_disk_is_told_with_the_name_of_the_file(
    compressed, learned, outputs, file_size_limit
):
    limit = N_FRAMES * 40 * 36 * 4 // 2  # room for the consistency map only
    with file_size_limit(limit), pytest.raises(OutputError, match=r"unc\.tif: the disk is full"):
        reconstruct_to_tiff(compressed, outputs, SETTINGS)
    assert contents(outputs.frames.parent) == {}
