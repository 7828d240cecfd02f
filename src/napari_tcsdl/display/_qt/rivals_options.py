"""What is compared: which rivals, our own further B, and whether encoders are timed."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from ..rivals_job import Wish, ratios_of
from .controls import QuietLabel, form_layout
from .rivals_picker import RivalPicker

COST_TIP = (
    "At the end, run each encoder alone in a process of its own: CPU time and memory, as ratios "
    "to ours."
)
RATIOS_TIP = "Further B at which we compress, for a curve of our own: for example 5, 20, 40."


class RivalOptions(QWidget):
    """Rivals to tick, and two more choices; ``edited`` follows every change."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker, self.missing = RivalPicker(), QuietLabel()
        self.cost, self.ratios = QCheckBox("measure the cost of encoding"), QLineEdit()
        self.cost.setToolTip(COST_TIP)
        self.cost.setChecked(True)
        self.ratios.setToolTip(RATIOS_TIP)
        self.ratios.setPlaceholderText("none")
        column, row = QVBoxLayout(self), form_layout()
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.picker, self.missing, self.cost):
            column.addWidget(widget)
        row.addRow("further B of ours", self.ratios)
        column.addLayout(row)
        self.picker.edited.connect(self._on_picked)
        self.cost.toggled.connect(self.edited)
        self.ratios.textEdited.connect(self.edited)
        self._on_picked()

    def wish(self) -> Wish:
        """Return what is to be compared.

        Raises
        ------
        InputError
            For further B that are no whole numbers of at least 2.
        """
        return Wish(self.picker.names(), ratios_of(self.ratios.text()), self.cost.isChecked())

    def _on_picked(self) -> None:
        self.missing.setText(self.picker.missing())
        self.missing.setVisible(bool(self.missing.text()))
        self.edited.emit()
