"""A window of frames in Fourier space, ring by ring, and the drift in it: for :mod:`.motion`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .noise import NoiseModel, estimate_noise

SMALLEST_SIDE = 32  # [px]
NEIGHBOURS = 6  # frames of a window that follow on one another
LONGEST_PERIOD = 32  # [px] what is larger counts as shading, not as detail
_RINGS = 32  # from zero to Nyquist's frequency; fewer in small frames, so that none is empty
_FURTHEST_TRACKED = 11  # [frames] over which drift is followed
_TRACKED = 6.0  # standard deviations by which a correlation peak must stand out

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class Window:
    """Spectra of one window's frames, variance-stabilised.

    ``pattern`` is the power per mode of what the detector adds to all of them alike.
    """

    offsets: NDArray[np.int64]
    spectra: Spectrum
    shape: tuple[int, int]
    noise: NoiseModel
    mean: float
    pattern: float = 0.0
    drift: tuple[float, float] | None = None

    @classmethod
    def of(cls, frames: NDArray[np.float32], offsets: NDArray[np.int64]) -> Window:
        neighbours = frames[: min(NEIGHBOURS, len(frames))]
        window = cls._of(frames, offsets, estimate_noise(neighbours))
        if window.drift is None or np.hypot(*window.drift) <= 0.5:
            return window
        # Motion passes for noise: measure it again on frames that follow the specimen.
        noise = estimate_noise(followed(neighbours, window.drift))
        return cls._of(frames, offsets, noise)

    @classmethod
    def _of(
        cls, frames: NDArray[np.float32], offsets: NDArray[np.int64], noise: NoiseModel
    ) -> Window:
        spectra = spectra_of(stabilised(frames, noise))
        shape = (frames.shape[1], frames.shape[2])
        window = cls(offsets, spectra, shape, noise, float(frames.mean()))
        window = replace(window, pattern=_pattern(window))
        return replace(window, drift=_drift(window))

    @property
    def furthest(self) -> int:
        """Largest distance between two of the frames."""
        return int(self.offsets[-1])

    def pairs(self, lag: int) -> list[tuple[int, int]]:
        """Frames that are ``lag`` apart."""
        place = {int(offset): index for index, offset in enumerate(self.offsets)}
        return [(i, place[o + lag]) for o, i in place.items() if o + lag in place]

    def products(self, lag: int) -> list[NDArray[np.float64]]:
        """Correlation of each pair ``lag`` apart, by ring, without the pattern."""
        return [
            by_ring((self.spectra[i].conj() * self.spectra[j]).real - self.pattern, self.shape)
            for i, j in self.pairs(lag)
        ]

    def steps(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Power, and half of the squared difference, of each pair of consecutive frames.

        By ring, with the drift undone (which sets the pattern in motion) and without the pattern.
        """
        back = shift_back(self.shape, self.drift or (0.0, 0.0))
        rows = []
        for i, j in self.pairs(1):
            before, after = self.spectra[i], self.spectra[j] * back
            power = (np.abs(before) ** 2 + np.abs(after) ** 2) / 2
            difference = np.abs(after - before) ** 2 / 2 - self.pattern * (1 - back.real)
            rows.append(
                (by_ring(power - self.pattern, self.shape), by_ring(difference, self.shape))
            )
        return rows


