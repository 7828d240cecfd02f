"""The command line as scripts use it: what it writes, its exit codes, its sentences."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_tcsdl import cli
from napari_tcsdl.io import CompressedWriter, open_compressed, open_movie
from napari_tcsdl.persistence import persistence_of
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings

FRAMES, RATIO = 9, 4


def run(*arguments, code=0):
    """Run the command line in this process; returns (stdout, stderr)."""
    out = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert out.exit_code == code, (out.stdout, out.stderr, out.exception)
    return out.stdout, out.stderr


def fails(monkeypatch, capsys, *arguments, code=2):
    """Run main() and return the one sentence on standard error."""
    monkeypatch.setattr(sys, "argv", ["napari-tcsdl", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        cli.main()
    assert exit_info.value.code == code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.fixture
def compressed_path(movie_path, tmp_path):
    path = tmp_path / "out.tcs.zarr"
    run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, "-o", path)
    return path


def test_compress_states_real_bytes(movie_path, tmp_path):
    path = tmp_path / "out.tcs.zarr"
    out, _ = run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, "-o", path)
    on_disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert f"storage ratio {FRAMES * 48 * 40 / on_disk:.2f}" in out


def test_companding_and_entropy_coding_are_options(movie_path, tmp_path):
    made = {}
    for name, options in {
        "exact": ("--companding", 0),
        "usual": (),
        "best": ("--companding", 0.5, "--entropy", "best"),
    }.items():
        path = tmp_path / f"{name}.tcs.zarr"
        run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, *options, "-o", path)
        run("validate", path)
        made[name] = json.loads(run("info", path, "--json")[0])
    coded = {name: (facts["companding"], facts["entropy"]) for name, facts in made.items()}
    assert coded == {"exact": (None, "zstd"), "usual": (0.5, "zstd"), "best": (0.5, "best")}
    sizes = [made[name]["bytes"]["measurements"] for name in ("exact", "usual", "best")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.2 * sizes[2]


def test_info_tells_the_storage_ratio_three_ways(compressed_path):
    facts = json.loads(run("info", compressed_path, "--json")[0])
    ratios = facts["storage_ratios"]
    assert ratios["raw_as_stored"] == facts["storage_ratio"]
    assert ratios["raw_as_stored"] > ratios["raw_losslessly_coded"] > ratios["raw_companded_alike"]
    text, _ = run("info", compressed_path)
    for name, ratio in ratios.items():
        assert re.search(rf"ratio to {name.replace('_', ' ')} +{ratio:.2f}\n", text)


def test_info_tells_how_long_structure_lasts(movie_path, compressed_path):
    facts = json.loads(run("info", compressed_path, "--json")[0])
    expected = persistence_of(open_movie(movie_path))
    assert facts["persistence"] == expected.to_json()
    text, _ = run("info", compressed_path)
    assert f"persistence error  {expected.error:.3g}\n" in re.sub("  +", "  ", text)
    assert "{'whole'" not in text


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--companding", 3, "got companding = 3.0, expected 0 (lossless) to 2 standard deviations"),
        (
            "--entropy",
            "zip",
            "got entropy coding 'zip', expected one of zstd, jpegls, jpegxl, best",
        ),
    ],
)
def test_impossible_storage_is_refused_in_words(
    monkeypatch, capsys, movie_path, tmp_path, option, value, sentence
):
    out = tmp_path / "o.tcs.zarr"
    assert sentence in fails(monkeypatch, capsys, "compress", movie_path, option, value, "-o", out)
    assert not out.exists()


def test_reconstruct_keeps_frames_units_and_calibration(compressed_path, tmp_path, movie):
    path = tmp_path / "rec.tif"
    run("reconstruct", compressed_path, "--device", "cpu", "-o", path)
    back = open_movie(path)
    assert back.shape == movie.shape
    assert back.dtype == np.float32
    assert back.pixel_size == pytest.approx(movie.pixel_size)
    assert back.frame_time == pytest.approx(movie.frame_time)
    assert back.read(0, FRAMES).mean() == pytest.approx(movie.read(0, FRAMES).mean(), rel=0.02)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej
    facts = json.loads((tmp_path / "rec.tif.json").read_text())
    assert (facts["settings"]["decoder"], facts["damaged"]) == ("unfolding", [])


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


def test_a_yaml_preset_is_read_and_options_win_over_it(movie_path, tmp_path):
    preset, out = tmp_path / "mine.yaml", tmp_path / "o.tcs.zarr"
    preset.write_text("compression_ratio: 3\nmask_tile: 16\nseed: 5\n")
    run("compress", movie_path, "--preset", preset, "--seed", 6, "-o", out)
    facts = json.loads(run("info", out, "--json")[0])
    assert (facts["compression_ratio"], facts["settings"]["seed"]) == (3, 6)


def test_a_preset_decodes_a_file_and_leaves_its_masks(compressed_path, tmp_path):
    preset, out = tmp_path / "mine.json", tmp_path / "rec.tif"
    preset.write_text('{"compression_ratio": 9, "decoder": "gap_tv", "device": "cpu"}')
    text, _ = run("reconstruct", compressed_path, "--preset", preset, "-o", out)
    assert "9 frames, decoder gap_tv" in text
    settings = json.loads((tmp_path / "rec.tif.json").read_text())["settings"]
    assert (settings["compression_ratio"], settings["decoder"]) == (RATIO, "gap_tv")


def test_recommend_proposes_b_with_a_reason(movie_path):
    advice = json.loads(run("recommend", movie_path, "--json")[0])
    assert 4 <= advice["compression_ratio"] <= FRAMES
    assert advice["motion"] == pytest.approx(0.3, abs=0.05)
    out, _ = run("recommend", movie_path)
    assert out.strip() == advice["reason"]
    assert f"B = {advice['compression_ratio']}" in out


def test_recommend_without_a_movie_is_one_sentence(monkeypatch, capsys, tmp_path):
    assert "no.tif" in fails(monkeypatch, capsys, "recommend", tmp_path / "no.tif")


@pytest.mark.parametrize("command", ["reconstruct", "compare"])
def test_help_says_what_each_decoder_is(command):
    text = " ".join(run(command, "--help")[0].replace("│", " ").split())
    assert f"by default {Settings.decoder}" in text
    for name, row in RECONSTRUCTORS.items():
        assert f"{name}: {row.line}" in text


def test_info_says_what_can_decode_a_file(compressed_path):
    out, _ = run("info", compressed_path)
    for name, row in RECONSTRUCTORS.items():
        assert any(
            line.startswith(f"decoder {name}") and line.endswith(row.line)
            for line in out.splitlines()
        )
    facts = json.loads(run("info", compressed_path, "--json")[0])
    assert facts["decoders"] == {name: row.line for name, row in RECONSTRUCTORS.items()}


def test_info_of_a_movie_and_of_a_compressed_file(movie_path, compressed_path):
    movie = json.loads(run("info", movie_path, "--json")[0])
    assert (movie["frames"], movie["pixel_size_angstrom"]) == (FRAMES, pytest.approx(0.5))
    facts = json.loads(run("info", compressed_path, "--json")[0])
    assert facts["frames_valid"] == FRAMES
    assert facts["compression_ratio"] == RATIO
    assert "frames_valid" in run("info", compressed_path)[0]


def test_validate_exits_0_or_1_with_one_violation_a_line(compressed_path):
    assert "valid, 9 frames in 3 measurements" in run("validate", compressed_path)[0]
    shard = max(compressed_path.rglob("0/c/*/*/*"), key=lambda p: p.parts)
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 1
    shard.write_bytes(data)
    out, _ = run("validate", compressed_path, code=1)
    assert len(out.strip().splitlines()) == 1
    assert "measurement 2" in out


def test_the_rest_of_a_damaged_file_can_be_reconstructed(
    monkeypatch, capsys, compressed_path, tmp_path
):
    shard = compressed_path / "0" / "c" / "1" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-9])
    rec = tmp_path / "rec.tif"
    arguments = ("reconstruct", compressed_path, "--device", "cpu", "-o", rec)
    assert "measurement 1" in fails(monkeypatch, capsys, *arguments)
    assert not rec.exists()
    _, err = run(*arguments, "--skip-damaged")
    assert "Left out: " in err
    frames = tifffile.imread(rec)
    assert np.isnan(frames[4:8]).all()
    assert np.isfinite(frames[[0, 1, 2, 3, 8]]).all()
    assert len(json.loads((tmp_path / "rec.tif.json").read_text())["damaged"]) == 1


def test_an_output_that_is_no_tiff_is_refused(monkeypatch, capsys, compressed_path, tmp_path):
    for name in ("rec.json", "out.tcs.zarr"):
        sentence = fails(
            monkeypatch, capsys, "reconstruct", compressed_path, "--overwrite",
            "-o", tmp_path / name,
        )  # fmt: skip
        assert f"got output {name}, expected a name that ends in .tif" in sentence
    assert "valid" in run("validate", compressed_path)[0]


def test_a_file_without_measurements_is_one_sentence(
    monkeypatch, capsys, movie, compressed_path, tmp_path
):
    compressed = open_compressed(compressed_path)
    with CompressedWriter(tmp_path / "e.tcs.zarr", compressed.masks, compressed.header) as writer:
        shutil.copytree(writer.path, tmp_path / "empty.tcs.zarr")
    sentence = fails(
        monkeypatch, capsys, "reconstruct", tmp_path / "empty.tcs.zarr", "-o", tmp_path / "r.tif"
    )
    assert "got empty.tcs.zarr with no measurement in it" in sentence


def test_an_interrupted_file_says_so(compressed_path, tmp_path, movie):
    compressed = open_compressed(compressed_path)
    short = tmp_path / "short.tcs.zarr"
    with CompressedWriter(short, compressed.masks, compressed.header) as writer:
        writer.append(compressed.measurement(0))
    assert "4 of 9 frames (its run was interrupted)" in run("validate", short)[0]
    facts = json.loads(run("info", short, "--json")[0])
    assert (facts["frames"], facts["frames_valid"], facts["complete"]) == (9, 4, False)


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


def test_ctrl_c_is_one_sentence_and_keeps_what_is_written(tmp_path):
    movie = tmp_path / "long.tif"
    tifffile.imwrite(movie, np.ones((3000, 256, 256), np.uint8), imagej=True)
    out = tmp_path / "long.tcs.zarr"
    command = [sys.executable, "-m", "napari_tcsdl", "compress", str(movie), "--ratio", "2"]
    process = subprocess.Popen([*command, "-o", str(out)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out / "0" / "c" / "3").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "Error: stopped by you; measurements already written stay valid"
    assert open_compressed(out).frames_valid >= 6
    assert "interrupted" in run("validate", out)[0]


def test_an_unreadable_path_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied", str(movie_path))

    monkeypatch.setattr("napari_tcsdl.io.tiff.check_input_file", refuse)
    out = tmp_path / "o.tcs.zarr"
    sentence = fails(monkeypatch, capsys, "compress", movie_path, "--ratio", RATIO, "-o", out)
    assert "Permission denied" in sentence


def test_outputs_are_not_overwritten_unless_asked(
    monkeypatch, capsys, movie_path, compressed_path, tmp_path
):
    before = {p: p.read_bytes() for p in compressed_path.rglob("*") if p.is_file()}
    again = ("compress", movie_path, "--ratio", 3, "--mask-tile", 16, "-o", compressed_path)
    assert "exists" in fails(monkeypatch, capsys, *again)
    assert before == {p: p.read_bytes() for p in compressed_path.rglob("*") if p.is_file()}
    run(*again, "--overwrite")
    assert json.loads(run("info", compressed_path, "--json")[0])["compression_ratio"] == 3
    rec = tmp_path / "rec.tif"
    rec.write_bytes(b"precious")
    assert "exists" in fails(monkeypatch, capsys, "reconstruct", compressed_path, "-o", rec)
    assert rec.read_bytes() == b"precious"


@pytest.mark.parametrize("ratio", ["0", "1", "10", "ten"])
def test_a_bad_ratio_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path, ratio):
    out = tmp_path / "o.tcs.zarr"
    sentence = fails(monkeypatch, capsys, "compress", movie_path, "--ratio", ratio, "-o", out)
    assert "got compression ratio B = " in sentence
    assert not out.exists()


def test_a_missing_movie_is_one_sentence(monkeypatch, capsys, tmp_path):
    sentence = fails(
        monkeypatch, capsys, "compress", tmp_path / "no.tif", "--ratio", 4, "-o", tmp_path / "o"
    )
    assert "no.tif" in sentence


def test_no_cuda_where_cuda_was_asked_for(monkeypatch, capsys, compressed_path, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "rec.tif"
    sentence = fails(
        monkeypatch, capsys, "reconstruct", compressed_path, "--device", "cuda", "-o", out
    )
    assert "got device 'cuda', expected one that torch can use here" in sentence
    assert not out.exists()


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


def test_an_unknown_preset_key_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    preset = tmp_path / "preset.json"
    preset.write_text('{"ratio": 4}')
    sentence = fails(
        monkeypatch, capsys, "compress", movie_path, "--preset", preset,
        "-o", tmp_path / "o.tcs.zarr",
    )  # fmt: skip
    assert "got unknown setting ratio" in sentence


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


def test_calibration_can_be_given(movie_path, tmp_path):
    path = tmp_path / "o.tcs.zarr"
    run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, "-o", path,
        "--pixel-size", 1.5, "--frame-time", 0.01)  # fmt: skip
    facts = json.loads(run("info", path, "--json")[0])
    assert (facts["pixel_size_angstrom"], facts["frame_time_s"]) == (1.5, 0.01)


def test_an_impossible_calibration_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    sentence = fails(
        monkeypatch, capsys, "compress", movie_path, "--ratio", RATIO, "--pixel-size", 0,
        "-o", tmp_path / "o.tcs.zarr",
    )  # fmt: skip
    assert "got pixel size = 0, expected a finite number above 0" in sentence


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
