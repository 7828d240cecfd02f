"""The dock "Spectra": wires panels, table and profiles to their controller."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget

from ..session import Session
from ..spectra import SpectraController
from ..spectra_compute import compute, draft
from ..spectra_request import images_shown
from ..spectra_style import colours_of, rings_of
from .fft_controls import FftControls
from .fft_panels import SpectraView
from .fft_split import SpectraSplit
from .latest import Latest
from .lifetime import Leaving, when_destroyed
from .profile_tab import ProfileTab
from .roi_visual import register_roi
from .run_box import ERROR_STYLE
from .spot_panel import SpotPanel

THROTTLE_MS = 30
REST_MS = 50
"""The slider rests when it has not moved for so long: drafts give way to spectra."""
PENDING_MS = 200
"""Numbers of the frame before are shown for so long, while there are drafts only."""
JOIN_SECONDS = 1.0
EMPTY = "Open a movie, or show an image layer: its spectrum appears here."
UNCALIBRATED = (
    "The pixel size is unknown: spatial frequencies are in 1/px, d in px, and no lattice is drawn."
)
HINT = (
    "Click a spot: its d, angle and SNR in each panel. Wheel: zoom. Drag: pan. Double click: "
    "everything."
)


class FftDock(Leaving):
    """Calibrated spectra of the images that are shown, their spots, profiles and FRC.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the dock.
    session
        Shared state of the docks, among it the ROI; that of the viewer by default.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__()
        register_roi()
        self.session = session if session is not None else Session.of(napari_viewer)
        self.viewer, self.roi = self.session.viewer, self.session.roi
        self._user = object()
        self.session.join(self._user)
        self.latest = Latest(compute, self, draft)
        self.controller = SpectraController(self.viewer, self.roi, self.latest.post)
        self.controls, self.view = FftControls(), SpectraView()
        self.spots = SpotPanel(self.controller)
        self.table = self.spots.table
        self.empty, self.error = QLabel(EMPTY), QLabel()
        self.note = QLabel(UNCALIBRATED)
        self._colours: dict[str, str] = {}
        self._dark = True
        self._throttle, self._rest, self._pending = self._timer(), self._timer(), self._timer()
        self._lay_out()
        self._connect()
        self._on_theme()

    def _timer(self) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        return timer

    def _lay_out(self) -> None:
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.error.setObjectName("error")
        self.error.setStyleSheet(ERROR_STYLE)
        self.error.setWordWrap(True)
        self.error.hide()
        self.note.setContentsMargins(10, 0, 10, 0)
        self.note.hide()
        self.view.setToolTip(HINT)
        self.split = SpectraSplit(self.view, self.spots)
        self.pages = QStackedWidget()
        for page in (self.split, QWidget(), self.empty):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.controls)
        layout.addWidget(self.error)
        layout.addWidget(self.note)
        layout.addWidget(self.pages, 1)

    def _connect(self) -> None:
        controller, controls = self.controller, self.controls
        controller.stale.connect(self._on_stale)
        controller.answered.connect(self._on_answer)
        controller.drafted.connect(self._on_draft)
        controller.marked.connect(self._on_marked)
        self.roi.changed.connect(self._on_roi)
        self._throttle.timeout.connect(controller.refresh)
        self._rest.timeout.connect(self._on_rest)
        self._pending.timeout.connect(self._on_marked)
        self.latest.answered.connect(controller.answer)
        self.latest.drafted.connect(controller.draw)
        self.latest.failed.connect(self._say)
        controls.tabs.currentChanged.connect(self._on_tab)
        controls.lattice.changed.connect(controller.choose_lattice)
        controls.lattice.failed.connect(self._say)
        controls.rings.toggled.connect(self._on_marked)
        controls.find_button.clicked.connect(controller.find_spots)
        controls.reference_chosen.connect(controller.choose_reference)
        controls.roi.toggled.connect(self._on_roi_button)
        self.view.clicked.connect(controller.pick)
        self.view.pointed.connect(controls.readout.setText)
        self.spots.failed.connect(self._say)
        self.viewer.events.theme.connect(self._on_theme)
        # Qt may destroy the dock without a close event: nothing here may refer to self.
        left = controller, self.latest, self.session, self._user
        when_destroyed(self, partial(_let_go, *left, restore=False))

    @cached_property
    def profiles(self) -> ProfileTab:
        """The other tab, made when it is first looked at: its two plots take a while."""
        profiles, place = ProfileTab(), self.pages.widget(1)
        assert place is not None
        self.pages.removeWidget(place)
        self.pages.insertWidget(1, profiles)
        place.deleteLater()
        profiles.set_colours(*self._theme_colours())
        return profiles

    # --- what is shown ------------------------------------------------------------------------

    def _on_stale(self) -> None:
        self._rest.stop()
        if not self._throttle.isActive():
            self._throttle.start(THROTTLE_MS)

    def _on_draft(self) -> None:
        """Show pictures at once; the table says that its numbers are pending if they linger."""
        draft = self.controller.draft
        if draft is not None:
            self.view.show_panels(draft.panels, self._colours)
            if not self._throttle.isActive():
                self._rest.start(REST_MS)
            if not self._pending.isActive():
                self._pending.start(PENDING_MS)

    def _on_rest(self) -> None:
        """Ask for the spectra, unless the slider's next move waits to be heard already."""
        if self._rest.interval():
            self._rest.start(0)  # a turn later: after what came while the window was painted
        else:
            self.controller.settle()

    def _on_answer(self) -> None:
        if self.controller.draft is None:
            self._rest.stop()
            self._pending.stop()
        shown = self.controller.shown
        panels = shown.panels if shown is not None else ()
        names = [panel.name for panel in panels]
        named = [(panel.name, panel.request.role) for panel in panels]
        self._colours = colours_of(named, dark=self._dark)
        reference = self.controller.panel()
        self.controls.offer(
            names, shown.reference if shown is not None else 0, self.controller.reference
        )
        spectrum = reference.spectrum if reference is not None else None
        self.controls.show_where(
            reference.request.region.shape if reference is not None and spectrum else None,
            self.roi.square is not None,
        )
        self.note.setVisible(spectrum is not None and spectrum.unit == "1/px")
        if panels and self.controls.tabs.currentIndex() == 0:
            self.view.show_panels(panels, self._colours)
        if self.controls.tabs.currentIndex() == 1:
            self.profiles.show_answer(shown, self._colours)
        self._show_page()
        self._on_marked()

    def _show_page(self) -> None:
        empty = self.controller.shown is None
        self.pages.setCurrentIndex(2 if empty else self.controls.tabs.currentIndex())

    def _on_marked(self) -> None:
        controller = self.controller
        rows, chosen = controller.rows(), controller.selected
        reference = controller.panel()
        spectrum = reference.spectrum if reference is not None else None
        nyquist = -float(spectrum.fx[0]) if spectrum is not None else 0.0
        unit = spectrum.unit if spectrum is not None else "1/nm"
        wanted = spectrum is not None and unit == "1/nm" and self.controls.rings.isChecked()
        rings = rings_of(controller.lattice if wanted else None, nyquist)
        if self.controls.tabs.currentIndex() == 1:
            self.profiles.set_rings(rings)
            return  # the other page is brought up to date when it is shown
        self.view.set_rings(rings)
        self.view.set_rows(rows, chosen)
        self.spots.show_rows(rows, chosen, self._colours, unit)
        self.split.share_room()

    def _on_tab(self) -> None:
        self.controller.show_profiles(self.controls.tabs.currentIndex() == 1)
        self._on_answer()

    def _on_roi_button(self, wanted: bool) -> None:
        if not wanted:
            self.roi.clear()
        elif self.roi.square is None:
            images = images_shown(self.viewer)
            if images:
                self.roi.draw(images[0])
        self._on_roi()

    def _on_roi(self) -> None:
        self.controls.roi.setChecked(self.roi.square is not None)

    def _on_theme(self) -> None:
        background = get_theme(self.viewer.theme).background
        self._dark = sum(background.as_rgb_tuple()[:3]) < 3 * 128
        self.view.set_colours(*self._theme_colours())
        if "profiles" in vars(self):
            self.profiles.set_colours(*self._theme_colours())
        self._on_answer()

    def _theme_colours(self) -> tuple[str, str]:
        theme = get_theme(self.viewer.theme)
        return theme.background.as_hex(), theme.text.as_hex()

    def _say(self, sentence: object) -> None:
        self.error.setText(str(sentence))
        self.error.setVisible(bool(str(sentence)))

    # --- show, hide, close --------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Begin to work."""
        super().showEvent(event)
        self.controller.enabled = not self._closed

    def hideEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Nobody looks: no work at all."""
        super().hideEvent(event)
        self.controller.enabled = False
        self._stop_timers()

    def _stop_timers(self) -> None:
        for timer in (self._throttle, self._rest, self._pending):
            timer.stop()

    def leave(self) -> None:
        """End the thread and all callbacks, and leave the session."""
        self._stop_timers()
        self.controller.stale.disconnect(self._on_stale)
        self.controller.answered.disconnect(self._on_answer)
        self.controller.drafted.disconnect(self._on_draft)
        self.controller.marked.disconnect(self._on_marked)
        self.roi.changed.disconnect(self._on_roi)
        self.viewer.events.theme.disconnect(self._on_theme)
        _let_go(self.controller, self.latest, self.session, self._user)


def _let_go(
    controller: SpectraController,
    latest: Latest,
    session: Session,
    user: object,
    *_: object,
    restore: bool = True,
) -> None:
    latest.stop()
    controller.close()
    session.leave(user, restore=restore)
    latest.wait(JOIN_SECONDS)
