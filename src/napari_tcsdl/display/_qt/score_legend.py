"""The legend of the scores: what each curve is, its means, its real bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QPointF, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QToolButton, QWidget

from ..._words import human_bytes
from ..layers import title_of
from ..scoreboard import Summary
from .score_style import style_of

COLUMNS = {
    "PSNR (dB)": "Mean PSNR [dB] ± its standard deviation from frame to frame",
    "SSIM": "Mean SSIM ± its standard deviation from frame to frame",
    "size": "Real bytes of all frames that are done",
    "ratio": "Storage ratio: bytes of the raw frames / these bytes",
}
LONGEST = ("88.88 ± 88.88", "8.888 ± 8.888", "888 MB", "88.8 ×")
"""Of the texts in each column: they keep their places while numbers come in."""
SWATCH = QSize(26, 12)
STYLE = """
QToolButton { border: none; background: transparent; padding: 2px 4px; text-align: left; }
QToolButton:hover { background: rgba(128, 128, 128, 50); border-radius: 3px; }
QToolButton:!checked { color: rgba(128, 128, 128, 160); }
"""


class ScoreLegend(QWidget):
    """One row a codec; a click on its name hides its curve.

    Signals
    -------
    toggled
        Other curves are to be shown; ``hidden`` says which are not.
    """

    toggled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names: dict[str, QToolButton] = {}
        self.cells: dict[tuple[str, str], QLabel] = {}
        self._theme = get_theme("dark")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(4, 2, 8, 2)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(0, 1)
        for column, (title, tip) in enumerate(COLUMNS.items(), start=1):
            label = QLabel(title)
            label.setToolTip(tip)
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            label.setStyleSheet("color: rgba(128, 128, 128, 230);")
            self._grid.addWidget(label, 0, column)
            self._grid.setColumnMinimumWidth(
                column, self.fontMetrics().horizontalAdvance(LONGEST[column - 1])
            )

    @property
    def hidden(self) -> frozenset[str]:
        """Codecs whose curves are not to be shown."""
        return frozenset(codec for codec, name in self.names.items() if not name.isChecked())

    def show_means(self, codecs: list[str], means: Mapping[str, Summary]) -> None:
        """Fill in a row for each of ``codecs``; dashes where there are no scores."""
        if list(self.names) != codecs:
            self._make_rows(codecs)
        for codec in codecs:
            texts = _texts(means[codec]) if codec in means else ("–",) * len(COLUMNS)
            for title, text in zip(COLUMNS, texts, strict=True):
                self.cells[codec, title].setText(text)

    def show_theme(self, name: str) -> None:
        """Take the colours of napari's theme ``name``."""
        self._theme = get_theme(name)
        for codec, button in self.names.items():
            button.setIcon(_swatch(codec, self._theme, self.devicePixelRatioF()))

    def _make_rows(self, codecs: list[str]) -> None:
        hidden = self.hidden
        for widget in (*self.names.values(), *self.cells.values()):
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self.names, self.cells = {}, {}
        for row, codec in enumerate(codecs, start=1):
            name = QToolButton()
            name.setText(title_of(codec))
            name.setToolTip(f"{title_of(codec)}: click to hide its curve, or to show it again")
            name.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            name.setIconSize(SWATCH)
            name.setIcon(_swatch(codec, self._theme, self.devicePixelRatioF()))
            name.setCheckable(True)
            name.setChecked(codec not in hidden)
            name.setStyleSheet(STYLE)
            name.ensurePolished()
            name.setMinimumWidth(name.sizeHint().width())  # else its text would be elided
            name.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            name.toggled.connect(self.toggled)
            self.names[codec] = name
            self._grid.addWidget(name, row, 0)
            for column, (title, tip) in enumerate(COLUMNS.items(), start=1):
                cell = QLabel()
                cell.setToolTip(tip)
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.cells[codec, title] = cell
                self._grid.addWidget(cell, row, column)
        self._grid.setRowStretch(len(codecs) + 1, 1)


def _texts(mean: Summary) -> tuple[str, str, str, str]:
    return (
        spread(mean.psnr, mean.psnr_sd, 2),
        spread(mean.ssim, mean.ssim_sd, 3),
        human_bytes(mean.bytes),
        "–" if mean.storage_ratio is None else f"{mean.storage_ratio:.3g} ×",
    )


def spread(mean: float, deviation: float, digits: int) -> str:
    """Write mean ± standard deviation: an image equal to its reference has no error."""
    if not math.isfinite(mean):
        return "∞"
    if not math.isfinite(deviation):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _swatch(codec: str, theme: Any, ratio: float) -> QIcon:
    """Return a piece of the curve of ``codec``."""
    pixmap = QPixmap(SWATCH * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(style_of(codec).pen(theme))
    middle = SWATCH.height() / 2
    painter.drawLine(QPointF(1, middle), QPointF(SWATCH.width() - 1, middle))
    painter.end()
    icon = QIcon()
    icon.addPixmap(pixmap, QIcon.Mode.Normal, QIcon.State.On)
    faint = QPixmap(pixmap)
    faint.fill(Qt.GlobalColor.transparent)
    icon.addPixmap(faint, QIcon.Mode.Normal, QIcon.State.Off)
    return icon
