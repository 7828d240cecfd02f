"""Windowed frames, power spectra with calibrated axes, and d-spacings."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._validation import InputError


def power_spectrum(
    image: NDArray[Any], *, pixel_size: float | None = None, every: int = 1
) -> tuple[NDArray[np.float32], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Power spectrum of a frame, zero frequency in the middle.

    Parameters
    ----------
    image
        (H, W), any size.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    every
        k for every k-th frequency along each axis, which takes about 1/k² of the time; the powers
        are the same. It divides both sides.

    Returns
    -------
    power
        (H, W) float32, (H/k, W/k) for every k-th. The mean over all frequencies is the windowed
        variance of the frame, so white noise of variance σ² lies at σ², whatever the size of the
        frame.
    frequencies
        (H/k,) along y and (W/k,) along x, rising, [Å⁻¹], or [px⁻¹] without a pixel size;
        ``power[i, j]`` belongs to (y[i], x[j]).

    Raises
    ------
    InputError
        For anything but (H, W) of finite pixels, a pixel size ≤ 0, and an ``every`` that does not
        divide the sides.
    """
    spacing = pixel_spacing(pixel_size)
    pixels = folded(apodise(image), every)
    amplitude = fft.rfft2(pixels, overwrite_x=True)
    right: NDArray[np.float32] = amplitude.real**2
    right += amplitude.imag**2
    height, width = pixels.shape
    return unfold(right, width), (
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


def folded(pixels: NDArray[np.float32], every: int) -> NDArray[np.float32]:
    """Sum of the k × k parts of a frame: its transform is every k-th frequency of the frame's.

    Parameters
    ----------
    pixels
        (H, W)
    every
        k, which divides both sides.

    Returns
    -------
    NDArray
        (H/k, W/k)

    Raises
    ------
    InputError
        If k does not divide both sides.
    """
    if every == 1:
        return pixels
    height, width = pixels.shape
    if every < 1 or height % every or width % every:
        raise InputError(
            f"got every {every}th frequency of a frame of {height} × {width} px, expected a "
            "number that divides both sides; take every frequency"
        )
    parts = pixels.reshape(every, height // every, every, width // every)
    return np.asarray(parts.sum(axis=0).sum(axis=1))


def unfold(right_half: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Whole power spectrum of a real image from its right half: power(−q) = power(q).

    Parameters
    ----------
    right_half
        (H, W/2 + 1) as the transform gives it: rows 0, 1, … −1, columns 0 … W/2.
    width
        W.

    Returns
    -------
    NDArray
        (H, W), zero frequency in the middle.
    """
    height, middle = len(right_half), width // 2
    zero = height // 2
    power = np.empty((height, width), np.float32)
    power[zero:, middle:] = right_half[: height - zero, : width - middle]
    power[:zero, middle:] = right_half[height - zero :, : width - middle]
    mirrored = right_half[:, middle:0:-1]
    power[: zero + 1, :middle] = mirrored[zero::-1]
    power[zero + 1 :, :middle] = mirrored[:zero:-1]
    return power


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


@lru_cache(maxsize=16)
def _hann(length: int) -> NDArray[np.float32]:
    """Window of one side; kept, and not to be written to."""
    phase = 2 * np.pi * (np.arange(length) + 0.5) / length
    window: NDArray[np.float32] = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    window = window if length > 1 else np.ones(1, np.float32)
    window.flags.writeable = False
    return window
