"""Radial profile of a power spectrum: mean power against spatial frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._spectrum import Spectrum2D


def radial_profile(spectrum: Spectrum2D) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean power on rings around zero frequency.

    Parameters
    ----------
    spectrum
        From :func:`napari_tcsdl.spots.spectrum_of`.

    Returns
    -------
    q
        (n,) rising, in the unit of the spectrum: one ring a Fourier pixel of the shorter side,
        from the one next to zero frequency to Nyquist's; n is half of the shorter side.
    power
        (n,) mean over the ring. White noise of variance σ² lies at σ².

    Examples
    --------
    >>> from napari_tcsdl.spots import spectrum_of
    >>> noise = np.random.default_rng(0).normal(0, 3, (512, 512))
    >>> q, power = radial_profile(spectrum_of(noise, pixel_size=0.5))
    >>> print(f"{q[-1]:.0f} 1/nm, {power[50:].mean():.0f}")
    10 1/nm, 9
    """
    height, width = spectrum.power.shape
    count = min(height, width) // 2
    upper = height // 2 + 1  # the rows below are mirror images of these (Friedel's law)
    weights = np.full(upper, 2.0, np.float32)
    weights[-1] = 1.0
    if height % 2 == 0:
        weights[0] = 1.0  # −H/2 has no mirror image
    radius = spectrum.radius(np.arange(upper), np.arange(width)) + np.float32(0.5)
    rings = np.minimum(radius.astype(np.intp), count + 1).ravel()
    pixels = np.bincount(rings, np.repeat(weights, width), count + 2)[1:-1]
    power = spectrum.power[:upper] * weights[:, np.newaxis]
    total = np.bincount(rings, power.ravel(), count + 2)[1:-1]
    return np.arange(1, count + 1) * spectrum.step, total / pixels
