"""Features of a reference that move, followed from frame to frame: for :mod:`.tracking`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ._patches import PATCH, SEARCH, axes_of, correlate, patches, peaks, search_radii, texture
from ._validation import InputError
from .movie import FrameSource

MOST_FEATURES = 12
"""Patches that are followed, those that show most motion."""

LEAST_MOTION = 0.5
"""[px] A patch that strays less from its mean place (RMS) does not move."""

LEAST_FRAMES = 8
"""Consecutive frames; fewer tell nothing of speed."""

LEAST_SIDE = 2 * (PATCH + 2 * SEARCH)
"""[px] Of frames: two patches with room to move."""

_CANDIDATES = 64
_LEAST_LIKENESS = 0.5  # correlation of a patch with itself one frame on, in the reference
_LEAST_TEXTURE = 0.2  # of the most textured patch


@dataclass(frozen=True, eq=False)
class Features:
    """Patches of a reference, followed from frame to frame.

    Attributes
    ----------
    places
        (T, n, 2) row and column of the middle of each patch in each frame [px].
    axes
        (n, 2, 2) unit vectors (y, x) of the directions in which its place can be told: of a
        straight edge only the first, across it; the second is then 0.
    radii
        (n,) [px] how far from its place a patch is unmistakable: half a lattice period or less.
    shape
        (T, H, W) of the reference.
    reason
        Why there are none; empty where there are some.
    """

    places: NDArray[np.float64] = field(repr=False)
    axes: NDArray[np.float64] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    shape: tuple[int, int, int]
    reason: str = ""

    def __len__(self) -> int:
        return len(self.axes)


def follow(reference: FrameSource, *, most: int = MOST_FEATURES) -> Features:
    """Choose patches of a reference that are textured and move, and follow them.

    Parameters
    ----------
    reference
        (T ≥ 8, H, W) consecutive frames, noise-free or denoised, sides of at least 98 px; read
        one frame at a time.
    most
        Patches at most.

    Returns
    -------
    Features
        None, with the reason, in a scene that stands still or has no texture.

    Raises
    ------
    InputError
        For fewer or smaller frames, NaN or infinite pixels, or ``most`` < 1.

    Notes
    -----
    A patch of 33 × 33 px is looked for in the next frame within 8 px by normalised correlation.
    It is given up where that falls below 0.5. Each step is right within some hundredths of a
    pixel; their sum only tells which part of the scene a patch shows later. Chosen are those
    whose place strays most from its mean, weighted by texture, without overlap.
    """
    n_frames, height, width = checked_shape(reference)
    if most < 1:
        raise InputError(f"got most = {most} features, expected at least 1; give for example 12")
    first = frame_of(reference, 0)
    places, axes, radii, weights = _candidates(first)
    track = np.full((n_frames, len(places), 2), np.nan)
    if len(places):
        track[0] = places
    before = first
    for index in range(1, n_frames):
        after = frame_of(reference, index)
        track[index] = _next_places(before, after, track[index - 1], axes, radii)
        before = after
    kept = np.flatnonzero(np.isfinite(track).all(axis=(0, 2)))
    shape = (n_frames, height, width)
    strayed = np.sqrt(track[:, kept].var(axis=0).sum(axis=1))
    if kept.size == 0 or strayed.max() < LEAST_MOTION:
        reason = (
            f"nothing in the scene moves by {LEAST_MOTION:g} px or more"
            if kept.size
            else "nothing in the scene could be followed through all frames"
        )
        return Features(np.zeros((n_frames, 0, 2)), np.zeros((0, 2, 2)), np.zeros(0), shape, reason)
    moving = kept[strayed >= LEAST_MOTION]
    worth = strayed[strayed >= LEAST_MOTION] * np.sqrt(weights[moving])
    chosen = _apart(track[0], moving[np.argsort(-worth, kind="stable")])[:most]
    return Features(track[:, chosen], axes[chosen], radii[chosen], shape)


def _candidates(
    first: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places, axes, radii and texture of the most textured patches of a frame, on a grid."""
    margin = PATCH // 2 + SEARCH + 1
    rows, columns = (np.arange(margin, side - margin, PATCH // 2) for side in first.shape)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    tensors = texture(first, places)
    weights = np.linalg.eigvalsh(tensors)[:, 1]
    order = np.argsort(-weights, kind="stable")[:_CANDIDATES]
    order = order[weights[order] > _LEAST_TEXTURE * weights.max()]
    places, axes = places[order], axes_of(tensors[order])
    surfaces = correlate(patches(first, places), patches(first, places, 2 * SEARCH))
    return places.astype(np.float64), axes, search_radii(surfaces, axes), weights[order]


def _next_places(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    places: NDArray[np.float64],
    axes: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Places one frame on; NaN where a patch leaves the field or is not recognised."""
    following = np.full_like(places, np.nan)
    centres = np.rint(places)
    limit = np.array(after.shape) - (PATCH // 2 + SEARCH + 1)
    inside = (centres >= PATCH // 2 + SEARCH) & (centres <= limit)  # NaN is not
    rows = np.flatnonzero(inside.all(axis=1))
    if rows.size == 0:
        return following
    integer = centres[rows].astype(np.intp)
    surfaces = correlate(patches(before, integer), patches(after, integer, SEARCH))
    moves, heights, at_rim = peaks(surfaces, axes[rows], radii[rows])
    good = (heights >= _LEAST_LIKENESS) & ~at_rim
    following[rows[good]] = places[rows[good]] + moves[good]
    return following


def _apart(places: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of patches in this order, those that do not overlap one before them."""
    chosen: list[int] = []
    for index in order.tolist():
        distances = np.abs(places[chosen] - places[index]).max(axis=1)
        if (distances >= PATCH).all():
            chosen.append(index)
    return np.array(chosen, np.intp)


def checked_shape(frames: FrameSource) -> tuple[int, int, int]:
    """Return (T, H, W) of frames that are enough to be tracked in."""
    shape = tuple(int(side) for side in frames.shape)
    if len(shape) != 3 or shape[0] < LEAST_FRAMES or min(shape[1:]) < LEAST_SIDE:
        raise InputError(
            f"got frames of shape {shape} to track, expected at least {LEAST_FRAMES} of at least "
            f"{LEAST_SIDE} × {LEAST_SIDE} px (T, H, W); give consecutive frames of the movie"
        )
    return shape[0], shape[1], shape[2]


def frame_of(frames: FrameSource, index: int) -> NDArray[np.float64]:
    """Read one frame (H, W) and check it."""
    pixels: NDArray[np.float64] = np.asarray(frames[index : index + 1], np.float64)[0]
    if not np.isfinite(pixels).all():
        raise InputError(
            f"got NaN or infinite pixels in frame {index} to track, expected finite detector "
            "values; repair or leave out that frame"
        )
    return pixels
