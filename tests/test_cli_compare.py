"""``compare`` and ``demo`` on the command line: tables, reports, and what a failure leaves."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from cli_helpers import FRAMES, RATIO, fails, run


def test_compare_writes_table_summary_and_figure(movie_path, tmp_path):
    out_dir = tmp_path / "cmp"
    run("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--device", "cpu",
        "--out", out_dir)  # fmt: skip
    with open(out_dir / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["codec", "frame", "psnr", "ssim", "bytes"]
    assert {int(row["frame"]) for row in rows} == set(range(FRAMES))
    summary = json.loads((out_dir / "summary.json").read_text())
    for name, fact in summary["codecs"].items():
        own = [row for row in rows if row["codec"] == name]
        assert fact["bytes"] == sum(int(row["bytes"]) for row in own)
        psnr = np.array([float(row["psnr"]) for row in own])
        assert fact["psnr"] == pytest.approx(psnr[np.isfinite(psnr)].mean(), abs=1e-3)
    assert summary["settings"]["compression_ratio"] == RATIO
    assert (out_dir / "comparison.png").stat().st_size > 10_000
    assert (out_dir / "lattice.tcs.zarr").is_dir()


def test_compare_against_truth(movie_path, tmp_path, truth_frames):
    truth = tmp_path / "truth.tif"
    tifffile.imwrite(truth, truth_frames.astype(np.float32), imagej=True)
    out_dir = tmp_path / "cmp"
    run("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--device", "cpu",
        "--reference", truth, "--out", out_dir)  # fmt: skip
    summary = json.loads((out_dir / "summary.json").read_text())
    assert summary["reference"] == "truth: truth.tif"
    # Poisson noise: the variance of the raw frames is their mean, 60 counts.
    expected = 10 * np.log10(summary["data_range"] ** 2 / 60)
    assert summary["codecs"]["raw"]["psnr"] == pytest.approx(expected, abs=0.2)


def test_a_summary_is_a_preset_for_the_next_run(movie_path, tmp_path):
    out_dir = tmp_path / "cmp"
    run("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--seed", 5, "--device", "cpu",
        "--out", out_dir)  # fmt: skip
    again = tmp_path / "again.tcs.zarr"
    run("compress", movie_path, "--preset", out_dir / "summary.json", "-o", again)
    first, second = (
        json.loads(run("info", path, "--json")[0]) for path in (out_dir / "lattice.tcs.zarr", again)
    )
    assert first["masks"] == second["masks"]
    assert second["settings"]["seed"] == 5


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--device", "cuda:99", "got device 'cuda:99', expected one that torch can use here"),
        ("--decoder", "magic", "got decoder 'magic', expected one of unfolding, gap_tv"),
        ("--tile", "0", "got decode_tile = 0, expected a whole number of at least 64 px"),
        ("--seed", "abc", "Invalid value for '--seed'"),
    ],
)
def test_a_comparison_that_fails_leaves_nothing_in_the_way(
    monkeypatch, capsys, movie_path, tmp_path, option, value, sentence
):
    out_dir = tmp_path / "cmp"
    arguments = ("compare", movie_path, "--ratio", RATIO, option, value, "--out", out_dir)
    assert sentence in fails(monkeypatch, capsys, *arguments)
    assert not out_dir.exists()


def test_a_failed_comparison_keeps_the_one_before(monkeypatch, capsys, movie_path, tmp_path):
    from napari_tcsdl import report

    out_dir = tmp_path / "cmp"
    arguments = ("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--device", "cpu",
                 "--out", out_dir)  # fmt: skip
    run(*arguments)
    before = {p: p.read_bytes() for p in out_dir.rglob("*") if p.is_file()}

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device", "scores.csv")

    monkeypatch.setattr(report, "write_text", full)
    assert "No space left" in fails(monkeypatch, capsys, *arguments, "--overwrite")
    assert before == {p: p.read_bytes() for p in out_dir.rglob("*") if p.is_file()}


def test_a_full_disk_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    import errno

    from napari_tcsdl import report

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", "scores.csv")

    monkeypatch.setattr(report, "write_text", full)
    sentence = fails(
        monkeypatch, capsys, "compare", movie_path, "--ratio", RATIO, "--mask-tile", 16,
        "--device", "cpu", "--out", tmp_path / "cmp",
    )  # fmt: skip
    assert "No space left on device" in sentence


def test_demo_without_a_display_writes_everything(tmp_path):
    out_dir = tmp_path / "demo"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", "napari_tcsdl", "demo", "--out", str(out_dir)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "Running without a window" in result.stdout
    summary = json.loads((out_dir / "summary.json").read_text())
    assert summary["codecs"]["unfolding"]["psnr"] > summary["codecs"]["jpeg_same_bytes"]["psnr"]
    assert (out_dir / "comparison.png").exists()
    run("validate", next(out_dir.glob("*.tcs.zarr")))


def test_a_report_holds_every_rival_that_was_asked_for(movie_path, tmp_path):
    out, _ = run("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--device", "cpu",
                 "--decoder", "gap_tv", "--reference", "raw", "--rivals", "jpeg, frame_binning",
                 "--ratios", "2", "--report", tmp_path / "out")  # fmt: skip
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"report.html", "study.json", "rate_distortion.csv", "scores.csv",
                     "frames.npz", "lattice.tcs.zarr"}  # fmt: skip
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    assert [rival["name"] for rival in study["rivals"]] == ["gap_tv", "jpeg", "frame_binning"]
    assert {point["quality"] for point in study["rivals"][0]["points"]} == {2.0, float(RATIO)}
    for sentence in study["verdict"]:
        assert sentence in out
    assert "<h2>Verdict</h2>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_held_out_scores_come_with_a_report(movie_path, tmp_path):
    out, _ = run("compare", movie_path, "--ratio", RATIO, "--mask-tile", 16, "--device", "cpu",
                 "--decoder", "gap_tv", "--reference", "raw", "--rivals", "frame_binning",
                 "--report", tmp_path / "out", "--held-out", "--split-seed", 3)  # fmt: skip
    study = json.loads((tmp_path / "out" / "study.json").read_text())
    assert study["held_out"]["seed"] == 3
    assert study["held_out"]["refused"] is None
    assert all(rival["held_out"]["n_bytes"] > 0 for rival in study["rivals"])
    assert str(tmp_path / "out" / "held_out.csv") in out.replace("\n", "")
    assert (tmp_path / "out" / "held_out.csv").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "got no place for results, expected --out FOLDER for a table"),
        (("--out", "a", "--rivals", "all"), "got --rivals without --report, expected a folder"),
        (("--out", "a", "--lattice", "Au"), "got --lattice without --report, expected a folder"),
        (("--out", "a", "--held-out"), "got --held-out without --report, expected a folder"),
        (("--report", "a", "--split-seed", 1), "got --split-seed 1 without --held-out, expected"),
        (("--out", "a", "--report", "a"), "got a for both --out and --report, expected two"),
        (("--report", "a", "--rivals", "gif"), "got rival gif, expected all, or some of jpeg, "),
        (("--report", "a", "--lattice", "Xy"), "got lattice 'Xy', expected one of "),
        (("--report", "a", "--ratios", "5,x"), "got compression ratio B = 'x', expected a whole"),
        (("--report", "a", "--ratios", "2000"), "got compression ratio B = 2000 for a movie of 9"),
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_made_is_one_sentence(
    monkeypatch, capsys, movie_path, tmp_path, options, sentence
):
    monkeypatch.chdir(tmp_path)
    message = fails(monkeypatch, capsys, "compare", movie_path, "--ratio", RATIO, *options)
    assert sentence in message
    assert not (tmp_path / "a").exists()
