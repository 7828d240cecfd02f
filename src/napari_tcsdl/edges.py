"""Edge width: how sharp the outlines of a scene are, measured where a reference has them.

A decoder that averages frames blurs what moves, one that smooths noise blurs all; PSNR hardly tells
either from noise. The width of an edge does, in a unit that a microscopist knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ._straight_edges import (
    ACROSS,
    LEAST_SIDE,
    REACH,
    SIGMAS_10_90,
    Edges,
    checked,
    find_edges,
    strips_across,
)
from ._validation import InputError
from .fourier import pixel_spacing

__all__ = [
    "LEAST_SIDE",
    "REACH",
    "SIGMAS_10_90",
    "EdgeMatch",
    "EdgeWidth",
    "Edges",
    "edge_width",
    "find_edges",
    "match_edges",
]

LARGEST_DISPLACEMENT = 6.0
"""[px] The scene under test may be displaced so far against the reference."""

LARGEST_BLUR = 8.0
"""[px] Standard deviation of the strongest blur that profiles can tell."""

_FINE = 0.25  # [px] between samples of the reference's profiles, and between displacements
_BLURS = np.linspace(0, LARGEST_BLUR, 33)  # [px]
_GROUPS = 20  # of edges, for the jackknife
_LEAST_EDGES = 4
_LEAST_EVIDENCE = 2.0  # times what the same profiles upside down give
_LARGEST_ERROR = 0.5  # of the width; beyond, the noise decides


@dataclass(frozen=True)
class EdgeWidth:
    """Width of the edges of a picture, or of the frames of a movie.

    Attributes
    ----------
    width
        10–90 % rise [Å], or [px] without a pixel size; None where it could not be measured.
    error
        Its standard error, None likewise: the larger of that by jackknife over the edges and of
        what the residuals allow.
    n_edges
        Edges that were looked at.
    reason
        Why there is no width; empty where there is one.
    """

    width: float | None
    error: float | None
    n_edges: int
    reason: str = ""


@dataclass(frozen=True, eq=False)
class EdgeMatch:
    """How well the edges of one frame match those of its reference, blurred more and more.

    Attributes
    ----------
    widths
        (n,) 10–90 % rise of the reference's edges [px].
    gains
        (n, blurs) sum of squares that the blurred reference explains of each profile.
    chance
        (n, blurs) the same of the profiles upside down, as noise alone would give it.
    powers
        (n,) sum of squares of the profiles about their mean.
    displacement
        (y, x) [px] of the frame against its reference, as far as its edges tell it.
    """

    widths: NDArray[np.float64] = field(repr=False)
    gains: NDArray[np.float64] = field(repr=False)
    chance: NDArray[np.float64] = field(repr=False)
    powers: NDArray[np.float64] = field(repr=False)
    displacement: tuple[float, float]


def match_edges(
    frame: NDArray[Any], reference: NDArray[Any], edges: Edges | None = None
) -> EdgeMatch:
    """Match the edges of a frame with those of its reference.

    Parameters
    ----------
    frame
        (H, W), in any units: neither offset nor positive factor matters.
    reference
        (H, W), noise-free or denoised, sides of at least 64 px.
    edges
        From :func:`find_edges` on ``reference``; None to find them now.

    Returns
    -------
    EdgeMatch
        For :func:`edge_width`, together with those of other frames.

    Raises
    ------
    InputError
        If the frames differ in shape, are not (H, W), too small, or hold NaN or infinite pixels.
    """
    test, truth = checked(frame), checked(reference)
    if test.shape != truth.shape:
        raise InputError(
            f"got a frame of shape {test.shape} and a reference of shape {truth.shape} to match "
            "edges, expected one shape; compare frame by frame"
        )
    if edges is None:
        edges = find_edges(reference)
    if len(edges) == 0:
        nothing = np.zeros((0, len(_BLURS)))
        return EdgeMatch(np.zeros(0), nothing, nothing, np.zeros(0), (0.0, 0.0))
    profiles = _profiles(test, edges, ACROSS)
    profiles -= profiles.mean(axis=1, keepdims=True)
    fine = _profiles(truth, edges, _fine_grid())
    matches = _matches(profiles, fine)
    place, gains = _best_displacement(matches, edges.normals)
    return EdgeMatch(
        widths=_rise_widths(fine),
        gains=gains,
        chance=_best_displacement(-matches, edges.normals)[1],
        powers=(profiles**2).sum(axis=1),
        displacement=place,
    )


def edge_width(
    matches: EdgeMatch | Sequence[EdgeMatch], *, pixel_size: float | None = None
) -> EdgeWidth:
    """Width that the edges of one frame, or of many frames, have.

    Parameters
    ----------
    matches
        From :func:`match_edges`, of one frame or of several.
    pixel_size
        [Å px⁻¹], or None where it is unknown.

    Returns
    -------
    EdgeWidth
        None, with the reason, for fewer than four edges in all, and where noise decides.

    Raises
    ------
    InputError
        For a pixel size ≤ 0.

    Notes
    -----
    Profile p_i of the frame is matched with profile q_i of the reference under a Gaussian G_σ:
    minimise over σ the sum over edges i of min Σ_u (p_i(u) − a_i − s_i (G_σ ∗ q_i)(u − n_i · d))²
    with a base a_i and a step s_i ≥ 0 for each edge, and one displacement d for each frame (n_i is
    the edge's normal). The width is √(w² + (2.563 σ)²), w the median 10–90 % rise of the
    reference's edges: fringes beside an edge belong to it, and a frame that lies elsewhere as a
    whole is not called blurred. A frame cannot come out sharper than its reference.
    """
    spacing = pixel_spacing(pixel_size)
    frames = [matches] if isinstance(matches, EdgeMatch) else list(matches)
    count = sum(len(match.widths) for match in frames)
    if count < _LEAST_EDGES:
        found = f"{count} straight edges in the reference" if count else "no straight edge"
        return EdgeWidth(None, None, count, f"{found}, {_LEAST_EDGES} are needed")
    gains = np.concatenate([match.gains for match in frames])
    total, chance = gains.sum(axis=0), sum(match.chance.sum(axis=0) for match in frames)
    if total.max() < _LEAST_EVIDENCE * np.max(chance):
        return EdgeWidth(None, None, count, "noise hides the edges")
    if int(np.argmax(total)) == len(_BLURS) - 1:
        return EdgeWidth(None, None, count, f"edges blurred by more than {LARGEST_BLUR:g} px")
    sharpest = float(np.median(np.concatenate([match.widths for match in frames])))
    powers = sum(float(match.powers.sum()) for match in frames)
    width = math.hypot(sharpest, SIGMAS_10_90 * _best_blur(total))
    error = max(_jackknife(gains, sharpest), _allowed(total, powers, count, sharpest) - width)
    if error > _LARGEST_ERROR * width:
        return EdgeWidth(None, None, count, f"noise decides: {width:.1f} ± {error:.1f} px")
    return EdgeWidth(width * spacing, error * spacing, count)


def _jackknife(gains: NDArray[np.float64], sharpest: float) -> float:
    """Return the standard error of the width by leaving out a group of edges at a time."""
    total, groups = gains.sum(axis=0), min(_GROUPS, len(gains))
    blurs = [_best_blur(total - gains[start::groups].sum(axis=0)) for start in range(groups)]
    widths = np.hypot(sharpest, SIGMAS_10_90 * np.array(blurs))
    return math.sqrt((groups - 1) * float(widths.var()))


def _allowed(total: NDArray[np.float64], power: float, count: int, sharpest: float) -> float:
    """Return the width at which the fit is worse by the residuals' variance: one deviation up."""
    best = int(np.argmax(total))
    variance = (power - float(total[best])) / (count * (len(ACROSS) - 2))
    beyond = np.flatnonzero(total[best:] < total[best] - variance)
    if beyond.size == 0:
        return math.hypot(sharpest, SIGMAS_10_90 * LARGEST_BLUR)
    after = best + int(beyond[0])
    blur = np.interp(
        variance, total[best] - total[after - 1 : after + 1], _BLURS[after - 1 : after + 1]
    )
    return math.hypot(sharpest, SIGMAS_10_90 * float(blur))


def _best_blur(total: NDArray[np.float64]) -> float:
    """σ of the highest gain [px]: a parabola in σ², in which blurs add up."""
    best = int(np.argmax(total))
    if best in (0, len(total) - 1):
        return float(_BLURS[best])
    near = slice(best - 1, best + 2)
    bend, slope, _ = np.polyfit(_BLURS[near] ** 2, total[near] / total[best], 2)
    variance = -slope / (2 * bend) if bend < 0 else _BLURS[best] ** 2
    low, high = _BLURS[[best - 1, best + 1]]
    return float(np.clip(math.sqrt(max(variance, 0.0)), low, high))


def _profiles(
    pixels: NDArray[np.float64], edges: Edges, across: NDArray[np.float64]
) -> NDArray[np.float64]:
    coefficients = ndimage.spline_filter(pixels, order=3)
    strips = strips_across(coefficients, edges.places, edges.normals, across)
    profiles: NDArray[np.float64] = strips.mean(axis=1)
    return profiles


def _fine_grid() -> NDArray[np.float64]:
    """Sample the reference's profiles as far out as displacement and blur may fetch them [px]."""
    reach = REACH + LARGEST_DISPLACEMENT + 3 * LARGEST_BLUR
    return np.arange(-reach, reach + _FINE / 2, _FINE)


def _matches(profiles: NDArray[np.float64], fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate (n, blurs, displacements) profiles with the blurred reference of norm 1."""
    shifts = np.arange(-LARGEST_DISPLACEMENT, LARGEST_DISPLACEMENT + _FINE / 2, _FINE)
    sought = ACROSS - shifts[:, np.newaxis]
    places = np.rint((sought - _fine_grid()[0]) / _FINE).astype(np.intp)
    matches = np.empty((len(profiles), len(_BLURS), len(shifts)))
    for index, blur in enumerate(_BLURS):
        blurred = ndimage.gaussian_filter1d(fine, blur / _FINE, axis=1) if blur else fine
        templates = blurred[:, places]
        templates = templates - templates.mean(axis=2, keepdims=True)
        norms = np.sqrt((templates**2).sum(axis=2))
        products = np.einsum("nu,ncu->nc", profiles, templates)
        matches[:, index] = np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
    return matches


def _best_displacement(
    matches: NDArray[np.float64], normals: NDArray[np.float64]
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Find the displacement (y, x) of the frame that all its edges agree on, and their gains."""
    squares = np.square(matches.clip(0))
    side = np.arange(-LARGEST_DISPLACEMENT, LARGEST_DISPLACEMENT + 1e-9, 2 * _FINE)
    moves = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    moves = moves[np.hypot(*moves.T) <= LARGEST_DISPLACEMENT]
    indices = np.rint((moves @ normals.T + LARGEST_DISPLACEMENT) / _FINE).astype(np.intp)
    rows = np.arange(len(normals))
    totals = np.array([squares[rows, :, chosen].sum(axis=0).max() for chosen in indices])
    best = int(np.argmax(totals))
    return (float(moves[best, 0]), float(moves[best, 1])), squares[rows, :, indices[best]]


def _rise_widths(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """10–90 % width [px] of the rise through the middle of each profile, fringe to fringe."""
    middle, reach = fine.shape[1] // 2, round(REACH / _FINE)
    inner = fine[:, middle - reach : middle + reach + 1]
    widths = []
    for profile in inner:
        falls = np.flatnonzero(np.diff(profile) <= 0)
        first = int(falls[falls < reach].max(initial=-1)) + 1
        last = int(falls[falls >= reach].min(initial=len(profile) - 1))
        rise = profile[first : last + 1]
        levels = rise[0] + np.array([0.1, 0.9]) * (rise[-1] - rise[0])
        low, high = np.interp(levels, rise, np.arange(len(rise))) if len(rise) > 1 else (0.0, 1.0)
        widths.append(_FINE * (high - low))
    return np.array(widths)
