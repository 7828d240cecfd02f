"""Lattices whose rings are drawn into spectra: which reflections there are, and at which d.

Lattice constants of the presets [Å], all at room temperature:

===========  ======  ======  ==============================================================
lattice      a       c       source
===========  ======  ======  ==============================================================
Au           4.0786          H. E. Swanson, E. Tatge, NBS Circular 539, vol. I (1953), p. 33
Ag           4.0862          the same, p. 23
Pt           3.9231          the same, p. 31
Si           5.4310          CODATA 2018: 5.431 020 511
graphite     2.464   6.711   P. Trucano, R. Chen, Nature 258, 136 (1975)
CeO2         5.4113          ICDD PDF 34-394
TiO2         3.7845  9.5143  anatase: C. J. Howard, T. M. Sabine, F. Dickson,
                             Acta Cryst. B 47, 462 (1991)
TiO2         4.5937  2.9587  rutile: the same
===========  ======  ======  ==============================================================
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ._reflections import rings_of
from ._validation import InputError

LEAST_D = 0.7
"""[Å] Presets hold reflections down to here."""

IDEAL_RATIO = 1.633
"""c / a of hcp spheres, √(8/3)."""

KINDS = ("fcc", "bcc", "hcp", "diamond")
"""What :func:`make_lattice` makes."""

_MOST_SPACINGS = 100


@dataclass(frozen=True)
class Reflection:
    """One ring.

    Attributes
    ----------
    name
        Indices, "111" or "10-10" (hexagonal, hkil), with blanks where one has two digits; all
        names of reflections of one d, as "511/333".
    d
        [Å]
    """

    name: str
    d: float


@dataclass(frozen=True)
class Lattice:
    """The rings of a substance.

    Attributes
    ----------
    name
        For lists to choose from.
    reflections
        Of falling d, each d once.
    """

    name: str
    reflections: tuple[Reflection, ...] = field(repr=False)

    def guess(self, d: float, tolerance: float = 0.03) -> Reflection | None:
        """Return the reflection nearest to a measured d-spacing.

        Parameters
        ----------
        d
            [Å]
        tolerance
            Relative; 3 % covers the calibration of most microscopes.

        Returns
        -------
        Reflection or None
            None where the nearest is further away than ``tolerance``.
        """
        if not (math.isfinite(d) and d > 0 and self.reflections):
            return None
        nearest = min(self.reflections, key=lambda reflection: abs(d - reflection.d) / reflection.d)
        return nearest if abs(d - nearest.d) <= tolerance * nearest.d else None


def make_lattice(
    kind: str,
    a: float,
    c: float | None = None,
    *,
    name: str | None = None,
    least_d: float = LEAST_D,
) -> Lattice:
    """Make a lattice from its kind and its constants.

    Parameters
    ----------
    kind
        "fcc", "bcc", "hcp" or "diamond".
    a
        [Å]
    c
        [Å], for hcp only; None for 1.633 a.
    name
        None for kind and constants, as "fcc, a = 4.05 Å".
    least_d
        [Å] Reflections down to this d-spacing.

    Returns
    -------
    Lattice
        Without the reflections that are extinct: the lattice of spheres on the sites of ``kind``.

    Raises
    ------
    InputError
        For an unknown kind, constants that are no lengths or do not belong to the kind, and a
        ``least_d`` that leaves no reflection or too many.

    Examples
    --------
    >>> [(ring.name, round(ring.d, 3)) for ring in make_lattice("fcc", 4.0786).reflections[:3]]
    [('111', 2.355), ('200', 2.039), ('220', 1.442)]
    """
    if kind not in KINDS:
        raise InputError(f"got lattice {kind!r}, expected one of {', '.join(KINDS)}; choose one")
    for symbol, length in (("a", a), ("c", c), ("least d", least_d)):
        if length is not None and not (math.isfinite(length) and length > 0):
            raise InputError(
                f"got {symbol} = {length:g} Å for a lattice, expected a length > 0; give it in Å"
            )
    if kind != "hcp" and c is not None:
        raise InputError(
            f"got c = {c:g} Å for the cubic lattice {kind}, expected a alone; leave c out"
        )
    if kind == "hcp" and c is None:
        c = IDEAL_RATIO * a
    constants = f"a = {a:g} Å" if c is None else f"a = {a:g} Å, c = {c:g} Å"
    return _lattice(name or f"{kind}, {constants}", kind, (a, c or a), least_d)


def lattice_of_spacings(spacings: str | float | Iterable[float]) -> Lattice:
    """Make a lattice of d-spacings that the user gives.

    Parameters
    ----------
    spacings
        [Å] Numbers, or text with commas, semicolons, blanks or line ends between them; "Å" may
        stand behind a number.

    Returns
    -------
    Lattice
        Its reflections are named by their d, as "2.35 Å".

    Raises
    ------
    InputError
        For text that is no number, a comma that may be a decimal one, d-spacings ≤ 0, none at
        all, or more than a hundred.
    """
    if isinstance(spacings, str):
        spacings = _numbers(spacings)
    numbers = list(spacings) if isinstance(spacings, Iterable) else [spacings]
    for number in numbers:
        if not (math.isfinite(number) and number > 0):
            raise InputError(f"got d = {number:g} Å, expected d-spacings > 0; correct that one")
    if not 1 <= len(numbers) <= _MOST_SPACINGS:
        raise InputError(
            f"got {len(numbers)} d-spacings, expected 1 to {_MOST_SPACINGS}; give them in Å, "
            'as "2.35, 2.04"'
        )
    return Lattice(
        "d-spacings",
        tuple(Reflection(f"{d:g} Å", float(d)) for d in sorted(set(numbers), reverse=True)),
    )


def _numbers(text: str) -> list[float]:
    if "." not in text and re.search(r"\d,\d", text):
        raise InputError(
            f"got {text!r}, where a comma may be a decimal sign, expected decimal points; write "
            'for example "2.35, 2.04"'
        )
    words = re.sub(r"[,;Å]", " ", text.replace("\u212b", "Å")).split()
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(
            f'got {text!r}, expected d-spacings in Å, as "2.35, 2.04"; give numbers only'
        ) from None


def _lattice(name: str, kind: str, constants: tuple[float, float], least_d: float) -> Lattice:
    rings = rings_of(kind, constants, least_d)
    if not rings:
        raise InputError(
            f"got no reflection of {name} with d of at least {least_d:g} Å, expected one at "
            "least; lower the least d, or check the constants"
        )
    return Lattice(name, tuple(Reflection(label, d) for label, d in rings))


_PRESETS = {
    "Au": ("fcc", 4.0786, 4.0786),
    "Ag": ("fcc", 4.0862, 4.0862),
    "Pt": ("fcc", 3.9231, 3.9231),
    "Si": ("diamond", 5.4310, 5.4310),
    "graphite": ("graphite", 2.464, 6.711),
    "CeO2": ("fcc", 5.4113, 5.4113),
    "TiO2 anatase": ("anatase", 3.7845, 9.5143),
    "TiO2 rutile": ("rutile", 4.5937, 2.9587),
}

LATTICES: dict[str, Lattice] = {
    name: _lattice(name, kind, (a, c), LEAST_D) for name, (kind, a, c) in _PRESETS.items()
}
"""Presets by name."""
