"""Atoms, microscope, film and drift → movie, relative to vacuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .._validation import InputError
from ._random import Stream
from .film import Film, film_phases
from .microscope import Microscope
from .multislice import Atoms, Grid, Slabs, exit_wave, fast_size, images, recorded, slab_phases

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Atoms of one element through a movie.

    Attributes
    ----------
    symbol
        Element.
    positions
        (T, N, 3) [Å]: x, y from the middle of the field of view, z along the beam. NaN: absent.
    debye_waller
        B = 8π²⟨u²⟩ [Å²].
    """

    symbol: str
    positions: Floats
    debye_waller: float = 0.6


@dataclass(frozen=True)
class View:
    """What the camera sees.

    Attributes
    ----------
    shape
        (H, W) [px].
    pixel_size
        [Å px⁻¹]
    margin
        Computed beyond the field of view on each side [Å], so that nothing comes in from the
        opposite border.
    slabs
        Into how many the specimen is cut.
    vibration
        Standard deviation of the blur within a frame (x, y) [Å].
    finest
        Waves are sampled at least this finely [Å]; camera pixels integrate over several points.
        0.13 Å is converged for gold (correlation with 0.06 Å: 0.995); 0.25 Å is five times faster.
    batch
        Frames computed at once.
    """

    shape: tuple[int, int] = (256, 256)
    pixel_size: float = 0.25
    margin: float = 8.0
    slabs: int = 4
    vibration: tuple[float, float] = (0.0, 0.0)
    finest: float = 0.32
    batch: int = 6


@dataclass(frozen=True)
class Support:
    """The film and how it drifts.

    Attributes
    ----------
    film
        What it is.
    shifts
        (T, 2) drift x, y [Å] in each frame.
    seed
        Decides its speckle.
    """

    film: Film
    shifts: Floats
    seed: int


def render(
    groups: Sequence[Group],
    microscope: Microscope,
    view: View,
    support: Support | None = None,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Return the movie that a noise-free camera would record.

    Parameters
    ----------
    groups
        Atoms of one element each, in every frame; in the field's own coordinates, drift included.
    microscope
        Beam and lens.
    view
        Field of view and sampling.
    support
        Film that electrons pass first, or None.
    device
        Where it is computed.

    Returns
    -------
    numpy.ndarray
        (T, H, W) float32, intensity; 1 is vacuum.

    Raises
    ------
    InputError
        If there are no atoms, or the groups differ in their number of frames.
    """
    lengths = {len(group.positions) for group in groups}
    if len(lengths) != 1:
        raise InputError(
            f"got groups of atoms over {sorted(lengths)} frames, expected one group or more over "
            "the same frames; give positions (T, N, 3)"
        )
    grid, finer = _grid(view)
    heights = np.concatenate([group.positions[..., 2].ravel() for group in groups])
    bottom, top = float(np.nanmin(heights)) - 1.0, float(np.nanmax(heights)) + 1.0
    slabs = Slabs(view.slabs, bottom, top)
    film = None
    if support is not None:
        stream = Stream(support.seed, "film")
        film = film_phases(support.film, grid, microscope, support.shifts, stream)
    movie = []
    for start in range(0, lengths.pop(), view.batch):
        atoms = [_on_device(group, start, view.batch, device) for group in groups]
        phases = slab_phases(atoms, grid, slabs, microscope)
        if film is not None:
            for frame in phases:
                frame[0] += next(film).to(device)
        intensity = images(exit_wave(phases, grid, slabs, microscope), grid, microscope)
        movie.append(_recorded(intensity, grid, finer, view).cpu().numpy())
    return np.concatenate(movie)


def _on_device(group: Group, start: int, batch: int, device: torch.device | str) -> Atoms:
    part = group.positions[start : start + batch].astype(np.float32)
    return Atoms(group.symbol, torch.from_numpy(part).to(device), group.debye_waller)


def _grid(view: View) -> tuple[Grid, int]:
    """Return the grid of the waves, margin included, and its pixels per camera pixel."""
    finer = max(1, int(np.ceil(view.pixel_size / view.finest - 1e-9)))
    pixel = view.pixel_size / finer
    margin = int(np.ceil(view.margin / pixel))
    sizes = [fast_size(n * finer + 2 * margin) for n in view.shape]
    return Grid((sizes[0], sizes[1]), pixel), finer


def _recorded(intensity: torch.Tensor, grid: Grid, finer: int, view: View) -> torch.Tensor:
    """Blur by vibration, then record the field of view."""
    if max(view.vibration) > 0:
        fy, fx = grid.frequencies(intensity.device, half=True)
        exponent = (fx * view.vibration[0]) ** 2 + (fy * view.vibration[1]) ** 2
        blur = torch.exp(-2 * np.pi**2 * exponent)
        intensity = torch.fft.irfft2(torch.fft.rfft2(intensity) * blur, s=grid.shape)
    return recorded(intensity, view.shape, finer)
