"""benchmarks/quality.py: its numbers mean what its heading says."""

import csv
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_tcsdl import pipeline
from napari_tcsdl.io import save_tiff

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "quality.py"


@pytest.fixture
def quality(monkeypatch):
    spec = importlib.util.spec_from_file_location("quality", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "quality", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path, truth_frames, frames):
    """A movie of fringes 6.247 px apart, to be read as gold's (111), and its truth."""
    shape = frames.shape
    for name, pixels in (("au_x", frames), ("au_x_truth", truth_frames)):
        save_tiff(
            tmp_path / f"{name}.tif",
            [pixels.astype(np.float32)],
            shape=shape,
            pixel_size=2.355 / 6.247,
        )
    return tmp_path


def test_table_of_rivals_and_decoders(quality, folder, tmp_path, learned, capsys):
    out = tmp_path / "table.csv"
    decoders = ["gap_tv", "learned", "none_such"]
    quality.main([str(folder), "--decoders", *decoders, "--ratios", "3", "--csv", str(out)])
    captured = capsys.readouterr()
    assert "B = 3, none_such: got decoder 'none_such', expected one of" in captured.err
    lines = out.read_text(encoding="utf-8").splitlines()
    rows = {row["method"]: row for row in csv.DictReader(lines)}
    assert list(rows) == ["truth", "raw", "binning", "jpeg_raw/B", "gap_tv", "learned"]
    assert len(captured.out.splitlines()) == 1 + len(rows)
    assert rows["truth"]["psnr"] == ""
    assert float(rows["raw"]["raw/bytes"]) == 1
    assert float(rows["gap_tv"]["psnr"]) > float(rows["raw"]["psnr"])
    assert rows["gap_tv"]["±1σ"] == ""
    assert 0 < float(rows["learned"]["±1σ"]) < 1
    assert float(rows["binning"]["edge"]) == math.inf
    assert float(rows["truth"]["111_kept"]) == pytest.approx(1)
    assert float(rows["raw"]["111_kept"]) == pytest.approx(1, abs=0.3)


def test_markdown_of_some_frames(quality, folder, capsys):
    options = "--decoders gap_tv --ratios 2 --frames 4 --markdown --gold nothing*"
    quality.main([str(folder), *options.split()])
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("| movie | B | method | psnr |")
    assert "111" not in head
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
    assert len(rows) == 5


def test_decoders_may_be_told_less_and_settings_be_others(quality, folder, monkeypatch, capsys):
    seen = []

    def reconstruct(compressed, settings):
        seen.append((compressed.header, settings))
        return pipeline.reconstruct(compressed, settings)

    monkeypatch.setattr(quality, "reconstruct", reconstruct)
    options = [str(folder), *["--decoders", "gap_tv", "--ratios", "2", "--frames", "4"]]
    for more in ([], ["--untold"], ["--set", "companding=0", "entropy=jpegls"]):
        quality.main([*options, *more])
    (usual, first), (untold, second), (_, third) = seen
    assert usual.persistence is not None
    assert untold.persistence is None
    assert first == second
    assert (third.companding, third.entropy) == (0, "jpegls")


def test_folder_without_pairs_is_refused(quality, tmp_path):
    with pytest.raises(SystemExit, match=r"without NAME_truth.tif, expected pairs of movies"):
        quality.main([str(tmp_path)])


def test_flicker_is_the_step_at_block_edges_over_that_inside(quality):
    steady = np.cumsum(np.full((12, 4, 4), 2.0), axis=0)
    assert quality.edge_flicker(steady, 3) == pytest.approx(1)
    jumping = steady + 5 * (np.arange(12) // 3)[:, None, None]
    assert quality.edge_flicker(jumping, 3) == pytest.approx(3.5)
    held = np.repeat(steady[::3], 3, axis=0)
    assert quality.edge_flicker(held, 3) == math.inf
    assert quality.edge_flicker(steady, 12) is None  # one block has no edge
    # unsigned pixels do not wrap
    assert quality.edge_flicker(steady[::-1].astype(np.uint8), 3) == pytest.approx(1)


def test_share_within_one_sigma_of_gaussian_errors_is_68_percent(quality, truth_frames):
    truth = truth_frames.astype(np.float32)
    sigma = np.broadcast_to(np.linspace(1, 5, truth[0].size).reshape(truth[0].shape), truth.shape)
    error = np.random.default_rng(0).normal(0, sigma)
    movie = quality.Movie(truth, "x")
    scene = quality.Scene(movie, truth, 80.0, {})
    row = quality.measure(scene, 3, quality.Estimate("m", truth + error, 1000, sigma))
    assert row["±1σ"] == pytest.approx(0.6827, abs=0.01)
