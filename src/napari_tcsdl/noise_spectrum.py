"""Spectrum of the detector's noise, from the movie itself, and what of it is motion instead.

Differences in time hold the noise and what of the motion they do not cancel. Both are told apart
by their spectra: a detector spreads charge or light over a few pixels, so the power of its noise
is smooth, A T(kx, ky)² + W with the transfer T of a few neighbours and white read noise W; a scene
that moves adds power at its own frequencies only, most of it at its own places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ._dark_level import dark_level
from ._detector_spectrum import fitted_detector
from ._noise_doubt import NUMBERS, SURE, Doubt, gain_error, moved_share
from ._noise_line import Differences, difference_weights, instrument, line_of
from ._noise_windows import SIDE as SIDE
from ._noise_windows import hann, typical, welch
from ._validation import InputError
from .noise import NoiseModel, checked_differences, noise_of

REACH = 2
"""[px] Distance up to which :attr:`NoiseSpectrum.correlation` is given."""

LEAST_SIDE = 16
"""[px] Smallest side of frames whose spectrum can be measured."""

TOLERANCE = 0.15
"""Share of the noise's variance above which motion is spoken of."""

_FLAT, _END = 6, 12  # [px] lags up to which correlation is kept whole, and from which on it is none
_NEAREST, _FARTHEST = 3.5, 6.0  # [px] distances at which only what moves is correlated
_SLIGHT = 0.05  # excess, of either sign, that is not acted upon
_LEAST_CORRELATION = 0.05  # below, what moves explains it as well as the detector does
_HIGHEST_RATIO = 1.25  # to the detector's part: more of one frequency is the scene's
_LEAST_POWER = 1e-3  # of the mean: nothing may be divided by zero


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """How the noise of one frame is spread over spatial frequencies.

    Attributes
    ----------
    power
        (S, S) in FFT layout, mean 1, above 0: all 1 for white noise.
    excess
        Motion, flicker and whatever else changes from frame to frame at the frequencies of the
        scene, as a share of the noise's variance; 0 where the noise model covers the noise alone,
        below 0 where it covers less.
    doubt
        What else the differences show of how far level, gain and correlation may be off.

    Examples
    --------
    >>> NoiseSpectrum(np.ones((64, 64))).white
    True
    """

    power: NDArray[np.float64]
    excess: float = 0.0
    doubt: Doubt = SURE

    @property
    def spoilt(self) -> str | None:
        """One sentence that says which number may be more than a tenth off, and why, else None."""
        if self.excess > TOLERANCE:
            return (
                f"motion or flicker adds {self.excess:.0%} to the variance that consecutive frames "
                "differ by: the noise level is taken from the frequencies that the scene leaves "
                "alone, and less sure than usual, as are gain, read noise and correlation"
            )
        return self.doubt.sentence()

    @property
    def unsure(self) -> tuple[str, ...]:
        """Which of level, gain, read noise and correlation :attr:`spoilt` warns of."""
        return NUMBERS if self.excess > TOLERANCE else self.doubt.unsure()

    @property
    def left(self) -> float:
        """What of :attr:`excess` is so slight that :func:`measure_noise` leaves it in the model."""
        return self.excess if abs(self.excess) <= _SLIGHT else 0.0

    @cached_property
    def correlation(self) -> NDArray[np.float64]:
        """(5, 5) correlation of the noise of neighbouring pixels, 1 in the middle."""
        lags = np.arange(-REACH, REACH + 1)
        near: NDArray[np.float64] = self._autocorrelation[np.ix_(lags, lags)]
        return near

    @property
    def white(self) -> bool:
        """Whether neighbouring pixels share less than 0.05 of their noise."""
        neighbours = (self.correlation[REACH, REACH + 1], self.correlation[REACH + 1, REACH])
        return bool(np.abs(neighbours).max() < _LEAST_CORRELATION)

    def resampled(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Power (H, W) in FFT layout, mean 1, at the frequencies of frames of ``shape``."""
        reach = min(_END, (len(self.power) - 1) // 2)
        lags = np.arange(-reach, reach + 1)
        return power_of(self._autocorrelation[np.ix_(lags, lags)], shape)

    @cached_property
    def _autocorrelation(self) -> NDArray[np.float64]:
        autocorrelation: NDArray[np.float64] = fft.ifft2(self.power).real
        scaled: NDArray[np.float64] = autocorrelation / autocorrelation[0, 0]
        return scaled


def power_of(correlation: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Power (H, W) in FFT layout, mean 1, of noise with that correlation between pixels.

    Parameters
    ----------
    correlation
        (2 r + 1, 2 r + 1) up to a distance of r px, 1 in the middle.
    shape
        (H, W) of the frames.
    """
    lags = np.arange(len(correlation)) - len(correlation) // 2
    placed = np.zeros(shape)
    # Added up, not set: in small frames several lags meet in one pixel.
    np.add.at(placed, np.ix_(lags % shape[0], lags % shape[1]), correlation)
    # What is measured need not be a possible correlation: no power is negative.
    return _normalised(fft.fft2(placed).real)


class MeasuredNoise(NamedTuple):
    """Level and spectrum of a movie's noise; ``spectrum.spoilt`` says which number is unsure."""

    model: NoiseModel
    spectrum: NoiseSpectrum


def measure_noise(frames: NDArray[Any]) -> MeasuredNoise:
    """Measure how strong the noise is and how it is correlated.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive in time, detector units.

    Returns
    -------
    MeasuredNoise
        The motion in the differences of consecutive frames is taken off the model, which knows
        pedestal and read noise where the movie shows them; the noise of frames below 16 × 16 px
        is taken to be white.

    Raises
    ------
    InputError
        If ``frames`` is not (n ≥ 2, H, W).
    """
    parts = checked_differences(frames)
    model = noise_of(parts)
    if min(frames.shape[1:]) < LEAST_SIDE:
        return MeasuredNoise(model, _WHITE)
    spectrum, kernel = _measured(frames, model, parts.weights)
    # So little is within what a few windows may be wrong by; the model is of all pixels.
    excess = spectrum.excess - spectrum.left
    expected = _mean_variance(frames, model) / (1 + excess)
    if kernel is not None:
        # The slope once more, by the frequencies that the scene leaves alone.
        model = noise_of(parts.filtered(kernel))
    share = expected / (_mean_variance(frames, model) or 1.0)
    model = replace(model, gain=share * model.gain, offset_variance=share * model.offset_variance)
    pedestal, read_noise = dark_level(frames, model) or (None, None)
    model = replace(model, pedestal=pedestal, read_noise=read_noise)
    doubt = spectrum.doubt._replace(**_doubts(parts, model, spectrum.excess))
    return MeasuredNoise(model, replace(spectrum, doubt=doubt))


def _doubts(parts: Differences, model: NoiseModel, excess: float) -> dict[str, float]:
    """Return what the spectrum alone does not show of how far the model may be off."""
    level = model.mean or 0.0
    # As in noise_of: counted electrons alone may show their slope by their own sums.
    by_sums = model.counting and line_of(parts).gain == 0
    by = parts.own if by_sums else instrument(parts)
    return {
        "moved": moved_share(parts),
        "taken_off": max(excess, 0.0) / (1 + max(excess, 0.0)),
        "gain": gain_error(parts, by) if model.gain > 0 else 0.0,
        "counted": float(model.variance(level)) / level - 1 if model.counting else 0.0,
    }


def measure_noise_spectrum(frames: NDArray[Any], noise: NoiseModel) -> NoiseSpectrum:
    """Measure how the noise is spread over spatial frequencies.

    Parameters
    ----------
    frames
        (n ≥ 2, H, W), consecutive in time, detector units, sides of at least 16 px.
    noise
        Of these frames, from :func:`napari_tcsdl.noise.estimate_noise`.

    Returns
    -------
    NoiseSpectrum
        (64, 64), smaller for smaller frames; white where ``noise`` says that there is none.

    Raises
    ------
    InputError
        If ``frames`` is not (n ≥ 2, H, W) or too small.

    Notes
    -----
    Medians over Hann windows that overlap by half, of differences in time over the variance that
    the noise model expects of them, at the third of all places where least moves: what moves adds
    power, mostly at its own places. (Each half of the movie is judged by the other half's noise.)
    Correlation beyond 12 px is left out; no power is far above that of the fitted detector, which
    stands for all of it where motion is everywhere (``spoilt``).

    References
    ----------
    P. D. Welch, IEEE Trans. Audio Electroacoust. 15, 70 (1967).
    """
    if frames.ndim != 3 or len(frames) < 2 or min(frames.shape[1:]) < LEAST_SIDE:
        raise InputError(
            f"got frames of shape {frames.shape}, expected at least two of at least "
            f"{LEAST_SIDE} × {LEAST_SIDE} px (n, H, W) to measure how their noise is "
            "correlated; give consecutive frames"
        )
    return _measured(frames, noise, difference_weights(frames))[0]


def _measured(
    frames: NDArray[Any], noise: NoiseModel, weights: NDArray[np.float32]
) -> tuple[NoiseSpectrum, NDArray[np.float64] | None]:
    """Spectrum, and the filter that leaves out what the scene changes, if there is any."""
    if not _mean_variance(frames, noise) > 0:
        return _WHITE, None
    windows = welch(frames, noise, weights)
    if not len(windows.power):
        return _WHITE, None
    quiet = windows.quiet()
    measured = typical(quiet)
    if not measured.mean() > 0:
        return _WHITE, None
    fitted = fitted_detector(measured, len(quiet))
    if fitted is None:
        return NoiseSpectrum(_normalised(_smoothed(measured))), None
    # Quiet places give the shape only: the model may be off where they happen to lie.
    fitted = fitted * float(np.median(typical(windows.power) / fitted))
    excess = float(1 / fitted.mean() - 1)
    power, smoothed = fitted, _smoothed(measured)
    if excess <= TOLERANCE:
        power = np.minimum(smoothed, _HIGHEST_RATIO * fitted)
    doubt = Doubt(distant=_distant(smoothed))
    return NoiseSpectrum(_normalised(power), excess, doubt), windows.kernel(fitted)


def _distant(power: NDArray[np.float64]) -> float:
    """Mean correlation at distances that no detector's noise reaches, and most motion does."""
    correlation = fft.ifft2(power).real
    distance = np.hypot(*np.meshgrid(*[fft.fftfreq(len(power), 1 / len(power))] * 2))
    ring = (distance >= _NEAREST) & (distance <= _FARTHEST)
    return float(correlation[ring].mean() / correlation[0, 0])


def _mean_variance(frames: NDArray[Any], noise: NoiseModel) -> float:
    """Of the pixels, not of the mean pixel: borders may be blank, below the pedestal."""
    return float(noise.variance(frames[0].astype(np.float32)).mean())


_WHITE = NoiseSpectrum(np.ones((SIDE, SIDE)))


def _normalised(power: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.maximum(power, _LEAST_POWER * power.mean())
    normalised: NDArray[np.float64] = clipped / clipped.mean()
    return normalised


def _smoothed(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out what chance and motion leave at long distances."""
    side = len(power)
    frequency = np.hypot(*np.meshgrid(*[fft.fftfreq(side, 1 / side)] * 2))
    # Of what is slower than a window it holds the drift and flicker, not the noise.
    slowest, next_slowest = frequency < 1.5, (frequency >= 1.5) & (frequency < 2.5)
    power = np.where(slowest, np.median(power[next_slowest]), power)
    flat, end = min(_FLAT, side // 4), min(_END, side // 2 - 1)
    taper = np.cos(np.pi / 2 * ((frequency - flat) / (end - flat)).clip(0, 1)) ** 2
    # The window's own correlation lowers that of the noise. (Lags have the grid of frequencies.)
    overlap = fft.ifft2(np.abs(fft.fft2(hann(side))) ** 2).real
    weight = np.divide(taper, overlap, out=np.zeros_like(taper), where=taper > 1e-9)
    smoothed: NDArray[np.float64] = fft.fft2(fft.ifft2(power) * weight).real
    return smoothed
