"""The denoised raw movie: the reference of PSNR and SSIM where nobody knows the truth.

Frame by frame, so that it blurs no motion and favours no temporal method. The noise is first
made white and of unit variance (generalised Anscombe), then removed by non-local means, then
taken back by the exact unbiased inverse: the algebraic one is biased at low dose.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from ._validation import InputError
from .noise import NoiseModel

DENOISED_REFERENCE = (
    "non-local means (scikit-image, 7 × 7 patches, search ± 9 px, h = 0.6 σ) of each frame on "
    "variance-stabilised pixels"
)
"""What :func:`denoise_reference` does, in words, for reports."""

_SMALLEST_STABILISED = 2 * np.sqrt(3 / 8)
"""Anscombe transform of zero electrons; below it the inverse is zero electrons."""


def denoise_reference(
    frames: NDArray[Any], noise: NoiseModel | float | NDArray[Any]
) -> NDArray[np.float32]:
    """Denoise each frame on its own, with no random step: same input, same result.

    Parameters
    ----------
    frames
        (n, H, W), in detector units.
    noise
        The noise model of the detector, or the standard
        deviation σ of signal-independent noise, in detector units: one number, or (n,) for one
        per frame.

    Returns
    -------
    NDArray
        (n, H, W) float32, in detector units. Noise-free frames are returned as they are.

    Raises
    ------
    InputError
        For frames not (n, H, W), or a σ that is negative, not finite, or not one per frame.

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel, CVPR (2005), 60. M. Mäkitalo, A. Foi, IEEE Trans. Image
    Process. 22, 91 (2013), Eq. 1 (transform) and Eq. 10 (closed form of its inverse).
    """
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(
            f"got an array of shape {frames.shape} to denoise, expected frames (n, H, W); give at "
            "least one frame"
        )
    # scikit-image releases the interpreter lock: threads share the frames out.
    with ThreadPoolExecutor() as threads:
        if isinstance(noise, NoiseModel):
            return np.stack(list(threads.map(_denoise_poisson, frames, repeat(noise))))
        sigmas = _checked_sigmas(noise, len(frames))
        return np.stack(list(threads.map(_denoise_gaussian, frames, sigmas)))


def _checked_sigmas(noise: float | NDArray[Any], n_frames: int) -> NDArray[np.float64]:
    sigmas = np.asarray(noise, dtype=np.float64)
    if sigmas.shape not in ((), (n_frames,)) or not (np.isfinite(sigmas) & (sigmas >= 0)).all():
        raise InputError(
            f"got noise σ = {noise} for {n_frames} frames, expected one finite number ≥ 0, or one "
            "per frame; estimate it with estimate_noise(frames)"
        )
    return np.broadcast_to(sigmas, (n_frames,))


def _denoise_poisson(frame: NDArray[Any], noise: NoiseModel) -> NDArray[np.float32]:
    """Denoise where the variance is gain · x + offset_variance: Poisson and read noise.

    With pedestal m and read noise s, offset_variance = s² − gain · m; neither is needed alone.
    """
    pixels = frame.astype(np.float64)
    gain, offset_variance = noise.gain, noise.offset_variance
    if gain <= 0:
        # A fitted slope below zero means noise that does not depend on the signal.
        return _denoise_gaussian(frame, np.sqrt(noise.variance(float(pixels.mean()))))
    shifted = gain * pixels + 0.375 * gain**2 + offset_variance
    stabilised = _non_local_means(2 / gain * np.sqrt(np.maximum(shifted, 0)))
    d = np.maximum(stabilised, _SMALLEST_STABILISED)
    root = np.sqrt(1.5)
    electrons = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    restored: NDArray[np.float32] = (gain * electrons - offset_variance / gain).astype(np.float32)
    return restored


def _denoise_gaussian(frame: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    if sigma == 0:
        return frame.astype(np.float32)
    return (_non_local_means(frame.astype(np.float64) / sigma) * sigma).astype(np.float32)


def _non_local_means(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Denoise (H, W) whose noise has unit variance."""
    denoised: NDArray[np.float64] = denoise_nl_means(
        frame, patch_size=7, patch_distance=9, h=0.6, sigma=1.0, fast_mode=True
    )
    return denoised
