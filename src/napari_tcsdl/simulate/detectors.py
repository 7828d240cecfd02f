"""Detector models: expected intensity → what a camera writes, and the noise model of that.

The order decides the statistics: signal → Poisson → gain → MTF → gain map → read noise → ADC. What
blurs after the Poisson draw makes the noise correlated and lowers its variance; the same blur
before it would give white noise.

Notation: I intensity relative to an empty field, D dose, N electrons of one pixel, g gain, s²
variance of the charge of one electron relative to its mean squared, K blur kernel (sum 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from .._validation import DeviceError, InputError
from ..noise import NoiseModel
from ._charge import blur, deposit, extend, normal_like

Kind = Literal["counting", "integrating", "scintillator"]

_REACH = 2  # [px] of the blur kernel to each side
_ROUNDING_VARIANCE = 1 / 12  # of a number rounded to whole counts
DOSE_RANGE = (0.3, 300.0)
"""Doses that are trained for [e/px/frame]."""

_LOW_CEILING = 0.04  # of each kind: bright parts of the movie clip
_BRIGHT = 1.2  # intensity about which a low ceiling lies

_KIND_PROBABILITY = {"counting": 0.5, "integrating": 0.35, "scintillator": 0.15}


@dataclass(frozen=True)
class Detector:
    """A pixel detector, from electrons to whole counts.

    Attributes
    ----------
    kind
        'counting' (every electron is one count, white noise), 'integrating' (direct, summed
        charge) or 'scintillator' (light spread over several pixels).
    dose
        D, electrons per pixel and frame where the intensity is 1 [e/px].
    gain
        g, mean counts of one electron [counts/e].
    gain_spread
        s², relative variance of the counts of one electron: 0 where it is always the same, about
        0.3 for the Landau-like energy loss in a thin sensor.
    mtf
        (a, c), weights of the neighbours at 1 and 2 px in each of the two directions; the centre
        keeps 1 − 2(a + c). (0, 0) is a perfect pixel.
    read_noise
        Standard deviation [counts].
    pedestal
        Value of a pixel that no electron hit [counts].
    gain_map_std
        Relative standard deviation of the pixels' gains that flat-fielding has left.
    saturation
        Highest value of the ADC [counts]; None for no limit.

    Raises
    ------
    InputError
        If a number lies outside of what a detector can have.

    References
    ----------
    McMullan et al., Ultramicroscopy 147, 156 (2014), for MTF and gain spread of direct detectors
    and scintillators.

    Examples
    --------
    >>> Detector("counting", dose=4.0).noise_model().variance(7.0)
    7.0
    """

    kind: Kind
    dose: float
    gain: float = 1.0
    gain_spread: float = 0.0
    mtf: tuple[float, float] = (0.0, 0.0)
    read_noise: float = 0.0
    pedestal: float = 0.0
    gain_map_std: float = 0.0
    saturation: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InputError(
                f"got a detector of kind {self.kind!r}, expected one of "
                f"{', '.join(get_args(Kind))}; choose one of them"
            )
        for name in ("dose", "gain"):
            _check_number(name, getattr(self, name), above_zero=True)
        for name in ("gain_spread", "read_noise", "pedestal", "gain_map_std"):
            _check_number(name, getattr(self, name), above_zero=False)
        if self.saturation is not None:
            _check_number("saturation", self.saturation, above_zero=True)
        if min(self.mtf) < 0 or sum(self.mtf) >= 0.5:
            raise InputError(
                f"got neighbour weights mtf = {self.mtf}, expected weights ≥ 0 with a sum below "
                "0.5, so that the centre keeps something; use smaller ones"
            )

    @property
    def correlated(self) -> bool:
        """True where neighbouring pixels share their noise."""
        return any(self.mtf)

    @property
    def kernel(self) -> tuple[float, ...]:
        """K along one direction, 5 weights of sum 1; the blur is its product over both."""
        a, c = self.mtf
        return (c, a, 1 - 2 * (a + c), a, c)

    def noise_model(self) -> NoiseModel:
        """Variance of a pixel against its expected value, where the intensity varies slowly.

        Returns
        -------
        NoiseModel
            gain = g (1 + s²) Σ K²; offset = read noise² + rounding − gain · pedestal; mean = the
            expected value at intensity 1.
        """
        gain = self.gain * (1 + self.gain_spread) * sum(k * k for k in self.kernel) ** 2
        fractions = (*self.mtf, self.gain % 1, self.gain_spread, self.gain_map_std, self.read_noise)
        rounding = _ROUNDING_VARIANCE if any(fractions) else 0.0  # whole electrons stay whole
        offset = self.read_noise**2 + rounding - gain * self.pedestal
        return NoiseModel(gain, offset, mean=self.pedestal + self.gain * self.dose)


def expose(
    intensity: Tensor, detector: Detector, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Record a movie.

    Parameters
    ----------
    intensity
        (…, T, H, W) of a floating type, relative to an empty field, ≥ 0. What lies beyond the
        border is taken to be as the border pixel.
    detector
        Of all movies in ``intensity``.
    generator
        On the device of ``intensity``.

    Returns
    -------
    values : Tensor
        (…, T, H, W), whole counts in the type of ``intensity``.
    truth : Tensor
        (…, T, H, W), the expected count of each pixel: blur, pedestal and the pixel's own gain
        included, so that ``values - truth`` has mean zero wherever the ADC does not clip.

    Raises
    ------
    InputError
        If ``intensity`` is not (…, T, H, W) of a floating type.
    DeviceError
        If ``generator`` lives on another device.
    """
    _check_intensity(intensity, generator)
    expected = intensity * detector.dose
    reach = _REACH if detector.correlated else 0
    if reach:
        expected = extend(expected, reach)
    electrons = torch.poisson(expected, generator=generator)
    if detector.gain_spread:
        electrons = deposit(electrons, detector.gain_spread, generator)
    values, truth = (
        blur(charge, detector.kernel, reach).mul_(detector.gain) for charge in (electrons, expected)
    )
    if detector.gain_map_std:
        # One map for a whole movie: the residue of flat-fielding belongs to the pixels.
        gains = 1 + detector.gain_map_std * normal_like(values[..., :1, :, :], generator)
        gains.clamp_(min=0)
        values, truth = values.mul_(gains), truth.mul_(gains)
    if detector.read_noise:
        values.add_(normal_like(values, generator), alpha=detector.read_noise)
    values.add_(detector.pedestal).round_().clamp_(0, detector.saturation)
    return values, truth.add_(detector.pedestal)


