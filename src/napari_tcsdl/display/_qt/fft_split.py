"""Spectra on the left, the table of their spots on the right, and who gets how much room."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSplitter, QWidget

from .spot_panel import SpotPanel

TABLE_SHARE = 0.4
"""Of the width, for the table at most; the user may give it more."""
NARROW = 400
"""[px] Up to which nothing is shared out: the dock is not laid out yet."""
EDGE = 12
"""[px] Beside the table."""


class SpectraSplit(QSplitter):
    """Both beside each other; whoever moves the line between them is obeyed from then on."""

    def __init__(self, view: QWidget, spots: SpotPanel) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._table = spots.table
        self._columns, self._by_hand = 0, False
        self.addWidget(view)
        self.addWidget(spots)
        self.setStretchFactor(0, 3)
        self.setStretchFactor(1, 1)
        self.setChildrenCollapsible(False)
        self.splitterMoved.connect(self._on_moved)  # by the mouse: Qt tells of nothing else

    def share_room(self) -> None:
        """Give the table the width that it needs; anew where there are more or fewer panels."""
        columns, narrow = self._table.columnCount(), self.width() < NARROW
        if columns == self._columns or self._by_hand or narrow or not self._table.rowCount():
            return
        self._columns = columns
        wanted = min(self._table.full_width() + EDGE, round(TABLE_SHARE * self.width()))
        self.setSizes([self.width() - wanted, wanted])

    def _on_moved(self) -> None:
        self._by_hand = True
