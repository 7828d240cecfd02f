"""How images are compared: side by side, by swipe or by blink, and with one contrast for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..._validation import TcsdlError
from ..contrast import ContrastLink
from ..duo import BLINK, BLINK_KEY, SWIPE, Duo
from .controls import LayerCombo
from .swipe import SwipeView

GRID = "grid"
BUTTONS = {GRID: "Grid", SWIPE: "Swipe", BLINK: "Blink"}
TIPS = {
    GRID: "Every image in a box of its own, side by side.",
    SWIPE: "Two images in one place, divided by a line. Drag the line, or press Shift and an arrow "
    f"key; {BLINK_KEY} exchanges the sides.",
    BLINK: f"Two images in one place, one at a time: {BLINK_KEY} shows the other.",
    "first": "Left of the line, or shown first.",
    "second": "Right of the line, or shown second.",
    "exchange": f"Exchange both images (key {BLINK_KEY}).",
    "automatic": "Blink by itself, twice a second.",
    "link": "Contrast limits and gamma that are set for one image are set for all with the same "
    "unit.",
    "auto": "Set the contrast from the frame of the reference that is shown now; from each image's "
    "own frame while contrast is not linked.",
}


class ModeBar(QWidget):
    """Buttons Grid | Swipe | Blink, the two layers of a swipe or blink, and the contrast.

    Parameters
    ----------
    viewer
        The viewer.
    candidates
        Returns the layers that can be compared, in the order of their boxes.
    linkable
        Returns those that share one contrast: their values have the same unit. All, by default.
    reference
        Returns the layer that gives 'Auto contrast' its limits; the first of ``linkable`` where
        this is left out or returns None.

    Signals
    -------
    mode_changed : str
        'grid', 'swipe' or 'blink'.
    failed : TcsdlError
        Why a mode could not begin; the boxes stay.
    """

    mode_changed = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        candidates: Callable[[], list[Layer]],
        linkable: Callable[[], list[Layer]] | None = None,
        reference: Callable[[], Layer | None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._candidates, self._linkable = candidates, linkable or candidates
        self._reference = reference or (lambda: None)
        self.contrast = ContrastLink()
        self.duo: Duo | None = None
        self.view: SwipeView | None = None
        self._pair: tuple[Any, Any] = (None, None)
        self._offering = False
        self._told = GRID
        self.group = QButtonGroup(self)
        self.buttons = {name: self._button(text, TIPS[name]) for name, text in BUTTONS.items()}
        for button in self.buttons.values():
            self.group.addButton(button)
        self.buttons[GRID].setChecked(True)
        self.first, self.second = LayerCombo(), LayerCombo()
        for combo, name in ((self.first, "first"), (self.second, "second")):
            combo.setToolTip(TIPS[name])
            combo.setMinimumContentsLength(8)
        self.exchange = QPushButton("⇄")
        self.exchange.setToolTip(TIPS["exchange"])
        self.exchange.setFixedWidth(32)
        self.automatic = QCheckBox("repeat")
        self.automatic.setToolTip(TIPS["automatic"])
        self.link = self._button("Link contrast", TIPS["link"])
        self.link.setChecked(True)
        self.auto = QPushButton("Auto contrast")
        self.auto.setToolTip(TIPS["auto"])
        self._lay_out()
        self._connect()
        self.follow()

    @staticmethod
    def _button(text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setCheckable(True)
        button.setToolTip(tip)
        return button

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        rows: list[list[tuple[QWidget, int]]] = [
            [(button, 1) for button in self.buttons.values()],
            [(self.first, 1), (self.exchange, 0), (self.second, 1), (self.automatic, 0)],
            [(self.link, 1), (self.auto, 1)],
        ]
        for row in rows:
            line = QHBoxLayout()
            line.setSpacing(6)
            for widget, stretch in row:
                line.addWidget(widget, stretch)
            layout.addLayout(line)

    def _connect(self) -> None:
        for name, button in self.buttons.items():
            button.clicked.connect(lambda _=False, name=name: self.set_mode(name))
        self.first.currentIndexChanged.connect(self._on_choice)
        self.second.currentIndexChanged.connect(self._on_choice)
        self.exchange.clicked.connect(self._exchange)
        self.automatic.toggled.connect(self._on_automatic)
        self.link.toggled.connect(self._on_link)
        self.auto.clicked.connect(self._on_auto)

    # --- mode ---------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """'grid', 'swipe' or 'blink'."""
        return self.duo.mode or GRID if self.duo is not None else GRID

    def set_mode(self, mode: str) -> None:
        """Change to ``mode``; what hinders it is told by ``failed``, and the boxes stay."""
        try:
            if mode == GRID:
                self._end()
            else:
                self._begin(mode)
        except TcsdlError as error:
            self._end()
            self.failed.emit(error)
        self._show_mode()

    def _begin(self, mode: str) -> None:
        if self.duo is None:
            if not self._ready:
                return
            self.duo = Duo(self.viewer, *self._pair)
            self.view = SwipeView(self, self.duo)
            self.duo.changed.connect(self._on_duo)
        self.duo.start(mode)
        self.duo.automatic = self.automatic.isChecked()

    def _end(self) -> None:
        duo, view = self.duo, self.view
        self.duo = self.view = None
        if duo is not None:
            duo.changed.disconnect(self._on_duo)
            duo.stop()
        if view is not None:
            view.close()

    def _on_duo(self) -> None:
        if self.duo is not None and self.duo.mode is None:
            self._end()  # by a deleted layer, or by napari's own button for the grid
            self._show_mode()
        elif self.duo is not None and self.duo.mode == SWIPE and self.duo.swapped:
            self._exchange()  # by its key: left and right are those of the line

    def _show_mode(self) -> None:
        mode = self.mode
        self.buttons[mode].setChecked(True)
        for name in (SWIPE, BLINK):
            self.buttons[name].setEnabled(self._ready)
        for widget in (self.first, self.second, self.exchange):
            widget.setEnabled(mode != GRID)
        self.automatic.setEnabled(mode == BLINK)
        if mode != self._told:
            self._told = mode
            self.mode_changed.emit(mode)

    # --- layers -------------------------------------------------------------------------------

    def follow(self) -> None:
        """Offer the layers that can be compared now; call it when they have changed."""
        layers, self._offering = self._candidates(), True
        self.first.offer(layers)
        self.second.offer(layers)
        self._offering = False
        self._on_choice()
        linkable = self._linkable()
        if linkable != self.contrast.layers:
            self.contrast.set_layers(linkable)
        self.auto.setEnabled(bool(self.contrast.layers))
        self._show_mode()

    def _on_choice(self) -> None:
        """Compare what is chosen; where both are one layer, the other takes what this one was."""
        if self._offering:
            return
        first, second = self.first.layer(), self.second.layer()
        # Compared by ==: a viewer from napari's menu wraps its layers anew at every look.
        if first == second:
            others = [layer for layer in self._candidates() if layer != first]
            was_first, was_second = self._pair
            combo, wish = self.second, was_first
            if first == was_first and was_second in others:
                combo, wish = self.first, was_second
            if others:
                self._choose(combo, wish if wish in others else others[0])
        self._pair = (self.first.layer(), self.second.layer())
        if self.duo is not None and self._ready:
            self.duo.choose(*self._pair)

    def _choose(self, combo: LayerCombo, layer: Layer | None) -> None:
        self._offering = True
        for index in range(combo.count()):
            if combo.itemData(index) == layer:
                combo.setCurrentIndex(index)
        self._offering = False

    @property
    def _ready(self) -> bool:
        first, second = self._pair
        return first is not None and second is not None and first != second

    def _exchange(self) -> None:
        first, second = self._pair
        self._choose(self.first, second)
        self._choose(self.second, first)
        self._on_choice()

    def _on_automatic(self, on: bool) -> None:
        if self.duo is not None:
            self.duo.automatic = on

    # --- contrast -----------------------------------------------------------------------------

    def _on_link(self, on: bool) -> None:
        (self.contrast.link if on else self.contrast.unlink)()

    def _on_auto(self) -> None:
        layers = self.contrast.layers
        reference = self._reference() or (layers[0] if layers else None)
        if reference is not None:
            self.contrast.auto(reference)

    def shut_down(self) -> None:
        """Bring the boxes back and let go of the viewer and its layers."""
        self.set_mode(GRID)
        self.contrast.close()
