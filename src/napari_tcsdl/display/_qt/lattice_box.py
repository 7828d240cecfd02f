"""Which lattice's rings are drawn: a preset, or one that the user describes."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QWidget,
)

from ..._validation import InputError
from ...lattice import KINDS, LATTICES, Lattice, lattice_of_spacings, make_lattice

NONE, OWN = "no lattice", "user-defined…"
SPACINGS = "list of d"
LENGTH_PX = 130
"""Width of a field: napari's style draws its buttons over a number that is longer."""
TIP = (
    "Lattice whose rings are drawn and whose reflections are guessed from the d-spacings. "
    "'user-defined…' makes one from its constants, or from a list of d-spacings."
)


class LatticeBox(QWidget):
    """Presets in one combo box; the fields of a lattice of one's own appear beside it.

    Signals
    -------
    changed : Lattice or None
        Another lattice is to be used.
    failed : str
        What is typed makes no lattice; one sentence. Empty once it does.
    """

    changed = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.preset, self.kind = QComboBox(), QComboBox()
        self.preset.addItems([NONE, *LATTICES, OWN])
        self.preset.setToolTip(TIP)
        self.kind.addItems([*KINDS, SPACINGS])
        self.kind.setToolTip("Kind of the lattice, or d-spacings one by one")
        self.a = _length("a ", "Lattice constant a [Å]", 4.05)
        self.c = _length("c ", "Lattice constant c [Å] of a hexagonal lattice", 5.21)
        self.spacings = QLineEdit("2.35, 2.04")
        self.spacings.setToolTip("d-spacings [Å] with commas between them")
        self.spacings.setFixedWidth(LENGTH_PX)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._own = (self.kind, self.a, self.c, self.spacings)
        for widget in (self.preset, *self._own):
            layout.addWidget(widget)
        self._arrange()
        self.preset.currentIndexChanged.connect(self._on_edited)
        self.kind.currentIndexChanged.connect(self._on_edited)
        for box in (self.a, self.c):
            box.valueChanged.connect(self._on_edited)
        self.spacings.editingFinished.connect(self._on_edited)

    def lattice(self) -> Lattice | None:
        """Return the lattice that is described; None for none.

        Raises
        ------
        InputError
            If what is typed makes no lattice.
        """
        name = self.preset.currentText()
        if name in LATTICES:
            return LATTICES[name]
        if name == NONE:
            return None
        kind = self.kind.currentText()
        if kind == SPACINGS:
            return lattice_of_spacings(self.spacings.text())
        return make_lattice(kind, self.a.value(), self.c.value() if kind == "hcp" else None)

    def _arrange(self) -> None:
        own, kind = self.preset.currentText() == OWN, self.kind.currentText()
        for widget, wanted in (
            (self.kind, True),
            (self.a, kind != SPACINGS),
            (self.c, kind == "hcp"),
            (self.spacings, kind == SPACINGS),
        ):
            widget.setVisible(own and wanted)

    def _on_edited(self) -> None:
        self._arrange()
        try:
            lattice = self.lattice()
        except InputError as error:
            self.failed.emit(str(error))
            return
        self.failed.emit("")
        self.changed.emit(lattice)


def _length(prefix: str, tip: str, value: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(0.5, 50.0)
    box.setDecimals(4)
    box.setSingleStep(0.01)
    box.setPrefix(prefix)
    box.setSuffix(" Å")
    box.setValue(value)
    box.setToolTip(tip)
    box.setKeyboardTracking(False)
    box.setMinimumWidth(LENGTH_PX)
    return box
