"""Everything that the Train step shows, laid out; wired in ``train_panel``."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from .controls import button, rule, scrolled
from .curves_plot import CurvesPlot
from .lifetime import Leaving
from .run_box import BAR_STEPS, BAR_STYLE, ERROR_STYLE
from .train_form import TrainForm

WIDTH = 430

STOP, SKIP = "Stop, keep the best", "Leave the pictures out"
COMPARED = (
    "Each frame's electrons are dealt out to two halves with independent noise: one is coded and "
    "decoded, the other judges, so no clean frames are needed. The held-out error is the squared "
    "error on the last frames of the movie, which nothing is learned from, at half the dose, "
    "without the noise of the judging half, in % of the movie's variance."
)
PAIR_TIP = (
    "Show raw, before and after side by side on held-out frames at full dose; again to bring the "
    "view back."
)


class TrainLayout(Leaving):
    """Settings above, Start and progress, curves, what came of it; scrolls on small screens.

    Parameters
    ----------
    theme
        Name of napari's theme.
    """

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form, self.plot = TrainForm(), CurvesPlot(theme)
        self.start_button = button("Start", "Go on training the decoder on this movie.")
        self.stop_button = button(
            STOP, "Stop within a second. Weights that were surely better are kept."
        )
        self.use_button = button(
            "Use these weights", "Let the next runs decode with the new weights."
        )
        self.pair_button = button("Show raw | before | after", PAIR_TIP)
        self.pair_button.setCheckable(True)
        for control in (self.stop_button, self.use_button, self.pair_button):
            control.setEnabled(False)
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setStyleSheet(BAR_STYLE)
        self.bar.setToolTip("Share of the time that has gone by; it may end earlier")
        self.status, self.result, self.error = QLabel(), QLabel(), QLabel()
        # Room for two lines, so that the curves do not move with the text.
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing() + 4)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.result.setStyleSheet("font-weight: bold;")
        self.error.setObjectName("error")
        self.error.setStyleSheet(ERROR_STYLE)
        self.error.hide()
        self.compared = QLabel(COMPARED)
        for label in (self.status, self.result, self.error, self.compared):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.setMinimumWidth(WIDTH)

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(10)
        buttons, after = QHBoxLayout(), QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.stop_button, 1)
        after.addWidget(self.use_button, 1)
        after.addWidget(self.pair_button, 1)
        column.addWidget(self.form)
        column.addLayout(buttons)
        for widget in (self.bar, self.status, self.error, self.plot, self.result):
            column.addWidget(widget)
        column.addLayout(after)
        column.addWidget(rule())
        column.addWidget(self.compared)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(content))

    def show_progress(self, fraction: float, text: str) -> None:
        """Show the share that is done."""
        self.bar.setValue(round(BAR_STEPS * fraction))
        self.status.setText(text)

    def show_stop(self, text: str, *, enabled: bool) -> None:
        """Say what the second button does now."""
        self.stop_button.setText(text)
        self.stop_button.setEnabled(enabled)

    def show_error(self, error: object) -> None:
        """Show one sentence in place."""
        self.error.setText(str(error))
        self.error.show()
