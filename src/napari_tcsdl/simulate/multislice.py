"""High-resolution images of atoms: multislice in torch, many frames at once, any device.

Atoms are spread onto the grid of their slab with cubic B-splines, and the potential of their
element is put in by one multiplication in Fourier space, which also takes out the spline; the
cost hardly depends on the number of atoms. The wave then passes slab after slab.

References
----------
J. M. Cowley, A. F. Moodie, Acta Cryst. 10, 609 (1957): multislice.
E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., Springer 2010, chapters 5, 6:
projected potentials, band limit at 2/3 of the sampling limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .._validation import InputError
from .kirkland import VOLT_SQUARE_ANGSTROM, scattering_factor
from .microscope import Microscope

_BAND_LIMIT = 2 / 3  # of the Nyquist frequency: products of two waves do not alias


@dataclass(frozen=True)
class Grid:
    """Where waves are sampled: periodic, the origin of x and y in its middle.

    Attributes
    ----------
    shape
        (h, w) [px].
    pixel_size
        [Å px⁻¹].
    """

    shape: tuple[int, int]
    pixel_size: float

    def __post_init__(self) -> None:
        if min(self.shape) < 8 or self.pixel_size <= 0:
            raise InputError(
                f"got a grid of {self.shape[0]} × {self.shape[1]} px of {self.pixel_size} Å, "
                "expected at least 8 × 8 px of more than 0 Å; give for example 256 × 256 of 0.25"
            )

    def frequencies(
        self,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        half: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (fy, fx) [Å⁻¹], (h, 1) and (1, w), or (1, w // 2 + 1) for real images."""
        height, width = self.shape
        along_x = torch.fft.rfftfreq if half else torch.fft.fftfreq
        return (
            torch.fft.fftfreq(height, self.pixel_size, device=device, dtype=dtype)[:, None],
            along_x(width, self.pixel_size, device=device, dtype=dtype)[None],
        )

    def band(self, squared: torch.Tensor) -> torch.Tensor:
        """Return True where q² [Å⁻²] lies within the band limit."""
        return squared <= (_BAND_LIMIT / (2 * self.pixel_size)) ** 2


def fast_size(least: int) -> int:
    """Return the next even number without prime factors above 5, for fast Fourier transforms."""
    size = least + least % 2
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 2


@dataclass(frozen=True)
class Slabs:
    """How the specimen is cut across the beam.

    Attributes
    ----------
    number
        1 … 64; 4 are enough for crystals of 5 nm.
    bottom, top
        z of the faces [Å]: electrons enter at ``bottom``, leave at ``top``. Atoms beyond belong to
        the outermost slab.
    """

    number: int
    bottom: float
    top: float

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 64 or not self.top > self.bottom:
            raise InputError(
                f"got {self.number} slabs from z = {self.bottom} to {self.top} Å, expected 1 … 64 "
                "slabs from bottom to top; give for example 4"
            )

    @property
    def thickness(self) -> float:
        """Of one slab [Å]."""
        return (self.top - self.bottom) / self.number


@dataclass(frozen=True)
class Atoms:
    """Atoms of one element in every frame.

    Attributes
    ----------
    symbol
        Element, one of :data:`~napari_tcsdl.simulate.kirkland.ELEMENTS`.
    positions
        (F, N, 3) [Å]: x, y from the middle of the field of view, z along the beam. NaN: absent.
        Their device and dtype are those of everything computed from them.
    debye_waller
        B = 8π²⟨u²⟩ [Å²], u along one direction.
    """

    symbol: str
    positions: torch.Tensor
    debye_waller: float = 0.6


def slab_phases(
    atoms: list[Atoms], grid: Grid, slabs: Slabs, microscope: Microscope
) -> torch.Tensor:
    """Return the phase shifts of the slabs, (F, S, h, w) [rad].

    Raises
    ------
    InputError
        For an unknown element, no atoms at all, or positions that are not (F, N, 3).
    """
    if not atoms or any(a.positions.ndim != 3 or a.positions.shape[2] != 3 for a in atoms):
        raise InputError(
            f"got atoms at {[tuple(a.positions.shape) for a in atoms]}, expected one group or more "
            "of (F frames, N atoms, 3 coordinates); give [Atoms('Au', positions)]"
        )
    like = atoms[0].positions
    fy, fx = grid.frequencies(like.device, like.dtype, half=True)
    squared = fx**2 + fy**2
    # The B-spline's own transform is sinc⁴ along each axis.
    spline = (torch.sinc(fy * grid.pixel_size) * torch.sinc(fx * grid.pixel_size)) ** 4
    strength = microscope.interaction * VOLT_SQUARE_ANGSTROM / grid.pixel_size**2
    total = torch.zeros((), device=like.device)
    for group in atoms:
        factor = strength * scattering_factor(group.symbol, squared)
        factor = factor * torch.exp(-group.debye_waller * squared / 4) / spline
        spread = torch.fft.rfft2(_spread(group.positions, grid, slabs))
        total = total + spread * (factor * grid.band(squared))
    phases: torch.Tensor = torch.fft.irfft2(total, s=grid.shape)
    return phases


