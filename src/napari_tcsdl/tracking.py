"""Temporal fidelity: whether features of a movie are where they were, frame by frame.

Two frames of a block may each look right and yet show the specimen where it was some frames ago.
Here textured patches that move are followed through a reference, and looked for in the movie under
test: how far off they lie, and whether they lag behind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ._features import LEAST_FRAMES, LEAST_SIDE, Features, checked_shape, follow, frame_of
from ._patches import PATCH, SEARCH, correlate, patches, peaks
from ._validation import InputError
from .fourier import pixel_spacing
from .movie import FrameSource

__all__ = ["LEAST_FRAMES", "LEAST_SIDE", "Features", "Tracking", "follow", "track"]

_SIGNIFICANT = 6.0  # standard deviations of the correlation with noise


@dataclass(frozen=True, eq=False)
class Tracking:
    """Where the features of a reference lie in another movie.

    Lengths are in Å, or in px without a pixel size. All numbers are None where ``reason`` says
    why there are none.

    Attributes
    ----------
    rms
        Root mean square of the displacement from the reference, over features and frames.
    bias
        (y, x) mean displacement.
    lost
        Share 0 … 1 of places at which a feature was not found.
    lag
        [frames] by which the movie shows the past (> 0) or the future, on average.
    speed_correlation
        1 where features move in each frame as they do in the reference; 0.32 for a movie that
        stands still for ten frames and jumps.
    motion
        RMS speed in the reference, per frame.
    per_frame
        (T,) RMS displacement in each frame; NaN where all were lost.
    n_features
        Patches that were followed.
    reason
        Empty where there are numbers.
    """

    rms: float | None
    bias: tuple[float, float] | None
    lost: float | None
    lag: float | None
    speed_correlation: float | None
    motion: float | None
    per_frame: NDArray[np.float64] = field(repr=False)
    n_features: int
    reason: str = ""


def track(
    frames: FrameSource,
    reference: FrameSource,
    features: Features | None = None,
    *,
    pixel_size: float | None = None,
) -> Tracking:
    """Look for the features of a reference in another movie of the same scene.

    Parameters
    ----------
    frames
        (T, H, W), in any units.
    reference
        (T, H, W) the frames as they should be: truth, or denoised frames whose noise is not that
        of ``frames`` (noise that both share is always found in its place).
    features
        From :func:`follow` on ``reference``; None to follow them now.
    pixel_size
        [Å px⁻¹], or None where it is unknown.

    Returns
    -------
    Tracking
        None, with the reason, where nothing moves or nothing is found.

    Raises
    ------
    InputError
        If the shapes differ, frames are too few or too small, hold NaN or infinite pixels, or for
        a pixel size ≤ 0.

    Notes
    -----
    In each frame the patch of the reference at that time is looked for around its place, within
    8 px or half the period of the scene, by normalised correlation with a parabola through its
    peak: so the error does not add up from frame to frame. With displacement e and velocity v of
    a feature the lag is −Σ e·v / Σ v², the correlation of speeds Σ (v + Δe)·v / √(Σ (v + Δe)² Σ
    v²), Δe from frame to frame. Of straight edges only motion across them is counted. A feature is
    lost where the peak lies at the rim of what was searched, or below 6 times the correlation
    with noise.
    """
    spacing = pixel_spacing(pixel_size)
    shape = checked_shape(reference)
    if tuple(frames.shape) != shape:
        raise InputError(
            f"got frames of shape {tuple(frames.shape)} and a reference of shape {shape} to track, "
            "expected one shape (T, H, W); give the same frames of both"
        )
    features = follow(reference) if features is None else features
    if features.shape != shape:
        raise InputError(
            f"got features of a reference of shape {features.shape} for frames of shape {shape}, "
            "expected those of this reference; follow them anew"
        )
    if len(features) == 0:
        return _nothing(features, features.reason)
    errors = np.empty((shape[0], len(features), 2))
    for index in range(shape[0]):
        errors[index] = _displacements(
            frame_of(reference, index), frame_of(frames, index), features, features.places[index]
        )
    if not np.isfinite(errors).any():
        return _nothing(features, "no feature of the reference was found", lost=1.0)
    return _summary(errors * spacing, features, spacing)


def _summary(errors: NDArray[np.float64], features: Features, spacing: float) -> Tracking:
    """Put displacements (T, n, 2) into numbers; NaN where a feature was lost."""
    found = np.isfinite(errors[..., 0])
    squares = (errors**2).sum(axis=2)
    steps = np.diff(features.places, axis=0) * spacing
    velocity = (steps[1:] + steps[:-1]) / 2  # of all frames but the first and the last
    inner = found[1:-1]
    along = np.where(inner, (errors[1:-1] * velocity).sum(axis=2), 0).sum()
    power = np.where(inner, (velocity**2).sum(axis=2), 0).sum()
    shown = steps + np.diff(errors, axis=0)
    both = found[1:] & found[:-1]
    product = np.where(both, (shown * steps).sum(axis=2), 0).sum()
    powers = [np.where(both, (move**2).sum(axis=2), 0).sum() for move in (shown, steps)]
    norm = math.sqrt(powers[0] * powers[1])
    counts = found.sum(axis=1)
    sums = np.where(found, squares, 0).sum(axis=1)
    per_frame = np.sqrt(np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))
    bias = errors[found].mean(axis=0)
    return Tracking(
        rms=math.sqrt(float(squares[found].mean())),
        bias=(float(bias[0]), float(bias[1])),
        lost=float(1 - found.mean()),
        lag=float(-along / power) if power > 0 else None,
        speed_correlation=float(product / norm) if norm > 0 else None,
        motion=math.sqrt(float((steps**2).sum(axis=2).mean())),
        per_frame=per_frame,
        n_features=len(features),
    )


def _nothing(features: Features, reason: str, lost: float | None = None) -> Tracking:
    empty = np.full(features.shape[0], np.nan)
    return Tracking(None, None, lost, None, None, None, empty, len(features), reason)


def _displacements(
    truth: NDArray[np.float64],
    test: NDArray[np.float64],
    features: Features,
    places: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Displacement (n, 2) of each patch of ``truth`` in ``test``; NaN where it is lost."""
    centres = np.rint(places).astype(np.intp)
    surfaces = correlate(patches(truth, centres), patches(test, centres, SEARCH))
    moves, heights, at_rim = peaks(surfaces, features.axes, features.radii)
    lost = at_rim | (heights < _SIGNIFICANT / PATCH)  # noise correlates by 1 / √(33²)
    moves[lost] = np.nan
    return moves
