"""How the results are looked at: which boxes, grid or swipe or blink, contrast, docks, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import napari
from napari.layers import Image, Layer
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from ..commands import ACTIONS
from ..duo import BLINK, SWIPE
from ..keys import Action, bind
from ..roles import RAW, REFERENCE, ROLES
from ..session import Session
from .controls import button
from .docks import DOCKS, FFT, SCORES, has_room, open_all, open_dock
from .export_button import ExportButton
from .lifetime import Links
from .mode_bar import GRID, ModeBar

BOXES_TIP = "Which images have a box: rivals, reference, uncertainty and consistency map."


class ViewBox(QWidget):
    """Everything that changes the view and nothing that changes the results.

    Parameters
    ----------
    viewer, session
        What is looked at.
    links
        Where the viewer is listened to; whoever owns them cuts them.

    Signals
    -------
    failed : TcsdlError
        What could not be shown.
    """

    failed = Signal(object)

    def __init__(self, viewer: napari.viewer.Viewer, session: Session, links: Links) -> None:
        super().__init__()
        self.viewer, self.session = viewer, session
        self.controller = session.controller
        self._docks_were_opened = False
        self._gone = False
        self.boxes, self.menu = button("Boxes", BOXES_TIP), QMenu(self)
        self.actions_by_role: dict[str, Any] = {}
        self._fill_menu()
        self.docks = {name: button(name, tip) for name, (_, tip) in DOCKS.items()}
        for name, opener in self.docks.items():
            opener.clicked.connect(lambda _=False, name=name: open_dock(self.viewer, name))
        self.modes = ModeBar(viewer, self._shown, self._like_frames, self._reference)
        self.modes.failed.connect(self.failed)
        self.export = ExportButton(viewer, session)
        self._lay_out()
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            links.connect(event, self.follow)
        links.add(bind(viewer, ACTIONS | self._actions()))
        self.follow()

    def _fill_menu(self) -> None:
        self.menu.setToolTipsVisible(True)
        for name, role in ROLES.items():
            action: Any = self.menu.addAction(name)
            action.setCheckable(True)
            action.setToolTip(role.tip)
            action.triggered.connect(
                lambda checked, name=name: self.controller.show_role(name, checked)
            )
            self.actions_by_role[name] = action
        self.menu.aboutToShow.connect(self._show_boxes)
        self.boxes.setMenu(self.menu)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        row = QHBoxLayout()
        for widget in (self.boxes, self.docks[FFT], self.docks[SCORES]):
            row.addWidget(widget, 1)
        layout.addLayout(row)
        layout.addWidget(self.modes)
        layout.addWidget(self.export)

    def begin(self) -> None:
        """Open the docks below at the first run, if there is room for them."""
        window = self.window()
        if not self._docks_were_opened and has_room(window):
            self._docks_were_opened = True
            open_all(self.viewer, window, self._in_turn)

    def _in_turn(self, call: Callable[[], None]) -> None:
        """Open a dock between the layers of the run, not beside one in the same turn."""
        self.controller.later(lambda: None if self._gone else call())

    def follow(self) -> None:
        """Offer what there is to compare now."""
        self.modes.follow()
        self.follow_boxes()

    def follow_boxes(self) -> None:
        """Offer boxes while there are some; cheap, as it is called at each step of the slider."""
        self.boxes.setEnabled(self.controller.arranged)

    def let_go(self) -> None:
        """Bring the grid back, open no more docks, and end an export."""
        self._gone = True
        self.modes.shut_down()
        self.export.shut_down()

    def _actions(self) -> dict[str, Action]:
        """Return what keys and the command palette do with this view."""
        modes = self.modes

        def duo(mode: str) -> None:
            modes.set_mode(GRID if modes.mode == mode == SWIPE else mode)

        def blink(_: Any) -> None:
            if modes.duo is not None and modes.mode == BLINK:
                modes.duo.toggle()
            else:
                modes.set_mode(BLINK)

        return {
            "swipe": lambda _: duo(SWIPE),
            "blink": blink,
            "link_contrast": lambda _: modes.link.toggle(),
            "auto_contrast": lambda _: modes.auto.click(),
        }

    # --- layers -------------------------------------------------------------------------------

    def _shown(self) -> list[Layer]:
        run = self.controller.run
        if run is not None and run.layers:
            return [layer for layer in self.viewer.layers if layer in run.layers.values()]
        return [layer for layer in self.viewer.layers if isinstance(layer, Image)]

    def _like_frames(self) -> list[Layer]:
        run = self.controller.run
        if run is None:
            return []
        here = self._shown()
        return [run.layers[r] for r in run.layers if ROLES[r].like_frames and run.layers[r] in here]

    def _reference(self) -> Layer | None:
        layers = self.controller.run.layers if self.controller.run is not None else {}
        return layers.get(REFERENCE, layers.get(RAW))

    def _show_boxes(self) -> None:
        there, shown = self.controller.roles(), self.controller.shown_roles()
        for name, action in self.actions_by_role.items():
            action.setChecked(name in shown)
            action.setEnabled(name in there)
