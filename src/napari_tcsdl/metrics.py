"""Metrics: PSNR and SSIM of a frame against a reference, over one stored data range.

Both are scikit-image's own numbers, in float64. The data range is an argument and has no
default: taken from the pixel type it flatters (12 bits in uint16 read 24 dB too high), taken
from each frame it makes frames incomparable. One value per movie, :func:`data_range_of`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ._validation import InputError

SSIM_SIGMA = 1.5
"""Standard deviation of the Gaussian window of SSIM [px], as in Wang et al. (2004)."""

SSIM_WINDOW = 11
"""Width of that window [px]: ±3.5 standard deviations."""


def psnr(image: NDArray[Any], reference: NDArray[Any], *, data_range: float) -> float:
    """Peak signal-to-noise ratio of a frame, 10 · log10(data_range² / mean squared error).

    Parameters
    ----------
    image, reference
        (H, W), in the same units.
    data_range
        Span of the signal in these units, one value for the whole movie.

    Returns
    -------
    float
        [dB]; infinite for identical frames.

    Raises
    ------
    InputError
        If the frames differ in shape, hold NaN or infinite values, or ``data_range`` ≤ 0.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, IEEE Trans. Image Process. 13, 600
    (2004), whose MSE and PSNR are those of scikit-image.
    """
    test, truth = _checked_pair(image, reference, data_range)
    if np.array_equal(test, truth):
        return math.inf
    value = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]
        truth, test, data_range=float(data_range)
    )
    return float(value)


def ssim(image: NDArray[Any], reference: NDArray[Any], *, data_range: float) -> float:
    """Mean structural similarity of a frame, with the Gaussian window of its authors.

    Parameters
    ----------
    image, reference
        (H, W), in the same units, at least 11 px on each side.
    data_range
        Span of the signal in these units, one value for the whole movie.

    Returns
    -------
    float
        1 for identical frames.

    Raises
    ------
    InputError
        As for :func:`psnr`, and for frames smaller than the window.

    References
    ----------
    Wang et al. (2004), Eqs. 13–17: K₁ = 0.01, K₂ = 0.03, Gaussian weights of σ = 1.5 px,
    covariance normalised by N.
    """
    test, truth = _checked_pair(image, reference, data_range)
    check_frame_size(truth.shape)
    value = structural_similarity(  # type: ignore[no-untyped-call]
        truth,
        test,
        data_range=float(data_range),
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
    )
    return float(value)


def check_frame_size(shape: tuple[int, ...]) -> None:
    """Refuse frames (H, W) smaller than the window of SSIM.

    Raises
    ------
    InputError
        If a side is below 11 px.
    """
    if min(shape) < SSIM_WINDOW:
        raise InputError(
            f"got frames of {shape[0]} × {shape[1]} px, expected at least "
            f"{SSIM_WINDOW} × {SSIM_WINDOW} px for the window of SSIM; use larger frames"
        )


def data_range_of(frames: NDArray[Any]) -> float:
    """Span of a movie's signal: its 99.9th minus its 0.1th percentile, over all pixels.

    Parameters
    ----------
    frames
        (n, H, W): the movie or evenly spaced frames of it. Percentiles rather than extremes,
        because one hot pixel must not decide every PSNR.

    Returns
    -------
    float
        In the units of ``frames``, > 0.

    Raises
    ------
    InputError
        If ``frames`` is empty, not (n, H, W), not finite, or constant.
    """
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(
            f"got an array of shape {frames.shape} for the data range, expected frames "
            "(n, H, W); give at least one frame"
        )
    low, high = (float(value) for value in np.percentile(frames, (0.1, 99.9)))
    if not math.isfinite(high - low):
        raise InputError(
            "got NaN or infinite pixels for the data range, expected finite detector values; "
            "repair or leave out those frames"
        )
    if high <= low:
        raise InputError(
            f"got a movie whose 0.1 % and 99.9 % percentiles are both {low:g}, expected a signal "
            "that varies; PSNR has no meaning here, give a data range or another reference"
        )
    return high - low


def _checked_pair(
    image: NDArray[Any], reference: NDArray[Any], data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if image.ndim != 2 or image.shape != reference.shape:
        raise InputError(
            f"got a frame of shape {image.shape} and a reference of shape {reference.shape}, "
            "expected two frames (H, W) of one shape; compare frame by frame"
        )
    if not (math.isfinite(data_range) and data_range > 0):
        raise InputError(
            f"got data_range = {data_range}, expected a finite number > 0; use "
            "data_range_of(movie), one value per movie"
        )
    pair = image.astype(np.float64), reference.astype(np.float64)
    for name, pixels in zip(("frame", "reference"), pair, strict=True):
        if not np.isfinite(pixels).all():
            raise InputError(
                f"got NaN or infinite pixels in the {name}, expected finite detector values; "
                "repair or leave out that frame"
            )
    return pair
