"""Waves and noise, in which the tests of spots know what is to be found."""

from __future__ import annotations

import math

import numpy as np
from scipy import fft

PIXEL_SIZE = 0.25  # Å px⁻¹
SHAPES = [(192, 192), (191, 157), (128, 256), (301, 150)]


def fringes(shape, period, angle):
    """Waves of a period [px] whose wave vector lies at an angle [°] from +x, upwards."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    turn = math.radians(angle)
    return np.cos(2 * np.pi * (x * math.cos(turn) - y * math.sin(turn)) / period)


def noise(shape=(256, 256), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def blurred(image, sigma):
    """Blur exactly as a Gaussian in Fourier space: a filter of few pixels leaves ripples."""
    fy, fx = fft.fftfreq(image.shape[0])[:, np.newaxis], fft.rfftfreq(image.shape[1])
    return fft.irfft2(
        fft.rfft2(image) * np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2)), s=image.shape
    )
