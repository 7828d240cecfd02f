"""How far a noise model may be trusted: what a moving frame adds, and what its parts disagree by.

Two things make the estimate wrong without showing in the spectrum of the differences. Where a whole
frame shakes, drifts or flickers, what that leaves in the differences is smooth, too, and passes for
noise that neighbours share; but it is the same in every frame but for a few numbers, and those can
be fitted. And a slope that few values decide, or that something in one corner bends, differs from
one part of the frame to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ._noise_line import (
    CLIP,
    CLIPPED_VARIANCE,
    MIN_BIN,
    Differences,
    bins_of,
    clipped_variance,
    straight_line,
)

NUMBERS = ("level", "gain", "read noise", "correlation")
"""What of a noise model may be unsure."""

_PARTS = 4  # of each side, for the slope without one part after the other
_SCENE_BLUR = 0.7  # [px] of what gradients are taken of
_SHARED = 9.0  # [px] that share noise at most: so many pixels count as one

_MISSED = 0.02  # of the differences' power: motion that the model takes for noise
_MOVED = 0.03  # of that power, from which on no slope is sure
_GAIN = 0.08  # standard error, from which on a slope may well be a tenth off
_DISTANT = 0.01  # correlation, of either sign, from which on that of neighbours may be 0.02 off
_COUNTED = 0.1  # difference of the variance of counted electrons from their mean


class Doubt(NamedTuple):
    """What the differences in time show of how far a noise model may be off.

    Attributes
    ----------
    moved
        Share of their power that shifts and brightening of whole frames explain.
    taken_off
        Share of their power that their spectrum shows to be motion; the model knows of it.
    gain
        Standard error of the slope over its value; 0 where there is no slope.
    distant
        Correlation at distances that no detector's noise reaches.
    counted
        Variance over mean, less 1, of counted electrons; 0 for others.
    """

    moved: float = 0.0
    taken_off: float = 0.0
    gain: float = 0.0
    distant: float = 0.0
    counted: float = 0.0

    @property
    def missed(self) -> bool:
        """Whether whole frames move in a way that the spectrum of the differences does not show."""
        return self.moved - self.taken_off > _MISSED

    def unsure(self) -> tuple[str, ...]:
        """Those of :data:`NUMBERS` that may well be off by more than a tenth."""
        if self.missed:
            return NUMBERS
        may_be = (
            abs(self.counted) > _COUNTED,
            self.gain > _GAIN or self.moved > _MOVED,
            False,  # dark pixels tell it well, unless they move
            abs(self.distant) > _DISTANT,
        )
        return tuple(name for name, doubted in zip(NUMBERS, may_be, strict=True) if doubted)

    def sentence(self) -> str | None:
        """Say in one sentence which number is unsure, and why; None if none is."""
        if self.missed:
            return (
                f"shaking, drift or flicker of the whole frame makes {self.moved:.0%} of what "
                "consecutive frames differ by, and much of it passes for noise: level, gain, "
                "read noise and correlation are less sure than usual, the level rather too high"
            )
        words = {
            "level": f"the variance of counted electrons is their mean, but {self.counted:+.0%} is "
            "found, so the noise level is not sure",
            "gain": self._gain_words(),
            "correlation": "what moves is correlated over distances that no detector reaches "
            f"({self.distant:+.2f}), so the correlation of neighbours is not sure",
        }
        return "; ".join(words[name] for name in self.unsure()) or None

    def _gain_words(self) -> str:
        if self.moved > _MOVED:
            return f"the frame moves ({self.moved:.0%} of the differences), so the gain is not sure"
        known = f"± {self.gain:.0%}" if self.gain < 1 else "its order of magnitude"
        return f"the gain is known to {known} only"


SURE = Doubt()
"""Nothing to be said."""


def moved_share(parts: Differences) -> float:
    """Share of the power of differences that follows brightness and gradient of the scene.

    The scene is taken from the frames before and after, whose noise has no part in the
    differences: of noise alone, only the few fitted numbers explain some of it, which is taken off.
    """
    if parts.others is None or min(parts.differences.shape[1:]) < 2:
        return 0.0
    joins = np.flatnonzero(np.diff(parts.rows) > 1) + 1
    total = explained = 0.0
    for difference, scene in zip(parts.differences, parts.others, strict=True):
        moves = np.concatenate([_moves(band) for band in np.split(scene, joins)], axis=1)
        moves -= moves.mean(axis=1, keepdims=True)
        centred = (difference - difference.mean()).ravel().astype(np.float64)
        power = float(centred @ centred)
        fitted = np.linalg.lstsq(moves @ moves.T, moves @ centred, rcond=1e-9)[0]
        chance = _SHARED * len(moves) / centred.size * power
        total += power
        explained += float(fitted @ (moves @ centred)) - chance
    return max(0.0, explained / total) if total > 0 else 0.0


def _moves(band: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return brightness and gradient (3, pixels) of a band of rows that lie next to each other."""
    smooth = gaussian_filter(band, _SCENE_BLUR)
    return np.stack([smooth, *np.gradient(smooth)]).reshape(3, -1).astype(np.float64)


