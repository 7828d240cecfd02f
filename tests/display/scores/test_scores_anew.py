"""Scores of a region or against another reference, and what goes out of the dock."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from panel_helpers import SPAN
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from scores_helpers import WAIT

from napari_tcsdl.display.rescoring import StackTarget

# --- regions and references -------------------------------------------------------------------


def test_a_region_is_scored_in_the_background_and_cleared_at_once(filled, qtbot):
    session, controls = filled.session, filled.controls
    board = session.controller.run.board
    qtbot.mouseClick(controls.region_button, Qt.MouseButton.LeftButton)
    assert session.roi.square is not None
    qtbot.waitUntil(lambda: board.overridden and not board.missing(), timeout=WAIT)
    qtbot.waitUntil(lambda: controls.region_button.text() == "Clear region", timeout=WAIT)
    assert controls.field.text() == "region of 32 × 32 px"
    region = filled.scorer.region
    image, raw = (
        np.asarray(session.controller.run.stack(role)[5][region.slices], float)
        for role in ("reconstruction", "raw")
    )
    own = board.own_rows()
    assert {row.psnr for row in own if row.codec == "unfolding"} == {21.0 + k for k in range(9)}
    expected = 10 * np.log10(SPAN**2 / np.mean((image - raw) ** 2))
    assert board.score("unfolding", 5).psnr == pytest.approx(expected)
    qtbot.waitUntil(lambda: not filled.view.progress.isVisible(), timeout=WAIT)
    qtbot.mouseClick(controls.region_button, Qt.MouseButton.LeftButton)
    assert board.rows() == own
    qtbot.waitUntil(lambda: controls.field.text() == "whole field", timeout=WAIT)


def test_another_reference_can_be_chosen_and_stopped(filled, viewer, frames, qtbot, monkeypatch):
    gate = threading.Event()
    held = StackTarget.frame

    def frame(self, index, region, step):
        while not gate.wait(0.01):
            step()
        return held(self, index, region, step)

    monkeypatch.setattr(StackTarget, "frame", frame)
    viewer.add_image(frames.astype(np.float32) + 1, name="truth of it")
    combo = filled.controls.reference
    texts = [combo.itemText(i) for i in range(combo.count())]
    assert texts == ["raw frames (of the run)", "denoised raw frames", "truth: truth of it"]
    combo.setCurrentIndex(2)
    combo.activated.emit(2)
    qtbot.waitUntil(filled.view.progress.isVisible, timeout=WAIT)
    assert filled.view.progress.status.text() == "preparing the reference…"
    qtbot.mouseClick(filled.view.progress.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not filled.view.progress.isVisible(), timeout=WAIT)
    combo.setCurrentIndex(0)
    combo.activated.emit(0)
    gate.set()
    assert not filled.session.controller.run.board.overridden


def test_what_cannot_be_scored_gets_a_sentence_in_place(filled, viewer, frames, qtbot):
    viewer.add_image(np.full(frames.shape, np.nan, np.float32), name="empty")
    filled.controls.reference.setCurrentIndex(2)
    filled.controls.reference.activated.emit(2)
    qtbot.waitUntil(filled.error.isVisible, timeout=WAIT)
    assert "expected finite" in filled.error.text()
    filled.controls.reference.activated.emit(0)
    assert filled.error.isHidden()


# --- what goes out ----------------------------------------------------------------------------


def test_copy_and_export(filled, tmp_path, qtbot):
    qtbot.mouseClick(filled.controls.copy_button, Qt.MouseButton.LeftButton)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 6
    assert lines[2].split("\t")[:2] == ["unfolding", "25.000"]
    filled.export(tmp_path / "scores")
    path = tmp_path / "scores.csv"
    qtbot.waitUntil(path.exists, timeout=WAIT)
    assert len(path.read_text().splitlines()) == 1 + 5 * 9
    filled.export(tmp_path / "nowhere" / "scores.csv")
    qtbot.waitUntil(filled.error.isVisible, timeout=WAIT)
    assert "choose another place" in filled.error.text()
