"""The table of spots: d, |q|, angle, hkl, and the strength of each spot in each panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ..spectra_rows import Row
from ..spectra_style import ARTEFACT, LOST

HEADS = {
    "d": "Distance of the lattice planes",
    "|q|": "Spatial frequency, 1 / d",
    "angle": "Direction of the spot from the horizontal, counter-clockwise [°]",
    "hkl": "Reflection of the chosen lattice with the nearest d, within 3 %",
}
SNR_TIP = (
    "Power of the spot in '{name}' over the median power of its ring: about 1 in noise. "
    "'lost': no more than noise here, while the reference has it."
)
ROW_PX = 22
LETTERS = 9
"""Of a panel's name, at most: every column must have room; its tooltip has the whole name."""
SCROLL_BAR_PX = 16


class SpotTable(QTableWidget):
    """One row a spot; a click on a row highlights the spot in all panels.

    Signals
    -------
    chosen : int
        A row was clicked.
    unwanted : int
        Delete was pressed on a row.
    """

    chosen = Signal(int)
    unwanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 0, parent)
        rows, heads = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert heads is not None
        rows.hide()
        rows.setDefaultSectionSize(ROW_PX)
        heads.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        heads.setHighlightSections(False)
        heads.setMinimumSectionSize(44)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setToolTip("Spots that are marked in the spectra; Delete removes the chosen one")
        self._columns: list[str] = []
        self._wider = False
        self._told: dict[tuple[int, int], tuple[str, str | None, str]] = {}
        self.cellClicked.connect(lambda row, _: self.chosen.emit(row))

    def show_rows(
        self, rows: Sequence[Row], selected: int | None, colours: dict[str, str], unit: str
    ) -> None:
        """Show ``rows``, ``unit`` is that of |q|; only cells whose text has changed are touched."""
        names = list(rows[0].signals) if rows else list(colours)
        remarks = any(row.artefact for row in rows)
        self._set_heads(names, unit, colours, remarks)
        if self.rowCount() != len(rows):
            self.setRowCount(len(rows))
            self._told = {}
        with QSignalBlocker(self.model()):  # Qt would measure all columns again at each cell
            self._fill(rows, names, remarks)
        if self._wider:
            self._wider = False
            heads = self.horizontalHeader()
            assert heads is not None
            heads.resizeSections(QHeaderView.ResizeMode.ResizeToContents)
        port = self.viewport()
        assert port is not None
        port.update()
        self._select(selected)

    def _fill(self, rows: Sequence[Row], names: list[str], remarks: bool) -> None:
        for k, row in enumerate(rows):
            grey = ARTEFACT if row.artefact else None
            tip = f"{row.note}." if row.note else ""
            spot = row.spot
            texts = (f"{spot.d:.3f}", f"{spot.q:.3f}", f"{spot.angle:.1f}", row.hkl or "–")
            for column, text in enumerate(texts):
                self._set_cell(k, column, text, grey, tip)
            for column, name in enumerate(names, start=len(texts)):
                signal = row.signals.get(name)
                text = signal.text if signal is not None else "–"
                lost = LOST if signal is not None and signal.lost else grey
                self._set_cell(k, column, text, lost, tip)
            if remarks:
                self._set_cell(k, len(texts) + len(names), row.artefact, grey, tip)

    def _set_heads(
        self, names: list[str], unit: str, colours: dict[str, str], remarks: bool
    ) -> None:
        length = "px" if unit == "1/px" else "Å"
        heads = [f"d\n[{length}]", f"|q|\n[{unit}]", "angle\n[°]", "hkl", *names]
        heads += [""] if remarks else []
        shades = [colours.get(name, "") for name in names]
        if [*heads, *shades] == self._columns:
            return
        self._columns = [*heads, *shades]
        self.setColumnCount(len(heads))
        self._told = {}
        tips = [*HEADS.values(), *(SNR_TIP.format(name=name) for name in names)]
        tips += ["Spots where the 8 × 8 px blocks of JPEG make spots too"] if remarks else []
        for column, (head, tip) in enumerate(zip(heads, tips, strict=True)):
            item = QTableWidgetItem(f"SNR\n{_short(head)}" if head in names else head)
            item.setToolTip(tip)
            if head in colours:
                item.setForeground(QBrush(QColor(colours[head])))
            self.setHorizontalHeaderItem(column, item)

    def full_width(self) -> int:
        """Width [px] in which all columns can be seen."""
        heads = self.horizontalHeader()
        assert heads is not None
        return heads.length() + 2 * self.frameWidth() + SCROLL_BAR_PX

    def _set_cell(self, row: int, column: int, text: str, colour: str | None, tip: str) -> None:
        if self._told.get((row, column)) == (text, colour, tip):
            return  # asking the item takes Qt as long as telling it
        self._told[row, column] = (text, colour, tip)
        item = self.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            side = Qt.AlignmentFlag.AlignLeft if column == 3 else Qt.AlignmentFlag.AlignRight
            item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(row, column, item)
        if item.text() != text:
            self._wider |= len(item.text()) != len(text)
            item.setText(text)
        brush = QBrush(QColor(colour)) if colour is not None else QBrush()
        if item.foreground() != brush:
            item.setForeground(brush)
        if item.toolTip() != tip:
            item.setToolTip(tip)

    def _select(self, selected: int | None) -> None:
        if selected is None:
            self.clearSelection()
        elif self.chosen_row() != selected:
            self.selectRow(selected)

    def chosen_row(self) -> int | None:
        """Return the row that is highlighted."""
        found = self.selectedItems()
        return found[0].row() if found else None

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Delete removes a row; arrows go through the rows."""
        row = self.chosen_row()
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and row is not None:
            self.unwanted.emit(row)
            return
        super().keyPressEvent(event)
        now = self.chosen_row()
        if now is not None and now != row:
            self.chosen.emit(now)


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
