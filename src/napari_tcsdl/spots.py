"""Spots of a power spectrum: found by themselves or by a click, and looked up in other spectra.

Where :mod:`napari_tcsdl.bragg` scores reflections that are known beforehand, here nothing is known
but what noise does: a spot is what rises higher above its ring than noise would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from . import _speckle
from ._peaks import (
    SEARCH,
    Spot,
    check_unit,
    highest,
    is_part_of,
    is_shifted,
    power_of,
    snrs_at,
    spot_at,
    standing_out,
)
from ._spectrum import SMALLEST_SIDE, Spectrum2D, spectrum_of
from ._validation import InputError
from .bragg import near_jpeg_harmonic
from .lattice import Lattice

__all__ = [
    "FALSE_ALARMS",
    "LOST_BY_CHANCE",
    "SMALLEST_SIDE",
    "Spectrum2D",
    "Spot",
    "find_peaks",
    "is_jpeg_harmonic",
    "is_lost",
    "jpeg_copy_of",
    "label_spots",
    "refine",
    "snr_at",
    "snrs_at",
    "spectrum_of",
]

FALSE_ALARMS = 0.005
"""Spots that :func:`find_peaks` finds on average in a frame of mere noise, at most."""

LOST_BY_CHANCE = 0.01
"""Chance, at most, that noise passes for a spot where :func:`snr_at` looks for one."""

_NEIGHBOURHOOD = 2  # [Fourier px] around a spot in which it is the highest
_BATCH = 64  # peaks that are looked at together
_MOST_CANDIDATES = 512  # so that an image of nothing but streaks does not take long
_CLICK_RADIUS = 4.0  # [Fourier px]


def find_peaks(
    spectrum: Spectrum2D, *, at_most: int = 12, least_snr: float | None = None
) -> list[Spot]:
    """Find the spots of a spectrum: what rises higher above its ring than noise would.

    Parameters
    ----------
    spectrum
        Of one image, or of a mean of images.
    at_most
        How many spots, the strongest.
    least_snr
        None for the height that noise exceeds in one frame of 200, at most
        (:data:`FALSE_ALARMS`). It depends on the size of the frame: 11.6 at 256 × 256.

    Returns
    -------
    list
        One spot of each Friedel pair (qy ≤ 0: the upper half of the screen), strongest first.
        Nothing below 8 periods per field, where the shape of the specimen lies.

    Raises
    ------
    InputError
        If ``at_most`` is below 1, or ``least_snr`` is not above 1.

    Notes
    -----
    The noise may be of any colour. A spot has to rise above its ring and above its surroundings
    (noise that is not alike in all directions), and above the line towards zero frequency by half
    as much (streaks of long straight edges).
    """
    if at_most < 1 or (least_snr is not None and not least_snr > 1):
        raise InputError(
            f"got at most {at_most} spots of SNR {least_snr} or more, expected at least 1 spot and "
            "an SNR above 1; raise it"
        )
    height, width = spectrum.power.shape
    least = least_snr or _speckle.highest_noise(FALSE_ALARMS, height * width / 2)
    upper, across = np.arange(height // 2 + 1), np.arange(width)
    snr = spectrum.snr(upper, across)
    rows, columns = np.nonzero(snr >= least)
    peaks = highest(spectrum, rows, columns, _NEIGHBOURHOOD)
    rows, columns = rows[peaks], columns[peaks]
    order = np.argsort(-snr[rows, columns], kind="stable")[:_MOST_CANDIDATES]
    found: list[Spot] = []
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        batch = batch[standing_out(spectrum, rows[batch], columns[batch], least)]
        for row, column in zip(rows[batch].tolist(), columns[batch].tolist(), strict=True):
            spot = spot_at(spectrum, row, column)
            if not any(is_part_of(spectrum, spot, other) for other in found):
                found.append(spot if spot.qy <= 0 else replace(spot, qy=-spot.qy, qx=-spot.qx))
            if len(found) == at_most:
                return found
    return found


def refine(spectrum: Spectrum2D, qy: float, qx: float, radius: float | None = None) -> Spot:
    """Find the peak that a click means.

    Parameters
    ----------
    spectrum
        That was clicked.
    qy, qx
        Of the click, in the unit of the spectrum.
    radius
        How far the peak may be, in the same unit; None for four Fourier pixels.

    Returns
    -------
    Spot
        The strongest local maximum within ``radius``, by SNR, or the strongest place where there
        is none. It need not be more than noise: ask :func:`is_lost`.

    Raises
    ------
    InputError
        For a click outside of the spectrum, or a radius < 0.

    Examples
    --------
    >>> y, x = np.mgrid[:128, :128]
    >>> spectrum = spectrum_of(np.cos(2 * np.pi * (0.6 * x - 0.8 * y) / 5), pixel_size=0.5)
    >>> spot = refine(spectrum, -3.1, 2.5)
    >>> print(f"{spot.d:.2f} {spot.d_unit}, {spot.angle:.0f}°")
    2.50 Å, 53°
    """
    if radius is None:
        radius = _CLICK_RADIUS * spectrum.step
    if not 0 <= radius < math.inf:
        raise InputError(
            f"got radius {radius:g} {spectrum.unit} around a click, expected one ≥ 0; leave it out"
        )
    row, column = spectrum.pixel_of(qy, qx)
    height, width = spectrum.power.shape
    down, across = (math.ceil(radius / step) for step in spectrum.steps)
    rows, columns = spectrum.box(row, column, min(down, height // 2), min(across, width // 2))
    distance = np.hypot((spectrum.fy[rows] - qy)[:, np.newaxis], spectrum.fx[columns] - qx)
    # the pixel that was clicked counts, even if the radius is smaller than a pixel
    distance[np.ix_(rows == row, columns == column)] = 0
    inside = np.argwhere(distance <= radius)
    snr = spectrum.snr(rows, columns)[tuple(inside.T)]
    rows, columns = rows[inside[:, 0]], columns[inside[:, 1]]
    peaks = highest(spectrum, rows, columns, 1)
    best = int(np.argmax(np.where(peaks, snr, 0) if peaks.any() else snr))
    return spot_at(spectrum, int(rows[best]), int(columns[best]))


def snr_at(spectrum: Spectrum2D, spot: Spot) -> float:
    """SNR that a spot of one spectrum has in another one.

    Parameters
    ----------
    spectrum
        Of the same axes as the one in which the spot was found.
    spot
        Where to look: the highest of 3 × 3 Fourier pixels counts.

    Returns
    -------
    float
        Over the median of its ring in ``spectrum``; the places where JPEG's blocks make spots do
        not count for the ring.

    Raises
    ------
    InputError
        For a spot outside of the spectrum, or in another unit.
    """
    return snrs_at(spectrum, [spot])[0]


def is_lost(snr: float) -> bool:
    """Whether a spot of this SNR may be mere noise.

    Parameters
    ----------
    snr
        From :func:`snr_at`.

    Returns
    -------
    bool
        True below 5.4: in one of a hundred spectra without that spot, at most, noise alone is
        higher somewhere in the 3 × 3 Fourier pixels that were searched.
    """
    return not snr >= _speckle.highest_noise(LOST_BY_CHANCE, (2 * SEARCH + 1) ** 2)


def is_jpeg_harmonic(spectrum: Spectrum2D, spot: Spot, block: int = 8) -> bool:
    """Whether a spot lies where JPEG makes spots by itself.

    Parameters
    ----------
    spectrum
        For its axes: of pixels as they were when JPEG compressed them.
    spot
        In the unit of ``spectrum``.
    block
        [px] Side of JPEG's blocks.

    Returns
    -------
    bool
        True within four Fourier pixels of a multiple of 1 / ``block`` px⁻¹ on an axis. A lattice
        may have spots there too: look at the image before JPEG.

    Raises
    ------
    InputError
        For a spot in another unit.
    """
    check_unit(spectrum, spot)
    height, width = spectrum.power.shape
    row, column = np.array(spot.qy / spectrum.steps[0]), np.array(spot.qx / spectrum.steps[1])
    return bool(near_jpeg_harmonic(row, column, (height, width), block))


def jpeg_copy_of(
    spectrum: Spectrum2D, spot: Spot, spots: Sequence[Spot], block: int = 8
) -> Spot | None:
    """Find the spot that JPEG's blocks copied to another place.

    At low quality a block keeps only a few waves, so a strong reflection returns at places that
    are multiples of 1 / ``block`` px⁻¹ away along an axis, where no lattice has one.

    Parameters
    ----------
    spectrum
        For its axes: of pixels as they were when JPEG compressed them.
    spot
        That may be a copy.
    spots
        Of the same spectrum, or of the same field before JPEG; ``spot`` may be among them.
    block
        [px] Side of JPEG's blocks.

    Returns
    -------
    Spot or None
        The most powerful of ``spots`` that has more power in ``spectrum`` than ``spot`` and lies,
        or whose Friedel mate lies, a multiple of 1 / ``block`` px⁻¹ away, within two Fourier
        pixels.

    Raises
    ------
    InputError
        For a spot in another unit, or outside of the spectrum.
    """
    for one in (spot, *spots):
        check_unit(spectrum, one)
    least = power_of(spectrum, spot)
    stronger = [other for other in spots if power_of(spectrum, other) > least]
    shifted = (other for other in stronger if is_shifted(spectrum, spot, other, block))
    return max(shifted, key=lambda other: power_of(spectrum, other), default=None)


def label_spots(spots: Sequence[Spot], lattice: Lattice) -> list[str]:
    """Guess the reflection of each spot from its d-spacing.

    Parameters
    ----------
    spots
        In any order.
    lattice
        Of the substance.

    Returns
    -------
    list
        Names of ``lattice``; "" where none has this d-spacing, and for spots in 1/px.
    """
    guesses = (lattice.guess(spot.d) if spot.unit == "1/nm" else None for spot in spots)
    return [guess.name if guess else "" for guess in guesses]
