"""A first simple movie with known truth: gold crystals drift, turn and meet on carbon.

Not a multislice calculation: each crystal is a facetted body whose thickness darkens it and
whose lattice planes are cosines of the d-spacings of gold; the carbon film is white noise seen
through the phase contrast of the lens, so that its spectrum shows Thon rings. The electrons are
counted: Poisson noise, white.

Everything random comes from raw bits of Philox, which NumPy keeps for ever, through formulas
written out here; the methods of ``numpy.random.Generator`` may change between versions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .._validation import InputError

AU_LATTICE = 4.0786
"""Lattice constant of gold [Å]: d(111) = 2.355 Å, d(200) = 2.039 Å, d(220) = 1.442 Å."""

Floats = NDArray[np.float64]

_ELECTRON_WAVELENGTH = 0.0197  # [Å] at 300 kV
_DEFOCUS = 550.0  # [Å] puts the first zero of the contrast transfer at 0.30 Å⁻¹
_CARBON_CONTRAST = 0.075  # standard deviation of the film, relative to the dose
_ABSORPTION = 0.65  # of the thickest crystal, in the exponent
_FRINGE_CONTRAST = 0.62
_DARKEST = 0.04  # relative to the dose: no pixel is ever quite dark


@dataclass(frozen=True)
class GrainSettings:
    """What :func:`simulate_grains` makes.

    Attributes
    ----------
    shape
        (T, H, W). Crystals keep their size relative to the shorter side of a frame.
    pixel_size
        [Å px⁻¹]; below 1 Å or the lattice is not resolved.
    frame_time
        [s]
    dose
        Electrons per pixel and frame where there is no crystal, at most 100.
    seed
        Any whole number ≥ 0.
    """

    shape: tuple[int, int, int] = (48, 256, 256)
    pixel_size: float = 0.4
    frame_time: float = 0.05
    dose: float = 10.0
    seed: int = 1

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InputError(
                f"got shape {self.shape}, expected (T, H, W) of at least one pixel; give for "
                "example (48, 256, 256)"
            )
        if not 0 < self.pixel_size < 1:
            raise InputError(
                f"got pixel size {self.pixel_size} Å/px, expected 0 … 1 Å/px, which resolves the "
                "lattice of gold; give for example 0.4"
            )
        if not 0 < self.dose <= 100:
            raise InputError(
                f"got dose {self.dose} e/px/frame, expected above 0 and at most 100, so that "
                "counts fit in 8 bits; give for example 10"
            )


@dataclass(frozen=True)
class _Grain:
    """A crystal: where it is, how it lies, how both change with each frame."""

    centre: tuple[float, float]  # (y, x) [px] in the first frame
    velocity: tuple[float, float]  # [px per frame]
    radius: float  # [px]
    angle: float  # [rad] in the first frame
    turn: float  # [rad per frame]
    zone: str  # the crystal axis along the beam, "110" or "100"
    wobble: tuple[float, float, float]  # phases [rad] of its tilting


def simulate_grains(
    settings: GrainSettings,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a movie as a counting camera records it, and its truth.

    Returns
    -------
    counts
        (T, H, W) uint8, electrons.
    truth
        (T, H, W) float32, the expected electrons of each pixel.
    """
    truth = expected_counts(settings)
    bits = np.random.Philox(key=_stream_key(settings.seed, "counts"))
    counts = np.empty(settings.shape, np.uint8)
    for index, frame in enumerate(truth):
        counts[index] = _poisson(frame.astype(np.float64), _uniform(bits, frame.shape))
    return counts, truth


def expected_counts(settings: GrainSettings) -> NDArray[np.float32]:
    """Return the truth alone: expected electrons per pixel, (T, H, W) float32."""
    n_frames, height, width = settings.shape
    bits = np.random.Philox(key=_stream_key(settings.seed, "scene"))
    grains = _place_grains(settings, bits)
    film = fft.fft2(_carbon_film(settings, bits))
    stage = _drift(n_frames, bits)
    truth = np.empty(settings.shape, np.float32)
    for index, shift in enumerate(stage):
        background = 1 + _shifted(film, shift)
        absorbed, lattice = np.zeros((2, height, width))
        for grain in grains:
            _add_grain(absorbed, lattice, grain, index, shift, settings.pixel_size)
        intensity = background * np.exp(-absorbed) + lattice
        truth[index] = settings.dose * np.maximum(intensity, _DARKEST)
    return truth


