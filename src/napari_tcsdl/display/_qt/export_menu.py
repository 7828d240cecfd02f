"""What can be exported, and into which files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtGui import QActionGroup  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QWidget

from ..export_job import FRAME_RATE

FIGURE = "Figure PDF (*.pdf);;Figure PNG (*.png)"
CLIP = "Movie MP4 (*.mp4);;Movie GIF (*.gif)"
SCORES = "Table CSV (*.csv)"
"""Filters of the file dialogs; the first is proposed."""
FRAME_RATES = (5.0, FRAME_RATE, 25.0)
"""[frames/s] Speeds to choose from."""


class ExportMenu(QMenu):
    """Three exports, how they are made, and Cancel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self.figure = _entry(
            self,
            "Figure (PNG, PDF)…",
            "The boxes as they are now, with scale bars; text in a PDF can be edited",
        )
        self.clip = _entry(
            self,
            "Movie side by side (MP4, GIF)…",
            "All frames of the boxes that are shown, in their field of view and contrast",
        )
        self.scores = _entry(
            self,
            "Scores (CSV)…",
            "PSNR, SSIM and real bytes of each frame, of the region and against the reference that "
            "are chosen now; those of the run itself beside them",
        )
        self.addSeparator()
        self.spectra = _entry(
            self, "Power spectra in figures", "Draw the power spectrum below each box of a figure"
        )
        self.spectra.setCheckable(True)
        self.rates = self._rates()
        self.addSeparator()
        self.cancel = _entry(
            self, "Cancel export", "Stop; nothing is written, and nothing replaced"
        )
        self.set_busy(False)

    def _rates(self) -> dict[float, Any]:
        menu = QMenu("Speed of movies", self)
        menu.setToolTipsVisible(True)
        title: Any = menu.menuAction()
        title.setToolTip("Frames of the movie that are played in each second")
        group = QActionGroup(menu)
        rates = {}
        for rate in FRAME_RATES:
            action = _entry(menu, f"{rate:g} frames/s", f"Play {rate:g} frames each second")
            action.setCheckable(True)
            action.setChecked(rate == FRAME_RATE)
            group.addAction(action)
            rates[rate] = action
        self.addMenu(menu)
        return rates

    @property
    def rate(self) -> float:
        """Speed of movies that is chosen [frames/s]."""
        return next(rate for rate, action in self.rates.items() if action.isChecked())

    def set_busy(self, busy: bool) -> None:
        """Offer Cancel while an export runs, and exports otherwise."""
        for action in (self.figure, self.clip, self.scores):
            action.setEnabled(not busy)
        self.cancel.setEnabled(busy)


def _entry(menu: QMenu, text: str, tip: str) -> Any:
    action: Any = menu.addAction(text)
    action.setToolTip(tip)
    return action


def suffixes_of(filters: str) -> list[str]:
    """List the suffixes that the filters of a file dialog name, in their order."""
    return [part.split(")")[0] for part in filters.split("*")[1:]]


def file_of(name: str, chosen: str, filters: str) -> tuple[Path, bool]:
    """Return the file to write, and whether the user has agreed to replace it.

    A name without one of the suffixes gets that of the filter that was chosen. What is then
    called otherwise than in the dialog was never confirmed there.
    """
    path = Path(name)
    suffixes = suffixes_of(filters)
    if path.suffix.lower() in suffixes:
        return path, True
    suffix = next(iter(suffixes_of(chosen)), suffixes[0])
    return path.with_name(path.name + suffix), False
