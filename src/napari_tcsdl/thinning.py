"""Thinning: two frames of one scene with uncorrelated noise, out of a single noisy frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._validation import InputError
from .noise import NoiseModel
from .noise_spectrum import REACH, measure_noise_spectrum, power_of


def thin(
    frames: NDArray[Any],
    fraction: float,
    noise: NoiseModel,
    generator: np.random.Generator,
    correlation: NDArray[np.float64] | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Split noisy frames into two of the same scene whose noise is uncorrelated.

    A decoder that sees one part cannot learn the noise of the other, so the other serves as its
    target where no clean frames exist.

    Parameters
    ----------
    frames
        (…, H, W), detector units.
    fraction
        p, the share of the signal that the first part keeps, 0 < p < 1.
    noise
        Of these frames.
    generator
        Where the chance comes from; an equally seeded one splits equally.
    correlation
        (5, 5) of the noise between neighbouring pixels, from :func:`noise_correlation`; None for
        white noise, as of counted electrons.

    Returns
    -------
    kept, rest
        Their sum is ``frames``; their means are p and 1 − p of the frames' mean, their noise
        models ``noise.thinned(p)`` and ``noise.thinned(1 - p)``. Counted electrons stay in their
        pixel type, other frames become float32 and may fall below 0.

    Raises
    ------
    InputError
        If ``fraction`` is not between 0 and 1, pixels are NaN or infinite, or ``correlation`` is
        not (5, 5) around 1.

    Notes
    -----
    Whole counts of a ``noise.counting`` movie are dealt out binomially: of Poisson counts both
    parts are again Poisson, and independent. For any other gain, kept = p · x + √(p (1 − p)
    var(x)) · n with standard normal n of the same correlation: then cov(kept, rest) =
    p (1 − p) (C − C) = 0 for the covariance C of any two pixels, and for Gaussian noise the parts
    are independent.

    References
    ----------
    J. Møller, R. P. Waagepetersen, Statistical Inference and Simulation for Spatial Point
    Processes (2003), §3.2: thinning of a Poisson process. T. Pang et al., CVPR 2021, 2043:
    recorrupted Gaussian noise.

    Examples
    --------
    >>> counts = np.array([[0, 7, 200]], np.uint8)
    >>> kept, rest = thin(counts, 0.5, NoiseModel(1.0, 0.0), np.random.default_rng(0))
    >>> (kept + rest).tolist(), kept.dtype.name
    ([[0, 7, 200]], 'uint8')
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"got fraction {fraction:g} to thin by, expected a number between 0 and 1; give 0.5 "
            "for two equal halves"
        )
    if not np.isfinite(frames).all():
        raise InputError(
            "got NaN or infinite pixels to thin, expected finite detector values; repair or leave "
            "out those frames"
        )
    if correlation is None and noise.counting and _whole_counts(frames):
        kept = generator.binomial(frames.astype(np.int64), fraction).astype(frames.dtype)
        return kept, frames - kept
    values = frames.astype(np.float32)
    normal = generator.standard_normal(values.shape, np.float32)
    if correlation is not None:
        normal = _correlated(normal, correlation)
    spread = np.sqrt(fraction * (1 - fraction) * noise.variance(values), dtype=np.float32)
    kept = fraction * values + spread * normal
    return kept, values - kept


def noise_correlation(frames: NDArray[Any], noise: NoiseModel) -> NDArray[np.float64] | None:
    """Correlation of the noise between neighbouring pixels, as the detector's MTF makes it.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive in time, detector units, sides of at least 16 px.
    noise
        Of these frames, from :func:`napari_tcsdl.noise.estimate_noise`.

    Returns
    -------
    NDArray or None
        (5, 5), symmetric, 1 in the middle, for :func:`thin`; None where the noise is white:
        neighbours correlate by less than 0.05.

    Raises
    ------
    InputError
        If ``frames`` is not (n ≥ 2, H, W) or too small.
    """
    spectrum = measure_noise_spectrum(frames, noise)
    return None if spectrum.white else spectrum.correlation


def _whole_counts(frames: NDArray[Any]) -> bool:
    return bool((frames >= 0).all() and (frames == np.rint(frames)).all())


def _correlated(
    normal: NDArray[np.float32], correlation: NDArray[np.float64]
) -> NDArray[np.float32]:
    """White standard normal noise (…, H, W) → noise of that correlation, variance 1."""
    side = 2 * REACH + 1
    if correlation.shape != (side, side) or not np.isclose(correlation[REACH, REACH], 1):
        raise InputError(
            f"got a noise correlation of shape {correlation.shape}, expected ({side}, {side}) with "
            "1 in the middle; take it from noise_correlation"
        )
    height, width = normal.shape[-2:]
    power = power_of(correlation, (height, width))[:, : width // 2 + 1]
    amplitude = np.sqrt(power).astype(np.float32)
    coloured: NDArray[np.float32] = fft.irfft2(fft.rfft2(normal) * amplitude, s=(height, width))
    return coloured
