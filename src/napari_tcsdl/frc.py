"""Fourier ring correlation: up to which spatial frequency two pictures of one scene agree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._validation import InputError
from .fourier import apodise, d_spacing, pixel_spacing

ESTIMATE_THRESHOLD = 0.5
"""For an estimate against its noise-free truth: signal and error are equally strong there, as at
``HALVES_THRESHOLD`` between two noisy halves."""

HALVES_THRESHOLD = 1 / 7
"""For two halves of the data, as even and odd frames, each with noise of its own."""

SMALLEST_SIDE = 16
"""[px] Below this a frame has too few rings for a curve."""

_WINDOW_SHARE = 18 / 35
"""Independent Fourier pixels that the Hann window leaves: (Σw²)² / (N Σw⁴) along a thin ring."""


@dataclass(frozen=True, eq=False)
class FrcCurve:
    """Correlation of two pictures ring by ring, from one ring above zero frequency to Nyquist's.

    Attributes
    ----------
    frequencies
        (n,) rising, [Å⁻¹], or [px⁻¹] without a pixel size.
    values
        (n,) −1 … 1: 1 where the pictures agree up to a positive factor, 0 where they are
        independent, or one of them is empty.
    deviations
        (n,) standard deviation that ``values`` has about 0 for independent white noise.
    """

    frequencies: NDArray[np.float64] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    deviations: NDArray[np.float64] = field(repr=False)

    def resolution(self, threshold: float = ESTIMATE_THRESHOLD) -> float:
        """Distance that is resolved: 1 / frequency at which the curve first falls below.

        Parameters
        ----------
        threshold
            ``ESTIMATE_THRESHOLD`` or ``HALVES_THRESHOLD``, by what was compared.

        Returns
        -------
        float
            [Å], or [px] without a pixel size. The last ring's where the curve never falls below
            (the sampling limits it), infinite where even the first ring lies below.

        Raises
        ------
        InputError
            If ``threshold`` is not between 0 and 1.

        References
        ----------
        P. B. Rosenthal, R. Henderson, J. Mol. Biol. 333, 721 (2003): 1/7 ≈ 0.143 of halves means
        the same as 0.5 against the perfect picture.
        """
        if not 0 < threshold < 1:
            raise InputError(
                f"got FRC threshold {threshold:g}, expected a number between 0 and 1; use 0.5 "
                "against the truth and 1/7 between halves"
            )
        below = np.flatnonzero(self.values < threshold)
        if below.size == 0:
            return float(d_spacing(self.frequencies[-1]))
        last = int(below[0])
        if last == 0:
            return math.inf
        high, low = self.values[last - 1 : last + 1]
        before, after = self.frequencies[last - 1 : last + 1]
        return float(d_spacing(before + (after - before) * (high - threshold) / (high - low)))


def frc(first: NDArray[Any], second: NDArray[Any], *, pixel_size: float | None = None) -> FrcCurve:
    """Fourier ring correlation of two pictures, or of two movies frame by frame.

    Parameters
    ----------
    first, second
        (H, W) or (n, H, W), in any units: neither offset nor positive factor matters. Of movies
        the sums over each ring are taken over all frames, which steadies the curve.
    pixel_size
        [Å px⁻¹], or None where it is unknown.

    Returns
    -------
    FrcCurve
        One ring a Fourier pixel of the shorter side.

    Raises
    ------
    InputError
        If the shapes differ, are not (H, W) or (n, H, W) with sides of at least 16 px, hold NaN
        or infinite pixels, or for a pixel size ≤ 0.

    Notes
    -----
    Value of a ring: Re Σ F₁ F₂* / √(Σ|F₁|² Σ|F₂|²) over its Fourier pixels, both frames under a
    Hann window. A slowly varying agreement says nothing of a sharp line in the ring, and the
    other way round: lattice reflections have numbers of their own
    (:func:`napari_tcsdl.bragg.spot_scores`).

    References
    ----------
    W. O. Saxton, W. Baumeister, J. Microsc. 127, 127 (1982).

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> curve = frc(image, 3 * image + 5, pixel_size=0.5)
    >>> float(curve.values.min().round(3)), curve.resolution()
    (1.0, 1.0)
    """
    _check_pair(first, second)
    spacing = pixel_spacing(pixel_size)
    height, width = first.shape[-2:]
    rings = _ring_indices(height, width)
    count = min(height, width) // 2 + 1
    sums = np.zeros((3, count))
    for a, b in zip(_as_stack(first), _as_stack(second), strict=True):
        one, two = fft.fft2(apodise(a)), fft.fft2(apodise(b))
        products = (
            one.real * two.real + one.imag * two.imag,
            one.real**2 + one.imag**2,
            two.real**2 + two.imag**2,
        )
        for row, product in zip(sums, products, strict=True):
            row += np.bincount(rings, product.ravel(), count + 1)[:count]
    cross, power_1, power_2 = sums[:, 1:]
    norm = np.sqrt(power_1 * power_2)
    values = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    pixels = np.bincount(rings, minlength=count + 1)[1:count] * len(_as_stack(first))
    return FrcCurve(
        frequencies=np.arange(1, count) / (min(height, width) * spacing),
        values=values,
        deviations=1 / np.sqrt(_WINDOW_SHARE * pixels),
    )


def frc_halves(frames: NDArray[Any], *, pixel_size: float | None = None) -> FrcCurve:
    """FRC between the mean of the even and the mean of the odd frames: needs no truth.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive; the last of an odd number is left out.
    pixel_size
        [Å px⁻¹], or None where it is unknown.

    Returns
    -------
    FrcCurve
        To be read at ``HALVES_THRESHOLD``. Motion within the frames lowers it. Only for frames
        with noise of their own: decoded frames of one measurement share theirs.

    Raises
    ------
    InputError
        As for :func:`frc`, and for fewer than two frames.
    """
    if frames.ndim != 3 or len(frames) < 2:
        raise InputError(
            f"got frames of shape {frames.shape}, expected at least two frames (n, H, W) to make "
            "halves of; give consecutive frames of the movie"
        )
    even = len(frames) // 2 * 2
    halves = (frames[start:even:2].mean(axis=0, dtype=np.float64) for start in (0, 1))
    return frc(*halves, pixel_size=pixel_size)


def _check_pair(first: NDArray[Any], second: NDArray[Any]) -> None:
    if first.ndim not in (2, 3) or first.shape != second.shape or first.size == 0:
        raise InputError(
            f"got pictures of shape {first.shape} and {second.shape} for the FRC, expected two of "
            "one shape, (H, W) or (n, H, W); cut both alike"
        )
    if min(first.shape[-2:]) < SMALLEST_SIDE:
        raise InputError(
            f"got frames of {first.shape[-2]} × {first.shape[-1]} px for the FRC, expected at "
            f"least {SMALLEST_SIDE} × {SMALLEST_SIDE} px; use larger frames"
        )


def _as_stack(picture: NDArray[Any]) -> NDArray[Any]:
    return picture.reshape(-1, *picture.shape[-2:])


def _ring_indices(height: int, width: int) -> NDArray[np.intp]:
    """Ring of each Fourier pixel, flat: 0 at zero frequency, all beyond Nyquist's in the last."""
    shorter = min(height, width)
    radius = np.hypot(fft.fftfreq(height)[:, np.newaxis], fft.fftfreq(width)) * shorter
    rings: NDArray[np.intp] = np.minimum(np.rint(radius), shorter // 2 + 1).astype(np.intp)
    return rings.ravel()
