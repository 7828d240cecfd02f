"""The controls of the scores: which score, against what, over what, and what goes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from .controls import button, choice
from .run_box import BAR_STYLE

WIDE = 940
"""[px] From which on all controls stand in one row."""
WIDEST, LETTERS = 340, 21
"""Of the list of references: [px] at most, and characters that show at least."""
PSNR, SSIM, BOTH = "PSNR", "SSIM", "both"
VIEWS = {
    PSNR: "Peak signal-to-noise ratio over the frames",
    SSIM: "Structural similarity over the frames",
    BOTH: "Both, one above the other; in a low dock the rest is scrolled to",
}
REFERENCE_TIP = (
    "What PSNR and SSIM are taken against. The data range is one value for the whole movie: the "
    "99.9th minus the 0.1th percentile of whole reference frames, also where a region is scored."
)
DRAW, CLEAR = "Draw region", "Clear region"
REGION_TIPS = {
    DRAW: "Take the scores of a square only: it shows in every box, and can be moved there",
    CLEAR: "Return to the scores of the whole field",
}


class ScoreControls(QWidget):
    """One row where there is room, else two.

    Signals
    -------
    view_changed : str
        Another score is to be shown: PSNR, SSIM or both.
    reference_chosen : object
        Key of another reference.
    """

    view_changed = Signal(str)
    reference_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        for name, tip in VIEWS.items():
            made = self.views[name] = button(name, tip)
            made.setCheckable(True)
            self._group.addButton(made)
        self.views[PSNR].setChecked(True)
        self.reference = choice({})
        self.reference.setToolTip(REFERENCE_TIP)
        self.reference.setMinimumContentsLength(LETTERS)
        self.reference.setMaximumWidth(WIDEST)
        self.field = QLabel()
        self.field.setToolTip("What the scores are taken over")
        self.region_button = button(DRAW, REGION_TIPS[DRAW])
        self.copy_button = button(
            "Copy table", "Copy means, deviations and real bytes of all curves, with tabs between"
        )
        self.export_button = button(
            "Export CSV…", "Save the scores of every frame as comma-separated values"
        )
        self._lay_out()
        self._group.buttonClicked.connect(self._on_view)
        self.reference.activated.connect(self._on_reference)

    def _lay_out(self) -> None:
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._rows.setContentsMargins(8, 4, 8, 2)
        self._rows.setSpacing(6)
        toggles = QHBoxLayout()
        toggles.setSpacing(1)
        for made in self.views.values():
            made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            toggles.addWidget(made)
        against = QLabel("against")
        against.setToolTip(REFERENCE_TIP)
        left, right = QHBoxLayout(), QHBoxLayout()
        self.beside_reference = QHBoxLayout()
        left.setSpacing(6)
        left.addLayout(toggles)
        left.addSpacing(8)
        left.addWidget(against)
        left.addWidget(self.reference, 100)
        left.addLayout(self.beside_reference)
        left.addStretch(1)
        for widget in (self.field, self.region_button, self.copy_button, self.export_button):
            right.addWidget(widget)
        right.insertStretch(1, 1)
        self._halves = left, right
        self._rows.addLayout(left)
        self._rows.addSpacing(8)
        self._rows.addLayout(right, 1)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Let it become as narrow as the wider half: the other then goes below."""
        least, margins = super().minimumSizeHint(), self._rows.contentsMargins()
        half = max(layout.minimumSize().width() for layout in self._halves)
        return QSize(min(least.width(), half + margins.left() + margins.right()), least.height())

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Break the row where it does not fit."""
        super().resizeEvent(event)
        wide = self.width() >= WIDE
        directions = QBoxLayout.Direction
        self._rows.setDirection(directions.LeftToRight if wide else directions.TopToBottom)

    @property
    def view(self) -> str:
        """PSNR, SSIM or both."""
        return next(name for name, made in self.views.items() if made.isChecked())

    def offer(self, references: Mapping[Any, str], chosen: Any) -> None:
        """List what scores can be taken against."""
        keys = [self.reference.itemData(i) for i in range(self.reference.count())]
        texts = [self.reference.itemText(i) for i in range(self.reference.count())]
        if keys != list(references) or texts != list(references.values()):
            self.reference.clear()
            for key, text in references.items():
                self.reference.addItem(text, key)
                self.reference.setItemData(
                    self.reference.count() - 1, text, Qt.ItemDataRole.ToolTipRole
                )
        self.reference.setCurrentIndex([*references, chosen].index(chosen) % len(references))
        self.reference.setEnabled(len(references) > 1)

    def show_field(self, words: str, drawn: bool) -> None:
        """Say what the scores are taken over, and offer to change it."""
        self.field.setText(words)
        text = CLEAR if drawn else DRAW
        self.region_button.setText(text)
        self.region_button.setToolTip(REGION_TIPS[text])

    def _on_view(self) -> None:
        self.view_changed.emit(self.view)

    def _on_reference(self, index: int) -> None:
        self.reference_chosen.emit(self.reference.itemData(index))


class ScoreProgress(QWidget):
    """How many frames are scored anew, and a button to stop; keeps its room while it is hidden."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.status, self.bar = QLabel(), QProgressBar()
        self.stop_button = button("Stop", "Stop scoring; the frames that are done stay")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setStyleSheet(BAR_STYLE)
        self.bar.setToolTip("Share of the frames that are scored for this region and reference")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 0)
        layout.addWidget(self.status)
        layout.addWidget(self.bar, 1)
        layout.addWidget(self.stop_button)
        policy = self.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.setSizePolicy(policy)
        self.show_progress(None)

    def show_progress(self, progress: tuple[int, int] | None) -> None:
        """Show how many frames of how many are done; None while nothing is at work."""
        self.setVisible(progress is not None)
        if progress is None:
            return
        done, total = progress
        text = f"{done} of {total} frames scored" if done else "preparing the reference…"
        self.status.setText(text)
        self.bar.setRange(0, total if done else 0)  # 0, 0: its end is not known yet
        self.bar.setValue(done)
