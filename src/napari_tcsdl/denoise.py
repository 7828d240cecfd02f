"""The denoised raw movie: the reference of PSNR and SSIM where nobody knows the truth.

Frame by frame, so that it blurs no motion and favours no temporal method. The noise is first
given unit variance (generalised Anscombe), then removed, then the transform is taken back by its
exact unbiased inverse: the algebraic one is biased at low dose.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from ._validation import InputError
from .bm3d import SMALLEST_SIDE, bm3d, whiten
from .bm3d_part import WHOLE, Effort, Part, bm3d_part, nothing
from .noise import NoiseModel
from .noise_spectrum import NoiseSpectrum
from .stabilise import stabilise, unstabilise

METHODS = {
    "bm3d": "BM3D (own implementation of Dabov et al. 2007)",
    "nlm": "non-local means (scikit-image, 7 × 7 patches, search ± 9 px, h = 0.6 σ)",
    "bm3d_package": "BM3D (package bm3d, licensed for non-commercial use only)",
}
"""Ways to denoise, in words: the best, the quickest, and the authors' own if it is installed."""

DEFAULT_METHOD = "bm3d"


def _checked_method(method: str) -> str:
    if method not in METHODS:
        raise InputError(
            f"got the denoising method {method!r}, expected one of {', '.join(METHODS)}; choose "
            "one of these"
        )
    return method


def describe_denoising(method: str = DEFAULT_METHOD) -> str:
    """Say in words, for reports, what :func:`denoise_reference` does.

    Raises
    ------
    InputError
        For a method that is not one of ``METHODS``.
    """
    return f"{METHODS[_checked_method(method)]} of each frame on variance-stabilised pixels"


DENOISED_REFERENCE = describe_denoising()
"""What :func:`denoise_reference` does unless told otherwise."""

_Denoiser = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Denoises (H, W) whose noise has unit variance, and returns the part that is wanted."""


def denoise_reference(
    frames: NDArray[Any],
    noise: NoiseModel | float | NDArray[Any],
    spectrum: NoiseSpectrum | NDArray[Any] | None = None,
    *,
    method: str = DEFAULT_METHOD,
    part: Part = WHOLE,
    effort: Effort | None = None,
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
    spectrum
        Of the stabilised noise, or its power (S, S) or (H, W) in FFT layout; None stands for
        white noise. Non-local means do without: whitened frames suit them less.
    method
        One of ``METHODS``. Frames less than 8 px high or wide are left to non-local means.
    part
        Rows and columns that are wanted, by default all: what they become is what they become in
        the whole frame, and takes no longer than they and their surroundings do.
    effort
        How many threads share the work, and what may stop it.

    Returns
    -------
    NDArray
        (n, h, w) float32, in detector units. Noise-free frames are returned as they are.

    Raises
    ------
    InputError
        For frames not (n, H, W), a σ that is negative, not finite, or not one per frame, an
        unknown method, or a package that is not installed.

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, IEEE Trans. Image Process. 16, 2080 (2007).
    A. Buades, B. Coll, J.-M. Morel, CVPR (2005), 60. M. Mäkitalo, A. Foi, IEEE Trans. Image
    Process. 22, 91 (2013).
    """
    if frames.ndim != 3 or frames.size == 0:
        raise InputError(
            f"got an array of shape {frames.shape} to denoise, expected frames (n, H, W); give at "
            "least one frame"
        )
    sigmas = None if isinstance(noise, NoiseModel) else _checked_sigmas(noise, len(frames))
    chosen = effort or Effort()
    cores = chosen.threads or os.cpu_count() or 1
    # Whole frames are shared out where there are enough of them, parts of a frame otherwise.
    together = len(frames) >= cores
    inner = Effort(1 if together else cores, chosen.step)
    denoise = _denoiser(_checked_method(method), frames.shape, _power(spectrum), part, inner)

    def work(index: int) -> NDArray[np.float32]:
        if isinstance(noise, NoiseModel):
            return _denoise_poisson(frames[index], noise, denoise, part)
        assert sigmas is not None  # for the type checker: what is no model is σ
        return _denoise_gaussian(frames[index], sigmas[index], denoise, part)

    with ThreadPoolExecutor(cores if together else 1) as threads:
        return np.stack(list(threads.map(work, range(len(frames)))))


def _checked_sigmas(noise: float | NDArray[Any], n_frames: int) -> NDArray[np.float64]:
    sigmas = np.asarray(noise, dtype=np.float64)
    if sigmas.shape not in ((), (n_frames,)) or not (np.isfinite(sigmas) & (sigmas >= 0)).all():
        raise InputError(
            f"got noise σ = {noise} for {n_frames} frames, expected one finite number ≥ 0, or one "
            "per frame; estimate it with estimate_noise(frames)"
        )
    return np.broadcast_to(sigmas, (n_frames,))


def _power(spectrum: NoiseSpectrum | NDArray[Any] | None) -> NDArray[Any] | None:
    if isinstance(spectrum, NoiseSpectrum):
        return None if spectrum.white else spectrum.power
    return spectrum


def _denoise_poisson(
    frame: NDArray[Any], noise: NoiseModel, denoise: _Denoiser, part: Part
) -> NDArray[np.float32]:
    """Denoise where the variance is gain · x + offset_variance: Poisson and read noise."""
    if noise.gain <= 0:
        # A fitted slope below zero means noise that does not depend on the signal.
        variance = noise.variance(float(frame.mean(dtype=np.float64)))
        return _denoise_gaussian(frame, np.sqrt(variance), denoise, part)
    return unstabilise(denoise(stabilise(frame, noise)), noise)


def _denoise_gaussian(
    frame: NDArray[Any], sigma: float, denoise: _Denoiser, part: Part
) -> NDArray[np.float32]:
    if sigma == 0:
        return frame[part].astype(np.float32)
    return (denoise(frame.astype(np.float64) / sigma) * sigma).astype(np.float32)


# --- the methods ----------------------------------------------------------------------------------


def _denoiser(
    method: str, shape: tuple[int, ...], power: NDArray[Any] | None, part: Part, effort: Effort
) -> _Denoiser:
    if method == "bm3d" and min(shape[1:]) >= SMALLEST_SIDE:
        if part == WHOLE and effort.step is nothing:
            return partial(bm3d, sigma=1.0, spectrum=power, threads=effort.threads)
        return partial(bm3d_part, spectrum=power, part=part, effort=effort)
    whole: _Denoiser = _non_local_means
    if method == "bm3d_package" and min(shape[1:]) >= SMALLEST_SIDE:
        whole = package = partial(_installed_package(), sigma_psd=1.0)
        if power is not None:
            whole = partial(_denoise_whitened, denoise=package, power=power)
    return lambda frame: whole(frame)[part]


def _denoise_whitened(
    frame: NDArray[np.float64], denoise: _Denoiser, power: NDArray[Any]
) -> NDArray[np.float64]:
    return whiten(denoise(whiten(frame, power)), power, undo=True)


def _non_local_means(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    denoised: NDArray[np.float64] = denoise_nl_means(
        frame, patch_size=7, patch_distance=9, h=0.6, sigma=1.0, fast_mode=True
    )
    return denoised


def _installed_package() -> Callable[..., NDArray[np.float64]]:
    try:
        package: Callable[..., NDArray[np.float64]] = import_module("bm3d").bm3d
    except ImportError:
        raise InputError(
            "got the denoising method 'bm3d_package', expected the package bm3d to be installed; "
            "install it with 'pip install bm3d' if its licence (non-commercial use only) suits "
            "you, or choose 'bm3d'"
        ) from None
    return package
