"""The row of controls over the spectra."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTabBar,
    QWidget,
)

from .controls import ElidedLabel, button
from .lattice_box import LatticeBox

USUAL = "usual"
TABS = ("Spectra", "Profile and FRC")


class FftControls(QWidget):
    """Tabs, lattice, rings, spots, reference and ROI in one line; what is shown at its end.

    Signals
    -------
    reference_chosen : str or None
        Another panel is the reference; None for the usual one.
    """

    reference_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tabs = QTabBar()
        for text, tip in zip(
            TABS,
            (
                "Power spectra of the images that are shown",
                "Mean power of each ring, and Fourier ring correlation with the reference",
            ),
            strict=True,
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(text), tip)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.lattice = LatticeBox()
        self.rings = QCheckBox("rings")
        self.rings.setChecked(True)
        self.rings.setToolTip("Draw the rings of the lattice, with their hkl")
        self.find_button = button(
            "Find spots", "Find the strongest spots of the reference anew, in this frame"
        )
        self.reference = QComboBox()
        self.reference.setToolTip(
            "Panel in which spots are found, and which the others are compared with"
        )
        self.reference.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.roi = QPushButton("ROI")
        self.roi.setCheckable(True)
        self.roi.setToolTip(
            "Draw a square into the images and look at its pixels only. Drag its outline or its "
            "centre to move it, a corner to resize it; press again to clear it."
        )
        self.where, self.readout = ElidedLabel(), ElidedLabel()
        self.where.setToolTip("Pixels of the frame that the spectra are made of")
        self.readout.setToolTip("Place under the mouse")
        self.readout.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._lay_out()
        self.offer([], 0, None)
        self.reference.currentIndexChanged.connect(self._on_reference)

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 2)
        layout.setSpacing(8)
        label = QLabel("reference")
        label.setToolTip(self.reference.toolTip())
        for widget in (
            *(self.tabs, self.lattice, self.rings, self.find_button, label, self.reference),
            self.roi,
        ):
            layout.addWidget(widget)
        for text in (self.where, self.readout):
            # In a narrow window these give way, not the controls.
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            text.setMinimumWidth(40)
            layout.addWidget(text, 1)

    def offer(self, names: Sequence[str], reference: int, chosen: str | None) -> None:
        """List the panels; the first entry stands for the usual reference."""
        usual = f"{names[reference]} (usual)" if names and chosen not in names else USUAL
        entries = [(usual, None), *((name, name) for name in names)]
        now = [
            (self.reference.itemText(k), self.reference.itemData(k))
            for k in range(self.reference.count())
        ]
        self.reference.blockSignals(True)
        if entries != now:
            self.reference.clear()
            for text, name in entries:
                self.reference.addItem(text, name)
        self.reference.setCurrentIndex(names.index(chosen) + 1 if chosen in names else 0)
        self.reference.blockSignals(False)

    def _on_reference(self) -> None:
        self.reference_chosen.emit(self.reference.currentData())

    def show_where(self, side: tuple[int, int] | None, roi: bool) -> None:
        """Say which pixels are used."""
        if side is None:
            self.where.setText("")
            return
        place = "ROI" if roi else "field of view"
        self.where.setText(f"{side[0]} × {side[1]} px of the {place}")
