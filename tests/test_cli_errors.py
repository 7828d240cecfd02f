"""What the command line refuses or cannot finish: its exit codes, its sentences, what stays."""

import json
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import tifffile
from cli_helpers import RATIO, fails, run

from napari_tcsdl import cli
from napari_tcsdl.io import CompressedWriter, open_compressed


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


def test_recommend_without_a_movie_is_one_sentence(monkeypatch, capsys, tmp_path):
    assert "no.tif" in fails(monkeypatch, capsys, "recommend", tmp_path / "no.tif")


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


def test_an_unknown_preset_key_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    preset = tmp_path / "preset.json"
    preset.write_text('{"ratio": 4}')
    sentence = fails(
        monkeypatch, capsys, "compress", movie_path, "--preset", preset,
        "-o", tmp_path / "o.tcs.zarr",
    )  # fmt: skip
    assert "got unknown setting ratio" in sentence


def test_an_impossible_calibration_is_one_sentence(monkeypatch, capsys, movie_path, tmp_path):
    sentence = fails(
        monkeypatch, capsys, "compress", movie_path, "--ratio", RATIO, "--pixel-size", 0,
        "-o", tmp_path / "o.tcs.zarr",
    )  # fmt: skip
    assert "got pixel size = 0, expected a finite number above 0" in sentence


def test_a_warning_is_one_sentence(monkeypatch, capsys):
    def app(*arguments, **options):
        warnings.warn("got masks that open everything; choose others", stacklevel=1)

    monkeypatch.setattr(cli, "app", app)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            cli.main()
    assert capsys.readouterr().err == "Warning: got masks that open everything; choose others\n"
