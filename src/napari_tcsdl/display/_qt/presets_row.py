"""Settings as a file, and as the command that does the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QWidget

from ..._validation import TcsdlError
from ...presets import as_command, load_preset, save_preset
from ..file_layers import SUFFIX
from ..layers import KEY, calibration_of_layer
from ..session import Session
from .controls import button

FILES = "Settings (*.json *.yaml *.yml)"


class PresetsRow(QWidget):
    """Save and load the settings; copy them as a command line.

    Signals
    -------
    failed : TcsdlError
        A file could not be read or written.
    said : str
        What was done.
    """

    failed = Signal(object)
    said = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._layer: Layer | None = None
        self._truth: Layer | None = None
        self.preset = button(
            "Preset", "Keep these settings in a file (JSON or YAML) that the command line runs too."
        )
        menu: Any = QMenu(self)
        self.ask_save = menu.addAction("Save settings…", self._ask_where_to_save)
        self.ask_load = menu.addAction("Load settings…", self._ask_what_to_load)
        self.ask_save.setToolTip("Write B, masks, decoder, device and reference into a file.")
        self.ask_load.setToolTip("Take them from such a file, or from a summary.json.")
        menu.setToolTipsVisible(True)
        self.preset.setMenu(menu)
        self.copy = button(
            "Copy as command", "Copy the command line that makes this comparison of the same file."
        )
        self.copy.clicked.connect(self.copy_command)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.preset, 1)
        layout.addWidget(self.copy, 1)

    def follow(self, layer: Layer | None, truth: Layer | None, *, running: bool) -> None:
        """Work on ``layer``; settings cannot be replaced while a job runs."""
        self._layer, self._truth = layer, truth
        self.ask_load.setEnabled(not running)
        self.copy.setEnabled(path_of(layer) is not None)

    def copy_command(self) -> None:
        """Put the command line into the clipboard."""
        path, clipboard = path_of(self._layer), QGuiApplication.clipboard()
        if path is None or self._layer is None or clipboard is None:
            return
        calibration = calibration_of_layer(self._layer)
        facts = {
            "truth": path_of(self._truth),
            "pixel_size": calibration.pixel_size,
            "frame_time": calibration.frame_time,
        }
        try:
            text = self._command(path, facts)
        except TcsdlError as error:
            self.failed.emit(error)
            return
        clipboard.setText(text)
        self.said.emit(f"copied: {text}")

    # --- what a step that keeps more than settings does its own way -----------------------------

    def _command(self, path: str, facts: dict[str, Any]) -> str:
        """Command line for the movie at ``path``."""
        return as_command(self.session.settings, path, **facts)

    def _write(self, path: str | Path, overwrite: bool) -> Path:
        """Write ``path``."""
        return save_preset(self.session.settings, path, overwrite=overwrite)

    def _read(self, path: str | Path) -> None:
        """Take what ``path`` says."""
        self.session.settings = load_preset(path)

    # --- files ----------------------------------------------------------------------------------

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the settings to ``path``."""
        try:
            written = self._write(path, overwrite)
        except TcsdlError as error:
            self.failed.emit(error)
        else:
            self.said.emit(f"saved {written.name}")

    def load(self, path: str | Path) -> None:
        """Take the settings from ``path``; those that were set stay if it is no good."""
        try:
            self._read(path)
        except TcsdlError as error:
            self.failed.emit(error)
        else:
            self.said.emit(f"loaded {Path(path).name}")

    def _ask_where_to_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save settings", "tcsdl-settings.json", FILES)
        if path:  # the dialog has asked whether a file that is there may be replaced
            self.save(path if Path(path).suffix else f"{path}.json", overwrite=True)

    def _ask_what_to_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load settings", "", FILES)
        if path:
            self.load(path)


def path_of(layer: Layer | None) -> str | None:
    """File of the movie; None where a command line could not open what ``layer`` shows."""
    if layer is None:
        return None
    path = layer.source.path or layer.metadata.get(KEY, {}).get("path")
    return str(path) if path and not str(path).rstrip("/\\").endswith(SUFFIX) else None
