"""How atoms scatter fast electrons: Kirkland's parametrisation of some elements.

References
----------
E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., Springer 2010, Appendix C:
f(q) = Σ a_i / (q² + b_i) + Σ c_i exp(-d_i q²), i = 1 … 3, f in Å, q in Å⁻¹.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from .._validation import InputError

VOLT_SQUARE_ANGSTROM = 47.87801
"""h² / (2π m e) [V Å²]: what turns f [Å] into the Fourier transform of a projected potential."""

# Rows: a1 b1 a2 b2 a3 b3 c1 d1 c2 d2 c3 d3.
_TABLE: dict[str, tuple[float, ...]] = {
    "C": (
        0.212080767,
        0.208605417,
        0.199811865,
        0.208610186,
        0.168254385,
        5.57870773,
        0.14204836,
        1.33311887,
        0.363830672,
        3.80800263,
        0.000835012044,
        0.040398262,
    ),
    "O": (
        0.339969204,
        0.38157028,
        0.307570172,
        0.381571436,
        0.130369072,
        19.1919745,
        0.0883326058,
        0.760635525,
        0.1965867,
        2.07401094,
        0.000996220028,
        0.0303266869,
    ),
    "Si": (
        1.06543892,
        1.04118455,
        0.120143691,
        68.7113368,
        0.180915263,
        0.0887533926,
        1.1206562,
        3.70062619,
        0.0305452816,
        0.214097897,
        1.59963502,
        9.99096638,
    ),
    "Ti": (
        0.362383267,
        0.0754707114,
        0.984232966,
        0.497757309,
        0.741715642,
        8.17659391,
        0.362555269,
        0.955524906,
        1.4915939,
        16.2221677,
        0.0161659509,
        0.0733140839,
    ),
    "Cu": (
        0.358774531,
        0.106153463,
        1.76181348,
        1.01640995,
        0.636905053,
        15.3659093,
        0.00744930667,
        0.0385345989,
        0.189002347,
        0.39842779,
        0.229619589,
        0.901419843,
    ),
    "Pd": (
        2.10475155,
        8.6860647,
        2.03884487,
        0.378924449,
        0.182067264,
        0.142921634,
        0.0952040948,
        0.1171259,
        0.591445248,
        1.07843808,
        0.00113328676,
        0.00780252092,
    ),
    "Ag": (
        2.0798139,
        9.92540297,
        0.443170726,
        0.104920104,
        1.96515215,
        0.640103839,
        0.596130591,
        0.88959479,
        0.478016333,
        1.98509407,
        0.094645847,
        0.112744464,
    ),
    "Pt": (
        0.98469794,
        0.160910839,
        2.73987079,
        0.718971667,
        3.61696715,
        12.9281016,
        0.302885602,
        0.170134854,
        0.278370726,
        1.49862703,
        0.0152124129,
        0.0283510822,
    ),
    "Au": (
        0.961263398,
        0.170932277,
        3.6958103,
        12.9335319,
        2.77567491,
        0.68999707,
        0.295414176,
        0.16352551,
        0.311475743,
        1.39200901,
        0.0143237267,
        0.0271265337,
    ),
}

ELEMENTS = tuple(_TABLE)
"""Symbols of the elements whose parameters are here."""


def scattering_factor(symbol: str, squared: torch.Tensor) -> torch.Tensor:
    """Return the electron scattering factor of an atom at rest.

    Parameters
    ----------
    symbol
        One of :data:`ELEMENTS`.
    squared
        q² [Å⁻²], any shape; q = 1/d, without the factor 2π.

    Returns
    -------
    torch.Tensor
        f(q) [Å], without the relativistic mass factor.

    Raises
    ------
    InputError
        For an element that is not in the table.
    """
    a, b, c, d = _parameters(symbol)
    terms = zip(a, b, c, d, strict=True)
    total = torch.zeros_like(squared)
    for a_i, b_i, c_i, d_i in terms:
        total += a_i / (squared + b_i) + c_i * torch.exp(-d_i * squared)
    return total


def projected_potential(symbol: str, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the potential of one atom at rest, projected along the beam, in closed form.

    Parameters
    ----------
    symbol
        One of :data:`ELEMENTS`.
    radius
        Distance from the atom [Å], > 0 (it diverges logarithmically at 0).

    Returns
    -------
    numpy.ndarray
        [V Å]: the two-dimensional Fourier transform of :func:`scattering_factor`.
    """
    a, b, c, d = _parameters(symbol)
    total = np.zeros_like(radius, dtype=np.float64)
    for a_i, b_i, c_i, d_i in zip(a, b, c, d, strict=True):
        total += 2 * np.pi * a_i * special.k0(2 * np.pi * radius * np.sqrt(b_i))
        total += np.pi * c_i / d_i * np.exp(-((np.pi * radius) ** 2) / d_i)
    return VOLT_SQUARE_ANGSTROM * total


def _parameters(symbol: str) -> tuple[tuple[float, ...], ...]:
    """Return (a, b, c, d), three numbers each."""
    if symbol not in _TABLE:
        raise InputError(
            f"got element {symbol!r}, expected one of {', '.join(ELEMENTS)}; add its row of "
            "Kirkland's table to simulate/kirkland.py"
        )
    row = _TABLE[symbol]
    return row[0:6:2], row[1:6:2], row[6::2], row[7::2]
