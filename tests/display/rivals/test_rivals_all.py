"""The step "Rivals" with every codec that is installed, from Run to the complete table."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from panel_helpers import WAIT
from qtpy.QtCore import Qt

from napari_tcsdl.codecs import CODECS
from napari_tcsdl.display import rivals_controller
from napari_tcsdl.display.rivals_job import RivalsJob
from napari_tcsdl.display.rivals_text import HELD_OUT
from napari_tcsdl.settings import Settings

MINE = Settings(compression_ratio=5, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")
GONE = "jpegxl"


@pytest.fixture
def panel(study_panel, viewer, monkeypatch):
    """A movie of counts, 20 × 64 × 64, and a machine on which JPEG XL is missing."""
    missing = type(CODECS[GONE]).missing
    why = "JPEG XL is not installed"
    monkeypatch.setattr(
        type(CODECS[GONE]), "missing", lambda self: why if self.name == GONE else missing(self)
    )
    # In this process: another would not know what is missing.
    monkeypatch.setattr(rivals_controller, "RivalsJob", partial(RivalsJob, processes=0))
    y, x = np.mgrid[:64, :64]
    t = np.arange(20)[:, None, None]
    truth = 60 + 40 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)
    frames = np.random.default_rng(7).poisson(truth).clip(0, 255).astype(np.uint8)
    viewer.add_image(frames, name="lattice", scale=(0.25, 0.05, 0.05), units=("s", "nm", "nm"))
    return study_panel(MINE)


def test_every_rival_at_hand_is_in_the_table_and_the_others_are_listed_as_missing(panel, qtbot):
    panel.options.cost.setChecked(False)
    panel.options.held_out.setChecked(True)
    qtbot.mouseClick(panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.running, timeout=3 * WAIT)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text().startswith("finished in")
    absent = {codec.name for codec in CODECS.values() if codec.missing() is not None}
    assert GONE in absent
    rows = {row.name: row for row in panel.results.table.rows}
    assert set(rows) == {MINE.decoder, *CODECS}
    assert {name for name, row in rows.items() if row.cells[1:] == ("missing",)} == absent
    for name in set(rows) - absent:
        rival = panel.rivals.rivals[name]
        assert rival.points, f"{name}: {rival.absent}"
        assert all(point.n_bytes > 0 and not math.isnan(point.psnr) for point in rival.points)
    curves = {name for name in set(rows) - absent if panel.rivals.rivals[name].kind != "lossless"}
    assert set(panel.results.plot.curves) == curves
    assert "JPEG XL" in panel.results.verdict.text()  # as not installed
    look_at_held_out_scores(panel, curves)


def look_at_held_out_scores(panel, lossy) -> None:
    results = panel.results
    for combo in (results.purpose, results.score):
        combo.setCurrentIndex(combo.findData(HELD_OUT))
    judged = [row.name for row in results.table.rows if row.point is not None]
    errors = [panel.rivals.rivals[name].held_out.mse for name in judged]
    assert errors == sorted(errors)
    assert MINE.decoder in judged
    assert {spot.name for spot in results.plot.spots} <= set(judged) <= lossy
    shown = {row.name: row.cells for row in results.table.rows}
    assert set(shown) == lossy | {name for name in CODECS if CODECS[name].kind != "lossless"}
    assert all(len(shown[name]) == 2 for name in set(shown) - set(judged)), "and why not"
