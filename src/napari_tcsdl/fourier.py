"""Windowed frames, power spectra with calibrated axes, and d-spacings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._validation import InputError


def power_spectrum(
    image: NDArray[Any], *, pixel_size: float | None = None
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Power spectrum of a frame, zero frequency in the middle.

    Parameters
    ----------
    image
        (H, W), any size.
    pixel_size
        [Å px⁻¹], or None where it is unknown.

    Returns
    -------
    power
        (H, W) float32. The mean over all frequencies is the windowed variance of the frame, so
        white noise of variance σ² lies at σ², whatever the size of the frame.
    frequencies
        (H,) along y and (W,) along x, rising, [Å⁻¹], or [px⁻¹] without a pixel size;
        ``power[i, j]`` belongs to (y[i], x[j]).

    Raises
    ------
    InputError
        For anything but (H, W) of finite pixels, and a pixel size ≤ 0.
    """
    spacing = pixel_spacing(pixel_size)
    amplitude = fft.fftshift(fft.fft2(apodise(image)))
    power = amplitude.real**2 + amplitude.imag**2
    height, width = image.shape
    return power, (
        fft.fftshift(fft.fftfreq(height, spacing)),
        fft.fftshift(fft.fftfreq(width, spacing)),
    )


def apodise(image: NDArray[Any]) -> NDArray[np.float32]:
    """Take the mean off a frame and fade it out towards its edges with a Hann window.

    Without it the jump from one edge of the frame to the opposite one makes a bright cross in
    the Fourier transform, and truth and estimate would agree on it.

    Parameters
    ----------
    image
        (H, W), any size.

    Returns
    -------
    NDArray
        (H, W), scaled by 1 / √Σ window², so that the mean of the squared Fourier transform is the
        windowed variance.

    Raises
    ------
    InputError
        For anything but (H, W) of finite pixels.

    References
    ----------
    F. J. Harris, Proc. IEEE 66, 51 (1978): the Hann window, here of half-pixel offset so that it
    is symmetric and nowhere zero.
    """
    if image.ndim != 2 or image.size == 0:
        raise InputError(
            f"got an image of shape {image.shape}, expected one frame (H, W); take the spectrum "
            "frame by frame"
        )
    pixels = image.astype(np.float32)
    down, across = (_hann(side) for side in image.shape)
    # The mean under the window, not the plain one: it leaves nothing at zero frequency.
    with np.errstate(invalid="ignore", over="ignore"):
        mean = down @ pixels @ across / (down.sum() * across.sum())
    if not np.isfinite(mean) and not np.isfinite(pixels).all():  # no weight of the window is 0
        raise InputError(
            "got NaN or infinite pixels for the power spectrum, expected finite detector values; "
            "repair or leave out that frame"
        )
    pixels -= mean
    pixels *= (down / np.sqrt((down**2).sum()))[:, np.newaxis]
    pixels *= across / np.sqrt((across**2).sum())
    return pixels


def pixel_spacing(pixel_size: float | None) -> float:
    """Return the sampling distance [Å], or 1 px where the pixel size is unknown.

    Raises
    ------
    InputError
        If ``pixel_size`` is not a finite number > 0.
    """
    if pixel_size is None:
        return 1.0
    if not (math.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(
            f"got pixel size {pixel_size} Å/px, expected a finite number > 0; give None where it "
            "is unknown"
        )
    return pixel_size


def d_spacing(frequency: float | NDArray[Any]) -> float | NDArray[np.float64]:
    """Distance of lattice planes, d = 1 / |frequency|; infinite at zero frequency.

    Parameters
    ----------
    frequency
        Spatial frequency [Å⁻¹] (d in Å) or [px⁻¹] (d in px); a number or an array.
    """
    magnitude = np.abs(np.asarray(frequency, dtype=np.float64))
    spacing = np.full(magnitude.shape, np.inf)
    np.divide(1.0, magnitude, out=spacing, where=magnitude > 0)
    return float(spacing) if spacing.ndim == 0 else spacing


def _hann(length: int) -> NDArray[np.float32]:
    phase = 2 * np.pi * (np.arange(length) + 0.5) / length
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    return window if length > 1 else np.ones(1, np.float32)
