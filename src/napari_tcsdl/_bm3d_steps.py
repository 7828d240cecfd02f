"""What BM3D of a whole frame and of a part of it share: the steps, block sides, and whitening.

See :mod:`.bm3d` for the method and its references.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._bm3d_kernels import Step, filter_strip
from ._validation import InputError
from .noise_spectrum import NoiseSpectrum

_LARGE = 16  # [px] side of a block where 8 px are too few
_GROUP = 32
RADIUS = {8: 19, _LARGE: 29}
"""[px] Of the search, by the side of a block."""

STRIDE = {8: 3, _LARGE: 8}
"""[px] Between reference blocks, by the side of a block."""

_THRESHOLD = 2.7  # noise standard deviations
_LIMITS = (6.25, 1.0)  # noise variances: the paper's 2500 and 400 at σ = 20, of either step
_KAISER = 2.0
_STRIP = 64  # [px] rows of reference blocks that are worked on together
_CLEARLY_BETTER = 0.92  # estimated risk of large blocks over that of small ones
_WEAK_SIGNAL = 0.25  # noise variances of signal, below which that estimate says nothing
_LEAST_POWER = 1e-3  # of the mean

NO_NOISE = 1e-6
"""σ over the range of values: less is below the resolution of float32."""


# --- the colour of the noise -------------------------------------------------------------------


def whiten(frame: NDArray[Any], power: NDArray[Any], *, undo: bool = False) -> NDArray[np.float64]:
    """Divide a frame's Fourier coefficients by the root of the noise's power, or multiply.

    Parameters
    ----------
    frame
        (H, W).
    power
        Of the noise, (S, S) or (H, W) in FFT layout.
    undo
        Multiply instead.

    Returns
    -------
    NDArray
        (H, W) float64. Its noise is white and keeps its mean variance where ``power`` has mean 1.
    """
    root = np.sqrt(_power_at(power, frame.shape))
    spectrum = fft.fft2(frame.astype(np.float64))
    whitened: NDArray[np.float64] = fft.ifft2(spectrum * root if undo else spectrum / root).real
    return whitened


def _power_at(power: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Power (H, W) at the frequencies of a frame, mean 1, nowhere so low that signal is lost."""
    if power.shape != shape:
        power = NoiseSpectrum(power).resampled((shape[0], shape[1]))
    floored = np.maximum(power / power.mean(), _LEAST_POWER)
    scaled: NDArray[np.float64] = floored / floored.mean()
    return scaled


