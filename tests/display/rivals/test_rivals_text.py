"""A study in words: points, and rows of the table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rivals_helpers import bought

from napari_tcsdl.display.rivals_text import (
    PURPOSES,
    point_name,
    point_text,
    quality_words,
    table_rows,
)
from napari_tcsdl.rivals import BEST_BELOW, LADDER, OURS, EncoderCost, Rival

# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "quality", "words"),
    [
        ("jpeg", 41.0, "quality 41"),
        ("jpegxl", 0.5, "distance 0.5"),
        ("h264_mp4", 40.5, "crf 40.5"),
        ("av1_mp4", 41.0, "crf 41"),
        ("mpeg4_avi", 31.0, "q 31"),
        ("frame_binning", 4.0, "sum of 4 frames"),
        ("zstd_bitshuffle", None, ""),
        ("unfolding", 12.0, "B = 12"),
    ],
)
def test_qualities_have_names(codec, quality, words):
    assert quality_words(bought(codec, quality, 100)) == words


def test_a_point_in_words():
    point = bought("av1_mp4", 41.0, 1000)
    rival = Rival("av1_mp4", "AV1 MP4", "video", points=(point,))
    assert point_name(rival, point) == "AV1 MP4, crf 41"
    text = point_text(rival, point, 12_000)
    assert "1 kB (12 ×),  30.00 dB,  SSIM 0.900" in text
    assert "measured beside others" in text
    paid = replace(rival, cost=EncoderCost(0.1, 1.0, None, 3.2))
    assert "encoding: 3.2 × our CPU time" in point_text(paid, point, 12_000)


def test_the_table_ranks_and_says_why_there_is_nothing():
    rivals = [
        Rival("a", "A", "image", points=(bought("jpeg", 1.0, 100, 20.0, LADDER, BEST_BELOW),)),
        Rival("b", "B", "video", points=(bought("jpeg", 2.0, 200, 25.0, BEST_BELOW),)),
        Rival("c", "C", "video", over_budget={BEST_BELOW: 9_000}),
        Rival("d", "D", "video", missing="PyAV is not installed"),
        Rival("e", "E", "lossless", points=(bought("x", None, 500, np.inf, "exact"),)),
        Rival("ours", "ours", OURS, points=(bought("ours", 4.0, 150, 22.0, BEST_BELOW),)),
    ]
    rows = table_rows(rivals, BEST_BELOW, 1000)
    assert [row.name for row in rows] == ["b", "ours", "a", "e", "c", "d"]
    assert rows[0].cells[1:5] == ("200 B", "5 ×", "25.00", "0.900")
    assert rows[3].cells[3] == "∞"
    assert rows[4].cells == ("C", "over budget: at least 9 kB")
    assert rows[5].cells == ("D", "missing")
    assert rows[5].tip == "PyAV is not installed"
    assert BEST_BELOW in PURPOSES
