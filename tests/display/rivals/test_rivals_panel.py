"""The step "Rivals": built, wired, and closed."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace

import pytest
from panel_helpers import WAIT, controls_without_tooltip, destroy
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QScrollArea
from rivals_helpers import LEFT, LOOKS, MINE, OFFERS, finish

from napari_tcsdl._validation import InputError
from napari_tcsdl.display._qt.rivals_panel import ABANDONED, RivalsPanel
from napari_tcsdl.display._qt.rivals_style import shade
from napari_tcsdl.display.rivals_job import (
    ALL,
    RivalsJob,
)

# --- built ------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip_and_fits_the_dock(studied):
    studied.fold.head.setChecked(True)
    QApplication.processEvents()
    assert controls_without_tooltip(studied) == []
    assert studied.width() <= 450
    (area,) = studied.findChildren(QScrollArea)
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()
    table = studied.results.table
    shown = sum(table.columnWidth(k) for k in range(table.columnCount()))
    assert shown <= table.viewport().width() + 1, "no column is cut off"
    needed = table.horizontalHeader().height() + table.verticalHeader().length()
    assert table.height() >= needed + 2 * table.frameWidth(), "no row is cut off"
    assert table.columnWidth(0) >= table.fontMetrics().horizontalAdvance("zstd + bitshuffle")


def test_colours_are_legible_on_both_grounds():
    for look in LOOKS:
        assert shade(look, dark=True).lightnessF() >= 0.65
        assert shade(look, dark=False).lightnessF() <= 0.47
        hue = shade(look, dark=True).hueF()
        assert hue == pytest.approx(QColor(look.colour).hueF(), abs=0.02)


def test_missing_rivals_are_greyed_with_their_reason(panel):
    picker = panel.options.picker
    assert picker.rows["av1_mp4"].flags() == Qt.ItemFlag.NoItemFlags
    assert picker.rows["av1_mp4"].toolTip(0) == OFFERS[1].missing
    assert panel.options.missing.text() == f"AV1 MP4: {OFFERS[1].missing}"
    assert panel.fold.head.text() == "rivals: all 3, 1 missing"
    assert panel.options.wish().rivals == ALL


# --- wired ------------------------------------------------------------------------------------


def test_rivals_are_ticked_singly_by_kind_or_all(panel):
    picker = panel.options.picker
    root = picker.topLevelItem(0)
    assert root.checkState(0) == Qt.CheckState.Checked
    video = picker.rows["h264_mp4"].parent()
    video.setCheckState(0, Qt.CheckState.Unchecked)
    assert picker.names() == ("jpeg", "frame_binning")
    assert root.checkState(0) == Qt.CheckState.PartiallyChecked
    assert panel.fold.head.text() == "rivals: 2 of 3, 1 missing"
    root.setCheckState(0, Qt.CheckState.Unchecked)
    assert picker.names() == ()
    root.setCheckState(0, Qt.CheckState.Checked)
    assert picker.names() == ALL
    picker.choose(["jpeg"])
    assert picker.names() == ("jpeg",)


def test_bad_choices_get_a_sentence_in_place(panel, viewer, layer, qtbot):
    panel.options.picker.choose([])
    panel.start()
    assert "got no rival to compare with" in panel.error.text()
    panel.options.picker.choose(["jpeg"])
    assert panel.error.isHidden()
    panel.options.ratios.setText("4, many")
    panel.start()
    assert "expected whole numbers of at least 2" in panel.error.text()
    panel.options.ratios.setText("")
    panel.session.settings = replace(MINE, compression_ratio=40)
    panel.start()
    assert "40" in panel.error.text()
    assert not panel.running
    viewer.layers.remove(layer)
    assert not panel.run_button.isEnabled()
    assert panel.form.facts.text() == "Open a movie, or drop it into the window."


def test_the_wish_and_the_settings_reach_the_job(panel, gate, qtbot):
    panel.options.picker.choose(["jpeg"])
    panel.options.cost.setChecked(False)
    panel.options.ratios.setText("2, 8")
    panel.start()
    job = panel.rivals.job
    assert (job.wish.rivals, job.wish.ratios, job.wish.cost) == (("jpeg",), (2, 8), False)
    assert job.settings == MINE
    assert panel.session.busy
    gate.set()
    finish(panel, qtbot)
    assert not panel.session.busy


def test_it_says_what_is_measured_and_cancel_keeps_what_is_done(panel, gate, qtbot):
    panel.start()
    qtbot.waitUntil(lambda: "measuring JPEG" in panel.status.text(), timeout=WAIT)
    assert panel.status.text().startswith("1 of 3 are done")
    assert not panel.options.isEnabled()
    begun = time.monotonic()
    qtbot.mouseClick(panel.cancel_button, LEFT)
    finish(panel, qtbot)
    assert time.monotonic() - begun < 2
    assert panel.status.text() == "cancelled: 1 of 3 are measured"
    assert list(panel.results.plot.curves) == ["gap_tv"]
    assert not panel.results.save_button.isEnabled()


def test_a_layer_deleted_while_it_is_studied(panel, gate, viewer, layer, qtbot):
    panel.start()
    viewer.layers.remove(layer)
    assert panel.error.text() == ABANDONED
    finish(panel, qtbot)


def test_a_failure_is_one_sentence(panel, monkeypatch, qtbot):
    def run(job, report, progress):
        raise InputError("got a made-up error, expected none; carry on")

    monkeypatch.setattr(RivalsJob, "run", run)
    panel.start()
    finish(panel, qtbot)
    assert panel.error.text() == "got a made-up error, expected none; carry on"
    assert not panel.rivals.running


# --- close ------------------------------------------------------------------------------------


def test_closing_cancels(panel, gate, qtbot):
    panel.start()
    job = panel.rivals.job
    panel.close()
    assert job.stop.is_set()
    assert panel.session.closed


def test_destroyed_without_a_close_event(qtbot, viewer, layer, gate):
    panel = RivalsPanel(viewer)
    panel.session.settings = MINE
    panel.start()
    job, session, gone = panel.rivals.job, panel.session, weakref.ref(panel)
    destroy(panel)
    assert job.stop.is_set()
    assert session.closed
    qtbot.wait(50)
    del panel
    gc.collect()
    assert gone() is None
