"""Files of a study: all or none, tables that agree with the study, and back again."""

import csv
import json
import math

import numpy as np
import pytest
from fake_codecs import Rounding
from made_up import ours, picture, point, rival, study_of

from napari_tcsdl._validation import CorruptFileError, InputError, OutputError
from napari_tcsdl.movie import Movie
from napari_tcsdl.rivals import BEST_BELOW, EXACT, LADDER, SAME_BYTES, StudyOptions
from napari_tcsdl.rivals.study_files import (
    CURVES,
    FRAMES,
    HELD_OUT,
    SCORES,
    STUDY,
    load_study,
    save_study,
    write_study,
)
from napari_tcsdl.settings import Settings


@pytest.fixture
def found():
    exact = point("exact", math.inf, EXACT, n_bytes=40_000)
    return study_of(
        ours(20.0, wobble=0.3),
        rival("av1", point("av1", 19.0, LADDER), point("av1", 21.0, BEST_BELOW, n_bytes=900)),
        rival("exact", exact, kind="lossless"),
        shown=(picture("raw"), picture("av1", BEST_BELOW)),
    )


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_comes_back_with_its_pictures(found, tmp_path):
    save_study(found, tmp_path)
    back = load_study(tmp_path)
    assert back == found
    assert [(item.codec, item.purpose, item.frame_index) for item in back.shown] == [
        ("raw", "", 3),
        ("av1", BEST_BELOW, 3),
    ]
    np.testing.assert_array_equal(back.shown[1].image, found.shown[1].image)


def test_tables_agree_with_the_study(found, tmp_path):
    save_study(found, tmp_path)
    curve = rows(tmp_path / CURVES)
    assert [(row["rival"], int(row["bytes"])) for row in curve] == [
        ("unfolding", 8_000), ("av1", 8_000), ("av1", 900), ("exact", 40_000),
    ]  # fmt: skip
    best = curve[2]
    assert float(best["psnr"]) == 21.0
    assert float(best["raw_over_bytes"]) == pytest.approx(81_920 / 900, abs=1e-3)
    assert best["purposes"] == BEST_BELOW
    assert curve[3]["psnr"] == "inf"
    scores = rows(tmp_path / SCORES)
    own = [row for row in scores if row["rival"] == "unfolding" and row["purpose"] == SAME_BYTES]
    assert [int(row["frame"]) for row in own] == list(range(20))
    psnr = found.ours.point(SAME_BYTES).psnr_frames
    np.testing.assert_allclose([float(row["psnr"]) for row in own], psnr, atol=1e-4)
    assert LADDER not in {row["purpose"] for row in scores}


def test_no_study_and_damaged_ones_are_told_apart(found, tmp_path):
    with pytest.raises(InputError, match=r"which holds no study\.json"):
        load_study(tmp_path)
    save_study(found, tmp_path)
    (tmp_path / FRAMES).write_bytes((tmp_path / FRAMES).read_bytes()[:100])
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_study(tmp_path)
    save_study(found, tmp_path)
    text = (tmp_path / STUDY).read_text()
    (tmp_path / STUDY).write_text(text[: len(text) // 2])
    with pytest.raises(CorruptFileError, match="make the study again"):
        load_study(tmp_path)


@pytest.fixture
def write(movie, truth_frames, monkeypatch, tmp_path):
    monkeypatch.setattr("napari_tcsdl.rivals.options.CODECS", {"rounding": Rounding()})
    settings = Settings(compression_ratio=3, decoder="gap_tv", reference="truth", device="cpu")
    truth = Movie(truth_frames.astype(np.float32))

    def write(**more):
        options = StudyOptions(processes=0, cost=False)
        return write_study(movie, tmp_path / "out", settings, options, truth=truth, **more)

    return write


def test_all_files_appear_together(write, tmp_path):
    def page(found, path):
        path.write_text(" ".join(found.verdict))

    found = write(also={"report.html": page})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"lattice.tcs.zarr", STUDY, CURVES, SCORES, FRAMES, "report.html"}
    assert load_study(tmp_path / "out") == found
    assert (tmp_path / "out" / "report.html").read_text() == " ".join(found.verdict)
    assert json.loads((tmp_path / "out" / STUDY).read_text())["verdict"] == list(found.verdict)


def test_a_run_that_fails_leaves_nothing(write, tmp_path):
    def broken(found, path):
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError, match="no page"):
        write(also={"report.html": broken})
    assert not (tmp_path / "out").exists()


def test_earlier_files_are_kept_unless_they_may_be_replaced(write, tmp_path):
    write()
    before = (tmp_path / "out" / STUDY).read_bytes()
    with pytest.raises(OutputError, match=r"which holds lattice\.tcs\.zarr already"):
        write()
    assert (tmp_path / "out" / STUDY).read_bytes() == before
    write(overwrite=True)
    assert (tmp_path / "out" / STUDY).read_bytes() != before  # it took another time


def test_files_of_others_in_the_folder_stay(write, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / HELD_OUT).write_text("mine")

    def broken(found, path):
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError, match="no page"):
        write(also={"report.html": broken})
    write()
    assert (out / HELD_OUT).read_text() == "mine"


def test_a_run_that_fails_keeps_what_another_wrote_meanwhile(write, tmp_path):
    def broken(found, path):
        (tmp_path / "out" / "notes.txt").write_text("mine")
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError, match="no page"):
        write(also={"report.html": broken})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
