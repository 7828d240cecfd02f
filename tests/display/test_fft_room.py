"""Room in the dock of spectra: the table of spots grows with the panels, words give way."""

from __future__ import annotations

import numpy as np
import pytest
from panel_helpers import WAIT
from planted_fringes import PIXEL, planted
from qtpy.QtGui import QImage

from napari_tcsdl.display._qt.controls import ElidedLabel
from napari_tcsdl.display._qt.fft_dock import FftDock
from napari_tcsdl.display._qt.fft_split import EDGE, TABLE_SHARE
from napari_tcsdl.display._qt.spot_table import LETTERS

NAMES = ("reconstruction", "measurement", "JPEG")


@pytest.fixture
def dock(shown, viewer, qtbot):
    """Spectra of one movie, whose spots are in the table."""
    calibrated = {"scale": (0.5, PIXEL, PIXEL), "units": ("s", "nm", "nm")}
    viewer.add_image(planted(), name="raw", **calibrated)
    dock = shown(FftDock(viewer))
    dock.resize(1500, 420)
    qtbot.waitUntil(lambda: dock.table.rowCount() > 0, timeout=WAIT)
    return dock


def add_all(dock, qtbot) -> None:
    raw = dock.viewer.layers["raw"]
    for name in NAMES:
        dock.viewer.add_image(raw.data, name=name, scale=raw.scale, units=raw.units)
    qtbot.waitUntil(lambda: dock.table.columnCount() >= 5 + len(NAMES), timeout=WAIT)


def test_the_table_gets_room_for_each_panel_that_comes(dock, qtbot):
    before = dock.split.sizes()[1]
    add_all(dock, qtbot)
    wanted = min(dock.table.full_width() + EDGE, round(TABLE_SHARE * dock.split.width()))
    assert dock.split.sizes()[1] == pytest.approx(wanted, abs=dock.split.handleWidth())
    assert wanted > before
    heads = [dock.table.horizontalHeaderItem(column) for column in range(5, 5 + len(NAMES))]
    assert [head.text() for head in heads] == ["SNR\nreconstr…", "SNR\nmeasurem…", "SNR\nJPEG"]
    assert all(len(head.text()) <= len("SNR\n") + LETTERS for head in heads)
    assert all(name in head.toolTip() for name, head in zip(NAMES, heads, strict=True))


def test_who_has_moved_the_line_is_obeyed(dock, qtbot):
    dock.split.moveSplitter(900, 1)
    chosen = dock.split.sizes()
    add_all(dock, qtbot)
    assert dock.split.sizes() == pytest.approx(chosen, abs=2)


def ink(label) -> np.ndarray:
    """Columns of ``label`` in which something is drawn."""
    image = label.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    rows = [[image.pixelColor(x, y).red() for x in range(image.width())] for y in range(4, 16)]
    grey = np.array(rows)
    return np.flatnonzero((grey != grey[0, -1]).any(axis=0))


def test_words_without_room_end_in_dots_or_are_left_out(qtbot):
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.setText("256 × 256 px of the field of view")
    whole = label.fontMetrics().horizontalAdvance(label.text())
    label.resize(whole + 20, 20)
    label.show()
    assert whole - 12 <= ink(label).max() <= whole + 2
    label.resize(whole // 2, 20)
    assert 0 < ink(label).max() < whole // 2
    label.resize(20, 20)
    assert not ink(label).size
    assert label.text() == "256 × 256 px of the field of view"