def _pattern(window: Window) -> float:
    """Power per mode of a white pattern that stays: what the highest frequencies share for long."""
    lags = range(max((window.furthest + 1) // 2, 2), window.furthest + 1)
    rows = [row for lag in lags for row in window.products(lag)]
    if not rows:
        return 0.0
    shared = np.mean(rows, 0) / modes_of(window.shape)
    return max(float(np.median(shared[-len(shared) // 4 :])), 0.0)


def _drift(window: Window) -> tuple[float, float] | None:
    """Steady motion (y, x) [px/frame]; None where there is no clear peak.

    The peak of the plain correlation of low-passed frames, averaged over all pairs one apart,
    then over pairs further apart, each looked for near where the one before foretells it. Where
    the second one is not there, the first was chance.
    """
    found: tuple[float, float] | None = None
    shape, band, spectra = window.shape, detail_band(window.shape), window.spectra
    # Frames that have nothing to do with each other correlate by chance, most in a lattice, where
    # few modes hold all power; less so the more pairs are averaged.
    power = np.mean(np.abs(spectra) ** 2, 0) * band
    chance = np.sqrt((_whole_plane(shape) * np.square(power)).sum()) / (shape[0] * shape[1])
    for lag in range(1, min(window.furthest, _FURTHEST_TRACKED) + 1):
        pairs = [spectra[i].conj() * spectra[j] for i, j in window.pairs(lag)]
        surface = fft.irfft2((np.mean(pairs, 0) - window.pattern) * band, s=shape)
        guess = (0.0, 0.0) if found is None else (lag * found[0], lag * found[1])
        radius = min(shape) / 4 if found is None else 2.0
        peak = _peak(surface, guess, radius, _TRACKED * chance / np.sqrt(len(pairs)))
        if peak is None:
            return found if lag > 2 else None
        found = (peak[0] / lag, peak[1] / lag)
    return found


def stabilised(frames: NDArray[np.float32], noise: NoiseModel) -> NDArray[np.float32]:
    """Frames whose noise has about unit variance everywhere (generalised Anscombe)."""
    if noise.gain > 0:
        shifted = noise.gain * frames + (0.375 * noise.gain**2 + noise.offset_variance)
        return np.asarray(2 / noise.gain * np.sqrt(np.maximum(shifted, 0)), np.float32)
    scaled: NDArray[np.float32] = (frames / (np.sqrt(noise.offset_variance) or 1.0)).astype(
        np.float32
    )
    return scaled


def spectra_of(frames: NDArray[np.float32]) -> Spectrum:
    """Fourier transforms, Hann window and mean removed; the power of white noise is kept."""
    windows = [np.hanning(side + 2)[1:-1].astype(np.float32) for side in frames.shape[1:]]
    window = windows[0][:, None] * windows[1][None]
    window /= np.sqrt(np.square(window).mean())
    mean = (frames * window).mean((1, 2), keepdims=True) / window.mean()
    spectra: Spectrum = fft.rfft2((frames - mean) * window, norm="ortho")
    return spectra


def _frequency(shape: tuple[int, int]) -> NDArray[np.float64]:
    frequency: NDArray[np.float64] = np.hypot(
        fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None]
    )
    return frequency


def detail_band(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Detail, low-passed by a Gaussian of 1 px: noise must not pass for motion."""
    frequency = _frequency(shape)
    low_pass = np.exp(-2 * (np.pi * frequency) ** 2)
    return np.where(frequency >= 1 / LONGEST_PERIOD, low_pass**2, 0).astype(np.float32)


def shift_back(shape: tuple[int, int], by: tuple[float, float]) -> NDArray[np.complex64]:
    """Move a picture back by ``by`` (y, x) [px]."""
    phase = fft.fftfreq(shape[0])[:, None] * by[0] + fft.rfftfreq(shape[1])[None] * by[1]
    factor: NDArray[np.complex64] = np.exp(2j * np.pi * phase).astype(np.complex64)
    return factor


def modes_of(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Fourier modes of each ring."""
    return by_ring(np.ones((shape[0], shape[1] // 2 + 1)), shape)


def _whole_plane(shape: tuple[int, int]) -> NDArray[np.float64]:
    """How often each kept mode is in the whole plane, half of which is kept of a real picture."""
    times = np.full((shape[0], shape[1] // 2 + 1), 2.0)
    times[:, 0] = 1
    if shape[1] % 2 == 0:
        times[:, -1] = 1
    return times


def by_ring(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Sum over rings of the whole Fourier plane, those of detail only."""
    count = min(_RINGS, min(shape) // 2)
    rings = (_frequency(shape) * 2 * count).astype(int)
    sums = np.bincount(rings.ravel(), (values * _whole_plane(shape)).ravel(), minlength=count + 1)
    detail: NDArray[np.float64] = sums[-(-2 * count // LONGEST_PERIOD) : count].astype(np.float64)
    return detail


def _peak(
    surface: NDArray[np.float32], guess: tuple[float, float], radius: float, least: float
) -> tuple[float, float] | None:
    """Place (y, x) of the highest point within ``radius`` of ``guess``, to a fraction of a px.

    None where it is not higher than ``least``.
    """
    axes = [fft.fftfreq(side, 1 / side) for side in surface.shape]
    distance = np.hypot(axes[0][:, None] - guess[0], axes[1][None] - guess[1])
    inside = np.where(distance <= radius, surface, -np.inf)
    y, x = (int(i) for i in np.unravel_index(np.argmax(inside), surface.shape))
    if surface[y, x] <= least:
        return None
    return (
        float(axes[0][y]) + _vertex(surface[(y - 1, y, (y + 1) % surface.shape[0]), x]),
        float(axes[1][x]) + _vertex(surface[y, (x - 1, x, (x + 1) % surface.shape[1])]),
    )


def _vertex(three: NDArray[np.float32]) -> float:
    """Offset of the top of the parabola through three points from the middle one."""
    before, top, after = (float(value) for value in three)
    curvature = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0


def followed(frames: NDArray[np.float32], drift: tuple[float, float]) -> NDArray[np.float32]:
    """Cut the part that all frames share out of each, moved by whole pixels with the drift."""
    steps = np.rint(np.outer(np.arange(len(frames)), drift)).astype(int)
    first, last = steps.max(0), steps.min(0)
    height, width = frames.shape[1] - first[0] + last[0], frames.shape[2] - first[1] + last[1]
    if min(height, width) < SMALLEST_SIDE:
        return frames
    corners = steps - last
    return np.stack(
        [
            frame[y : y + height, x : x + width]
            for frame, (y, x) in zip(frames, corners, strict=True)
        ]
    )
