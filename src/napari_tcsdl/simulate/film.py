"""The amorphous film under the specimen: speckle that drifts and slowly rearranges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft

from ._random import Stream
from .kirkland import VOLT_SQUARE_ANGSTROM, scattering_factor
from .microscope import Microscope
from .multislice import Grid

_CARBON_DENSITY = 0.10  # atoms per Å³ of amorphous carbon, 2.0 g cm⁻³
_DEBYE_WALLER = 1.0  # [Å²]
_FIRST_PEAK = 0.45  # spatial frequency of the first maximum of carbon's structure factor [Å⁻¹]
_LONG = 0.15  # structure factor of long waves
_FINE = 0.14  # [Å px⁻¹]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Film:
    """Amorphous carbon.

    Attributes
    ----------
    thickness
        [Å]
    memory
        Frames after which the correlation of what changes has fallen to 1/e.
    still
        Share of the film's variance, 0 … 1, that never changes.
    edge
        None, or (angle [rad], distance [Å]) of a straight border from the middle of the field;
        beyond it is vacuum.
    """

    thickness: float = 30.0
    memory: float = 10.0
    still: float = 0.3
    edge: tuple[float, float] | None = None


def film_phases(
    film: Film, grid: Grid, microscope: Microscope, shifts: Floats, stream: Stream
) -> Iterator[torch.Tensor]:
    """Yield the phase shift of the film, (h, w) float32 [rad], frame after frame.

    Parameters
    ----------
    film
        What it is.
    grid
        Where it is wanted.
    microscope
        Decides how strongly electrons see it.
    shifts
        (F, 2) drift of the film in each frame: x, y [Å].
    stream
        Where the random atoms come from.

    Notes
    -----
    Many random atoms make a phase that is white noise times the scattering factor of carbon and
    the square root of the structure factor. Its mean would shift the phase of everything, which
    no image shows.
    """
    coarse, factor = _noise_grid(grid)
    speckle = _speckle(film, coarse, microscope)
    fy, fx = (f.numpy() for f in coarse.frequencies(half=True))
    keep = math.exp(-1 / max(film.memory, 1e-3))
    still, moving = stream.normal(2, *coarse.shape).astype(np.float32)
    for shift_x, shift_y in shifts:
        noise = math.sqrt(film.still) * still + math.sqrt(1 - film.still) * moving
        moved = fft.rfft2(noise) * speckle * np.exp(-2j * np.pi * (fx * shift_x + fy * shift_y))
        phase = fft.irfft2(_padded(moved, grid, factor), s=grid.shape).astype(np.float32)
        yield torch.from_numpy(phase * _covered(film, grid, shift_x, shift_y))
        fresh = stream.normal(*coarse.shape).astype(np.float32)
        moving = keep * moving + math.sqrt(1 - keep**2) * fresh


def _speckle(film: Film, grid: Grid, microscope: Microscope) -> NDArray[np.float32]:
    """Spectrum of the phase [rad] of white noise of variance 1 per pixel, (h, w // 2 + 1)."""
    fy, fx = grid.frequencies(half=True)
    squared = fx**2 + fy**2
    area = grid.pixel_size**2
    atoms = film.thickness * _CARBON_DENSITY * area  # in a pixel; their number's variance, too
    scattering = scattering_factor("C", squared) * torch.exp(-_DEBYE_WALLER * squared / 4)
    # Atoms keep apart: they are spread more evenly on long scales than at random.
    structure = _LONG + (1 - _LONG) * torch.sigmoid((squared.sqrt() - 0.75 * _FIRST_PEAK) / 0.06)
    strength = microscope.interaction * VOLT_SQUARE_ANGSTROM / area * math.sqrt(atoms)
    speckle: NDArray[np.float32] = (
        strength * scattering * structure.sqrt() * grid.band(squared)
    ).numpy()
    return speckle


def _noise_grid(grid: Grid) -> tuple[Grid, int]:
    """Grid of half the points where the wanted one is finer than carbon scatters, and 2; or 1."""
    height, width = grid.shape
    if grid.pixel_size >= _FINE or height % 4 or width % 4:
        return grid, 1
    return Grid((height // 2, width // 2), 2 * grid.pixel_size), 2


def _padded(spectrum: NDArray[np.complex64], grid: Grid, factor: int) -> NDArray[np.complex64]:
    """Interpolate by zeros around a band-limited half spectrum."""
    if factor == 1:
        return spectrum
    height, width = grid.shape
    padded = np.zeros((height, width // 2 + 1), spectrum.dtype)
    rows, columns = len(spectrum) // 2, spectrum.shape[1]
    padded[:rows, :columns] = spectrum[:rows]
    padded[-rows:, :columns] = spectrum[-rows:]
    return padded * np.float32(factor**2)


def _covered(film: Film, grid: Grid, shift_x: float, shift_y: float) -> NDArray[np.float32]:
    """1 where the film is, 0 in vacuum, soft over 2 Å."""
    if film.edge is None:
        return np.ones((1, 1), np.float32)
    angle, distance = film.edge
    height, width = grid.shape
    y = (np.arange(height) - height // 2)[:, None] * grid.pixel_size - shift_y
    x = (np.arange(width) - width // 2)[None] * grid.pixel_size - shift_x
    beyond = x * math.cos(angle) + y * math.sin(angle) - distance
    covered: NDArray[np.float32] = (1 / (1 + np.exp(np.clip(beyond / 2, -40, 40)))).astype(
        np.float32
    )
    return covered
