"""Bragg spots: how far the reflections of a lattice rise above their surroundings, as numbers.

PSNR hardly notices a weak reflection: the (004) of gold carries a thousandth of a frame's variance
and is yet what a microscopist looks for. Here each reflection gets a number of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from ._validation import InputError
from .fourier import pixel_spacing, power_spectrum

AU_REFLECTIONS: Mapping[str, float] = {"111": 2.355, "002": 2.039, "022": 1.442, "004": 1.0197}
"""d-spacings of gold [Å], a = 4.078 Å."""

LEAST_CONTRAST = 5.0
"""A local maximum counts as a spot from here on; averaged spectra of noise stay below."""

_SMOOTHING = 0.7  # [Fourier px] joins the pixels of one spot
_TOLERANCE = 0.03  # relative half-width of a ring, at least one Fourier pixel
_LEAST_TOLERANCE = 1.0  # [Fourier px]
_NEIGHBOURHOOD = 5  # [Fourier px] in which a spot is the highest
_JPEG_BLOCK = 8  # [px]
_JPEG_RADIUS = 4.0  # [Fourier px] around a false spot: two of the Hann window, three σ of smoothing


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Mean over frames of the power spectrum of each, smoothed, zero frequency in the middle.

    Powers are averaged, not frames: a lattice that drifts keeps its spots.

    Attributes
    ----------
    power
        (H, W), as :func:`napari_tcsdl.fourier.power_spectrum` scales it.
    frequency
        (H, W) magnitude of the spatial frequency, [Å⁻¹], or [px⁻¹] without a pixel size.
    step
        Width of a Fourier pixel of the shorter side, in the same unit.
    """

    power: NDArray[np.float64] = field(repr=False)
    frequency: NDArray[np.float64] = field(repr=False)
    step: float


@dataclass(frozen=True)
class SpotScore:
    """Strength of one reflection.

    Attributes
    ----------
    power
        Mean power at its spots.
    background
        Median power of the ring that they lie on.
    error
        Standard error of ``power`` that this ring's scatter allows; 0 where it was not measured.
    """

    power: float
    background: float
    error: float = 0.0

    @property
    def contrast(self) -> float:
        """Power over background; about 1 where there is no spot, infinite on no background."""
        if self.background > 0:
            return self.power / self.background
        return math.inf if self.power > 0 else 1.0

    def share_of(self, truth: SpotScore) -> float:
        """Power above the background in units of the truth's: 1 is kept whole, 0 is lost.

        Contrast alone flatters a decoder that wipes out background and half of the spot.
        """
        excess = truth.power - truth.background
        return (self.power - self.background) / excess if excess > 0 else math.nan


def mean_spectrum(frames: NDArray[Any], *, pixel_size: float | None = None) -> Spectrum:
    """Spectrum in which spots are looked for.

    Parameters
    ----------
    frames
        (H, W) or (n, H, W), in any units.
    pixel_size
        [Å px⁻¹], or None where it is unknown; d-spacings are then in px.

    Returns
    -------
    Spectrum
        Hann window, mean removed, Gaussian of σ = 0.7 Fourier pixels.

    Raises
    ------
    InputError
        For anything but (H, W) or (n ≥ 1, H, W) of finite pixels, and a pixel size ≤ 0.
    """
    if frames.ndim not in (2, 3) or frames.size == 0:
        raise InputError(
            f"got an array of shape {frames.shape} for a spectrum, expected (H, W) or frames "
            "(n, H, W); give at least one frame"
        )
    stack = frames.reshape(-1, *frames.shape[-2:])
    total = np.zeros(stack.shape[1:])
    for frame in stack:
        power, (fy, fx) = power_spectrum(frame, pixel_size=pixel_size)
        total += power
    return Spectrum(
        power=gaussian_filter(total / len(stack), _SMOOTHING, mode="wrap"),
        frequency=np.hypot(fy[:, np.newaxis], fx),
        step=1 / (min(stack.shape[1:]) * pixel_spacing(pixel_size)),
    )


def find_spots(
    spectrum: Spectrum,
    reflections: Mapping[str, float],
    *,
    least_contrast: float = LEAST_CONTRAST,
) -> dict[str, NDArray[np.intp]]:
    """Find the spots of each reflection: local maxima on its ring.

    Parameters
    ----------
    spectrum
        Of the truth where there is one: then what is measured at these places in another picture
        is not chosen by that picture's own noise.
    reflections
        Name → d-spacing [Å, or px for a spectrum without a pixel size], each above two pixels.
    least_contrast
        Of a spot, over the median of its ring.

    Returns
    -------
    dict
        Name → (n ≥ 1, 2) rows and columns; the highest maximum alone where none is high enough.

    Raises
    ------
    InputError
        For a d-spacing that the pixels cannot resolve, or whose ring has no pixel.

    Notes
    -----
    A ring is ± 3 % wide, at least ± one Fourier pixel. JPEG's blocks of 8 × 8 px make false spots
    on the axes at periods of 8, 4 and 2.67 px: four Fourier pixels around them are left out, in
    every picture.
    """
    highest = maximum_filter(spectrum.power, _NEIGHBOURHOOD, mode="wrap") == spectrum.power
    found = {}
    for name, d_spacing in reflections.items():
        ring = _ring(spectrum, name, d_spacing)
        least = least_contrast * np.median(spectrum.power[ring])
        spots = np.argwhere(ring & highest & (spectrum.power > least))
        if len(spots) == 0:
            spots = np.argwhere(ring & (spectrum.power == spectrum.power[ring].max()))
        found[name] = spots
    return found


