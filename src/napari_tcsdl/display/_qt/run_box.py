"""Run and Cancel, progress, what is going on, and what went wrong: the same in each panel."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from .controls import button, duration

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


class RunBox(QWidget):
    """Buttons above, the bar and the status below, and a place for one sentence."""

    def __init__(self, text: str, tip: str) -> None:
        super().__init__()
        self.run_button = button(text, tip)
        self.cancel_button = button("Cancel", "Stop at the next step, mostly within a second.")
        self.remedy = QPushButton()
        self._remedy: Callable[[], None] | None = None
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setValue(0)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setStyleSheet(BAR_STYLE)
        self.bar.setToolTip("Share of the work that is done")
        self.status, self.error = QLabel(), QLabel()
        self.status.setWordWrap(True)
        self.error.setObjectName("error")
        self.error.setStyleSheet(ERROR_STYLE)
        self.error.setWordWrap(True)
        self.error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.remedy.clicked.connect(self._take_remedy)
        self.hide_error()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.error, self.remedy):
            column.addWidget(widget)

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
        self.hide_error()  # a way out of another error is none out of this one
        self.error.setText(str(error))
        self.error.show()

    def offer(self, text: str, tip: str, remedy: Callable[[], None]) -> None:
        """Offer a way out below the sentence."""
        self.remedy.setText(text)
        self.remedy.setToolTip(tip)
        self._remedy = remedy
        self.remedy.show()

    def hide_error(self) -> None:
        """Take the sentence away."""
        self.error.hide()
        self.remedy.hide()
        self._remedy = None

    def _take_remedy(self) -> None:
        remedy = self._remedy
        self.hide_error()
        if remedy is not None:
            remedy()


def progress_text(fraction: float, n_frames: int, elapsed: float) -> str:
    """Write frames done, their rate and the time left, ``elapsed`` seconds after the begin."""
    done = fraction * n_frames
    rate = done / elapsed
    left = (1 - fraction) / fraction * elapsed
    return (
        f"{done:.0f} of {n_frames} frames,  {rate:.{2 if rate < 99.5 else 4}g} frames/s,  "
        f"{duration(round(left) or 1)} left"
    )