def checked_power(spectrum: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Power at a frame's or a square's frequencies, refused where it is none."""
    power = np.asarray(spectrum, np.float64)
    square = power.ndim == 2 and power.shape[0] == power.shape[1]
    if not (square or power.shape == shape):
        raise InputError(
            f"got a noise spectrum of shape {power.shape} for a frame of {shape}, expected (S, S) "
            "or the frame's own shape; measure it with measure_noise(frames)"
        )
    if not (np.isfinite(power) & (power >= 0)).all() or not power.any():
        raise InputError(
            "got a noise spectrum with negative, infinite or no power, expected finite powers ≥ 0 "
            "in FFT layout; measure it with measure_noise(frames)"
        )
    return _power_at(power, power.shape)


# --- the two steps ------------------------------------------------------------------------------


def filtered(
    noisy: NDArray[np.float32], pilot: NDArray[np.float32], step: Step, run: Any
) -> NDArray[np.float32]:
    """Run one step, in strips whose sums are added in their order, whoever is ready first."""
    height, width = noisy.shape
    stride = STRIDE[step.block]
    tops, lefts = (_positions(size, step.block, stride) for size in (height, width))
    strips = np.array_split(tops, range(_STRIP // stride, len(tops), _STRIP // stride))
    spans = [
        (max(0, int(rows[0]) - step.radius), int(rows[-1]) + step.radius + step.block)
        for rows in strips
    ]

    def work(rows: NDArray[np.int64], span: tuple[int, int]) -> Any:
        cut = slice(*span)
        return filter_strip(noisy[cut], pilot[cut], rows - span[0], lefts, step)

    values, weights = np.zeros((2, height, width), np.float32)
    done: Iterable[Any] = run(work, strips, spans)
    for (begin, end), (part, share) in zip(spans, done, strict=True):
        values[begin:end] += part
        weights[begin:end] += share
    estimate: NDArray[np.float32] = values / weights
    return estimate


def _positions(size: int, block: int, stride: int) -> NDArray[np.int64]:
    """Where reference blocks begin; the last one ends with the frame."""
    positions = np.arange(0, size - block + 1, stride, dtype=np.int64)
    positions = np.unique(np.append(positions, size - block))
    return positions


@cache
def steps_for(block: int) -> tuple[Step, Step]:
    """Hard thresholding and Wiener filtering for blocks of one side."""
    cosine = _cosine_matrix(block)
    # Wavelets for small blocks, as in the paper; large ones are for lattices, which are waves.
    forward = wavelet_matrix(block) if block < _LARGE else cosine
    return _step(forward, _THRESHOLD, _LIMITS[0]), _step(cosine, 0.0, _LIMITS[1])


def _step(forward: NDArray[np.float64], threshold: float, limit: float) -> Step:
    window = np.kaiser(len(forward), _KAISER)
    there, back, weights = (
        np.ascontiguousarray(matrix, np.float32)
        for matrix in (forward, np.linalg.inv(forward), np.outer(window, window))
    )
    block = len(forward)
    return Step(block, _GROUP, RADIUS[block], limit, there, back, threshold**2, weights)


def _cosine_matrix(size: int) -> NDArray[np.float64]:
    matrix: NDArray[np.float64] = fft.dct(np.eye(size), axis=0, norm="ortho")
    return matrix


def wavelet_matrix(size: int) -> NDArray[np.float64]:
    """Full periodic decomposition by the biorthogonal wavelet 1.5, rows of unit length.

    N = 1, Ñ = 5 in A. Cohen, I. Daubechies, J.-C. Feauveau, Commun. Pure Appl. Math. 45, 485
    (1992), Table 6.1: a long low-pass filter beside Haar's high-pass.
    """
    low = np.array([3, -3, -22, 22, 128, 128, 22, -22, -3, 3]) / 128
    high = np.array([0, 0, 0, 0, -1, 1, 0, 0, 0, 0])
    matrix, length = np.eye(size), size
    while length > 1:
        level = np.eye(size)
        level[:length, :length] = 0
        for k in range(length // 2):
            for i in range(len(low)):
                level[k, (2 * k + i - 4) % length] += low[i]
                level[length // 2 + k, (2 * k + i - 4) % length] += high[i]
        matrix, length = level @ matrix, length // 2
    unit: NDArray[np.float64] = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit


# --- the side of a block --------------------------------------------------------------------------


def block_side(frame: NDArray[np.float32]) -> int:
    """Choose by the estimated risk, of a frame whose noise is white and has unit variance."""
    if min(frame.shape) < _LARGE:
        return 8
    if frame.var(dtype=np.float64) - 1 < _WEAK_SIGNAL:
        return _LARGE
    return _LARGE if _risk(frame, _LARGE) < _CLEARLY_BETTER * _risk(frame, 8) else 8


def _risk(frame: NDArray[np.float32], block: int) -> float:
    """Stein's estimate of the mean squared error after soft thresholding block by block."""
    height, width = (size // block * block for size in frame.shape)
    blocks = frame[:height, :width].reshape(height // block, block, width // block, block)
    squares = np.square(fft.dctn(blocks, axes=(1, 3), norm="ortho"))
    risk = np.minimum(squares, _THRESHOLD**2) - 2 * (squares <= _THRESHOLD**2) + 1
    risk[:, 0, :, 0] = 1  # the mean is kept, with its noise
    return float(risk.mean(dtype=np.float64))
