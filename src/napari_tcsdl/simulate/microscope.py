"""The microscope: electrons of one energy, and what its objective lens makes of the exit wave.

References
----------
E. J. Kirkland, Advanced Computing in Electron Microscopy, 2nd ed., Springer 2010, chapters 2, 3:
phase plate exp(-iχ), χ = π λ q² (½ Cs λ² q² - Δf), Δf > 0 is underfocus (atoms dark at Scherzer's
defocus); envelopes of focal spread and of beam convergence for coherent imaging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .._validation import InputError

_REST_ENERGY = 510.99895  # of the electron [keV]
_HC = 12.398420  # Planck's constant times the speed of light [keV Å]
_ANGSTROM_PER_MICROMETRE = 1e4


@dataclass(frozen=True)
class Microscope:
    """Beam and objective lens.

    Attributes
    ----------
    voltage
        Acceleration voltage [kV].
    defocus
        [Å], > 0 is underfocus; measured from the exit face of the specimen.
    spherical
        Spherical aberration Cs [µm]; near 0 for a corrected lens.
    astigmatism
        Two-fold astigmatism [Å]: half the difference of the defoci of the two main directions.
    astigmatism_angle
        Direction of greatest underfocus [rad], from x towards y.
    focal_spread
        Standard deviation of the defocus [Å], from energy spread and instabilities.
    convergence
        Half angle at 1/e of the illumination [mrad].

    Examples
    --------
    >>> round(Microscope(voltage=300.0).wavelength, 4)
    0.0197
    """

    voltage: float = 300.0
    defocus: float = 60.0
    spherical: float = -10.0
    astigmatism: float = 0.0
    astigmatism_angle: float = 0.0
    focal_spread: float = 30.0
    convergence: float = 0.3

    def __post_init__(self) -> None:
        if not 10 <= self.voltage <= 1500:
            raise InputError(f"got {self.voltage} kV, expected 10 … 1500 kV; give for example 300")
        if self.focal_spread < 0 or self.convergence < 0:
            raise InputError(
                f"got focal spread {self.focal_spread} Å and convergence {self.convergence} mrad, "
                "expected both ≥ 0; give for example 30 Å and 0.3 mrad"
            )

    @property
    def wavelength(self) -> float:
        """Wavelength of the electrons [Å]."""
        return _HC / math.sqrt(self.voltage * (2 * _REST_ENERGY + self.voltage))

    @property
    def interaction(self) -> float:
        """Phase per projected potential σ [rad V⁻¹ Å⁻¹]."""
        energy = self.voltage * 1e3
        relativistic = (_REST_ENERGY + self.voltage) / (2 * _REST_ENERGY + self.voltage)
        return 2 * math.pi / (self.wavelength * energy) * relativistic

    def transfer(self, fy: torch.Tensor, fx: torch.Tensor) -> torch.Tensor:
        """Return the transfer function E exp(-iχ) of the wave.

        Parameters
        ----------
        fy, fx
            Spatial frequencies [Å⁻¹] that broadcast to (h, w).

        Returns
        -------
        torch.Tensor
            (h, w) complex, 1 at frequency 0.
        """
        squared = fx**2 + fy**2
        wavelength, cs = self.wavelength, self.spherical * _ANGSTROM_PER_MICROMETRE
        # cos 2(θ - θ₀) q², written without the angle of q.
        cosine, sine = (f(2 * self.astigmatism_angle) for f in (math.cos, math.sin))
        twofold = (fx**2 - fy**2) * cosine + 2 * fx * fy * sine
        defocus = self.defocus * squared + self.astigmatism * twofold
        chi = math.pi * wavelength * (0.5 * cs * wavelength**2 * squared**2 - defocus)
        # Gradient of χ / 2π: how far a tilt of the beam moves this beam's part of the image.
        radial = cs * wavelength**3 * squared - self.defocus * wavelength
        along = self.astigmatism * wavelength
        gradient_x = radial * fx - along * (cosine * fx + sine * fy)
        gradient_y = radial * fy - along * (sine * fx - cosine * fy)
        spread = (math.pi * wavelength * self.focal_spread * squared) ** 2 / 2
        angular = (math.pi * self.convergence * 1e-3 / wavelength) ** 2
        envelope = torch.exp(-spread - angular * (gradient_x**2 + gradient_y**2))
        return torch.polar(envelope, -chi)