def exit_wave(
    phases: torch.Tensor, grid: Grid, slabs: Slabs, microscope: Microscope
) -> torch.Tensor:
    """Send a plane wave of amplitude 1 through the slabs.

    Parameters
    ----------
    phases
        (F, S, h, w) [rad], see :func:`slab_phases`.

    Returns
    -------
    torch.Tensor
        (F, h, w) complex: the Fourier transform of the wave behind the last slab, band-limited.
    """
    fy, fx = grid.frequencies(phases.device, phases.dtype)
    squared = fx**2 + fy**2
    angle = -math.pi * microscope.wavelength * slabs.thickness * squared
    # Each slab acts in its middle, which makes the error second order in its thickness: from
    # middle to middle, and half a slab to the exit face. A plane wave needs no way in.
    propagator = torch.polar(torch.ones_like(angle), angle) * grid.band(squared)
    last = torch.polar(torch.ones_like(angle), angle / 2) * grid.band(squared)
    wave: torch.Tensor = torch.fft.fft2(_transmission(phases[:, 0]))
    for index in range(1, phases.shape[1]):
        wave = torch.fft.ifft2(wave * propagator) * _transmission(phases[:, index])
        wave = torch.fft.fft2(wave)
    wave = wave * last
    return wave


def images(spectrum: torch.Tensor, grid: Grid, microscope: Microscope) -> torch.Tensor:
    """Return the intensity of the images, (F, h, w), 1 in vacuum.

    Parameters
    ----------
    spectrum
        (F, h, w) complex: Fourier transforms of exit waves, from :func:`exit_wave`.
    """
    frequencies = grid.frequencies(spectrum.device, spectrum.real.dtype)
    wave = torch.fft.ifft2(spectrum * microscope.transfer(*frequencies))
    intensity: torch.Tensor = wave.real**2 + wave.imag**2
    return intensity


def recorded(intensity: torch.Tensor, shape: tuple[int, int], finer: int) -> torch.Tensor:
    """Cut out the middle of images and integrate over camera pixels.

    Parameters
    ----------
    intensity
        (F, h, w), with margins.
    shape
        (H, W) camera pixels wanted.
    finer
        Points of the wave per camera pixel along each axis.

    Returns
    -------
    torch.Tensor
        (F, H, W) ≥ 0, means over the points of each pixel.
    """
    height, width = (n * finer for n in shape)
    top, left = (
        (have - want) // 2 for have, want in zip(intensity.shape[1:], (height, width), strict=True)
    )
    field = intensity[:, top : top + height, left : left + width].clamp_min(0)
    if finer > 1:
        field = torch.nn.functional.avg_pool2d(field[:, None], finer)[:, 0]
    return field


def _transmission(phase: torch.Tensor) -> torch.Tensor:
    return torch.polar(torch.ones_like(phase), phase)


def _spread(positions: torch.Tensor, grid: Grid, slabs: Slabs) -> torch.Tensor:
    """Spread atoms with cubic B-splines: (F, S, h, w), the sum is the number of atoms inside."""
    frames, _, _ = positions.shape
    height, width = grid.shape
    column = positions[..., 0] / grid.pixel_size + width // 2
    row = positions[..., 1] / grid.pixel_size + height // 2
    level = ((positions[..., 2] - slabs.bottom) / slabs.thickness).nan_to_num(0.0)
    level = level.floor().clamp(0, slabs.number - 1).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)  # NaN is not
    frame = torch.arange(frames, device=positions.device)[:, None].expand_as(level)
    plane = (frame * slabs.number + level)[inside] * (height * width)
    rows, row_weights = _spline(row[inside], height)
    columns, column_weights = _spline(column[inside], width)
    index = plane[:, None, None] + rows[:, :, None] * width + columns[:, None, :]
    weight = row_weights[:, :, None] * column_weights[:, None, :]
    flat = torch.zeros(
        frames * slabs.number * height * width, dtype=positions.dtype, device=positions.device
    )
    flat.index_add_(0, index.reshape(-1), weight.reshape(-1))
    return flat.reshape(frames, slabs.number, height, width)


def _spline(coordinate: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indices (n, 4) and weights (n, 4) of the cubic B-spline at these coordinates [px]."""
    start = coordinate.floor()
    t = (coordinate - start)[:, None]
    offsets = torch.arange(-1, 3, device=coordinate.device)
    indices = (start.long()[:, None] + offsets) % size
    u = 1 - t
    weights = torch.cat([u**3, 3 * t**3 - 6 * t**2 + 4, 3 * u**3 - 6 * u**2 + 4, t**3], dim=1)
    return indices, weights / 6
