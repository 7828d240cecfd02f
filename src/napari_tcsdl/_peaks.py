"""What makes a Fourier pixel a spot: higher than others, and no part of something larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._spectrum import ANGSTROM_PER_NM, Spectrum2D
from ._validation import InputError
from .fourier import d_spacing

Places = NDArray[np.intp]  # (n,)

SEARCH = 1
"""[Fourier px] Around a spot in which it is looked for in another spectrum."""
_LEAST_RADIUS = 8.0  # [Fourier px] below it lies the shape of the specimen
_SURROUNDINGS = (4, 8)  # [Fourier px] from … to, around a spot
_ALONG_STREAK = (4, 10)  # [Fourier px] from … to, towards zero frequency and away from it
_RESOLUTION = 3.0  # [Fourier px] peaks closer than the main lobe of the Hann window are one
_COPY_RADIUS = 2.0  # [Fourier px] around the place to which JPEG copies a spot
_CENTROID = 2  # [Fourier px] half of that lobe


@dataclass(frozen=True)
class Spot:
    """A peak of a power spectrum.

    Attributes
    ----------
    qy, qx
        Spatial frequency, y downwards, in ``unit``.
    snr
        Power over the noise level: the median of the ring of the same frequency. About 1 where
        there is only noise.
    unit
        "1/nm" or "1/px".
    """

    qy: float
    qx: float
    snr: float
    unit: str = "1/nm"

    @property
    def q(self) -> float:
        """Magnitude of the spatial frequency, in ``unit``."""
        return math.hypot(self.qy, self.qx)

    @property
    def d(self) -> float:
        """Distance of the lattice planes, in :attr:`d_unit`; infinite at zero frequency."""
        return float(d_spacing(self.q)) * (ANGSTROM_PER_NM if self.unit == "1/nm" else 1.0)

    @property
    def d_unit(self) -> str:
        """Unit of ``d``: "Å", or "px" for a spectrum in 1/px."""
        return "Å" if self.unit == "1/nm" else "px"

    @property
    def angle(self) -> float:
        """Direction of the spot [°], 0 ≤ angle < 180: a spot and its Friedel mate share it.

        From +x (to the right), counter-clockwise as seen on a screen where y points down: 90 is
        a spot straight above (or below) the middle. The fringes themselves lie across.
        """
        angle = math.degrees(math.atan2(-self.qy, self.qx)) % 180.0
        return angle if angle < 180.0 else 0.0  # −1e-17 % 180 is 180


def highest(spectrum: Spectrum2D, rows: Places, columns: Places, reach: int) -> NDArray[np.bool_]:
    """(n,) whether no Fourier pixel within ``reach`` rows and columns of each is higher."""
    height, width = spectrum.power.shape
    power = spectrum.smoothed[rows, columns]
    result = np.ones(len(rows), bool)
    for down, across in product(range(-reach, reach + 1), repeat=2):
        neighbours = spectrum.smoothed[(rows + down) % height, (columns + across) % width]
        result &= power >= neighbours
    return result


def standing_out(
    spectrum: Spectrum2D, rows: Places, columns: Places, least_snr: float
) -> NDArray[np.bool_]:
    """(n,) whether peaks are no part of the specimen's shape, uneven noise, or a streak.

    Parameters
    ----------
    spectrum
        Of the image.
    rows, columns
        (n,) Fourier pixels of the peaks.
    least_snr
        Over the median of the surroundings; half of it over that of the line through zero
        frequency, which has few pixels.
    """
    height, width = spectrum.power.shape
    down, across = (rows - height // 2)[:, np.newaxis], (columns - width // 2)[:, np.newaxis]
    radius = np.hypot(down * spectrum.steps[0], across * spectrum.steps[1]) / spectrum.step

    def power_at(away_down: NDArray[Any], away_across: NDArray[Any]) -> NDArray[np.float32]:
        places = (np.rint(away).astype(np.intp) for away in (away_down, away_across))
        row, column = places
        power = spectrum.smoothed[(row + height // 2) % height, (column + width // 2) % width]
        return np.asarray(power)

    power = power_at(down, across)[:, 0]
    inner, outer = _SURROUNDINGS
    box = np.mgrid[-outer : outer + 1, -outer : outer + 1]
    rim = box[:, np.abs(box).max(axis=0) >= inner]
    surroundings = np.median(power_at(down + rim[0], across + rim[1]), axis=1)
    along = np.arange(_ALONG_STREAK[0], _ALONG_STREAK[1] + 1)
    along = np.concatenate([along, -along])
    # near zero frequency the line goes on outwards only
    factor = 1 + np.where(along > 1 - radius, along, -along) / np.maximum(radius, 1)
    streak = np.median(power_at(down * factor, across * factor), axis=1)
    return np.asarray(
        (radius[:, 0] >= _LEAST_RADIUS)
        & (power >= least_snr * surroundings)
        & (power >= least_snr / 2 * streak)
    )


def spot_at(spectrum: Spectrum2D, row: int, column: int) -> Spot:
    """Spot of a peak: centroid of the power above the noise level in 5 × 5 Fourier pixels."""
    rows, columns = spectrum.box(row, column, _CENTROID, _CENTROID)
    middle = slice(_CENTROID, _CENTROID + 1)
    snr = float(spectrum.snr(rows[middle], columns[middle])[0, 0])
    level = spectrum.smoothed[row, column] / snr if snr > 0 else 0.0
    weights = np.maximum(spectrum.power[np.ix_(rows, columns)] - level, 0).astype(np.float64)
    total = float(weights.sum()) or 1.0
    offsets = np.arange(-_CENTROID, _CENTROID + 1)
    down = float(weights.sum(axis=1) @ offsets) / total
    across = float(weights.sum(axis=0) @ offsets) / total
    return Spot(
        qy=float(spectrum.fy[row]) + down * spectrum.steps[0],
        qx=float(spectrum.fx[column]) + across * spectrum.steps[1],
        snr=snr,
        unit=spectrum.unit,
    )


def power_of(spectrum: Spectrum2D, spot: Spot) -> float:
    """Smoothed power at the Fourier pixel of a spot."""
    row, column = spectrum.pixel_of(spot.qy, spot.qx)
    return float(spectrum.smoothed_at(np.array([row]), np.array([column]))[0])


def snrs_at(spectrum: Spectrum2D, spots: Sequence[Spot]) -> list[float]:
    """SNR of several spots, as :func:`napari_tcsdl.spots.snr_at`, in far less time together.

    Parameters
    ----------
    spectrum, spots
        As for :func:`napari_tcsdl.spots.snr_at`.

    Returns
    -------
    list
        One number a spot.

    Raises
    ------
    InputError
        For a spot outside of the spectrum, or in another unit.
    """
    if not spots:
        return []
    for spot in spots:
        check_unit(spectrum, spot)
    boxes = [
        np.meshgrid(*spectrum.box(*spectrum.pixel_of(s.qy, s.qx), SEARCH, SEARCH), indexing="ij")
        for s in spots
    ]
    rows, columns = np.array(boxes).reshape(len(spots), 2, -1).swapaxes(0, 1)
    highest_of = spectrum.snr_at(rows.ravel(), columns.ravel()).reshape(rows.shape).max(axis=1)
    return [float(snr) for snr in highest_of]


def check_unit(spectrum: Spectrum2D, spot: Spot) -> None:
    """Refuse a spot in another unit than that of the spectrum."""
    if spot.unit != spectrum.unit:
        raise InputError(
            f"got a spot in {spot.unit} for a spectrum in {spectrum.unit}, expected one unit; give "
            "all images the same pixel size"
        )


def is_part_of(spectrum: Spectrum2D, spot: Spot, stronger: Spot) -> bool:
    """Whether it is the same spot, its Friedel mate, or what the window spreads from it."""
    ratio = power_of(spectrum, spot) / power_of(spectrum, stronger)
    return any(ratio <= _spread(*_offset(spectrum, spot, stronger, sign)) for sign in (1, -1))


def is_shifted(spectrum: Spectrum2D, spot: Spot, other: Spot, block: int) -> bool:
    """Whether it lies multiples of 1 / ``block`` px⁻¹ along an axis from another or its mate."""
    periods = np.array(spectrum.power.shape) / block
    for sign in (1, -1):
        away = np.array(_offset(spectrum, spot, other, sign))
        orders = np.rint(away / periods)
        rest = np.hypot(away - orders * periods, away[::-1])
        if ((rest <= _COPY_RADIUS) & (orders != 0)).any():
            return True
    return False


def _offset(spectrum: Spectrum2D, spot: Spot, other: Spot, sign: int) -> tuple[float, float]:
    """(down, across) [Fourier px] from the other spot, or with −1 from its mate, to this one."""
    return (
        (spot.qy - sign * other.qy) / spectrum.steps[0],
        (spot.qx - sign * other.qx) / spectrum.steps[1],
    )


def _spread(down: float, across: float) -> float:
    """Power that a spot spreads to another place, at most, in units of its own.

    Parameters
    ----------
    down, across
        [Fourier px] From the spot to that place.

    Returns
    -------
    float
        Infinite within the main lobe of the Hann window. Further out four times the envelope of
        its side lobes, (π x (x² − 1))⁻² along each axis: smoothing takes up to that off the spot.
    """
    if math.hypot(down, across) < _RESOLUTION:
        return math.inf
    return 4 * _side_lobe(down) * _side_lobe(across)


def _side_lobe(x: float) -> float:
    return min(1.0, (math.pi * x * (x * x - 1)) ** -2) if abs(x) > 1 else 1.0
