"""What mere noise does in a smoothed power spectrum: how high it rises, and how often.

The Fourier transform of noise is a complex Gaussian at every frequency, so its power is
exponentially distributed about its mean. A Hann window correlates neighbouring Fourier pixels, and
smoothing averages over them: the result is a sum of independent exponentials whose means λ are
the eigenvalues of the smoothing kernel times that correlation. Its tail is known, so thresholds
need not be guessed.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

SMOOTHING = 0.7
"""[Fourier px] σ of the Gaussian that joins the pixels of one spot, as in
:mod:`napari_tcsdl.bragg`."""

REACH = 2
"""[Fourier px] The Gaussian ends here, at 1.7 % of its height."""

_HANN_CORRELATION = (1.0, 2 / 3, 1 / 6)
"""Σ w² exp(2πi k x / N) / Σ w² of the Hann window w for k = 0, 1, 2; zero from 3 on."""


def kernel() -> NDArray[np.float64]:
    """(5,) weights of the smoothing along one axis; they sum to 1."""
    weights = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / SMOOTHING) ** 2)
    return np.asarray(weights / weights.sum())


@lru_cache(maxsize=64)
def highest_noise(probability: float, tries: float) -> float:
    """Height that the highest of several noise powers exceeds with a small probability.

    Parameters
    ----------
    probability
        That at least one exceeds it, well below 1.
    tries
        How many powers are looked at. They are taken as independent (union bound); neighbours
        are not, so noise exceeds it more rarely still.

    Returns
    -------
    float
        In units of the median of the noise.
    """
    heights, log_tail = _tail()
    return float(np.interp(-math.log(probability / tries), -log_tail, heights)) / _median()


@cache
def _means() -> NDArray[np.float64]:
    """(25,) means λ of the exponentials that a smoothed power is the sum of; they sum to 1."""
    lags = np.abs(np.subtract.outer(np.arange(2 * REACH + 1), np.arange(2 * REACH + 1)))
    correlation = np.append(_HANN_CORRELATION, [0.0] * (2 * REACH))[lags]
    root = np.sqrt(kernel())
    along_one_axis = np.linalg.eigvalsh(root[:, np.newaxis] * correlation * root)
    means: NDArray[np.float64] = np.outer(along_one_axis, along_one_axis).ravel()
    return means


@cache
def _tail() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights s in units of the mean, and ln P(power > s) there, by the saddle point.

    With K(t) = −Σ ln(1 − λt), s = K'(t), w = ±√(2(ts − K)), v = t √K'':
    P ≈ 1 − Φ(w) + φ(w) (1/v − 1/w). R. Lugannani, S. Rice, Adv. Appl. Probab. 12, 475 (1980).
    """
    means = _means()
    rising = (1 - np.geomspace(0.99, 1e-3, 400)) / means.max()
    t = np.concatenate([-rising[::-1], rising])[:, np.newaxis]
    terms = means / (1 - means * t)
    heights = terms.sum(axis=1)
    t = t[:, 0]
    v = t * np.sqrt((terms**2).sum(axis=1))
    generating = np.log(terms / means).sum(axis=1)
    w = np.sign(t) * np.sqrt(2 * (t * heights - generating))
    density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi)
    tail = ndtr(-w) + density * (1 / v - 1 / w)
    reliable = tail > np.finfo(np.float64).tiny
    return heights[reliable], np.log(tail[reliable])


@cache
def _median() -> float:
    """Height that half of the noise exceeds, in units of the mean."""
    heights, log_tail = _tail()
    return float(np.interp(math.log(2), -log_tail, heights))