def spot_scores(
    spectrum: Spectrum,
    reflections: Mapping[str, float],
    spots: Mapping[str, NDArray[np.intp]] | None = None,
) -> dict[str, SpotScore]:
    """Measure the strength of each reflection.

    Parameters
    ----------
    spectrum
        Of the picture that is measured.
    reflections
        Name → d-spacing [Å, or px for a spectrum without a pixel size].
    spots
        Where to look, from :func:`find_spots` on another picture of the same size; None for the
        highest places of ``spectrum`` itself, whose contrast is a few even in mere noise.

    Returns
    -------
    dict
        Name → :class:`SpotScore`.

    Raises
    ------
    InputError
        As for :func:`find_spots`, and for spots of a picture of another size or pixel size.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> fringes = np.cos(2 * np.pi * (0.6 * x + 0.8 * y) / 5)
    >>> score = spot_scores(mean_spectrum(fringes), {"5 px": 5.0})["5 px"]
    >>> score.contrast > 100
    True
    """
    spots = find_spots(spectrum, reflections) if spots is None else spots
    scores = {}
    for name, d_spacing in reflections.items():
        ring = _ring(spectrum, name, d_spacing)
        places = np.zeros_like(ring)
        inside = spots[name][(spots[name] < ring.shape).all(axis=1)]
        places[tuple(inside.T)] = True
        if len(inside) < len(spots[name]) or not ring[places].all():
            raise InputError(
                f"got spots that do not lie on the ring of reflection {name}, expected those of a "
                "picture of the same size and pixel size; find them anew"
            )
        level = float(np.median(spectrum.power[ring]))
        # One deviation up, 84 %: powers scatter further up than down, and spots lie above.
        scatter = float(np.quantile(spectrum.power[ring], 0.8413)) - level
        scores[name] = SpotScore(
            power=float(spectrum.power[places].mean()),
            background=level,
            error=scatter / math.sqrt(max(len(inside), 1)),
        )
    return scores


def near_jpeg_harmonic(
    rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int], block: int = _JPEG_BLOCK
) -> NDArray[np.bool_]:
    """Whether Fourier pixels lie where the blocks of JPEG make spots of their own.

    Parameters
    ----------
    rows, columns
        Offsets from zero frequency [Fourier px], whole or not; they are broadcast.
    shape
        (H, W) of the spectrum.
    block
        [px] Side of a block.

    Returns
    -------
    NDArray
        True within four Fourier pixels of a multiple of 1 / ``block`` on an axis, zero left out.
    """
    near = np.zeros(np.broadcast_shapes(rows.shape, columns.shape), bool)
    for along, across, size in ((rows, columns, shape[0]), (columns, rows, shape[1])):
        order = np.maximum(np.rint(np.abs(along) * block / size), 1)
        near |= np.hypot(np.abs(along) - order * size / block, across) <= _JPEG_RADIUS
    return near


def _ring(spectrum: Spectrum, name: str, d_spacing: float) -> NDArray[np.bool_]:
    """Fourier pixels of a reflection, without those where JPEG's blocks make spots."""
    nyquist = spectrum.step * min(spectrum.power.shape) / 2
    if not (math.isfinite(d_spacing) and d_spacing * nyquist > 1):
        raise InputError(
            f"got d = {d_spacing:g} for reflection {name}, expected more than two pixels "
            f"({1 / nyquist:g}); leave it out or record at a higher magnification"
        )
    middle = 1 / d_spacing
    half_width = max(_TOLERANCE * middle, _LEAST_TOLERANCE * spectrum.step)
    ring = np.abs(spectrum.frequency - middle) <= half_width
    ring &= ~_jpeg_spots(*spectrum.power.shape)
    if not ring.any():
        raise InputError(
            f"got frames of {spectrum.power.shape[0]} × {spectrum.power.shape[1]} px without a "
            f"Fourier pixel for reflection {name}, expected larger frames; use the whole field"
        )
    return ring


def _jpeg_spots(height: int, width: int) -> NDArray[np.bool_]:
    """Where multiples of 1/8 px⁻¹ lie on the axes, zero frequency in the middle."""
    rows, columns = (np.arange(size) - size // 2 for size in (height, width))
    return near_jpeg_harmonic(rows[:, np.newaxis], columns, (height, width))
