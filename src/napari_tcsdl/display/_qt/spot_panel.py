"""The table of spots with its buttons: delete, clear, copy, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from ..._validation import OutputError
from ..spectra import SpectraController
from ..spectra_rows import Row, table_text
from .clipboard import copy
from .controls import button
from .spot_table import SpotTable


class SpotPanel(QWidget):
    """Shows the rows of a controller, and changes its spots.

    Signals
    -------
    failed : str
        What went wrong, in one sentence; empty when it went well.
    """

    failed = Signal(str)

    def __init__(self, controller: SpectraController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller, self.table = controller, SpotTable()
        self.delete_button = button("Delete", "Remove the chosen spot")
        self.clear_button = button("Clear", "Remove all spots")
        self.copy_button = button("Copy", "Copy the table, with tabs between its columns")
        self.export_button = button("Export CSV…", "Save the table as comma-separated values")
        column, buttons = QVBoxLayout(self), QHBoxLayout()
        column.setContentsMargins(0, 0, 6, 4)
        column.setSpacing(4)
        buttons.setSpacing(4)
        column.addWidget(self.table, 1)
        buttons.addWidget(self.delete_button)
        buttons.addWidget(self.clear_button)
        buttons.addStretch(1)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.export_button)
        column.addLayout(buttons)
        self.table.chosen.connect(controller.select)
        self.table.unwanted.connect(controller.delete_spot)
        self.delete_button.clicked.connect(self._delete_chosen)
        self.clear_button.clicked.connect(controller.clear_spots)
        self.copy_button.clicked.connect(self.copy)
        self.export_button.clicked.connect(self._ask_where_to_export)

    def show_rows(
        self, rows: Sequence[Row], selected: int | None, colours: dict[str, str], unit: str
    ) -> None:
        """Show ``rows`` in ``unit`` of |q|, with the names of the panels in their ``colours``."""
        self.table.show_rows(rows, selected, colours, unit)
        for widget in (self.clear_button, self.copy_button, self.export_button):
            widget.setEnabled(bool(rows))
        self.delete_button.setEnabled(selected is not None)

    def _delete_chosen(self) -> None:
        if self.controller.selected is not None:
            self.controller.delete_spot(self.controller.selected)

    def copy(self) -> None:
        """Put the table on the clipboard, tabs between its columns, units in its header."""
        copy(table_text(self.controller.rows()))

    def _ask_where_to_export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export spots", "spots.csv", "CSV (*.csv)")
        if path:
            self.export(path)

    def export(self, path: str | Path) -> None:
        """Save the table as CSV; an error is one sentence."""
        try:
            Path(path).write_text(table_text(self.controller.rows(), ","), encoding="utf-8")
        except OSError as error:
            sentence = OutputError(
                f"got {error.strerror or error} while writing {path}, expected a place that can be "
                "written; choose another folder"
            )
            self.failed.emit(str(sentence))
        else:
            self.failed.emit("")
