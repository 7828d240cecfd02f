"""Straight edges of a frame, found without a lattice or mere noise passing for one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from ._validation import InputError

REACH = 12
"""[px] Profiles run so far to either side of an edge."""

ACROSS = np.arange(-REACH, REACH + 1.0)
"""[px] Where profiles are sampled, from dark to bright."""

HALF_LENGTH = 8
"""[px] Half the length along an edge over which its profile is averaged."""

LEAST_EXPLAINED = 0.85
"""Share of a reference profile's variance that one step must explain, else it is no edge."""

SIGMAS_10_90 = 2 * math.sqrt(2) * float(special.erfinv(0.8))
"""10–90 % width of an edge blurred by a Gaussian, in its standard deviations: 2.563."""

LEAST_SIDE = 4 * (REACH + 4)
"""[px] Of frames in which edges are looked for."""

_SOFTEST = 8.0  # [px] 10–90 % of an edge of the reference: the profile must show both sides
_SEARCH = 6.0  # [px] from a candidate to its edge
_STEP = 0.25  # [px] between the positions that are tried
_SMOOTHING = 4.0  # [px] in which edges are looked for: the fringes of a lattice vanish
_CELL = 8  # [px] of which the steepest place is a candidate
_MOST_CANDIDATES = 256
_MOST_BEND = 1.5  # [px] between the two halves of a straight edge
_LEAST_STEP = 0.3  # of the frame's strongest edges
_STRONGEST = 5
_SIGMAS = np.geomspace(0.3, 10.0, 41)  # [px]


@dataclass(frozen=True, eq=False)
class Edges:
    """Straight edges of one frame.

    Attributes
    ----------
    places
        (n, 2) row and column of the middle of each [px].
    normals
        (n, 2) unit vectors (y, x) across each, towards its bright side.
    steps
        (n,) dark to bright [units of the frame].
    """

    places: NDArray[np.float64] = field(repr=False)
    normals: NDArray[np.float64] = field(repr=False)
    steps: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)


def find_edges(reference: NDArray[Any]) -> Edges:
    """Find the straight edges of a frame.

    Parameters
    ----------
    reference
        (H, W), noise-free or denoised, sides of at least 64 px.

    Returns
    -------
    Edges
        None at all where nothing in the frame is an edge.

    Raises
    ------
    InputError
        If the frame is not (H, W), too small, or holds NaN or infinite pixels.

    Notes
    -----
    Candidates are the steepest places under a Gaussian of 4 px. One is an edge where a single step
    explains at least 85 % of the mean profile across it, from 12 px before to 12 px behind: a
    lattice rises and falls within that distance, and so do the blobs of amorphous carbon. What a
    smooth random texture has of blobs about 15 px wide may pass. Edges weaker than 0.3 of the
    frame's strongest are left out.
    """
    pixels = checked(reference)
    places, normals = _candidates(pixels)
    coefficients = ndimage.spline_filter(pixels, order=3)
    for _ in range(2):  # to the middle of the edge, then along it
        places, normals = _aligned(coefficients, places, normals)
    inside = _inside(places, normals, pixels.shape)
    places, normals = places[inside], normals[inside]
    strips = strips_across(coefficients, places, normals)
    profiles = strips.mean(axis=1)
    fit = _Fit.of(profiles)
    best = fit.each()
    straight = np.abs(_bend(strips)) <= _MOST_BEND
    narrow = SIGMAS_10_90 * _SIGMAS[best] <= _SOFTEST
    centred = np.abs(fit.positions(best)) <= 1
    good = np.flatnonzero((fit.explained(best) >= LEAST_EXPLAINED) & straight & narrow & centred)
    steps = fit.steps(best)
    chosen = _apart(places, good[np.argsort(-steps[good], kind="stable")])
    if len(chosen):
        chosen = chosen[steps[chosen] >= _LEAST_STEP * np.median(steps[chosen[:_STRONGEST]])]
    return Edges(places[chosen], normals[chosen], steps[chosen])


@dataclass(frozen=True, eq=False)
class _Fit:
    """Steps of every width at every place, matched with profiles.

    ``gains`` (n, σ) is the sum of squares that the best step of each width explains, ``shifts``
    (n, σ) its place in units of ``_STEP``, ``powers`` (n,) the sum of squares of each profile.
    """

    gains: NDArray[np.float64]
    shifts: NDArray[np.intp]
    powers: NDArray[np.float64]

    @classmethod
    def of(cls, profiles: NDArray[np.float64]) -> _Fit:
        templates, _ = _templates()
        centred = profiles - profiles.mean(axis=1, keepdims=True)
        matches = np.tensordot(centred, templates, axes=(1, 2)).clip(0)
        shifts = matches.argmax(axis=2)
        gains = np.take_along_axis(matches, shifts[..., np.newaxis], 2)[..., 0] ** 2
        return cls(gains, shifts, (centred**2).sum(axis=1))

    def each(self) -> NDArray[np.intp]:
        """Index of the best width of each profile."""
        best: NDArray[np.intp] = self.gains.argmax(axis=1)
        return best

    def explained(self, best: NDArray[np.intp]) -> NDArray[np.float64]:
        gains = self.gains[np.arange(len(best)), best]
        powers = np.where(self.powers > 0, self.powers, 1)
        explained: NDArray[np.float64] = np.asarray(gains / powers, np.float64)
        return explained

    def positions(self, best: NDArray[np.intp]) -> NDArray[np.float64]:
        """Place of the step [px]."""
        steps = self.shifts[np.arange(len(best)), best].astype(np.float64)
        places: NDArray[np.float64] = steps * _STEP - _SEARCH
        return places

    def steps(self, best: NDArray[np.intp]) -> NDArray[np.float64]:
        """Height of the step."""
        rows = np.arange(len(best))
        _, norms = _templates()
        heights: NDArray[np.float64] = (
            np.sqrt(self.gains[rows, best]) / norms[best, self.shifts[rows, best]]
        )
        return heights


