"""Carbon fibres that bend, as an out-of-focus microscope sees them: phase, absorption, fringes.

A fibre is a bent cylinder, solid or hollow; electrons gain a phase and lose intensity in
proportion to the carbon along their way. Defocus turns the edges into Fresnel fringes.

References
----------
L. Reimer, H. Kohl, Transmission Electron Microscopy, 5th ed., Springer 2008, sections 3.1 (mean
inner potential) and 6.2 (Fresnel fringes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from .._validation import InputError
from ._random import Stream
from .film import Film, film_phases
from .microscope import Microscope
from .multislice import Grid, fast_size, images, recorded

Floats = NDArray[np.float64]

_INNER_POTENTIAL = 9.0  # of dense amorphous carbon [V]
_FINER = 2  # wave pixels per camera pixel, along each axis
_MARGIN = 20  # camera pixels at least computed beyond each border, so that nothing wraps around
_TEXTURE = 512  # points of the texture along and across a fibre
_BATCH = 8


@dataclass(frozen=True)
class Fibre:
    """One fibre and how it moves.

    Attributes
    ----------
    outer, inner
        Radii [Å]; ``inner`` 0 is solid.
    angle
        Of its straight axis from x towards y [rad].
    offset
        (T,) distance of the axis from the middle of the field [Å], across the axis.
    slide
        (T,) shift along the axis [Å]: its texture moves.
    bends
        (T, M) amplitudes [Å] of M bending waves in each frame.
    waves
        (M, 2) their wavelengths [Å] and phases [rad].
    roughness
        Standard deviation of the outline [Å].
    texture
        Standard deviation of the density, relative.
    grain
        Length over which density and outline vary [Å].
    """

    outer: float
    inner: float
    angle: float
    offset: Floats
    slide: Floats
    bends: Floats
    waves: Floats
    roughness: float = 5.0
    texture: float = 0.1
    grain: float = 25.0

    def __post_init__(self) -> None:
        if not 0 <= self.inner < self.outer:
            raise InputError(
                f"got a fibre of radius {self.outer} Å with a bore of {self.inner} Å, expected "
                "0 ≤ bore < radius; give for example 300 and 120"
            )


@dataclass(frozen=True)
class FibreScene:
    """What :func:`fibre_movie` renders.

    Attributes
    ----------
    fibres
        One or more, of equally many frames.
    pixel_size
        [Å px⁻¹]
    shape
        (H, W) [px]
    microscope
        Beam and lens; micrometres of defocus give visible fringes.
    mean_free_path
        Of what the objective aperture lets through [Å].
    film
        Carbon behind the fibres.
    drift
        (T, 2) of everything, x, y [Å].
    seed
        Decides textures and film.
    """

    fibres: tuple[Fibre, ...]
    pixel_size: float
    shape: tuple[int, int]
    microscope: Microscope
    mean_free_path: float = 1800.0
    film: Film = field(default_factory=Film)
    drift: Floats = field(default_factory=lambda: np.zeros((1, 2)))
    seed: int = 1


def fibre_movie(scene: FibreScene, device: torch.device | str = "cpu") -> NDArray[np.float32]:
    """Return the movie that a noise-free camera would record.

    Returns
    -------
    numpy.ndarray
        (T, H, W) float32, intensity; 1 is vacuum.

    Raises
    ------
    InputError
        If there is no fibre, or fibres and drift differ in their number of frames.
    """
    lengths = {len(fibre.bends) for fibre in scene.fibres} | {len(scene.drift)}
    if len(lengths) != 1 or not scene.fibres:
        raise InputError(
            f"got {len(scene.fibres)} fibres and a drift over {sorted(lengths)} frames, expected "
            "one fibre or more over the same frames; give bends (T, M) and drift (T, 2)"
        )
    sizes = [fast_size(_FINER * (n + 2 * _MARGIN)) for n in scene.shape]
    grid = Grid((sizes[0], sizes[1]), scene.pixel_size / _FINER)
    film = film_phases(scene.film, grid, scene.microscope, scene.drift, Stream(scene.seed, "film"))
    bodies = [
        _Body(fibre, Stream(scene.seed, f"fibre{index}"), device)
        for index, fibre in enumerate(scene.fibres)
    ]
    movie = []
    n_frames = lengths.pop()
    for start in range(0, n_frames, _BATCH):
        waves = [
            _wave(scene, bodies, index, grid, next(film).to(device))
            for index in range(start, min(start + _BATCH, n_frames))
        ]
        spectrum = torch.fft.fft2(torch.stack(waves))
        intensity = images(spectrum, grid, scene.microscope)
        movie.append(recorded(intensity, scene.shape, _FINER).cpu().numpy())
    return np.concatenate(movie)


def thickness(scene: FibreScene, index: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return the carbon of all fibres along the beam in frame ``index``, (H, W) [Å]."""
    grid = Grid(scene.shape, scene.pixel_size)
    total = torch.zeros(scene.shape, device=device)
    for number, fibre in enumerate(scene.fibres):
        body = _Body(fibre, Stream(scene.seed, f"fibre{number}"), device)
        total += body.thickness(grid, index, scene.drift[index])
    return total


