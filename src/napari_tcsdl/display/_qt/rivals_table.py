"""One row for each rival: size, scores and cost of one of its points."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ..rivals_job import Look
from ..rivals_text import Row
from .rivals_style import icon

COLUMNS = ("", "size", "raw ÷", "PSNR", "SSIM", "CPU")
TIPS = (
    "Click a row to bring out its curve",
    "Real bytes of the whole movie, headers, masks and metadata counted",
    "Raw bytes over real bytes",
    "Mean PSNR over all frames [dB]",
    "Mean SSIM over all frames",
    "CPU time to encode, as a multiple of ours; measured last, and only if it is asked for",
)
UNSEEN_COLUMNS = ("", "size", "raw ÷", "PSNR", "±", "FRC ½")
UNSEEN_TIPS = (
    TIPS[0],
    "Real bytes of the half of the electrons that was coded, headers counted",
    TIPS[2],
    "PSNR [dB] against the unknown truth, judged by the other half of the electrons: at half the "
    "dose, so lower than the other numbers",
    "Standard error of this PSNR [dB]",
    "Resolution: where the Fourier ring correlation with the truth falls below ½",
)
"""Of rivals judged by held-out electrons."""
ROOM, LINE = 4, 24
"""[px] Under the last row; height of a row."""
MUTED = 140
"""Opacity, of 255, of rows that show no point."""
NAME = Qt.ItemDataRole.UserRole


class RivalsTable(QTableWidget):
    """Rivals at one purpose, the best first.

    Signals
    -------
    chosen : str, object
        Name of a rival and the point of its row, or None.
    """

    chosen = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        assert header is not None
        assert rows is not None
        self.head(COLUMNS, TIPS)
        self.setToolTip(TIPS[0])
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(20)
        header.setHighlightSections(False)
        rows.hide()
        rows.setDefaultSectionSize(LINE)
        self._header, self._vertical = header, rows
        self.setShowGrid(False)
        self.setStyleSheet("QTableWidget::item { padding: 0 2px; }")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for policy in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.rows: list[Row] = []
        self.cellClicked.connect(self._on_click)

    def head(self, columns: Sequence[str], tips: Sequence[str]) -> None:
        """Name the columns."""
        for column, (text, tip) in enumerate(zip(columns, tips, strict=True)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)

    def show_rows(self, rows: Sequence[Row], looks: dict[str, Look], *, dark: bool) -> None:
        """Write ``rows``; each has the symbol of its curve before its name."""
        self.rows = list(rows)
        self.clearSpans()
        self.setRowCount(len(rows))
        for index, row in enumerate(rows):
            for column, text in enumerate(row.cells):
                item = QTableWidgetItem(text)
                item.setToolTip(row.tip)
                if column:
                    side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(side)
                self.setItem(index, column, item)
            self._dress(index, row, looks.get(row.name), dark)
        # Styles draw rows as high as they like, and the header a little higher than they say.
        height = self._header.sizeHint().height() + self._vertical.length()
        self.setFixedHeight(height + 2 * self.frameWidth() + ROOM)

    def _dress(self, index: int, row: Row, look: Look | None, dark: bool) -> None:
        first = self.item(index, 0)
        assert first is not None
        if look is not None:
            first.setIcon(icon(look, dark))
        if row.point is None:
            self.setSpan(index, 1, 1, len(COLUMNS) - 1)
            grey = QColor(Qt.GlobalColor.white if dark else Qt.GlobalColor.black)
            grey.setAlpha(MUTED)
            for column in range(len(row.cells)):
                item = self.item(index, column)
                assert item is not None
                item.setForeground(grey)

    def select(self, name: str | None) -> None:
        """Mark the row of the rival called ``name``; nothing is told of it."""
        found = [index for index, row in enumerate(self.rows) if row.name == name]
        if found:
            self.selectRow(found[0])
        else:
            self.clearSelection()

    def _on_click(self, index: int, _: int) -> None:
        row = self.rows[index]
        self.chosen.emit(row.name, row.point)
