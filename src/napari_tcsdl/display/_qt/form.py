"""The controls of a step: what to work on, and how. Knows settings, not runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from ...companding import LARGEST_FRACTION
from ...settings import SMALLEST_TILE, Settings
from ..choices import Choices
from ..layers import Calibration, title_of
from .controls import (
    Fold,
    LayerCombo,
    beside,
    button,
    choice,
    choose,
    form_layout,
    quiet_label,
    whole,
)
from .form_facts import facts_of_movie, hint_of_ratio, span_of_measurement
from .opening import OpenButton
from .words import (
    DEVIATIONS,
    ENTROPIES,
    EVERYTHING,
    JUDGED,
    LABELS,
    MASKS,
    OF_MOVIE,
    REFERENCES,
    TIPS,
)


class SettingsForm(QWidget):
    """Input layer and settings, each with a tooltip; ``edited`` follows every change.

    Parameters
    ----------
    rows, more
        Names of the rows that are shown, and of those that fold away. What is not shown keeps
        the value it was given.
    """

    edited = Signal()

    def __init__(
        self, rows: tuple[str, ...] = EVERYTHING[0], more: tuple[str, ...] = EVERYTHING[1]
    ) -> None:
        super().__init__()
        self.layer, self.truth = LayerCombo(), LayerCombo()
        self.open = OpenButton()
        self.facts, self.hint = quiet_label(), quiet_label()
        self.ratio = whole(2, 10**6, Settings.compression_ratio)
        self.recommend = button("Recommend", TIPS["recommend"])
        self.seed = whole(0, 2**31 - 1, 0)
        self.exposures = whole(0, 999, 0)
        self.exposures.setSpecialValueText("automatic")
        self.mask_tile = whole(0, 2**14, Settings.mask_tile)
        self.mask_tile.setSpecialValueText("the whole frame")
        self.decode_tile = whole(SMALLEST_TILE, 2**14, Settings.decode_tile)
        for box in (self.mask_tile, self.decode_tile):
            box.setSuffix(" px")
            box.setSingleStep(64)
        self.companding = QDoubleSpinBox()
        self.companding.setRange(0, LARGEST_FRACTION)
        self.companding.setSingleStep(0.25)
        self.companding.setValue(Settings.companding)
        self.companding.setSuffix(" σ")
        self.companding.setSpecialValueText("none, kept exactly")
        self.entropy = choice(ENTROPIES)
        self.deviation = choice(DEVIATIONS)
        self.masks = choice(MASKS)
        self.decoder = choice({Settings.decoder: title_of(Settings.decoder)})
        self.weights = QLineEdit()
        self.weights.setPlaceholderText("those of the package")
        self.find_weights = button("…", "Choose a file of weights (NAME.safetensors).")
        self.device = choice({"auto": "looking for devices…"})
        self.reference = choice(REFERENCES)
        self.form, self.rare = form_layout(), form_layout()
        self._settings = Settings()
        self._lay_out(rows, more)
        self._connect()

    def _lay_out(self, rows: tuple[str, ...], more: tuple[str, ...]) -> None:
        fields = {
            "layer": beside(self.layer, self.open),
            "ratio": beside(self.ratio, self.recommend),
            "weights": beside(self.weights, self.find_weights),
        }
        facts = {"layer": self.facts, "ratio": self.hint}
        hidden = QWidget(self)  # what has no row of its own here keeps its value there
        hidden.hide()
        self._of_judging: list[QWidget] = []  # where nothing else is decoded
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.form)
        folded = QWidget()
        folded.setLayout(self.rare)
        for name in (*EVERYTHING[0], *EVERYTHING[1]):
            control = getattr(self, name)
            control.setToolTip(TIPS[name])
            field = fields.get(name, control)
            field.setToolTip(TIPS[name])
            if name not in rows and name not in more:
                for widget in (field, *([facts[name]] if name in facts else [])):
                    widget.setParent(hidden)
                continue
            layout = self.form if name in rows else self.rare
            layout.addRow(named(name), field)
            if name in JUDGED and "decoder" in more:
                self._of_judging.append(field)
            if name in facts:
                facts[name].setToolTip(TIPS[name])
                layout.addRow(QLabel(), facts[name])
        self.fold = Fold("more", TIPS["more"], folded)
        self.fold.setVisible(bool(more))
        column.addWidget(self.fold)
        self._asks_truth = "truth" in rows
        self._show_rows()

    def _connect(self) -> None:
        for combo in (self.reference, self.deviation):
            combo.currentIndexChanged.connect(self._on_choice)
        self.decoder.currentIndexChanged.connect(self._explain_decoder)
        self.find_weights.clicked.connect(self._ask_for_weights)
        for combo in (self.truth, self.masks, self.entropy, self.decoder, self.device):
            combo.currentIndexChanged.connect(self.edited)
        for box in (self.ratio, self.seed, self.exposures, self.mask_tile, self.decode_tile):
            box.valueChanged.connect(self.edited)
        self.companding.valueChanged.connect(self.edited)
        self.weights.editingFinished.connect(self.edited)

    def _on_choice(self) -> None:
        self._show_rows()
        self.edited.emit()

    def _show_rows(self) -> None:
        if self._asks_truth:
            self.form.setRowVisible(self.truth, self.reference.currentData() == "truth")
        for field in self._of_judging:
            self.rare.setRowVisible(field, self.deviation.currentData() == "judged")

    def _explain_decoder(self) -> None:
        """Say of the chosen decoder what it is; the list says it of each."""
        line = self.decoder.currentData(Qt.ItemDataRole.ToolTipRole)
        self.decoder.setToolTip(f"{TIPS['decoder']} {line}" if line else TIPS["decoder"])

    def _ask_for_weights(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Weights of a learned decoder", "", "Weights (*.safetensors)"
        )
        if path:
            self.weights.setText(path)
            self.edited.emit()

    # --- settings -----------------------------------------------------------------------------

    def settings(self) -> Settings:
        """Return what is set, as the settings object that the command line runs too."""
        before = self._settings  # a list that nothing is chosen of leaves what was chosen
        self._settings = replace(
            before,
            compression_ratio=self.ratio.value(),
            masks=self.masks.currentData() or before.masks,
            exposures=self.exposures.value() or None,
            seed=self.seed.value(),
            mask_tile=self.mask_tile.value(),
            companding=self.companding.value(),
            entropy=self.entropy.currentData() or before.entropy,
            deviation=self.deviation.currentData() or before.deviation,
            decoder=self.decoder.currentData() or before.decoder,
            weights=self.weights.text().strip() or None,
            device=self.device.currentData() or before.device,
            decode_tile=self.decode_tile.value(),
            reference=self.reference.currentData() or before.reference,
        )
        return self._settings

    def show_settings(self, settings: Settings) -> None:
        """Show ``settings`` without telling of a change; they come from another panel."""
        self._settings = settings
        numbers: dict[Any, float] = {
            self.companding: settings.companding,
            self.ratio: settings.compression_ratio,
            self.exposures: settings.exposures or 0,
            self.seed: settings.seed,
            self.mask_tile: settings.mask_tile,
            self.decode_tile: settings.decode_tile,
        }
        for box, value in numbers.items():
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        names = {
            self.masks: settings.masks,
            self.entropy: settings.entropy,
            self.deviation: settings.deviation,
            self.decoder: settings.decoder,
            self.device: settings.device,
            self.reference: settings.reference,
        }
        for combo, name in names.items():
            combo.blockSignals(True)
            choose(combo, name, title_of(name))
            combo.blockSignals(False)
        self.weights.setText(settings.weights or "")
        self._explain_decoder()
        self._show_rows()

    def show_choices(self, choices: Choices) -> None:
        """Offer the devices and decoders of this machine."""
        self._refill(self.device, choices.devices)
        self._refill(self.decoder, choices.decoders)
        for index, name in enumerate(choices.decoders):
            text = f"{choices.decoders[name]}: {choices.decoder_lines.get(name, '')}"
            self.decoder.setItemData(index, text, Qt.ItemDataRole.ToolTipRole)
        self._explain_decoder()
        self.open.offer(choices.formats)

    def _refill(self, combo: QComboBox, entries: dict[str, str]) -> None:
        before = combo.currentData()
        combo.blockSignals(True)
        combo.clear()
        for name, text in entries.items():
            combo.addItem(text, name)
        if before is not None:
            choose(combo, before, title_of(before))
        combo.blockSignals(False)

    def on_cpu(self) -> bool:
        """Whether frames are decoded on the CPU: chosen, or because nothing else was found."""
        device = self.device.currentData()
        others = {self.device.itemData(k) for k in range(self.device.count())} - {"auto", "cpu"}
        found = self.device.count() > 1
        return device == "cpu" or (device == "auto" and found and not others)

    def describe(self, shape: tuple[int, ...], dtype: Any, calibration: Calibration) -> None:
        """Write what the movie is, and what B means for it."""
        self.facts.setText(facts_of_movie(shape, dtype, calibration))
        self.hint.setText(hint_of_ratio(self.ratio.value(), shape[0], calibration))

    def describe_file(self, entry: dict[str, Any], calibration: Calibration) -> None:
        """Write what a compressed file holds; its B and masks are shown and cannot be chosen."""
        ratio, count = entry["compression_ratio"], entry["n_frames"]
        kept = entry["settings"]
        for box, value in ((self.ratio, ratio), (self.seed, kept.get("seed"))):
            if value is not None:
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)
        self.facts.setText(f"compressed file: {count} frames,  B = {ratio}")
        # A frame of this layer is a measurement: its time is that of all B frames.
        span = span_of_measurement(ratio, calibration.frame_time)
        self.hint.setText(f"{span}\nfixed by the file")

    def describe_nothing(self, reason: str) -> None:
        """Say why the chosen layer cannot be used."""
        self.facts.setText(reason)
        self.hint.setText("")

    def lock(self, *, running: bool, file: bool) -> None:
        """Only what can be changed now is enabled."""
        of_movie: list[QWidget] = [getattr(self, name) for name in OF_MOVIE] + [self.recommend]
        free: list[QWidget] = [self.layer, self.open, self.decoder, self.device]
        free += [self.weights, self.find_weights, self.decode_tile]
        for widget in free + of_movie:
            widget.setEnabled(not running and not (file and widget in of_movie))


def named(row: str) -> QLabel:
    """Return the label of a row, with its tooltip."""
    label = QLabel(LABELS.get(row, row))
    label.setToolTip(TIPS[row])
    return label