def _wave(
    scene: FibreScene, bodies: list[_Body], index: int, grid: Grid, film: torch.Tensor
) -> torch.Tensor:
    """Exit wave (h, w) complex of one frame."""
    carbon = torch.zeros_like(film)
    for body in bodies:
        carbon = carbon + body.thickness(grid, index, scene.drift[index])
    phase = scene.microscope.interaction * _INNER_POTENTIAL * carbon + film
    return torch.polar(torch.exp(-carbon / (2 * scene.mean_free_path)), phase)


class _Body:
    """A fibre with its texture, which is part of it and moves with it."""

    def __init__(self, fibre: Fibre, stream: Stream, device: torch.device | str) -> None:
        self._fibre = fibre
        self._device = device
        spacing = fibre.grain / 3
        self._length = spacing * _TEXTURE  # [Å] after which it repeats
        frequency = np.fft.fftfreq(_TEXTURE, spacing)
        # Graphitic domains: longer along the fibre than across it.
        squared = (frequency[:, None] ** 2 + (2 * frequency[None]) ** 2) * fibre.grain**2
        rough = np.exp(-2 * (frequency * 4 * fibre.grain) ** 2)
        density = np.fft.ifft2(np.fft.fft2(stream.normal(_TEXTURE, _TEXTURE)) * np.exp(-squared))
        outline = np.fft.ifft(np.fft.fft(stream.normal(2, _TEXTURE)) * rough)
        self._density = self._scaled(density.real, fibre.texture)
        self._outline = self._scaled(outline.real, fibre.roughness)

    def _scaled(self, values: Floats, spread: float) -> torch.Tensor:
        scaled = values * spread / values.std()
        return torch.from_numpy(scaled.astype(np.float32)).to(self._device)

    def thickness(self, grid: Grid, index: int, drift: Floats) -> torch.Tensor:
        """Carbon along the beam in one frame, (h, w) [Å]."""
        fibre = self._fibre
        height, width = grid.shape
        y = (torch.arange(height, device=self._device) - height // 2)[:, None] * grid.pixel_size
        x = (torch.arange(width, device=self._device) - width // 2)[None] * grid.pixel_size
        x, y = x - float(drift[0]), y - float(drift[1])
        cosine, sine = math.cos(fibre.angle), math.sin(fibre.angle)
        along = x * cosine + y * sine - float(fibre.slide[index])
        across = y * cosine - x * sine - float(fibre.offset[index])
        slope = torch.zeros_like(along)
        for amplitude, (wavelength, phase) in zip(fibre.bends[index], fibre.waves, strict=True):
            turn = 2 * math.pi / wavelength
            across = across - amplitude * torch.sin(turn * along + phase)
            slope = slope + amplitude * turn * torch.cos(turn * along + phase)
        # Distance from the bent axis to first order in the curvature.
        across = across / torch.sqrt(1 + slope**2)
        near = across.abs() < fibre.outer + 6 * fibre.roughness  # most of the field is far away
        carbon = torch.zeros_like(across)
        carbon[near] = self._carbon(across[near], along[near])
        return carbon

    def _carbon(self, across: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        """Carbon along the beam (n,) [Å] at points of the fibre's own coordinates (n,) [Å]."""
        fibre = self._fibre
        column = along * (_TEXTURE / self._length)
        # Each side has its own outline; the surface in between goes over smoothly.
        side = torch.sigmoid(across * (6 / fibre.outer))
        edges = self._outline_at(column)
        edge = edges[0] * (1 - side) + edges[1] * side
        solid = _chord(fibre.outer + edge, across)
        if fibre.inner > 0:
            solid = (solid - _chord(fibre.inner + 0.5 * edge, across)).clamp_min(0)
        row = across * (_TEXTURE / self._length)
        return solid * (1 + self._density_at(row, column)).clamp_min(0)

    def _outline_at(self, column: torch.Tensor) -> torch.Tensor:
        """Outlines of both sides, (2, n) [Å]."""
        c = column.floor()
        v, c0 = column - c, c.long() % _TEXTURE
        return self._outline[:, c0] * (1 - v) + self._outline[:, (c0 + 1) % _TEXTURE] * v

    def _density_at(self, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        """Interpolate the periodic texture (rows across, columns along) linearly."""
        r, c = row.floor(), column.floor()
        u, v = row - r, column - c
        r0, c0 = r.long() % _TEXTURE, c.long() % _TEXTURE
        r1, c1 = (r0 + 1) % _TEXTURE, (c0 + 1) % _TEXTURE
        upper = self._density[r0, c0] * (1 - v) + self._density[r0, c1] * v
        lower = self._density[r1, c0] * (1 - v) + self._density[r1, c1] * v
        return upper * (1 - u) + lower * u


def _chord(radius: torch.Tensor | float, distance: torch.Tensor) -> torch.Tensor:
    """Length of the beam's way through a cylinder [Å] at a distance from its axis [Å]."""
    return 2 * torch.sqrt((radius**2 - distance**2).clamp_min(0))
