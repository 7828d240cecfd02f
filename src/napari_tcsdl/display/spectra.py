"""The FFT dock's model: which spectra are wanted now, and which spots are followed. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from psygnal import Signal

from .region import Roi
from .spectra_compute import Answer, PanelSpectrum, Request, signals_of
from .spectra_follow import Follower
from .spectra_request import images_shown, panel_of, usual_reference
from .spectra_rows import Row, pending, rows_of

if TYPE_CHECKING:
    from ..lattice import Lattice
    from ..spots import Spot

NEAR = 4.0
"""[Fourier px] A click this near to a spot means that spot."""


class SpectraController:
    """Follows slider, camera, ROI and layers; keeps the spots that are measured in every panel.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    roi
        A square that takes the place of the field of view while it is drawn.
    compute
        Gets each request; what it computes comes back through :meth:`answer`, then or later.
    """

    stale = Signal()
    """What is shown is no longer what should be: call :meth:`refresh` soon."""
    answered = Signal()
    """New spectra, or none."""
    drafted = Signal()
    """New pictures, without numbers: the spectra follow."""
    marked = Signal()
    """Spots, their selection, or the lattice have changed."""

    def __init__(self, viewer: ViewerModel, roi: Roi, compute: Callable[[Request], None]) -> None:
        self.viewer, self.roi = viewer, roi
        self.generation = 0
        self.shown: Answer | None = None
        self.draft: Answer | None = None
        self.spots: tuple[Spot, ...] = ()
        self.selected: int | None = None
        self.lattice: Lattice | None = None
        self.profiles = False
        self._compute = compute
        self._enabled = self._closed = False
        self._find = True
        self.reference: str | None = None
        self._valid_from = 0
        self._asked: Request | None = None
        self._clicks: list[tuple[str, float, float, float]] = []
        self._follower = Follower(viewer, roi, self._on_change)

    # --- what is wanted -----------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether anybody looks: without it nothing is asked for and nothing is computed."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if value != self._enabled and not self._closed:
            self._enabled = value
            self.draft, self._clicks = None, []
            self._drop_answers()
            self._on_change()

    def choose_reference(self, name: str | None) -> None:
        """Find spots in, and compare with, the panel ``name``; None for the usual one."""
        if name != self.reference:
            self.reference = name
            self._drop_answers()
            self._on_change()

    def find_spots(self) -> None:
        """Find spots anew in the reference, in place of all that are marked."""
        self._forget(find=True)

    def show_profiles(self, wanted: bool) -> None:
        """Say whether profiles and FRC are looked at; they are not computed otherwise."""
        if wanted != self.profiles:
            self.profiles = wanted
            self._on_change()

    def refresh(self) -> None:
        """Ask for the spectra of what is shown now."""
        if not self._enabled:
            return
        self.generation += 1
        images = images_shown(self.viewer)
        if not images:
            self._drop_answers()
            self.shown = self.draft = None
            self.answered.emit()
            return
        panels = tuple(panel_of(self.viewer, self.roi, layer) for layer in images)
        names = [panel.name for panel in panels]
        chosen = self.reference in names
        reference = names.index(self.reference) if chosen else usual_reference(panels)  # type: ignore[arg-type]
        self._asked = Request(
            self.generation, panels, reference, self.spots, self._find, self.profiles
        )
        self._compute(self._asked)

    def settle(self) -> None:
        """Ask for the spectra whose draft is shown: the slider rests."""
        if self._enabled and self._asked is not None:
            self._compute(replace(self._asked, exact=True))

    # --- what has come ------------------------------------------------------------------------

    def answer(self, answer: Answer) -> bool:
        """Take the spectra of a request; False if they came too late and were dropped.

        An answer to the request before the last is shown until the last one's comes: while the
        slider moves, the spectra move with it. What is older than what is shown is dropped, and
        so is what knows other layers or spots than those of now.
        """
        newest = self.shown.generation if self.shown is not None else -1
        if not self._enabled or answer.generation < max(self._valid_from, newest + 1):
            return False
        self.draft = None
        last, self.shown = self.panel(), answer
        now = self.panel()
        if _was_calibrated(last, now):
            self.find_spots()  # spots in 1/px, or in a wrong 1/nm, mean nothing now
        elif answer.found is not None:
            self._find = False
            self.spots = answer.spots
            self._drop_answers()  # those under way know nothing of these spots
        self.answered.emit()
        clicks, self._clicks = self._clicks, []
        for click in clicks:
            self.pick(*click)
        return True

    def draw(self, draft: Answer) -> bool:
        """Take the pictures of a request; False if they came too late.

        They are shown until :meth:`settle` brings the spectra, or the next draft comes. Meanwhile
        spots that were measured are said to be pending, and clicks wait.
        """
        if not self._enabled or draft.generation != self.generation:
            return False
        last = self.shown.panels if self.shown is not None else ()
        if [panel.name for panel in draft.panels] != [panel.name for panel in last]:
            self.settle()
            return False
        self.draft = draft
        self.drafted.emit()
        return True

    def _drop_answers(self) -> None:
        """Refuse the answers to all requests up to now."""
        self._valid_from = self.generation + 1

    def panel(self, name: str | None = None) -> PanelSpectrum | None:
        """Return panel ``name``, or the reference, as it was last computed."""
        if self.shown is None or not self.shown.panels:
            return None
        if name is None:
            return self.shown.panels[self.shown.reference]
        return next((panel for panel in self.shown.panels if panel.name == name), None)

    # --- spots --------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """One row of the table for each spot, without its strength while a draft is shown."""
        if self.shown is None:
            return []
        rows = rows_of(self.shown, self.spots, self.lattice)
        return rows if self.draft is None else [pending(row) for row in rows]

    def pick(self, name: str, qy: float, qx: float, reach: float = 0.0) -> int | None:
        """Select the spot at (qy, qx) in panel ``name``; it is added if it is a new one.

        Parameters
        ----------
        name
            Of the panel that was clicked.
        qy, qx
            Of the click, in the unit of that panel.
        reach
            How far off the click may be, in that unit; at least four Fourier pixels.

        Returns
        -------
        int or None
            Its row; None where the panel shows nothing there. In a draft it is looked for when
            the spectrum is there.
        """
        from ..spots import refine

        if self.draft is not None:
            self._clicks.append((name, qy, qx, reach))
            return None
        panel = self.panel(name)
        if panel is None or panel.spectrum is None or self.shown is None:
            return None
        spectrum = panel.spectrum
        if abs(qy) >= -spectrum.fy[0] or abs(qx) >= -spectrum.fx[0]:
            return None
        step = max(spectrum.steps)
        near = self._nearest(qy, qx, max(reach, NEAR * step))
        if near is None:
            spot = refine(spectrum, qy, qx, max(reach, NEAR * step))
            near = self._nearest(spot.qy, spot.qx, NEAR / 2 * step)
            if near is None:
                near = len(self.spots)
                self._set_spots((*self.spots, spot))
        self.select(near)
        return near

    def _nearest(self, qy: float, qx: float, reach: float) -> int | None:
        """Return the spot within ``reach``; a spot and its opposite are one."""
        distances = [
            min(abs(complex(s.qx - sign * qx, s.qy - sign * qy)) for sign in (1, -1))
            for s in self.spots
        ]
        best = min(range(len(distances)), key=distances.__getitem__, default=None)
        return best if best is not None and distances[best] <= reach else None

    def _set_spots(self, spots: tuple[Spot, ...]) -> None:
        """Measure ``spots`` in the spectra that are shown, and in all to come."""
        self.spots = spots
        self._drop_answers()
        if self.shown is not None:
            panels = tuple(
                replace(panel, signals=signals_of(panel.spectrum, spots))
                if panel.spectrum is not None
                else panel
                for panel in self.shown.panels
            )
            self.shown = replace(self.shown, panels=panels, spots=spots)
        self._on_change()

    def select(self, index: int | None) -> None:
        """Highlight one spot in all panels."""
        inside = index is not None and 0 <= index < len(self.spots)
        self.selected = index if inside else None
        self.marked.emit()

    def delete_spot(self, index: int) -> None:
        """Forget one spot."""
        if 0 <= index < len(self.spots):
            self._set_spots(self.spots[:index] + self.spots[index + 1 :])
            self.select(None)

    def clear_spots(self) -> None:
        """Forget all spots; none is found by itself until it is asked for."""
        self._forget(find=False)

    def _forget(self, *, find: bool) -> None:
        self._find = find
        self._set_spots(())
        self.select(None)

    def choose_lattice(self, lattice: Lattice | None) -> None:
        """Compare d-spacings with those of ``lattice``; None for no rings and no hkl."""
        self.lattice = lattice
        self.marked.emit()

    # --- events -------------------------------------------------------------------------------

    def _on_change(self) -> None:
        if self._enabled:
            self.stale.emit()

    def close(self) -> None:
        """Let go of the viewer, its layers and the ROI; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._enabled = False
        self._drop_answers()
        self._follower.close()


def _was_calibrated(last: PanelSpectrum | None, now: PanelSpectrum | None) -> bool:
    """Whether the pixel size of the reference has changed."""
    if last is None or now is None or last.name != now.name:
        return False
    return last.request.pixel_size != now.request.pixel_size
