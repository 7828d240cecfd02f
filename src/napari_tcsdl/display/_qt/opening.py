"""The button "Open…": movies and compressed files, wherever they are."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

EVERYTHING = "All files (*)"
TIP = (
    "Open a movie as it lies on the disk, calibrated, frame by frame: TIFF, MRC, a folder of TIFF "
    "frames, or a compressed .tcs.zarr file, which is a folder too."
)
FILE_TIP = "One file that holds the whole movie; frames are read as they are looked at."
FOLDER_TIP = (
    "Choose the folder itself. A compressed file shows its measurements and, decoded as you look, "
    "its frames; TIFF files of a folder are frames in the order of their names."
)


class OpenButton(QPushButton):
    """Asks for a file or a folder; ``chosen`` brings its path."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Open…", parent)
        self.setToolTip(TIP)
        self.setStyleSheet("QPushButton { padding-right: 16px; }")  # room for the menu's arrow
        self.filters = EVERYTHING
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.ask_file = menu.addAction("Movie file (TIFF, MRC)…", self._ask_for_file)
        self.ask_folder = menu.addAction(
            "Compressed file (.tcs.zarr) or folder of TIFF frames…", self._ask_for_folder
        )
        for action, tip in ((self.ask_file, FILE_TIP), (self.ask_folder, FOLDER_TIP)):
            if action is not None:
                action.setToolTip(tip)
        self.setMenu(menu)

    def offer(self, formats: dict[str, tuple[str, ...]]) -> None:
        """List the formats (name → suffixes) that the file dialog is to offer."""
        patterns = {
            name: " ".join(f"*{suffix}" for suffix in suffixes)
            for name, suffixes in formats.items()
        }
        rows = [f"Movies ({' '.join(patterns.values())})"]
        # A dialog takes the first parenthesis of a row for its patterns.
        rows += [f"{name.split(' (')[0]} ({pattern})" for name, pattern in patterns.items()]
        self.filters = ";;".join([*rows, EVERYTHING])

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a movie", "", self.filters)
        if path:
            self.chosen.emit(path)

    def _ask_for_folder(self) -> None:
        title = "Open a compressed file (.tcs.zarr) or a folder of TIFF frames"
        path = QFileDialog.getExistingDirectory(self, title)
        if path:
            self.chosen.emit(path)
