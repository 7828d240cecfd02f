"""Scores by codec and frame: means, deviations, real bytes, and what is put over them."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from napari_tcsdl._validation import OutputError
from napari_tcsdl.comparison import FrameScores, mean_scores
from napari_tcsdl.display.score_text import frames_text, save_text, summary_text
from napari_tcsdl.display.scoreboard import Basis, ScoreBoard

PSNRS = {"raw": (10.0, 12.0, 11.0), "gap_tv": (21.0, math.inf, 24.0)}
BYTES = {"raw": 1000, "gap_tv": 125}


def rows(psnrs=PSNRS, shift=0.0):
    return [
        FrameScores(codec, frame, psnr + shift, 0.1 * (frame + 1), BYTES[codec])
        for codec, values in psnrs.items()
        for frame, psnr in enumerate(values)
    ]


@pytest.fixture
def board():
    board = ScoreBoard(Basis("raw frames"))
    board.add(rows())
    return board


def test_means_are_those_of_the_comparison(board):
    means = board.means()
    for codec, (psnr, ssim) in mean_scores(rows()).items():
        assert means[codec].psnr == pytest.approx(psnr)
        assert means[codec].ssim == pytest.approx(ssim)
    assert means["gap_tv"].psnr == 22.5, "a frame that equals its reference is left out"
    assert means["gap_tv"].psnr_sd == pytest.approx(np.std([21.0, 24.0], ddof=1))
    assert means["raw"].ssim_sd == pytest.approx(0.1)
    assert (means["raw"].bytes, means["gap_tv"].bytes) == (3000, 375)
    assert means["gap_tv"].storage_ratio == 8
    assert means["gap_tv"].n_frames == 3


def test_one_frame_has_no_deviation_and_equal_frames_no_error():
    board = ScoreBoard(Basis("raw frames"))
    board.add([FrameScores("raw", 4, math.inf, 1.0, 10)])
    mean = board.means()["raw"]
    assert mean.psnr == math.inf
    assert math.isnan(mean.psnr_sd)
    assert math.isnan(mean.ssim_sd)


def test_series_are_in_the_order_of_frames_however_they_come():
    board = ScoreBoard(Basis("raw frames"))
    for frame in (5, 2, 7):
        board.add([FrameScores("raw", frame, 10.0 + frame, 0.1, 1)])
    series = board.series("raw")
    assert series.frames.tolist() == [2, 5, 7]
    assert series.psnr.tolist() == [12.0, 15.0, 17.0]
    assert len(board.series("unheard of").frames) == 0


def test_rows_taken_anew_cover_the_own_ones_until_reset(board):
    told = []
    board.changed.connect(lambda: told.append(board.version))
    board.begin(Basis("the truth", (120, 90)), ["raw", "gap_tv"])
    assert board.basis.text == "region of 120 × 90 px, against the truth"
    assert board.at(1) == {}
    assert board.waits_for("raw", 1)
    assert board.missing() == [0, 1, 2]
    board.put([FrameScores(codec, 1, 30.0, 0.5, 0) for codec in ("raw", "gap_tv")])
    assert board.missing() == [0, 2]
    assert not board.waits_for("raw", 1)
    assert board.score("gap_tv", 1) == FrameScores("gap_tv", 1, 30.0, 0.5, 125)
    assert board.means()["gap_tv"].psnr == 30.0
    assert board.means()["gap_tv"].bytes == 375, "a region costs the bytes of whole frames"
    board.reset()
    assert board.basis.text == "whole field, against raw frames"
    assert board.score("gap_tv", 0).psnr == 21.0
    assert told == sorted(set(told))
    assert len(told) == 3


def test_own_rows_that_come_meanwhile_wait_below(board):
    board.begin(Basis("the truth"), ["raw"])
    board.add([FrameScores("raw", 3, 14.0, 0.4, 1000)])
    assert board.score("raw", 3) is None
    assert board.missing() == [0, 1, 2, 3]
    assert board.n_frames == 4
    board.stop()
    assert board.missing() == []
    assert not board.waits_for("raw", 3)
    board.reset()
    assert board.score("raw", 3).psnr == 14.0


def test_what_was_not_asked_for_is_not_taken(board):
    before = board.rows()
    board.put(rows(shift=1.0))
    assert board.rows() == before
    board.begin(Basis("the truth"), ["raw"])
    board.put([FrameScores("raw", 99, 1.0, 0.1, 0)])
    assert board.rows() == []
    assert board.own_rows() == before


def test_the_summary_is_a_table_for_a_spreadsheet(board):
    table = list(csv.reader(io.StringIO(summary_text(board)), delimiter="\t"))
    assert table[0][:3] == ["codec", "PSNR [dB]", "PSNR sd [dB]"]
    line = dict(zip(table[0], table[2], strict=True))
    assert line["codec"] == "gap_tv"
    assert float(line["PSNR [dB]"]) == 22.5
    assert float(line["storage ratio"]) == 8
    assert line["basis"] == "whole field, against raw frames"


def test_every_frame_goes_into_the_csv_with_what_it_was_taken_against(board):
    board.begin(Basis("the truth", (32, 32)), ["raw", "gap_tv"])
    board.put([FrameScores(codec, 2, 30.0, 0.5, 0) for codec in ("raw", "gap_tv")])
    lines = list(csv.DictReader(io.StringIO(frames_text(board, frame_time=0.25))))
    assert [line["codec"] for line in lines] == ["raw", "gap_tv"]
    assert lines[1] == {
        "codec": "gap_tv",
        "frame": "2",
        "time_s": "0.5",
        "psnr_db": "30.0000",
        "ssim": "0.50000",
        "bytes": "125",
        "field": "region of 32 × 32 px",
        "reference": "the truth",
    }
    assert "gap_tv,2,,30" in frames_text(board), "an unknown time stays empty"


def test_a_file_that_cannot_be_written_gets_a_sentence(tmp_path):
    assert save_text("a,b\n", tmp_path / "scores.csv").read_text() == "a,b\n"
    with pytest.raises(OutputError, match="No such file or directory while writing"):
        save_text("a", tmp_path / "nowhere" / "scores.csv")
