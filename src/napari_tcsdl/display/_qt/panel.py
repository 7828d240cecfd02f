"""Everything that the dock shows, laid out; wired in ``dock``."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from .form import SettingsForm, duration
from .results import ResultsPanel

WIDTH = 430
BAR_STEPS = 1000
BAR_STYLE = """
QProgressBar { background: rgba(128, 128, 128, 60); border: none; border-radius: 3px; }
QProgressBar::chunk { background: #4f74d9; border-radius: 3px; }
"""
ERROR_STYLE = """
#error {
    color: #ffb4a8; background: rgba(200, 60, 40, 45); border-radius: 4px; padding: 8px;
}
"""


class Panel(QWidget):
    """Settings above, Run and its progress, results below; scrolls on small screens."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form, self.results = SettingsForm(), ResultsPanel()
        self.run_button = button(
            "Run",
            "Compress, reconstruct and compare the movie. The layers of the last run are replaced.",
        )
        self.cancel_button = button("Cancel", "Stop within a second; frames that are done stay.")
        self.save_button = button(
            "Save compressed file…", "Copy the .tcs.zarr file of this run to a place you choose."
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(0)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setStyleSheet(BAR_STYLE)
        self.bar.setToolTip("Share of the movie that is done")
        self.status, self.error = QLabel(), QLabel()
        self.status.setWordWrap(True)
        self.error.setObjectName("error")
        self.error.setStyleSheet(ERROR_STYLE)
        self.error.setWordWrap(True)
        self.error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.error.hide()
        self._lay_out()
        self.setMinimumWidth(WIDTH)

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(10)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        column.addWidget(self.form)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.error, rule(), self.results, self.save_button):
            column.addWidget(widget)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)

    def show_busy(self, text: str) -> None:
        """Say that work goes on whose end is not known yet."""
        self.bar.setRange(0, 0)
        self.status.setText(text)
        self.cancel_button.setEnabled(True)

    def show_progress(self, fraction: float, text: str) -> None:
        """Show the share that is done."""
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(round(BAR_STEPS * fraction))
        self.status.setText(text)

    def show_idle(self, fraction: float, text: str) -> None:
        """Show how the last run has ended."""
        self.show_progress(fraction, text)
        self.cancel_button.setEnabled(False)

    def show_error(self, error: object) -> None:
        """Show one sentence in place."""
        self.error.setText(str(error))
        self.error.show()


def progress_text(fraction: float, n_frames: int, elapsed: float) -> str:
    """Write frames done, their rate and the time left, ``elapsed`` seconds after the begin."""
    done = fraction * n_frames
    left = (1 - fraction) / fraction * elapsed
    return (
        f"{done:.0f} of {n_frames} frames,  {done / elapsed:.2g} frames/s,  "
        f"{duration(round(left) or 1)} left"
    )


def button(text: str, tip: str) -> QPushButton:
    """Return a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    return made


def rule() -> QFrame:
    """Return a thin horizontal line."""
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: rgba(128, 128, 128, 80);")
    return line
