"""The power spectrum that panels show, and the level of its noise at each frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _speckle
from ._validation import InputError
from .bragg import near_jpeg_harmonic
from .fourier import pixel_spacing, power_spectrum, unfold

SMALLEST_SIDE = 16
"""[px] Below this a frame has too few Fourier pixels to tell a spot from noise."""

ANGSTROM_PER_NM = 10.0
_BAND = 32  # rows
_RING_WIDTH = 3.0  # [Fourier px] at least
_LEAST_PIXELS = 128  # of a ring, in the upper half
_SAMPLES = 255  # of a ring, for its median
_FEWEST_SAMPLES = 32
_GOLDEN = (math.sqrt(5) - 1) / 2
_FLOOR = 1e-7  # of the mean power: below it lie rounding and the filters of software


@dataclass(frozen=True, eq=False)
class Spectrum2D:
    """Power spectrum of one image, zero frequency in the middle.

    Attributes
    ----------
    power
        (H, W) float32; the mean is the windowed variance of the image.
    fy, fx
        (H,) along y, downwards, and (W,) along x, rising, in ``unit``.
    unit
        "1/nm", or "1/px" without a pixel size.
    """

    power: NDArray[np.float32] = field(repr=False)
    fy: NDArray[np.float64] = field(repr=False)
    fx: NDArray[np.float64] = field(repr=False)
    unit: str

    @property
    def steps(self) -> tuple[float, float]:
        """Height and width of a Fourier pixel, in ``unit``."""
        return float(self.fy[1] - self.fy[0]), float(self.fx[1] - self.fx[0])

    @property
    def step(self) -> float:
        """Fourier pixel of the shorter side, the coarser one: what radii are counted in."""
        return max(self.steps)

    @property
    def nyquist(self) -> float:
        """Half a period per pixel, in ``unit``."""
        return self.steps[0] * len(self.fy) / 2

    @cached_property
    def smoothed(self) -> NDArray[np.float32]:
        """(H, W) power under a Gaussian of σ = 0.7 Fourier pixels."""
        return _smooth(self.power)

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """Median of ``smoothed`` on rings of 0, ½, 1, … Fourier pixels: the noise level."""
        return _noise_levels(self)

    def radius(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n, m) distances of n rows and m columns from zero frequency [Fourier px]."""
        return self._distance(rows[:, np.newaxis], columns)

    def _distance(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        y, x = ((q / self.step).astype(np.float32) for q in (self.fy[rows], self.fx[columns]))
        return np.asarray(np.sqrt(y**2 + x**2))

    def snr(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n, m) smoothed power of n rows and m columns over the noise level."""
        rings = (2 * self.radius(rows, columns) + np.float32(0.5)).astype(np.intp)
        return np.asarray(self.smoothed[np.ix_(rows, columns)] / self.levels[rings])

    def snr_at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n,) as :meth:`snr` at n places; smooths only what these need, unless all is smoothed.

        A few spots of a spectrum are measured in a sixth of the time.
        """
        rings = (2 * self._distance(rows, columns) + np.float32(0.5)).astype(np.intp)
        levels = self.levels[rings] if "smoothed" in vars(self) else _levels_at(self, rings)
        return np.asarray(self.smoothed_at(rows, columns) / levels)

    def smoothed_at(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """(n,) smoothed power at n places."""
        if "smoothed" in vars(self):
            return np.asarray(self.smoothed[rows, columns])
        return _smoothed_at(self.power, rows, columns)

    def pixel_of(self, qy: float, qx: float) -> tuple[int, int]:
        """Row and column of a frequency.

        Raises
        ------
        InputError
            For a frequency outside of the spectrum.
        """
        if not max(abs(qy), abs(qx)) <= self.nyquist + self.step:
            raise InputError(
                f"got frequency ({qy:g}, {qx:g}) {self.unit}, expected one within the spectrum, "
                f"up to ±{self.nyquist:g}; click into the spectrum"
            )
        height, width = self.power.shape
        row = round(qy / self.steps[0]) + height // 2
        column = round(qx / self.steps[1]) + width // 2
        return row % height, column % width

    def box(
        self, row: int, column: int, down: int, across: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns around a Fourier pixel, across the ends."""
        height, width = self.power.shape
        return (
            np.arange(row - down, row + down + 1) % height,
            np.arange(column - across, column + across + 1) % width,
        )


def spectrum_of(image: NDArray[Any], *, pixel_size: float | None, every: int = 1) -> Spectrum2D:
    """Power spectrum of an image, with its axes as they are shown.

    Parameters
    ----------
    image
        (H, W), sides of at least 16 px, in any units.
    pixel_size
        [Å px⁻¹], or None where it is unknown; the axes are then in 1/px.
    every
        As for :func:`napari_tcsdl.fourier.power_spectrum`.

    Returns
    -------
    Spectrum2D
        Hann window, mean removed, as :func:`napari_tcsdl.fourier.power_spectrum` scales it:
        white noise of variance σ² lies at σ², whatever the size of the image.

    Raises
    ------
    InputError
        For anything but (H, W) of finite pixels, smaller images, and a pixel size ≤ 0.
    """
    spacing = pixel_spacing(pixel_size)
    if pixel_size is not None:
        spacing /= ANGSTROM_PER_NM
    if image.ndim == 2 and 0 < min(image.shape) < SMALLEST_SIDE:
        raise InputError(
            f"got an image of {image.shape[0]} × {image.shape[1]} px for a spectrum, expected at "
            f"least {SMALLEST_SIDE} × {SMALLEST_SIDE} px; show or draw a larger field"
        )
    power, (fy, fx) = power_spectrum(image, pixel_size=spacing, every=every)
    return Spectrum2D(power, fy, fx, "1/px" if pixel_size is None else "1/nm")


def _smooth(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth along both axes, across the ends: frequencies are periodic.

    The right half, as the rest is its mirror image; in bands of rows that stay in the processor's
    cache: together in a sixth of the time.
    """
    weights = _speckle.kernel().astype(np.float32)
    (height, width), reach = power.shape, _speckle.REACH
    # from zero frequency to Nyquist's, which lie in the first row and column, and what they touch
    rows = (slice(height // 2 - reach, height), slice(0, height // 2 + reach))
    columns = (slice(width // 2 - reach, width), slice(0, reach + 1))
    tall = np.block([[power[row, column] for column in columns] for row in rows])
    smoothed = np.empty((height, tall.shape[1] - 2 * reach), np.float32)
    for start in range(0, height, _BAND):
        band = _weighted(tall[start : start + _BAND + 2 * reach], weights)
        smoothed[start : start + _BAND] = _weighted(band.T, weights).T
    return unfold(smoothed, width)


def _weighted(padded: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted sum of five neighbours along the first axis."""
    far, near, centre = weights[:3]
    total = near * (padded[1:-3] + padded[3:-1])
    total += far * (padded[:-4] + padded[4:])
    total += centre * padded[2:-2]
    return np.asarray(total)


def _smoothed_at(
    power: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Smooth at some places only; in the shape of ``rows`` and ``columns``."""
    weights, reach = _speckle.kernel().astype(np.float32), _speckle.REACH
    (height, width), steps = power.shape, np.arange(-reach, reach + 1)
    places = (rows * width + columns)[..., np.newaxis] + np.add.outer(steps * width, steps).ravel()
    rim = (rows < reach) | (columns < reach) | (rows >= height - reach) | (columns >= width - reach)
    down = (rows[rim][:, np.newaxis] + steps) % height * width  # only there, as division is slow
    across = (columns[rim][:, np.newaxis] + steps) % width
    places[rim] = (down[:, :, np.newaxis] + across[:, np.newaxis]).reshape(-1, len(steps) ** 2)
    return np.asarray(power.ravel().take(places) @ np.outer(weights, weights).ravel())


def _noise_levels(spectrum: Spectrum2D) -> NDArray[np.float32]:
    """Take the median of each ring; between the rings, a power law of the frequency."""
    rings = _rings(*spectrum.power.shape)
    enough = rings.count >= _FEWEST_SAMPLES
    powers = spectrum.smoothed.ravel()[rings.places[enough]]
    levels = _log_medians(spectrum, powers, rings.outside[enough], rings.count[enough])
    return np.exp(np.interp(rings.log_radii, rings.log_centres[enough], levels)).astype(np.float32)


def _levels_at(spectrum: Spectrum2D, wanted: NDArray[np.intp]) -> NDArray[np.float32]:
    """As ``_noise_levels`` at some radii [½ Fourier px], from the rings around these only."""
    shape = spectrum.power.shape
    rings = _rings(*shape)
    enough = np.flatnonzero(rings.count >= _FEWEST_SAMPLES)
    centres, radii = rings.log_centres[enough], rings.log_radii[wanted]
    above = np.searchsorted(centres, radii)
    near = np.unique(np.clip([above - 1, above], 0, len(enough) - 1))
    taken = enough[near]
    powers = _smoothed_at(spectrum.power, *np.unravel_index(rings.places[taken], shape))
    levels = _log_medians(spectrum, powers, rings.outside[taken], rings.count[taken])
    return np.exp(np.interp(radii, centres[near], levels)).astype(np.float32)


def _log_medians(
    spectrum: Spectrum2D,
    powers: NDArray[np.float32],
    outside: NDArray[np.bool_],
    count: NDArray[np.intp],
) -> NDArray[np.float32]:
    """(n,) logarithms of the medians of n rings, from their samples."""
    powers[outside] = np.inf  # in corners, and of JPEG's own spots
    samples = np.sort(powers, axis=1)
    medians = samples[np.arange(len(samples)), np.minimum(count // 2, _SAMPLES - 1)]
    floor = max(_FLOOR * float(spectrum.power.mean()), float(np.finfo(np.float32).tiny))
    return np.asarray(np.log(np.maximum(medians, floor)))


@dataclass(frozen=True, eq=False)
class _Rings:
    """Where the rings of a spectrum are sampled; the same for each spectrum of one shape.

    Attributes
    ----------
    places, outside
        (rings, samples) of the flat spectrum, evenly spread over the upper half of the ring (the
        lower half says the same again), and whether they do not count: beyond the spectrum, in
        its corners, or JPEG's own spots.
    count
        (rings,) how many do.
    log_centres, log_radii
        Of the rings, and of 0, ½, 1, … Fourier pixels [ln Fourier px].
    """

    places: NDArray[np.intp]
    outside: NDArray[np.bool_]
    count: NDArray[np.intp]
    log_centres: NDArray[np.float64]
    log_radii: NDArray[np.float64]


@lru_cache(maxsize=4)
def _rings(height: int, width: int) -> _Rings:
    """Take some time, more than the medians themselves: kept while the slider moves."""
    squeeze = min(height, width) / np.array([height, width])  # a Fourier pixel, down and across
    edges = _ring_edges(height, width)
    angle = np.pi * (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    across = np.arange(_SAMPLES) * _GOLDEN % 1
    inner, outer = edges[:-1, np.newaxis] ** 2, edges[1:, np.newaxis] ** 2
    radius = np.sqrt(inner + (outer - inner) * across)
    rows = np.rint(-radius * np.sin(angle) / squeeze[0]).astype(np.intp)
    columns = np.rint(radius * np.cos(angle) / squeeze[1]).astype(np.intp)
    valid = ~near_jpeg_harmonic(rows, columns, (height, width))
    rows += height // 2
    columns += width // 2
    valid &= (rows >= 0) & (columns >= 0) & (columns < width)
    places = np.maximum(rows, 0) * width + np.clip(columns, 0, width - 1)
    centres = np.sqrt((edges[:-1] ** 2 + edges[1:] ** 2) / 2)
    radii = np.maximum(np.arange(2 * math.ceil(edges[-1]) + 2) / 2, 0.5)
    return _Rings(places, ~valid, valid.sum(axis=1), np.log(centres), np.log(radii))


def _ring_edges(height: int, width: int) -> NDArray[np.float64]:
    """Radii [Fourier px] of rings three wide; the small ones are wider, to hold enough pixels."""
    wider = 2 * _LEAST_PIXELS * min(height, width) / max(height, width) / np.pi
    corner = math.sqrt(2) * min(height, width) / 2
    edges = [0.5]
    while edges[-1] <= corner:
        edges.append(max(edges[-1] + _RING_WIDTH, math.sqrt(edges[-1] ** 2 + wider)))
    return np.array(edges)
