"""Power of windows of differences in time, and which of them nothing moves in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter

from ._noise_line import combined
from .noise import NoiseModel

SIDE = 64
"""[px] Side of the windows; smaller frames are one window."""

_MAX_VALUES = 2**22  # pixels of differences looked at
_QUIET = 3  # one place in so many is taken to be quiet
_LEAST_PLACES = 4
_CUT = 6.0  # standard deviations, and electrons: no detector makes more of it
_BLANK = 0.25  # of the usual power of windows: less is no noise
_DARK = 0.1  # of the median variance of windows: less is hardly exposed
_MORE = 0.03  # power than the detector explains, from which on a frequency is the scene's
_LEAST_SHARE = 0.1  # of frequencies that a filter must leave
_REACH = 10  # [px] of that filter to each side


def hann(side: int) -> NDArray[np.float64]:
    """Hann window (side, side) whose squares sum to 1."""
    window = np.hanning(side + 1)[:-1]
    square = window[:, None] * window
    scaled: NDArray[np.float64] = square / np.sqrt(np.square(square).sum())
    return scaled


class Windows(NamedTuple):
    """Power (n, S, S) of windows of differences over the variance that the noise model expects."""

    power: NDArray[np.float32]
    place: NDArray[np.int64]
    time: NDArray[np.int64]  # first frame of each difference
    order: int  # of the differences

    def quiet(self) -> NDArray[np.float32]:
        """Power of the windows at the places where least moves.

        Each half of the movie is judged by the other one, whose noise it does not share: who picks
        windows of little power by that power picks little noise.
        """
        middle, places = (self.time.max() + 1) / 2, np.unique(self.place)
        halves = (self.time + self.order < middle, self.time >= middle)
        if not all(np.isin(places, self.place[half]).all() for half in halves):
            return self.power
        level = self.power.mean(axis=(1, 2))
        count = max(len(places) // _QUIET, min(_LEAST_PLACES, len(places)))
        kept = []
        for judge, judged in (halves, halves[::-1]):
            means = [level[judge & (self.place == place)].mean() for place in places]
            chosen = places[np.argsort(means)[:count]]
            kept.append(self.power[judged & np.isin(self.place, chosen)])
        return np.concatenate(kept)

    def kernel(self, fitted: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Filter (K, K) of the frequencies at which there is no more than the detector explains.

        It keeps the variance of noise with the power ``fitted``; None where hardly any is left.
        """
        found = uniform_filter(self.power.mean(axis=0) / fitted, 3, mode="wrap")
        quiet = found <= 1 + max(_MORE, 1.5 / np.sqrt(len(self.power)))
        if quiet.all() or quiet.mean() < _LEAST_SHARE:
            return None
        reach = min(_REACH, (len(fitted) - 1) // 2)
        lags = np.arange(-reach, reach + 1)
        taper = np.cos(np.pi / 2 * lags / (reach + 1)) ** 2
        kernel = fft.ifft2(quiet).real[np.ix_(lags, lags)] * np.outer(taper, taper)
        placed = np.zeros_like(fitted)
        placed[np.ix_(lags, lags)] = kernel
        left = (np.abs(fft.fft2(placed)) ** 2 * fitted).mean() / fitted.mean()
        scaled: NDArray[np.float64] = kernel / np.sqrt(left)
        return scaled


def typical(power: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean power (S, S) of windows (n, S, S) but for the few in which something happens.

    The median, over that of n numbers with an exponential distribution of mean 1.
    """
    n = len(power)
    harmonic = np.cumsum(np.append(0, 1 / np.arange(1, n + 1)))
    expected = harmonic[n] - (harmonic[n // 2] + harmonic[(n - 1) // 2]) / 2
    typical: NDArray[np.float64] = np.median(power, axis=0).astype(np.float64) / expected
    return typical


def welch(frames: NDArray[Any], noise: NoiseModel, weights: NDArray[np.float32]) -> Windows:
    """Power of overlapping Hann windows of differences in time with these ``weights``."""
    side = min(SIDE, *frames.shape[1:]) // 2 * 2
    window = hann(side).astype(np.float32)
    tops, lefts = (range(0, n - side + 1, side // 2) for n in frames.shape[1:])
    count = len(frames) - len(weights) + 1
    # Of large frames every step-th band of windows, the next one in each following frame.
    step = -(-count * len(tops) * len(lefts) * side**2 // _MAX_VALUES)
    power: list[NDArray[np.float32]] = []
    expected: list[float] = []
    place: list[int] = []
    time: list[int] = []
    for first in range(count):
        for row in range(first % step, len(tops), step):
            band = frames[first : first + len(weights), tops[row] : tops[row] + side]
            difference, variance = _cut_difference(band.astype(np.float32), weights, noise)
            cuts = [slice(x, x + side) for x in lefts]
            parts = np.stack([difference[:, cut] * window for cut in cuts])
            power.append(np.abs(fft.fft2(parts)) ** 2)
            expected.extend(float((variance[:, cut] * window**2).sum()) for cut in cuts)
            place.extend(row * len(lefts) + column for column in range(len(lefts)))
            time.extend([first] * len(lefts))
    measured, scale = np.concatenate(power), np.array(expected, np.float32)[:, None, None]
    level = measured.mean(axis=(1, 2))
    # What no electron hits, or is blank after drift correction, says nothing of the noise.
    seen = (level > 0) & (scale[:, 0, 0] > 0)
    if seen.any():
        seen &= scale[:, 0, 0] >= _DARK * np.median(scale[seen])
        ratio = np.divide(level, scale[:, 0, 0], out=np.zeros_like(level), where=seen)
        seen &= ratio >= _BLANK * np.median(ratio[seen])
    return Windows(
        measured[seen] / scale[seen], np.array(place)[seen], np.array(time)[seen], len(weights) - 1
    )


def _cut_difference(
    band: NDArray[np.float32], weights: NDArray[np.float32], noise: NoiseModel
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Difference (H, W) of a few frames, rare outliers cut, and the variance expected of it.

    Not the difference of stabilised frames: that is not linear in the values, and neighbours that
    share noise would share more of it.
    """
    variance = noise.variance(band.mean(axis=0))
    limit = _CUT * (np.sqrt(variance) + noise.gain)
    difference = combined(band, weights)[0]
    cut: NDArray[np.float32] = (difference - difference.mean()).clip(-limit, limit)
    return cut, variance