def _place_grains(settings: GrainSettings, bits: np.random.Philox) -> list[_Grain]:
    """Two crystals approach each other; a small one turns quickly beside them."""
    _, height, width = settings.shape
    side = min(height, width)
    layout = (
        # y, x, velocity y, x [sides per 100 frames], radius [sides], turn [°/frame], zone
        (-0.06, -0.24, 0.05, 0.12, 0.235, 0.7, "110"),
        (0.09, 0.24, -0.05, -0.16, 0.195, -1.0, "110"),
        (-0.36, 0.26, 0.12, -0.10, 0.085, 1.6, "100"),
    )
    grains = []
    for y, x, vy, vx, radius, turn, zone in layout:
        u = _uniform(bits, (5,))
        grains.append(
            _Grain(
                centre=(height / 2 + side * (y + 0.02 * (u[0] - 0.5)), width / 2 + side * x),
                velocity=(side * vy / 100, side * vx / 100),
                radius=side * radius,
                angle=2 * np.pi * u[1],
                turn=math.radians(turn),
                zone=zone,
                wobble=(2 * np.pi * u[2], 2 * np.pi * u[3], 2 * np.pi * u[4]),
            )
        )
    return grains


def _reflections(zone: str) -> list[tuple[float, float, float]]:
    """Lattice planes along the beam: (direction [rad], spatial frequency [Å⁻¹], weight)."""
    g111, g200, g220 = (math.sqrt(n) / AU_LATTICE for n in (3, 4, 8))
    if zone == "110":
        tilt = math.atan(1 / math.sqrt(2))  # of the (111) normals against [1-10]
        return [(tilt, g111, 1.0), (-tilt, g111, 1.0), (np.pi / 2, g200, 0.65), (0, g220, 0.2)]
    return [
        (0.0, g200, 1.0),
        (np.pi / 2, g200, 1.0),
        (np.pi / 4, g220, 0.3),
        (-np.pi / 4, g220, 0.3),
    ]


def _facets(zone: str) -> list[tuple[float, float]]:
    """Outline of the crystal: (direction of the normal [rad], distance in radii)."""
    if zone == "110":
        tilt = math.atan(1 / math.sqrt(2))
        half = [(tilt, 1.0), (-tilt, 1.0), (np.pi / 2, 1.1)]
    else:
        half = [(0.0, 1.0), (np.pi / 2, 1.0), (np.pi / 4, 1.04), (-np.pi / 4, 1.04)]
    return half + [(direction + np.pi, distance) for direction, distance in half]


def _add_grain(
    absorbed: Floats,
    lattice: Floats,
    grain: _Grain,
    index: int,
    shift: Floats,
    pixel_size: float,
) -> None:
    """Add one crystal in frame ``index`` to the images of absorption and of lattice contrast."""
    centre = np.array(grain.centre) + index * np.array(grain.velocity) + shift
    reach = 1.5 * grain.radius + 8
    rows, cols = (
        slice(max(0, int(c - reach)), max(0, min(n, int(c + reach) + 1)))
        for c, n in zip(centre, absorbed.shape, strict=True)
    )
    y = np.arange(rows.start, rows.stop)[:, np.newaxis] - centre[0]
    x = np.arange(cols.start, cols.stop)[np.newaxis, :] - centre[1]
    angle = grain.angle + index * grain.turn + 0.03 * math.sin(index / 7 + grain.wobble[0])
    edge = _distance_to_edge(y, x, angle, grain)
    depth = np.clip(1 - edge / grain.radius, 0, 1)
    thickness = np.sqrt(1 - depth**2) / (1 + np.exp(np.clip(-edge / 0.8, -50, 50)))
    # Fresnel fringe: a bright line just outside the edge.
    fresnel = 0.10 * np.exp(-(((edge + 2.5) / 1.6) ** 2))
    absorbed[rows, cols] += _ABSORPTION * thickness - fresnel
    waves = np.zeros_like(edge)
    for number, (direction, frequency, weight) in enumerate(_reflections(grain.zone)):
        # The crystal tilts a little: its planes come and go out of Bragg's condition.
        seen = 0.75 + 0.25 * math.sin(index / 11 + 2.1 * number + grain.wobble[1])
        along = x * math.cos(angle + direction) + y * math.sin(angle + direction)
        phase = 2 * np.pi * frequency * pixel_size * along + number * thickness
        waves += weight * seen * np.cos(phase)
    # Contrast rises with thickness and turns over, as it does between thickness fringes.
    total = sum(weight for *_, weight in _reflections(grain.zone))
    lattice[rows, cols] += _FRINGE_CONTRAST / total * np.sin(2.3 * thickness) * waves


