"""What a study shows: the plot, the point that is chosen, the verdict, the table."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..rivals_text import HELD_OUT, PURPOSES
from .controls import beside, button, choice, quiet_label
from .rivals_plot import TITLES, RivalsPlot
from .rivals_table import RivalsTable

SHOW_TIP = (
    "Encode and decode the movie as this point did, where you look at it, and show the frames "
    "beside the raw movie and our reconstruction, with one contrast."
)
VERDICT_STYLE = """
#verdict { border-left: 3px solid #ff9f43; padding: 4px 8px; background: rgba(128, 128, 128, 30); }
"""
UNSEEN = {"score": "held-out PSNR", "purpose": "judged by held-out electrons"}
"""How the lists name scores by electrons that nobody saw."""
UNCHOSEN = "Click a point of the plot, or a row of the table."
NOTHING = "Curves appear here as each rival is done."


class RivalsResults(QWidget):
    """Laid out here, wired in ``rivals_panel``."""

    def __init__(self, theme: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.score, self.purpose = choice(TITLES), choice(PURPOSES)
        self.score.setToolTip("What is plotted against real bytes")
        self.score.setMinimumContentsLength(13)
        self.purpose.setToolTip("Which point of each rival the table shows")
        self.plot, self.table = RivalsPlot(theme), RivalsTable()
        self.nothing, self.detail = QLabel(NOTHING), quiet_label(4)
        self.detail.setToolTip("The point that is chosen: click one in the plot, or a row")
        self.detail.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.show_button = button("Show in viewer", SHOW_TIP)
        self.back_button = button(
            "Back to the movie", "Take the frames of rivals away, and bring the view back."
        )
        self.verdict = QLabel()
        self.verdict.setObjectName("verdict")
        self.verdict.setStyleSheet(VERDICT_STYLE)
        self.save_button = button(
            "Save report…",
            "Write this study into a new folder: a page that any browser opens (HTML), tables "
            "(CSV), everything as JSON, and the frames of its pictures.",
        )
        for label in (self.nothing, self.verdict, self.detail):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()

    def _lay_out(self) -> None:
        self.content = QWidget()
        column = QVBoxLayout(self.content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_button, 1)
        buttons.addWidget(self.back_button, 1)
        column.addWidget(beside(QLabel("quality against real bytes"), self.score))
        column.addWidget(self.plot)
        column.addWidget(self.detail)
        column.addLayout(buttons)
        column.addWidget(self.verdict)
        column.addWidget(self.purpose)
        column.addWidget(self.table)
        column.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.nothing)
        layout.addWidget(self.content)

    def offer_held_out(self, there: bool) -> None:
        """List scores by held-out electrons, where they were taken."""
        for combo, text in ((self.score, UNSEEN["score"]), (self.purpose, UNSEEN["purpose"])):
            at = combo.findData(HELD_OUT)
            combo.blockSignals(True)  # whoever asks is about to show what is chosen
            if there and at < 0:
                combo.addItem(text, HELD_OUT)
            elif not there and at >= 0:
                if combo.currentIndex() == at:
                    combo.setCurrentIndex(0)
                combo.removeItem(at)
            combo.blockSignals(False)

    def show_verdict(self, sentences: tuple[str, ...]) -> None:
        """Show who wins where; nothing while that is not known."""
        self.verdict.setText("\n".join(f"• {sentence}" for sentence in sentences))
        self.verdict.setVisible(bool(sentences))
