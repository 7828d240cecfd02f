"""The table of spots: one row a spot, its strength in each panel; as text for other programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .roles import JPEG, JPEG_RAW_OVER_B
from .spectra_compute import Answer, PanelSpectrum

if TYPE_CHECKING:
    from ..lattice import Lattice
    from ..spots import Spectrum2D, Spot


GRID, COPY = "JPEG grid", "JPEG copy"
JPEGS = (JPEG, JPEG_RAW_OVER_B)
GRID_REACH = 1.5
"""[Fourier px] Around a place of JPEG's grid."""


@dataclass(frozen=True)
class Signal:
    """Strength of one spot in one panel.

    Attributes
    ----------
    snr
        Power over the noise of the same spatial frequency; NaN where it cannot be measured.
    lost
        No more than noise here, while it is a spot in the reference.
    absent
        No more than noise, in the reference too.
    pending
        Still to be measured in the frame that is shown.
    """

    snr: float
    lost: bool = False
    absent: bool = False
    pending: bool = False

    @property
    def text(self) -> str:
        """What the table says."""
        if self.pending:
            return "…"
        if math.isnan(self.snr):
            return "–"
        value = f"{self.snr:.3g}" if self.snr < 1000 else f"{self.snr:.0f}"
        return f"lost ({value})" if self.lost else value


@dataclass(frozen=True)
class Row:
    """One spot.

    Attributes
    ----------
    spot
        Where it is: ``d`` [Å or px], ``q`` [1/nm or 1/px], ``angle`` [°].
    hkl
        Reflection whose d-spacing is nearest; empty where none is near.
    signals
        By panel.
    artefact
        "JPEG grid" where the blocks of JPEG make spots of their own, "JPEG copy" for a spot of a
        JPEG that its blocks have copied from a stronger one; else empty.
    """

    spot: Spot
    hkl: str = ""
    signals: dict[str, Signal] = field(default_factory=dict)
    artefact: str = ""

    @property
    def lost_in(self) -> list[str]:
        """Names of the panels that have lost it."""
        return [name for name, signal in self.signals.items() if signal.lost]

    @property
    def note(self) -> str:
        """What there is to say of it."""
        lost = f"lost in {', '.join(self.lost_in)}" if self.lost_in else ""
        return "; ".join(text for text in (self.artefact, lost) if text)


def rows_of(answer: Answer, spots: Sequence[Spot], lattice: Lattice | None) -> list[Row]:
    """Return a row for each of ``spots``, as measured in the panels of ``answer``."""
    from ..spots import label_spots

    panels = [panel for panel in answer.panels if len(panel.signals) == len(spots)]
    reference = answer.panels[answer.reference] if answer.panels else None
    names = label_spots(list(spots), lattice) if lattice is not None else [""] * len(spots)
    rows = []
    for k, (spot, hkl) in enumerate(zip(spots, names, strict=True)):
        there = reference not in panels or not _is_weak(reference, k)
        signals = {
            panel.name: Signal(
                panel.signals[k],
                lost=there and panel is not reference and _is_weak(panel, k),
                absent=_is_weak(panel, k),
            )
            for panel in panels
        }
        artefact = _artefact(panels, spots, k, there)
        rows.append(Row(spot, hkl, signals, artefact))
    return rows


def pending(row: Row) -> Row:
    """Return ``row`` with what was measured in another frame taken out."""
    signals = {
        name: signal if math.isnan(signal.snr) else Signal(math.nan, pending=True)
        for name, signal in row.signals.items()
    }
    return replace(row, signals=signals)


def _is_weak(panel: PanelSpectrum | None, k: int) -> bool:
    """Whether spot ``k`` is no more than noise in ``panel``; not where it cannot be measured."""
    from ..spots import is_lost

    return panel is not None and not math.isnan(panel.signals[k]) and is_lost(panel.signals[k])


def _artefact(panels: Sequence[PanelSpectrum], spots: Sequence[Spot], k: int, there: bool) -> str:
    """Say what makes spot ``k`` look like one of JPEG's own: nothing, its grid, or a copy."""
    from ..spots import is_jpeg_harmonic, jpeg_copy_of

    for panel in panels:
        spectrum = panel.spectrum
        if spectrum is None or math.isnan(panel.signals[k]):
            continue
        if is_jpeg_harmonic(spectrum, spots[k]) and _on_grid(spectrum, spots[k]):
            return GRID
        if there or panel.request.role not in JPEGS or _is_weak(panel, k):
            continue
        pairs = zip(spots, panel.signals, strict=True)
        if jpeg_copy_of(spectrum, spots[k], [s for s, snr in pairs if not math.isnan(snr)]):
            return COPY
    return ""


def _on_grid(spectrum: Spectrum2D, spot: Spot) -> bool:
    """Whether ``spot`` lies on JPEG's grid as exactly as such spots do.

    What may be tainted reaches four Fourier pixels, in a small ROI far enough to hold a lattice
    spot; a spot of the blocks themselves lies on the grid to within one and a half.
    """
    places = [q / step for q, step in zip((spot.qy, spot.qx), spectrum.steps, strict=True)]
    orders = [size / 8 for size in spectrum.power.shape]
    off = [place - round(place / n) * n for place, n in zip(places, orders, strict=True)]
    return math.hypot(*off) <= GRID_REACH


def header_of(rows: Sequence[Row]) -> list[str]:
    """Names of the columns, with units."""
    unit = rows[0].spot.unit if rows else "1/nm"
    length = "px" if unit == "1/px" else "Å"
    names = list(rows[0].signals) if rows else []
    return [
        *(f"d [{length}]", f"|q| [{unit}]", "angle [°]", "hkl"),
        *(f"SNR {name}" for name in names),
        "note",
    ]


def cells_of(row: Row) -> list[str]:
    """Values of one row as text, plain numbers for a spreadsheet."""
    spot = row.spot
    numbers = [f"{signal.snr:.4g}" for signal in row.signals.values()]
    return [f"{spot.d:.4f}", f"{spot.q:.4f}", f"{spot.angle:.1f}", row.hkl, *numbers, row.note]


def table_text(rows: Sequence[Row], delimiter: str = "\t") -> str:
    """Return the table as text: tabs for the clipboard, commas for a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header_of(rows))
    writer.writerows(cells_of(row) for row in rows)
    return out.getvalue()
