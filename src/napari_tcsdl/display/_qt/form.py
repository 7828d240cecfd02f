"""The controls of the dock: what to compress, and how. Knows settings, not runs."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from ...settings import Settings
from ..job import Choices
from ..layers import Calibration, title_of
from .opening import OpenButton

MASKS = {"balanced": "balanced", "bernoulli": "Bernoulli, p = 0.5"}
REFERENCES = {
    "denoised": "denoised raw frames",
    "raw": "raw frames",
    "truth": "known truth (a layer)",
}
TIPS = {
    "layer": "Movie to compress: an image layer (T, H, W). A measurement that was opened from a "
    ".tcs.zarr file is reconstructed instead.",
    "ratio": "B: frames that are summed into one measurement, each under a mask of its own. "
    "This is not the ratio of bytes, which is shown below once it is known.",
    "masks": "Balanced: every pixel is exposed equally often in a block. "
    "Bernoulli: each pixel of each mask is open with p = 0.5, as in the paper.",
    "seed": "Seed of the masks: the same seed gives the same masks for ever.",
    "decoder": "How frames are recovered from a measurement.",
    "device": "Where frames are decoded.",
    "reference": "What PSNR and SSIM are taken against. Raw frames hold noise, which no "
    "reconstruction should match.",
    "truth": "Layer with the noise-free frames of the same shape.",
}


class SettingsForm(QWidget):
    """Input layer and settings, each with a tooltip; ``edited`` follows every change."""

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layer, self.truth = LayerCombo(), LayerCombo()
        self.layer.setToolTip(TIPS["layer"])
        self.open = OpenButton()
        self.facts, self.hint = quiet_label(), quiet_label()
        self.ratio = QSpinBox()
        self.ratio.setRange(2, 999)
        self.ratio.setValue(10)
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.masks = choice(MASKS)
        self.decoder = choice({Settings.decoder: title_of(Settings.decoder)})
        self.device = choice({"auto": "looking for devices…"})
        self.reference = choice(REFERENCES)
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setVerticalSpacing(6)
        self.form.setHorizontalSpacing(10)
        self.form.setLabelAlignment(Qt.AlignmentFlag.AlignRight)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows: list[tuple[str, str, QWidget]] = [
            ("movie", "layer", beside(self.layer, self.open)),
            ("", "layer", self.facts),
            ("B", "ratio", self.ratio),
            ("", "ratio", self.hint),
            ("masks", "masks", self.masks),
            ("seed", "seed", self.seed),
            ("decoder", "decoder", self.decoder),
            ("device", "device", self.device),
            ("reference", "reference", self.reference),
            ("truth", "truth", self.truth),
        ]
        for text, tip, widget in rows:
            widget.setToolTip(TIPS[tip])
            label = QLabel(text)
            label.setToolTip(TIPS[tip])
            self.form.addRow(label, widget)
        self.form.setRowVisible(self.truth, False)
        self._connect()

    def _connect(self) -> None:
        self.reference.currentIndexChanged.connect(self._on_reference)
        self.decoder.currentIndexChanged.connect(self._explain_decoder)
        for combo in (self.layer, self.truth, self.masks, self.decoder, self.device):
            combo.currentIndexChanged.connect(self.edited)
        self.ratio.valueChanged.connect(self.edited)
        self.seed.valueChanged.connect(self.edited)

    def _on_reference(self) -> None:
        self.form.setRowVisible(self.truth, self.reference.currentData() == "truth")
        self.edited.emit()

    def _explain_decoder(self) -> None:
        """Say of the chosen decoder what it is; the list says it of each."""
        line = self.decoder.currentData(Qt.ItemDataRole.ToolTipRole)
        self.decoder.setToolTip(f"{TIPS['decoder']} {line}" if line else TIPS["decoder"])

    def settings(self) -> Settings:
        """Return what is set, as the settings object that the command line runs too."""
        return Settings(
            compression_ratio=self.ratio.value(),
            masks=self.masks.currentData(),
            seed=self.seed.value(),
            decoder=self.decoder.currentData(),
            device=self.device.currentData(),
            reference=self.reference.currentData(),
        )

    def show_choices(self, choices: Choices) -> None:
        """Offer the devices and decoders of this machine."""
        self._refill(self.device, choices.devices)
        self._refill(self.decoder, choices.decoders)
        for index, name in enumerate(choices.decoders):
            text = f"{choices.decoders[name]}: {choices.decoder_lines.get(name, '')}"
            self.decoder.setItemData(index, text, Qt.ItemDataRole.ToolTipRole)
        self._explain_decoder()
        self.open.offer(choices.formats)

    @staticmethod
    def _refill(combo: QComboBox, entries: dict[str, str]) -> None:
        before = combo.currentData()
        combo.blockSignals(True)
        combo.clear()
        for name, text in entries.items():
            combo.addItem(text, name)
        combo.setCurrentIndex(max(0, combo.findData(before)))
        combo.blockSignals(False)

    def describe(self, shape: tuple[int, ...], dtype: Any, calibration: Calibration) -> None:
        """Write what the movie is, and what B means for it."""
        count, height, width = shape
        pixel, step = calibration.pixel_size, calibration.frame_time
        facts = [
            f"{count} frames of {height} × {width}, {dtype}",
            f"{pixel / 10:.4g} nm/px" if pixel is not None else "pixel size unknown",
            f"{duration(step)} per frame" if step is not None else "frame time unknown",
        ]
        self.facts.setText(",  ".join(facts[:1]) + "\n" + ",  ".join(facts[1:]))
        ratio = self.ratio.value()
        if ratio > count:
            self.hint.setText(f"more than the {count} frames of this movie")
            return
        blocks = -(-count // ratio)
        rest = count % ratio
        span = f" = {duration(ratio * step)}" if step is not None else ""
        last = f", the last of {rest}" if rest and blocks > 1 else ""
        self.hint.setText(
            f"{ratio} frames{span} per measurement\n"
            f"{count} frames → {blocks} measurement{'s' if blocks != 1 else ''}{last}"
        )

    def describe_file(self, entry: dict[str, Any], calibration: Calibration) -> None:
        """Write what a compressed file holds; its B and masks are shown and cannot be chosen."""
        ratio, count = entry["compression_ratio"], entry["n_frames"]
        step = calibration.frame_time
        span = f" = {duration(step)}" if step is not None else ""
        kept = entry["settings"]
        for box, value in ((self.ratio, ratio), (self.seed, kept.get("seed"))):
            if value is not None:
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)
        self.facts.setText(f"compressed file: {count} frames,  B = {ratio}")
        self.hint.setText(f"{ratio} frames{span} per measurement\nfixed by the file")

    def describe_nothing(self, reason: str) -> None:
        """Say why the chosen layer cannot be used."""
        self.facts.setText(reason)
        self.hint.setText("")

    def lock(self, *, running: bool, file: bool) -> None:
        """Only what can be changed now is enabled."""
        free: list[QWidget] = [self.layer, self.open, self.decoder, self.device]
        of_movie: list[QWidget] = [self.ratio, self.masks, self.seed, self.reference, self.truth]
        for widget in free + of_movie:
            widget.setEnabled(not running and not (file and widget in of_movie))


class LayerCombo(QComboBox):
    """Image layers of a viewer; follows additions, removals and new names."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)

    def offer(self, layers: list[Layer]) -> None:
        """List ``layers``; keeps the choice while its layer is there."""
        before = self.layer()
        self.blockSignals(True)
        self.clear()
        images = [layer for layer in layers if isinstance(layer, Image)]
        for layer in images:
            self.addItem(layer.name, layer)
        if before in images:
            self.setCurrentIndex(images.index(before))
        self.blockSignals(False)
        if self.layer() is not before:
            self.currentIndexChanged.emit(self.currentIndex())

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave out the middle of a long name: Qt would cut its end off."""
        option, painter = QStyleOptionComboBox(), QStylePainter(self)
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        field = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width()
        )
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def layer(self) -> Layer | None:
        """Return the chosen layer."""
        return self.currentData()

    def choose(self, layer: Layer) -> None:
        """Choose ``layer``, if it is listed."""
        for index in range(self.count()):
            if self.itemData(index) is layer:
                self.setCurrentIndex(index)


def layer_events(viewer: ViewerModel) -> list[Any]:
    """List the events after which the layers on offer have changed."""
    events = viewer.layers.events
    names = [layer.events.name for layer in viewer.layers]
    return [events.inserted, events.removed, events.reordered, *names]


def choice(entries: dict[str, str]) -> QComboBox:
    """Return a combo box over ``entries`` (value → text) that does not widen the dock."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(16)
    for name, text in entries.items():
        combo.addItem(text, name)
    return combo


def beside(field: QWidget, button: QWidget) -> QWidget:
    """Return a row in which ``field`` takes the room that ``button`` leaves."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    layout.addWidget(field, 1)
    layout.addWidget(button)
    return row


def quiet_label() -> QLabel:
    """Return a label in a softer voice, for facts beside a control."""
    label = QLabel()
    label.setWordWrap(True)
    label.setStyleSheet("color: palette(mid);")
    # Room for two lines, so that the controls below do not move with the text.
    label.setMinimumHeight(2 * label.fontMetrics().lineSpacing() + 4)
    return label


def duration(seconds: float) -> str:
    """Write a time in the unit that reads best."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