def _distance_to_edge(y: Floats, x: Floats, angle: float, grain: _Grain) -> Floats:
    """Depth below the nearest facet [px], > 0 inside; corners are rounded."""
    rounding = 0.09 * grain.radius
    total = np.zeros(np.broadcast_shapes(y.shape, x.shape))
    for direction, distance in _facets(grain.zone):
        along = x * math.cos(angle + direction) + y * math.sin(angle + direction)
        total += np.exp(np.minimum((along - distance * grain.radius) / rounding, 700))
    edge: Floats = -rounding * np.log(total)
    return edge


def _carbon_film(settings: GrainSettings, bits: np.random.Philox) -> Floats:
    """Amorphous carbon (H, W), mean 0: white noise through the lens in weak-phase contrast."""
    shape = settings.shape[1:]
    frequency_y = fft.fftfreq(shape[0], settings.pixel_size)[:, np.newaxis]
    squared = frequency_y**2 + fft.fftfreq(shape[1], settings.pixel_size) ** 2
    scattering = 1 / (1 + squared / 0.16**2)
    phase_contrast = np.sin(np.pi * _ELECTRON_WAVELENGTH * _DEFOCUS * squared)
    envelope = np.exp(-squared / 0.45**2)
    film = fft.ifft2(fft.fft2(_normal(bits, shape)) * scattering * phase_contrast * envelope).real
    waviness = fft.ifft2(fft.fft2(_normal(bits, shape)) * np.exp(-squared / 0.03**2)).real
    scaled: Floats = _CARBON_CONTRAST * _standardised(film) + 0.03 * _standardised(waviness)
    return scaled


def _standardised(image: Floats) -> Floats:
    spread = image.std()
    scaled: Floats = (image - image.mean()) / (spread if spread > 0 else 1.0)
    return scaled


def _drift(n_frames: int, bits: np.random.Philox) -> Floats:
    """Stage drift (T, 2) [px]: a steady crawl and a smooth random walk."""
    steps = _normal(bits, (n_frames + 8, 2))
    smooth = np.cumsum(steps, axis=0)
    smooth = (smooth[8:] - smooth[:-8]) / 8
    walk = 0.35 * np.cumsum(smooth, axis=0)
    crawl = np.arange(n_frames)[:, np.newaxis] * np.array([0.10, 0.06])
    drift: Floats = crawl + walk - walk[0]
    return drift


def _shifted(spectrum: NDArray[np.complex128], shift: Floats) -> Floats:
    """Move a periodic image, given as its Fourier transform, by (y, x) pixels."""
    height, width = spectrum.shape
    phase = fft.fftfreq(height)[:, np.newaxis] * shift[0] + fft.fftfreq(width) * shift[1]
    moved: Floats = fft.ifft2(spectrum * np.exp(-2j * np.pi * phase)).real
    return moved


def _stream_key(seed: int, name: str) -> int:
    """Return the 128-bit Philox key of a named stream, so that streams never overlap."""
    if seed < 0:
        raise InputError(f"got seed {seed}, expected a whole number ≥ 0; give for example 1")
    return (int.from_bytes(name.encode().ljust(8, b"\0"), "little") << 64) | (seed % 2**64)


def _uniform(bits: np.random.Philox, shape: tuple[int, ...]) -> Floats:
    """Draw uniform numbers in [0, 1): the upper 53 bits of each raw 64-bit word."""
    raw = np.asarray(bits.random_raw(math.prod(shape)), np.uint64) >> np.uint64(11)
    return raw.reshape(shape).astype(np.float64) * 2.0**-53


def _normal(bits: np.random.Philox, shape: tuple[int, ...]) -> Floats:
    """Draw normal numbers (Box and Muller, 1958)."""
    first, second = _uniform(bits, (2, math.prod(shape)))
    normal: Floats = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    return normal.reshape(shape)


def _poisson(expected: Floats, uniform: Floats) -> NDArray[np.uint8]:
    """Poisson counts by inversion: the smallest k whose cumulative probability exceeds u."""
    probability = np.exp(-expected)
    cumulative = probability.copy()
    counts = np.zeros(expected.shape, np.uint8)
    for k in range(1, 256):
        above = uniform >= cumulative
        if not above.any():
            break
        counts += above
        probability *= expected / k
        cumulative += probability
    return counts
