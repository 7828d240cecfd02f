"""Colours of the FFT dock, and where the rings of a lattice and their names go. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import _colours
from .roles import BINNING, JPEG, JPEG_RAW_OVER_B, MEASUREMENT, RAW, RECONSTRUCTION, REFERENCE

if TYPE_CHECKING:
    from ..lattice import Lattice

RING, SPOT, SELECTED, LOST, ARTEFACT = "#7fd4ff", "#f4f4f4", "#ffd166", "#ff5a4d", "#9aa0a8"
"""Of what is drawn over the spectra; Inferno has none of these but white and yellow at its top."""

_ROLES = {
    RAW: _colours.RAW,
    RECONSTRUCTION: _colours.RECONSTRUCTION,
    JPEG: _colours.JPEG,
    JPEG_RAW_OVER_B: _colours.JPEG_RAW_OVER_B,
    BINNING: _colours.BINNING,
    MEASUREMENT: _colours.MEASUREMENT,
    REFERENCE: _colours.REFERENCE,
}
ON_LIGHT = 0.6
"""Brightness that colours keep on a light ground."""
_OTHERS = ("#c792ea", "#f78fb3", "#e6c34a", "#63d2d6", "#b5a48b")

MOST_RINGS = 9
_ANGLES = (45.0, 25.0, 65.0, 5.0, 85.0, -20.0, -45.0, -65.0)
"""[°] Directions in which a ring may have its name, the best first."""
_ROOM = (40.0, 15.0)
"""[screen px] That a name takes, width and height."""


def colours_of(panels: Sequence[tuple[str, str]], *, dark: bool = True) -> dict[str, str]:
    """Return a colour for each (name, role): the role's, and others in turn for other images.

    On a light ground (``dark=False``) each is darkened until it can be read.
    """
    colours, free = {}, 0
    for name, role in panels:
        if role in _ROLES:
            colours[name] = _ROLES[role]
        else:
            colours[name] = _OTHERS[free % len(_OTHERS)]
            free += 1
    return colours if dark else {name: _darkened(colour) for name, colour in colours.items()}


def _darkened(colour: str) -> str:
    parts = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round(part * ON_LIGHT):02x}" for part in parts)


@dataclass(frozen=True)
class Ring:
    """One ring of a lattice.

    Attributes
    ----------
    name
        Its reflection.
    q
        [1/nm]
    """

    name: str
    q: float


def rings_of(lattice: Lattice | None, nyquist: float) -> list[Ring]:
    """Return the rings of ``lattice`` up to ``nyquist`` [1/nm]; the innermost where it has many."""
    if lattice is None:
        return []
    rings = [Ring(ring.name, 10 / ring.d) for ring in lattice.reflections if 10 / ring.d < nyquist]
    return rings[:MOST_RINGS]


def label_places(
    rings: Sequence[Ring],
    pixel: float,
    view: tuple[float, float, float, float],
    spots: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float] | None]:
    """Place the name of each ring on it, to the right, so that it covers no other and no spot.

    Parameters
    ----------
    rings
        From inside to outside.
    pixel
        Width of a screen pixel [1/nm].
    view
        (left, top, right, bottom) of what is seen [1/nm].
    spots
        (qx, qy) to be left free.

    Returns
    -------
    list
        (qx, qy) of the middle of each name, y downwards; None where there is no room.
    """
    width, height = (room * pixel for room in _ROOM)
    left, right = view[0] + width / 2, view[2] - width / 2
    top, bottom = view[1] + height / 2, view[3] - height / 2
    taken: list[tuple[float, float]] = [*spots]
    places: list[tuple[float, float] | None] = []
    for ring in rings:
        place = None
        for angle in _ANGLES:
            x = ring.q * math.cos(math.radians(angle))
            y = -ring.q * math.sin(math.radians(angle))
            inside = left <= x <= right and top <= y <= bottom
            if inside and all(
                abs(x - other[0]) >= width or abs(y - other[1]) >= height for other in taken
            ):
                place = (x, y)
                taken.append(place)
                break
        places.append(place)
    return places