@lru_cache(maxsize=1)
def _templates() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Make steps from 0 to 1 (σ, place, u), of mean 0 and norm 1, and tell what their norm was."""
    places = np.arange(-_SEARCH, _SEARCH + _STEP / 2, _STEP)
    steps = special.ndtr((ACROSS - places[:, np.newaxis]) / _SIGMAS[:, np.newaxis, np.newaxis])
    steps -= steps.mean(axis=2, keepdims=True)
    norms = np.sqrt((steps**2).sum(axis=2))
    return steps / norms[..., np.newaxis], norms


def checked(frame: NDArray[Any]) -> NDArray[np.float64]:
    if frame.ndim != 2 or min(frame.shape) < LEAST_SIDE:
        raise InputError(
            f"got a frame of shape {frame.shape} to look for edges, expected (H, W) with sides of "
            f"at least {LEAST_SIDE} px; use larger frames, one by one"
        )
    pixels = frame.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise InputError(
            "got NaN or infinite pixels in a frame to look for edges, expected finite detector "
            "values; repair or leave out that frame"
        )
    return pixels


def _candidates(
    pixels: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steepest place of each cell, steepest first, and the direction in which it rises."""
    gradient = [ndimage.gaussian_filter(pixels, _SMOOTHING, order=o) for o in ((1, 0), (0, 1))]
    slope = np.hypot(*gradient)
    height, width = (side // _CELL for side in slope.shape)
    cells = slope[: height * _CELL, : width * _CELL].reshape(height, _CELL, width, _CELL)
    inner = cells.transpose(0, 2, 1, 3).reshape(height * width, _CELL**2).argmax(axis=1)
    cell = np.arange(height * width)
    rows = cell // width * _CELL + inner // _CELL
    columns = cell % width * _CELL + inner % _CELL
    order = np.argsort(-slope[rows, columns], kind="stable")
    order = order[slope[rows, columns][order] > 0][:_MOST_CANDIDATES]
    rows, columns = rows[order], columns[order]
    normals = np.stack([part[rows, columns] for part in gradient], axis=1)
    return np.stack([rows, columns], axis=1).astype(np.float64), _unit(normals)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _inside(
    places: NDArray[np.float64], normals: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Whether the whole strip of each edge lies in the frame."""
    reach = REACH * np.abs(normals) + HALF_LENGTH * np.abs(normals[:, ::-1])
    within = (places - reach >= 0) & (places + reach <= np.array(shape) - 1)
    inside: NDArray[np.bool_] = within.all(axis=1)
    return inside


def strips_across(
    coefficients: NDArray[np.float64],
    places: NDArray[np.float64],
    normals: NDArray[np.float64],
    across: NDArray[np.float64] = ACROSS,
) -> NDArray[np.float64]:
    """Sample (n, along, across) a frame, given as its cubic spline; 1 px apart along the edge."""
    along = np.arange(-HALF_LENGTH, HALF_LENGTH + 1.0)[:, np.newaxis]
    (down, right), (y, x) = normals.T[..., None, None], places.T[..., None, None]
    points = np.stack([y + across * down + along * right, x + across * right - along * down])
    strips: NDArray[np.float64] = ndimage.map_coordinates(
        coefficients, points, order=3, mode="nearest", prefilter=False
    )
    return strips


def _bend(strips: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much further the step lies in the second half of each strip than in the first [px]."""
    halves = []
    for part in (strips[:, :HALF_LENGTH], strips[:, HALF_LENGTH + 1 :]):
        fit = _Fit.of(part.mean(axis=1))
        halves.append(fit.positions(fit.each()))
    bend: NDArray[np.float64] = halves[1] - halves[0]
    return bend


def _aligned(
    coefficients: NDArray[np.float64],
    places: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move candidates onto the step across them, and turn them along it."""
    strips = strips_across(coefficients, places, normals)
    fit = _Fit.of(strips.mean(axis=1))
    moved = places + fit.positions(fit.each())[:, np.newaxis] * normals
    tangents = np.stack([normals[:, 1], -normals[:, 0]], axis=1)
    slope = _bend(strips) / (HALF_LENGTH + 1)
    turned = normals - slope.clip(-0.5, 0.5)[:, np.newaxis] * tangents
    return moved, _unit(turned)


def _apart(places: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of places in this order, those that keep half a length from all before them."""
    chosen: list[int] = []
    for index in order.tolist():
        distance = np.linalg.norm(places[chosen] - places[index], axis=1) if chosen else [math.inf]
        if min(distance) >= HALF_LENGTH:
            chosen.append(index)
    return np.array(chosen, np.intp)
