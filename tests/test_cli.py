"""The command line as scripts use it: what it writes and what it prints."""

import json
import re

import numpy as np
import pytest
import tifffile
from cli_helpers import FRAMES, RATIO, run

from napari_tcsdl.io import CompressedWriter, open_compressed, open_movie
from napari_tcsdl.persistence import persistence_of
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings


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


def test_a_judged_deviation_is_an_option_and_told(movie_path, tmp_path):
    path = tmp_path / "m.tcs.zarr"
    options = ("--ratio", RATIO, "--mask-tile", 16, "--device", "cpu")
    out, _ = run("compress", movie_path, *options, "--deviation", "judged", "-o", path)
    judged = json.loads(run("info", path, "--json")[0])["deviation"]
    text, _ = run("info", path)
    said = f"× {judged['factor']:.2f} ± {judged['error']:.2f}, judged by raw pixels, of weights "
    assert re.search(rf"deviation +{said}", text)
    assert "uncertainty " + said.removesuffix(", of weights ") in out


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


def test_info_tells_how_far_the_specimen_went(compressed_path):
    facts = json.loads(run("info", compressed_path, "--json")[0])
    assert facts["drift_px"] == open_compressed(compressed_path).positions[-1].tolist()
    assert f"drift_px  {facts['drift_px']}\n" in re.sub(
        "  +", "  ", run("info", compressed_path)[0]
    )


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


def test_an_interrupted_file_says_so(compressed_path, tmp_path, movie):
    compressed = open_compressed(compressed_path)
    short = tmp_path / "short.tcs.zarr"
    with CompressedWriter(short, compressed.masks, compressed.header) as writer:
        writer.append(compressed.measurement(0))
    assert "4 of 9 frames (its run was interrupted)" in run("validate", short)[0]
    facts = json.loads(run("info", short, "--json")[0])
    assert (facts["frames"], facts["frames_valid"], facts["complete"]) == (9, 4, False)


def test_calibration_can_be_given(movie_path, tmp_path):
    path = tmp_path / "o.tcs.zarr"
    run("compress", movie_path, "--ratio", RATIO, "--mask-tile", 16, "-o", path,
        "--pixel-size", 1.5, "--frame-time", 0.01)  # fmt: skip
    facts = json.loads(run("info", path, "--json")[0])
    assert (facts["pixel_size_angstrom"], facts["frame_time_s"]) == (1.5, 0.01)
