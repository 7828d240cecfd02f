"""Which reflections a lattice has, by the extinction rules of its kind, and their d-spacings.

Rules: International Tables for Crystallography, vol. A. They hold for single scattering; double
diffraction can light up a forbidden reflection.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ._validation import InputError

Indices = NDArray[np.intp]  # (3, n)
Choice = NDArray[np.bool_]  # (n,)

_SAME = 1e-6  # relative difference of d-spacings that are one ring
_LARGEST_INDEX = 100


def rings_of(kind: str, constants: tuple[float, float], least_d: float) -> list[tuple[str, float]]:
    """Reflections of a lattice.

    Parameters
    ----------
    kind
        One of "fcc", "bcc", "diamond", "hcp", "graphite", "anatase", "rutile".
    constants
        a and c [Å]; c = a for cubic ones.
    least_d
        [Å]

    Returns
    -------
    list
        (name, d [Å]) of falling d; those of one d share one entry, their names joined by "/".

    Raises
    ------
    InputError
        If the constants exceed ``least_d`` a hundred times.
    """
    hexagonal = _ALLOWED[kind] is _hexagonal
    # no d exceeds the constant over the index
    most = [math.floor(constant / least_d * (1 + _SAME)) for constant in constants]
    hkl = _indices(kind, most)
    a, c = constants
    in_plane = hkl[0] ** 2 + hkl[1] ** 2
    if hexagonal:
        in_plane = (in_plane + hkl[0] * hkl[1]) * 4 / 3
    inverse_square = in_plane / a**2 + hkl[2] ** 2 / c**2
    kept = (inverse_square <= (1 + _SAME) / least_d**2) & _ALLOWED[kind](hkl)
    spacings, hkl = 1 / np.sqrt(inverse_square[kept]), hkl[:, kept]
    rings: list[tuple[str, float]] = []
    # rounded, so that the order of reflections of one d is that of their indices
    for i in np.argsort(-np.round(spacings / a, 9), kind="stable"):
        name, d = _name(hkl[:, i].tolist(), hexagonal=hexagonal), float(spacings[i])
        if rings and rings[-1][1] - d <= _SAME * d:
            rings[-1] = (f"{rings[-1][0]}/{name}", rings[-1][1])
        else:
            rings.append((name, d))
    return rings


def _indices(kind: str, most: list[int]) -> Indices:
    """One of each family of equivalent planes: h ≥ k ≥ 0, of a cubic lattice k ≥ l ≥ 0 too."""
    if max(most) > _LARGEST_INDEX:
        raise InputError(
            f"got a lattice with indices up to {max(most)}, expected up to {_LARGEST_INDEX}; give "
            "the constants in Å, or raise the least d"
        )
    # descending, so that 511 is named before 333
    in_plane, along = (np.arange(n, -1, -1) for n in most)
    grid = np.meshgrid(in_plane, in_plane, along, indexing="ij")
    hkl = np.stack([index.ravel() for index in grid])
    kept = (hkl[0] >= hkl[1]) & hkl.any(axis=0)
    if kind in ("fcc", "bcc", "diamond"):
        kept &= hkl[1] >= hkl[2]
    return hkl[:, kept]


def _name(hkl: list[int], *, hexagonal: bool) -> str:
    indices = [*hkl[:2], -hkl[0] - hkl[1], hkl[2]] if hexagonal else hkl
    return ("" if max(map(abs, indices)) < 10 else " ").join(map(str, indices))


def _fcc(hkl: Indices) -> Choice:
    """All odd or all even."""
    return np.asarray((hkl % 2 == hkl[0] % 2).all(axis=0))


def _bcc(hkl: Indices) -> Choice:
    """Sum of the indices even."""
    return np.asarray(hkl.sum(axis=0) % 2 == 0)


def _diamond(hkl: Indices) -> Choice:
    """Fd3̄m with atoms on 8a."""
    return np.asarray(_fcc(hkl) & (hkl.sum(axis=0) % 4 != 2))


def _hexagonal(hkl: Indices) -> Choice:
    """P6₃/mmc with atoms on 2c (hcp), or on 2b and 2c (graphite)."""
    return np.asarray(((hkl[0] + 2 * hkl[1]) % 3 != 0) | (hkl[2] % 2 == 0))


def _anatase(hkl: Indices) -> Choice:
    """I4₁/amd with atoms on 4a and 8e: the special positions extinguish more than the group."""
    special = (hkl[2] % 2 == 1) | ((2 * hkl[0] + hkl[2]) % 4 == 0)
    return np.asarray(_bcc(hkl) & special)


def _rutile(hkl: Indices) -> Choice:
    """P4₂/mnm; with h ≥ k ≥ 0, h0l stands for 0kl as well."""
    return np.asarray((hkl[1] != 0) | ((hkl[0] + hkl[2]) % 2 == 0))


_ALLOWED: dict[str, Callable[[Indices], Choice]] = {
    "fcc": _fcc,
    "bcc": _bcc,
    "hcp": _hexagonal,
    "diamond": _diamond,
    "graphite": _hexagonal,
    "anatase": _anatase,
    "rutile": _rutile,
}
