"""Rivals judged by electrons that they never saw: asked for, told, drawn, and tabled."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from rivals_helpers import JPEG, LEFT, LOST, OWN, finish

from napari_tcsdl.display.rivals_job import save_report
from napari_tcsdl.display.rivals_spots import spots_of
from napari_tcsdl.display.rivals_text import HELD_OUT, held_out_rows, point_text
from napari_tcsdl.rivals import HeldOutFacts, HeldOutScore, Rival
from napari_tcsdl.rivals.study_files import load_study

FACTS = HeldOutFacts(3, "Å", 50.0, failed={"webp": "it stays above raw/B even at its smallest"})


def score(quality, n_bytes, psnr, error=0.1, resolution=2.5):
    mse = 0.0 if math.isinf(psnr) else 2500 / 10 ** (psnr / 10)
    return HeldOutScore(quality, n_bytes, mse, 0.01, psnr, error, resolution, 9)


MINE = replace(OWN, held_out=score(4.0, 1500, 22.0))
THEIRS = replace(JPEG, held_out=score(40.0, 2500, 21.0, 0.25, math.inf))
RIVALS = (MINE, THEIRS, LOST)


@pytest.fixture
def judged(studied):
    """The panel after a study with held-out scores."""
    study = replace(studied.rivals.study, rivals=RIVALS, held_out=FACTS)
    studied.rivals.study = study
    studied.rivals.rivals = {rival.name: rival for rival in RIVALS}
    studied.rivals.changed.emit()
    return studied


def show(combo):
    combo.setCurrentIndex(combo.findData(HELD_OUT))


# --- asked for --------------------------------------------------------------------------------


def test_it_is_asked_for_with_a_seed_and_says_what_it_costs(panel, gate, qtbot):
    options = panel.options
    assert not options.seed.isEnabled()
    options.held_out.setChecked(True)
    options.seed.setValue(7)
    assert "a third of the time again" in options.held_out.toolTip()
    assert panel.fold.head.text() == "rivals: all 3, 1 missing, held-out electrons"
    panel.start()
    assert (panel.rivals.job.wish.held_out, panel.rivals.job.wish.split_seed) == (True, 7)
    gate.set()
    finish(panel, qtbot)


def test_without_them_no_list_names_them(studied):
    for combo in (studied.results.score, studied.results.purpose):
        assert combo.findData(HELD_OUT) < 0


# --- shown ------------------------------------------------------------------------------------


def test_the_table_ranks_by_error_and_says_why_others_are_not_judged(judged):
    results = judged.results
    show(results.purpose)
    heads = [results.table.horizontalHeaderItem(k).text() for k in range(6)]
    assert heads == ["", "size", "raw ÷", "PSNR", "±", "FRC ½"]
    rows = [row.cells for row in results.table.rows]
    assert rows[0][3:] == ("22.00", "0.10", "2.5 Å")
    assert rows[1][:2] == ("JPEG", "2.5 kB")
    assert rows[1][3:] == ("21.00", "0.25", "–")
    assert rows[2] == ("AV1 MP4", "missing")
    results.table.cellClicked.emit(1, 0)
    assert judged.rivals.chosen == ("jpeg", JPEG.points[1])
    assert "held-out electrons: 21.00 ± 0.25 dB" in results.detail.text()
    results.purpose.setCurrentIndex(0)
    assert results.table.horizontalHeaderItem(4).text() == "SSIM"


def test_the_plot_has_one_point_with_its_error_for_each(judged):
    results, plot = judged.results, judged.results.plot
    show(results.score)
    assert plot.getPlotItem().getAxis("left").labelText == "PSNR by held-out electrons [dB]"
    assert "half the dose" in plot.getPlotItem().getAxis("bottom").labelText
    x, y = plot.curves["jpeg"].getData()
    np.testing.assert_allclose((*x, *y), (np.log10(2500), 21.0))
    assert plot.bars.isVisible()
    np.testing.assert_allclose(plot.bars.opts["height"], [0.2, 0.5])
    assert plot.lines == [], "budgets are of whole movies"
    assert plot.ring.getData()[1] == pytest.approx([22.0])
    results.score.setCurrentIndex(0)
    assert not plot.bars.isVisible()
    assert len(plot.lines) == 2


def test_another_study_without_them_takes_the_lists_back(judged, gate, qtbot):
    show(judged.results.purpose)
    qtbot.mouseClick(judged.run_button, LEFT)
    finish(judged, qtbot)
    assert judged.results.purpose.findData(HELD_OUT) < 0
    assert [row.name for row in judged.results.table.rows] == ["jpeg", "gap_tv", "av1_mp4"]


# --- in words ---------------------------------------------------------------------------------


def test_reasons_and_scores_without_error_are_told():
    perfect = replace(THEIRS, held_out=score(40.0, 2500, math.inf, math.inf))
    above = Rival("webp", "WebP", "image", points=JPEG.points)
    exact = Rival("zstd", "zstd", "lossless", points=JPEG.points)
    rows = held_out_rows([MINE, above, perfect, exact], FACTS, 17_280)
    assert [row.name for row in rows] == ["jpeg", "gap_tv", "webp"]
    assert rows[0].cells[3:5] == ("∞", "–")
    assert rows[2].cells == ("WebP", FACTS.failed["webp"])
    assert "held-out electrons: ∞ dB" in point_text(perfect, JPEG.points[1], 17_280)
    assert "held-out" not in point_text(perfect, JPEG.points[0], 17_280)
    assert spots_of({"jpeg": perfect, "webp": above, "zstd": exact}, HELD_OUT) == []


def test_the_saved_report_has_its_table(done, tmp_path):
    _, reports = done
    study = reports[-1].study
    ours, jpeg, *others = study.rivals
    seen = (replace(ours, held_out=MINE.held_out), replace(jpeg, held_out=THEIRS.held_out))
    facts = replace(FACTS, failed={"frame_binning": "too large"})
    study = replace(study, rivals=(*seen, *others), held_out=facts)
    page = save_report(study, tmp_path / "out")
    assert (page.parent / "held_out.csv").read_text().count("\n") == 4
    assert load_study(page.parent) == study
