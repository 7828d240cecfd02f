"""How fast a movie changes, and how well its detail stands out of the noise.

Everything is told from the correlation of frames with one another, ring by ring in Fourier space.
Noise is independent from frame to frame, so that it adds to the power P of a frame and not to the
correlation C of two: P = S + N, C(lag) = S − D(lag)/2, where D is the structure function (the mean
squared difference of noise-free frames). The noise need not be white: N is half of the squared
difference of consecutive frames with their drift undone, as far as noise can be like that. What a
detector adds to all frames alike (a white pattern that does not move) counts as noise, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frame_window import SMALLEST_SIDE, Window, modes_of
from ._validation import InputError
from .movie import Movie
from .noise import NoiseModel

OFFSETS = (0, 1, 2, 3, 4, 5, 8, 11, 16, 23, 31, 39)
"""Frames of a window that are looked at: neighbours first, then as far apart as blocks are long."""

WINDOWS = 3
"""Windows, spread over the movie."""

LARGEST_SIDE = 512  # [px] of the part, in the middle of the frame, that is looked at
_MOST_PIXELS = 2**29  # read in all: whole frames are read, whatever part is looked at

_LARGEST_NOISE_RATIO = 16.0
"""A detector's noise is at most so many times as strong at its lowest as at its highest
frequencies (scintillator: 9): what differs more between frames is specimen, not noise."""

_SUDDEN = 1.5  # times the usual difference of consecutive frames
_SIGNIFICANT = 3.0  # standard deviations by which detail must exceed the noise of its ring
_WINDOW_SHARE = (18 / 35) ** 2  # independent Fourier modes that the Hann window leaves

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Change:
    """What a sample of frames tells of a movie.

    Attributes
    ----------
    drift
        Steady motion of the whole picture (y, x) [px/frame], mean over the windows; None where it
        cannot be followed.
    speed
        Its amount [px/frame], the median of the windows; None likewise.
    noise
        Of the detector [detector units].
    mean
        Of the frames [detector units].
    signal, noise_power
        (n,) power of detail and of noise in a frame, in rings of equal width from
        ``1 / LONGEST_PERIOD`` to 1/2 px⁻¹, in units of the noise's variance per pixel.
    correlations
        (L + 1,) share of the detail that frames 0 … L apart have in common: 1 for 0 apart. All
        ones where no detail stands out.
    steps
        Share of the detail that each pair of consecutive frames has in common, drift undone.
    frames_read
        Frames that were read.
    """

    drift: tuple[float, float] | None
    speed: float | None
    noise: NoiseModel
    mean: float
    signal: NDArray[np.float64]
    noise_power: NDArray[np.float64]
    correlations: NDArray[np.float64]
    steps: NDArray[np.float64]
    frames_read: int

    @property
    def snr(self) -> float:
        """Detail over noise in one frame, as a ratio of standard deviations."""
        noise = float(self.noise_power.sum())
        return float(np.sqrt(self.signal.sum() / noise)) if noise > 0 else float("inf")

    @property
    def half_life(self) -> int | None:
        """Frames after which half of the detail has changed; None beyond what was looked at."""
        below = np.flatnonzero(self.correlations < 0.5)
        return int(below[0]) if below.size else None

    def blur(self, compression_ratio: int) -> float:
        """Share of the detail's power that the mean of B consecutive frames loses, 0 … 1.

        Exactly Σ_ij D(i − j) / 2B² over the power of the detail.
        """
        lags = np.arange(compression_ratio)
        pairs = np.where(lags == 0, compression_ratio, 2 * (compression_ratio - lags))
        known = np.minimum(lags, len(self.correlations) - 1)
        shared = float((pairs * self.correlations[known]).sum()) / compression_ratio**2
        return float(np.clip(1 - shared, 0, 1))


def measure_change(movie: Movie, progress: Progress = lambda fraction: None) -> Change:
    """Measure motion, noise and detail on a bounded sample of frames.

    At most 3 windows of 12 frames are read, each frame once, and the middle 512² of them looked
    at; fewer windows of frames so large that this would be more than 2²⁹ pixels.

    Parameters
    ----------
    movie
        At least 2 frames of 32 × 32 px.
    progress
        Called with the fraction done; what it raises stops the work.

    Raises
    ------
    InputError
        For smaller frames, or frames that no detector records.
    """
    height, width = movie.shape[1:]
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"got frames of {height} × {width} px, expected at least {SMALLEST_SIDE} × "
            f"{SMALLEST_SIDE} px to measure motion; choose B by hand"
        )
    windows = [np.asarray(offsets) for offsets in _windows(movie)]
    total = sum(map(len, windows))
    rows, read = [], 0
    for indices in windows:
        frames = []
        for index in indices:
            progress(0.9 * read / total)
            frames.append(_middle(movie.read(int(index), int(index) + 1)[0]))
            read += 1
        rows.append(Window.of(np.stack(frames), indices - indices[0]))
    progress(0.95)
    return _pooled(rows, read)


def _windows(movie: Movie) -> Iterator[NDArray[np.int64]]:
    """Frames of each window."""
    n_frames, height, width = movie.shape
    offsets = np.asarray([offset for offset in OFFSETS if offset < n_frames])
    affordable = _MOST_PIXELS // (len(offsets) * height * width)
    count = int(np.clip(min(affordable, n_frames // len(offsets)), 1, WINDOWS))
    last = n_frames - 1 - int(offsets[-1])
    places = np.linspace(0, last, count) if count > 1 else np.array([last / 2])
    for start in np.unique(places.astype(int)):
        yield start + offsets


def _middle(frame: NDArray[Any]) -> NDArray[np.float32]:
    sides = [min(side, LARGEST_SIDE) for side in frame.shape]
    top, left = ((whole - side) // 2 for whole, side in zip(frame.shape, sides, strict=True))
    return frame[top : top + sides[0], left : left + sides[1]].astype(np.float32)


def _pooled(windows: list[Window], read: int) -> Change:
    """Put the windows together."""
    shape, pattern = windows[0].shape, float(np.mean([window.pattern for window in windows]))
    modes = modes_of(shape)
    power = np.mean([row for window in windows for row in window.products(0)], 0)
    pairs = np.array([row for window in windows for row in window.steps()])
    # What changes suddenly between two frames must not pass for noise.
    totals = pairs[:, 1].sum(1)
    calm = pairs[totals <= _SUDDEN * np.median(totals), 1]
    noise = np.minimum(_noise_power(calm.mean(0), modes, len(calm)), power)
    # Of each ring's power, what exceeds its own chance variation counts as detail.
    chance = (power + pattern * modes) * np.sqrt(2 / (_WINDOW_SHARE * modes * read))
    signal = np.where(power - noise > _SIGNIFICANT * chance, power - noise, 0)
    weight = np.divide(signal, power, out=np.zeros_like(power), where=power > 0)
    shared = (pairs[:, 0] - pairs[:, 1]) @ weight
    there = (pairs[:, 0] - noise) @ weight
    drifts = np.array([window.drift for window in windows if window.drift is not None])
    mean = float(np.mean([window.mean for window in windows]))
    scale = shape[0] * shape[1]
    return Change(
        drift=(float(drifts[:, 0].mean()), float(drifts[:, 1].mean())) if drifts.size else None,
        speed=float(np.median(np.hypot(*drifts.T))) if drifts.size else None,
        noise=min((window.noise for window in windows), key=lambda model: model.variance(mean)),
        mean=mean,
        signal=signal / scale,
        noise_power=(noise + pattern * modes) / scale,
        correlations=_correlations(windows, weight, float(weight @ signal)),
        steps=np.divide(shared, there, out=np.ones_like(there), where=there > 0),
        frames_read=read,
    )


def _correlations(
    windows: list[Window], weight: NDArray[np.float64], detail: float
) -> NDArray[np.float64]:
    """Share of the detail in common, at each lag; between measured lags on a straight line."""
    furthest = windows[0].furthest
    if detail <= 0:
        return np.ones(furthest + 1)
    lags, shared = [0], [1.0]
    for lag in range(1, furthest + 1):
        rows = [row for window in windows for row in window.products(lag)]
        if rows:
            lags.append(lag)
            shared.append(float(np.mean(rows, 0) @ weight) / detail)
    return np.asarray(np.interp(np.arange(furthest + 1), lags, np.clip(shared, -1, 1)), np.float64)


def _noise_power(
    difference: NDArray[np.float64], modes: NDArray[np.float64], n_pairs: int
) -> NDArray[np.float64]:
    """Power of the noise: what consecutive frames do not share, as far as it is noise.

    Noise falls towards high frequencies, and not by more than ``_LARGEST_NOISE_RATIO``; what
    stands out of that is specimen that changed from one frame to the next.
    """
    chance = 3 / np.sqrt(_WINDOW_SHARE * modes * n_pairs)
    density = difference / modes
    falling = np.minimum.accumulate(density * (1 + chance))
    highest = np.median(density[-max(len(density) // 4, 1) :])
    noise: NDArray[np.float64] = np.minimum(density, falling).clip(
        None, _LARGEST_NOISE_RATIO * highest
    )
    return noise * modes
