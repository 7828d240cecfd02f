"""Table of scores and the line of real bytes."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..._words import human_bytes
from ...settings import Settings
from ..layers import title_of

COLUMNS = ("", "PSNR", "SSIM", "mean PSNR", "SSIM", "size")
TIPS = (
    "",
    "PSNR of the frame that is shown [dB], against the reference",
    "SSIM of the frame that is shown, against the reference",
    "Mean PSNR of all frames done [dB]",
    "Mean SSIM of all frames done",
    "Real size of all frames done",
)
TIP = (
    "Each codec in the frame that is shown, and its mean over all frames that are done; the heads "
    "of the columns say more."
)
BYTES = {
    "raw": ("raw movie", "Bytes of the movie's pixels as recorded"),
    "measurements": ("measurements", "Real bytes of all measurements on the disk"),
    "overhead": ("masks and metadata", "Real bytes of the masks and all metadata"),
    "total": ("compressed file", "Everything that is needed to reconstruct"),
    "ratio": ("storage ratio", "Bytes of the raw movie / bytes of the compressed file"),
}
ROOM = 4
"""Under the last row [px]: styles draw the header a little higher than they say."""
CODECS = ("raw", Settings.decoder, "binning", "jpeg_raw_over_B", "jpeg_same_bytes")


class ScoreTable(QTableWidget):
    """One row a codec: this frame, the mean of the frames done, and the real size."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        assert header is not None
        assert rows is not None
        for column, tip in enumerate(TIPS):
            item = QTableWidgetItem(COLUMNS[column])
            item.setToolTip(tip)
            self.setHorizontalHeaderItem(column, item)
        self.setToolTip(TIP)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        rows.hide()
        rows.setDefaultSectionSize(26)
        self._header = header
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for policy in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._rows: dict[str, int] = {}
        self._cells: dict[tuple[int, int], QTableWidgetItem] = {}
        self.show_scores({}, {})

    def show_scores(
        self, current: dict[str, Any], means: dict[str, tuple[float, float, int]]
    ) -> None:
        """Fill in the scores of the frame shown, and means and bytes of each codec."""
        for codec in means or CODECS:
            if codec not in self._rows:
                self._add_row(codec)
        for codec, row in self._rows.items():
            score, mean = current.get(codec), means.get(codec)
            texts = (
                decibel(score.psnr) if score else "–",
                f"{score.ssim:.3f}" if score else "–",
                decibel(mean[0]) if mean else "–",
                f"{mean[1]:.3f}" if mean else "–",
                human_bytes(mean[2]) if mean else "–",
            )
            for column, text in enumerate(texts, start=1):
                self._cells[row, column].setText(text)
        self._fit()

    def forget(self) -> None:
        """Drop all rows: those of a new run may have other names."""
        self.setRowCount(0)
        self._rows, self._cells = {}, {}

    def _add_row(self, codec: str) -> None:
        row = self.rowCount()
        self.insertRow(row)
        self._rows[codec] = row
        for column in range(len(COLUMNS)):
            item = QTableWidgetItem(title_of(codec) if column == 0 else "")
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._cells[row, column] = item
            self.setItem(row, column, item)

    def _fit(self) -> None:
        header = max(self._header.sizeHint().height(), self._header.height())
        height = header + 2 * self.frameWidth() + ROOM
        height += sum(self.rowHeight(row) for row in range(self.rowCount()))
        self.setFixedHeight(height)


class BytesTable(QWidget):
    """Real bytes of the compressed file, by part, and the storage ratio."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.values: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 0, 4, 0)
        grid.setVerticalSpacing(3)
        for row, (name, (text, tip)) in enumerate(BYTES.items()):
            label, value = QLabel(text), QLabel("–")
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            for widget in (label, value):
                widget.setToolTip(tip)
            grid.addWidget(label, row, 0)
            grid.addWidget(value, row, 1)
            self.values[name] = value
        for name in ("total", "ratio"):
            self.values[name].setStyleSheet("font-weight: bold;")

    def show_bytes(self, raw: int | None, real: dict[str, int] | None) -> None:
        """Show real bytes; dashes until the file is complete."""
        values = {"raw": raw}
        if real is not None:
            values |= {
                "measurements": real["measurements"],
                "overhead": real["masks"] + real["metadata"],
                "total": real["total"],
            }
        for name in ("raw", "measurements", "overhead", "total"):
            value = values.get(name)
            self.values[name].setText("–" if value is None else human_bytes(value))
        ratio = f"{raw / real['total']:.2f} ×" if raw is not None and real is not None else "–"
        self.values["ratio"].setText(ratio)


class ResultsPanel(QWidget):
    """Scores above, real bytes below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.caption = QLabel()
        self.caption.setWordWrap(True)
        self.table, self.bytes_table = ScoreTable(), BytesTable()
        self.bytes = self.bytes_table.values
        self.show_bytes = self.bytes_table.show_bytes
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self.caption, self.table, self.bytes_table):
            layout.addWidget(widget)


def decibel(value: float) -> str:
    """Write a PSNR: an image equal to its reference has no error."""
    return f"{value:.2f}" if math.isfinite(value) else "∞"