def gain_error(parts: Differences, by: NDArray[np.float32]) -> float:
    """Return the standard error of the slope over its value, by a jackknife over the frame.

    ``by`` is what the slope was found by: pixels are put into bins by it.

    A part holds all frames, and more pixels than share noise; so its error has nothing to do with
    that of the others, which the number of all differences in time could not say.
    """
    order, share = bins_of(by), _part_of_pixels(parts)
    values, squares = parts.values.ravel(), np.square(parts.differences.ravel(), dtype=np.float64)
    bins = int(order.max()) + 1
    limits = np.array([_limit(parts.differences.ravel()[order == b]) for b in range(bins)])
    cell, kept = share * bins + order, squares <= limits[order]

    def sums(which: NDArray[np.bool_], of: NDArray[np.float64] | None) -> NDArray[np.float64]:
        weights = None if of is None else of[which]
        counted = np.bincount(cell[which], weights, _PARTS**2 * bins)
        return counted.reshape(_PARTS**2, bins).astype(np.float64)

    whole = np.ones_like(kept)
    columns = ((whole, None), (whole, values.astype(np.float64)), (kept, None), (kept, squares))
    table = np.stack([sums(*column) for column in columns])
    slope = _slope(table.sum(axis=1))
    without = [_slope(np.delete(table, part, axis=1).sum(axis=1)) for part in range(_PARTS**2)]
    found = [value for value in without if value is not None]
    if slope is None or not slope > 0 or len(found) < len(without):
        return np.inf  # such a slope is one of a few bins, or none
    spread = np.square(np.subtract(found, np.mean(found))).sum()
    error = float(np.sqrt(spread * (1 - _PARTS**-2))) / slope
    # What is cut off as motion may be rare electrons, more so in dark bins than in bright ones.
    taken = 1 - float(squares[kept].sum() / kept.sum() / CLIPPED_VARIANCE / squares.mean())
    return float(np.hypot(error, taken))


def _part_of_pixels(parts: Differences) -> NDArray[np.int64]:
    """Return the number of the part of the frame that each difference is in, flat."""
    height, width = parts.differences.shape[1:]
    rows, columns = (np.arange(n) * _PARTS // n for n in (height, width))
    number = rows[:, None] * _PARTS + columns
    return np.broadcast_to(number, parts.differences.shape).ravel()


def _limit(differences: NDArray[np.float32]) -> float:
    """Square beyond which a difference of this bin counts as motion; nothing does in few values."""
    enough = len(differences) >= MIN_BIN
    variance = clipped_variance(differences) if enough else 0.0
    return CLIP**2 * variance if variance > 0 else np.inf


def _slope(table: NDArray[np.float64]) -> float | None:
    """Of the line through bins, from (4, bins): population, values, kept differences, squares."""
    population, values, kept, squares = table[:, (table[0] >= MIN_BIN) & (table[2] > 0)]
    variances = squares / kept / CLIPPED_VARIANCE
    seen = variances > 0
    if seen.sum() < 3 or np.ptp(values[seen] / population[seen]) == 0:
        return None
    means = values[seen] / population[seen]
    least = 1e-3 * float(variances[seen].mean())
    return straight_line(means, variances[seen], population[seen], least).gain
