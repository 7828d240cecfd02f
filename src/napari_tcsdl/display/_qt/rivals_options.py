"""What is compared: which rivals, our own further B, and by what they are judged besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from ..rivals_job import Wish, ratios_of
from ..rivals_presets import StudyPreset, study_command
from ..session import Session
from .controls import QuietLabel, form_layout, whole
from .presets_row import PresetsRow
from .rivals_picker import RivalPicker

COST_TIP = (
    "At the end, run each encoder alone in a process of its own: CPU time and memory, as ratios "
    "to ours."
)
RATIOS_TIP = "Further B at which we compress, for a curve of our own: for example 5, 20, 40."
HELD_OUT_TIP = (
    "At the end, deal the electrons of each frame out into two halves by chance. Every lossy rival "
    "codes one half, and the other, which it never saw, judges what comes back: no truth and no "
    "denoised reference is needed. It takes about a third of the time again, and as everybody gets "
    "half the dose, these numbers compare only with each other."
)
SEED_TIP = "Of the split by chance: the same number gives the same halves."
COPY_TIP = (
    "Copy the command line that makes this study of the same file. It always measures the cost of "
    "encoding."
)


class RivalOptions(QWidget):
    """Rivals to tick, and further choices; ``edited`` follows every change."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker, self.missing = RivalPicker(), QuietLabel()
        self.cost, self.ratios = QCheckBox("measure the cost of encoding"), QLineEdit()
        self.cost.setToolTip(COST_TIP)
        self.cost.setChecked(True)
        self.held_out = QCheckBox("judge by held-out electrons")
        self.held_out.setToolTip(HELD_OUT_TIP)
        self.seed = whole(0, 2**31 - 1, 0)
        self.seed.setToolTip(SEED_TIP)
        self.seed.setEnabled(False)
        self.ratios.setToolTip(RATIOS_TIP)
        self.ratios.setPlaceholderText("none")
        column, row = QVBoxLayout(self), form_layout()
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.picker, self.missing, self.cost, self.held_out):
            column.addWidget(widget)
        row.addRow("seed of the split", self.seed)
        row.addRow("further B of ours", self.ratios)
        column.addLayout(row)
        self.picker.edited.connect(self._on_picked)
        self.cost.toggled.connect(self.edited)
        self.held_out.toggled.connect(self.seed.setEnabled)
        self.held_out.toggled.connect(self.edited)
        self.seed.valueChanged.connect(self.edited)
        self.ratios.textEdited.connect(self.edited)
        self._on_picked()

    def wish(self) -> Wish:
        """Return what is to be compared.

        Raises
        ------
        InputError
            For further B that are no whole numbers of at least 2.
        """
        return Wish(
            self.picker.names(),
            ratios_of(self.ratios.text()),
            self.cost.isChecked(),
            self.held_out.isChecked(),
            self.seed.value(),
        )

    def show_wish(self, wish: Wish) -> None:
        """Take what is to be compared from elsewhere."""
        self.picker.choose(wish.rivals)
        self.ratios.setText(", ".join(map(str, wish.ratios)))
        self.cost.setChecked(wish.cost)
        self.held_out.setChecked(wish.held_out)
        self.seed.setValue(wish.split_seed)
        self.edited.emit()

    def summary(self) -> str:
        """Say in a few words what is ticked."""
        judged = ", held-out electrons" if self.held_out.isChecked() else ""
        return f"{self.picker.summary()}{judged}"

    def _on_picked(self) -> None:
        self.missing.setText(self.picker.missing())
        self.missing.setVisible(bool(self.missing.text()))
        self.edited.emit()


class StudyPresets(PresetsRow):
    """Presets and commands that hold what is compared, too."""

    def __init__(self, session: Session, options: RivalOptions) -> None:
        super().__init__(session)
        self._options = options
        self.copy.setToolTip(COPY_TIP)

    def _command(self, path: str, facts: dict[str, Any]) -> str:
        return study_command(self.session.settings, self._options.wish(), path, **facts)

    def _write(self, path: str | Path, overwrite: bool) -> Path:
        preset = StudyPreset(self.session.settings, self._options.wish())
        return preset.save(path, overwrite=overwrite)

    def _read(self, path: str | Path) -> None:
        preset = StudyPreset.load(path)
        self.session.settings = preset.settings
        if preset.wish is not None:
            self._options.show_wish(preset.wish)
