"""The controls of the Train step: what to learn from, for which B, how long, and where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ..._validation import TcsdlError
from ...settings import Settings
from ..layers import calibration_of_layer, title_of
from ..training_controller import movie_to_learn_from
from ..training_files import SUFFIX, origin_of, proposed_path
from .controls import LayerCombo, beside, choice, duration, quiet_label

MINUTES = 10.0
LONGEST = 44
"""Characters of a name that fit."""
TIPS = {
    "layer": "Raw movie to learn from: an image layer (T, H, W) as the detector gave it. No clean "
    "frames are needed.",
    "decoder": "Which decoder goes on learning; only learned ones can.",
    "origin": "Where it begins: with the weights of the run, or with those of the package.",
    "ratio": "B of the runs that the weights are for. Other B stay possible, and may gain less.",
    "minutes": "How long at most [min]. It ends earlier where the held-out frames gain no more; on "
    "a GPU a few minutes do, on a CPU more is better.",
    "target": "File for the new weights, with its description (.json) beside it. It is written "
    "only if they are better; nothing that exists is replaced.",
    "choose": "Choose where to keep the new weights.",
}


class TrainForm(QWidget):
    """Movie, decoder, B, minutes and target; ``edited`` follows every change."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layer = LayerCombo()
        self.facts, self.origin = quiet_label(1), quiet_label(1)
        self.decoder = choice({Settings.decoder: title_of(Settings.decoder)})
        self.ratio = QSpinBox()
        self.ratio.setRange(2, 999)
        self.ratio.setValue(Settings.compression_ratio)
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.1, 10_000)
        self.minutes.setDecimals(1)
        self.minutes.setValue(MINUTES)
        self.minutes.setSuffix(" min")
        self.target = QLineEdit()
        self.target.setReadOnly(True)
        self.target.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.choose = QPushButton("…")
        self.choose.setMaximumWidth(40)
        self.path: Path | None = None
        self._chosen = False
        self._lay_out()
        for combo in (self.layer, self.decoder):
            combo.currentIndexChanged.connect(self.edited)
        for box in (self.ratio, self.minutes):
            box.valueChanged.connect(self.edited)
        self.choose.clicked.connect(self._ask_where)

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(6)
        form.setHorizontalSpacing(10)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows: list[tuple[str, str, QWidget]] = [
            ("movie", "layer", self.layer),
            ("", "layer", self.facts),
            ("decoder", "decoder", self.decoder),
            ("from", "origin", self.origin),
            ("B", "ratio", self.ratio),
            ("time", "minutes", self.minutes),
            ("weights", "target", beside(self.target, self.choose)),
        ]
        for text, tip, widget in rows:
            widget.setToolTip(TIPS[tip])
            label = QLabel(text)
            label.setToolTip(TIPS[tip])
            form.addRow(label, widget)
        self.target.setToolTip(TIPS["target"])
        self.choose.setToolTip(TIPS["choose"])

    # --- where the weights go -----------------------------------------------------------------

    def propose(self, path: Path | None) -> None:
        """Offer ``path``, unless another place was chosen by hand."""
        if not self._chosen:
            self._show(path)

    def set_path(self, path: Path) -> None:
        """Take ``path``; it stays whichever movie is chosen."""
        self._chosen = True
        self._show(path)
        self.edited.emit()

    def forget_path(self) -> None:
        """Go back to proposals: the weights of the next run need another name."""
        self._chosen = False

    def _show(self, path: Path | None) -> None:
        self.path = path
        self.target.setText(path.name if path else "")
        self.target.setCursorPosition(0)
        self.target.setToolTip(f"{path}\n\n{TIPS['target']}" if path else TIPS["target"])

    def _ask_where(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Keep the new weights",
            str(self.path or ""),
            f"Weights (*{SUFFIX})",
            # A file that exists is refused on Start: asking here would promise to replace it.
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.set_path(Path(path))

    # --- what is shown ------------------------------------------------------------------------

    def offer_decoders(self, decoders: dict[str, str]) -> None:
        """List the decoders that can be trained; keeps the choice."""
        before = self.decoder.currentData()
        self.decoder.blockSignals(True)
        self.decoder.clear()
        for name, text in decoders.items():
            self.decoder.addItem(text, name)
        self.decoder.setCurrentIndex(max(0, self.decoder.findData(before)))
        self.decoder.blockSignals(False)

    def take(self, settings: Settings) -> None:
        """Show B and decoder of ``settings``, where it can be trained."""
        widgets: list[Any] = [self.ratio, self.decoder]
        for widget in widgets:
            widget.blockSignals(True)
        self.ratio.setValue(settings.compression_ratio)
        index = self.decoder.findData(settings.decoder)
        if index >= 0:
            self.decoder.setCurrentIndex(index)
        for widget in widgets:
            widget.blockSignals(False)
        self.edited.emit()

    def describe(self, settings: Settings, *, proposed: bool) -> bool:
        """Write what the chosen movie is; False if it cannot be learned from.

        With ``proposed``, a place for the weights of ``settings`` is proposed, too.
        """
        self.origin.setText(shortened(origin_of(settings)))
        layer = self.layer.layer()
        if layer is None:
            self.facts.setText("Open a movie, or drop it into the window.")
            return False
        try:
            movie = movie_to_learn_from(layer, settings.compression_ratio)
        except TcsdlError as error:
            self.facts.setText(str(error))
            return False
        count, height, width = movie.shape
        step = calibration_of_layer(layer).frame_time
        span = f", {duration(step)} per frame" if step is not None else ""
        self.facts.setText(f"{count} frames of {height} × {width}, {movie.dtype}{span}")
        if proposed:
            self.propose(proposed_path(movie, settings.decoder, settings.compression_ratio))
        return True

    def lock(self, *, running: bool) -> None:
        """Nothing can be changed while it learns."""
        for widget in (self.layer, self.decoder, self.ratio, self.minutes, self.choose):
            widget.setEnabled(not running)


def shortened(text: str) -> str:
    """Leave out the middle of a long text: a name without spaces cannot be wrapped."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