def random_detector(
    generator: torch.Generator, doses: tuple[float, float] = DOSE_RANGE
) -> Detector:
    """Draw a detector as found in laboratories.

    Parameters
    ----------
    generator
        On any device.
    doses
        Least and largest [e/px/frame]; one between is drawn, evenly in its logarithm.

    Returns
    -------
    Detector
        Half counting, a third integrating (neighbours correlate by 0.2 to 0.4, some by 0.02), the
        rest scintillators (0.4 to 0.6). One of 25 has a ceiling so low that bright parts clip; the
        others never reach theirs.
    """
    u = torch.rand(8, generator=generator, device=generator.device).tolist()
    low, height = torch.rand(2, generator=generator, device=generator.device).tolist()
    detector = _usual_detector(u, doses)
    return _clipping(detector, height) if low < _LOW_CEILING else detector


def _usual_detector(u: list[float], doses: tuple[float, float]) -> Detector:
    """Detector of eight numbers from [0, 1), with 16 bits where it does not count."""
    dose = _log_between(u[0], *doses)
    if u[1] < _KIND_PROBABILITY["counting"]:
        return Detector("counting", dose)
    if u[1] < _KIND_PROBABILITY["counting"] + _KIND_PROBABILITY["integrating"]:
        white = u[2] < 0.3
        # The pedestal keeps the read noise of an unexposed pixel above zero.
        return Detector(
            "integrating",
            dose,
            gain=_log_between(u[3], 4, 40),
            gain_spread=0.1 + 0.4 * u[4],
            mtf=(0.01, 0.0) if white else (0.07 + 0.07 * u[5], 0.0),
            read_noise=_log_between(u[6], 1, 12),
            pedestal=float(round(60 + 140 * u[7])),
            gain_map_std=0.01 * u[2],
            saturation=65535.0,
        )
    return Detector(
        "scintillator",
        dose,
        gain=_log_between(u[3], 2, 40),
        gain_spread=0.2 + 0.6 * u[4],
        mtf=(0.15 + 0.05 * u[5], 0.012 + 0.016 * u[2]),
        read_noise=_log_between(u[6], 2, 15),
        pedestal=float(round(80 + 220 * u[7])),
        gain_map_std=0.015 * u[2],
        saturation=65535.0,
    )


def _clipping(detector: Detector, height: float) -> Detector:
    """Lower the ceiling to 0.7 … 1.3 times the signal of intensity 1.2, and two deviations more.

    The pedestal is not part of the signal: a ceiling below it would leave nothing.
    """
    model = detector.noise_model()
    signal = detector.gain * detector.dose * _BRIGHT
    deviation = math.sqrt(model.variance(detector.pedestal + signal))
    ceiling = detector.pedestal + (0.7 + 0.6 * height) * signal + 2 * deviation
    return replace(detector, saturation=float(max(1, round(ceiling))))


def _log_between(u: float, low: float, high: float) -> float:
    return low * math.exp(u * math.log(high / low))


def _check_intensity(intensity: Tensor, generator: torch.Generator) -> None:
    if intensity.ndim < 3 or not intensity.is_floating_point():
        raise InputError(
            f"got an intensity of shape {tuple(intensity.shape)} and type {intensity.dtype}, "
            "expected (…, T, H, W) of a floating type; add a time axis and convert it"
        )
    if generator.device.type != intensity.device.type:
        raise DeviceError(
            f"got a random generator on {generator.device} for an intensity on "
            f"{intensity.device}, expected both on one device; make the generator with "
            f"torch.Generator(device={intensity.device.type!r})"
        )


def _check_number(name: str, value: float, above_zero: bool) -> None:
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise InputError(
            f"got {name} = {value} for a detector, expected a finite number "
            f"{'>' if above_zero else '≥'} 0; correct it"
        )
