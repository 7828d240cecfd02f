"""Molecular dynamics of metal nanocrystals that sinter.

``python -m napari_tcsdl.simulate.dynamics FOLDER [NAME …]`` runs the trajectories named in
:data:`TRAJECTORIES`; each takes minutes on one core.

The forces are those of effective-medium theory as asap3 computes them; asap3 and ASE are needed
only to run new trajectories (``pip install napari-tcsdl[simulate]``), not to read them.

References
----------
K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996): the potential.
E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006): FIRE, which quenches each snapshot.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from .._validation import InputError, exit_code
from ._random import Stream
from .crystals import Shape, crystal, zone_rotation
from .trajectory import Trajectory

Floats = NDArray[np.float64]

_TIME_STEP = 5.0  # [fs]
_FRICTION = 0.002  # of Langevin's thermostat [1/fs]
_APART = 2.0  # [Å] atoms of two crystals are never put closer


@dataclass(frozen=True)
class SinterSettings:
    """What :func:`sinter` simulates.

    Attributes
    ----------
    symbol
        Face-centred cubic metal.
    radii
        Of the crystals [Å]: 10 Å hold some 250 atoms of gold, 16 Å 1,000.
    gap
        Between the facets of neighbouring crystals at the start [Å].
    temperature
        [K]; EMT gold clusters melt at about 900 K.
    snapshots
        Stored moments.
    interval
        Between them [ps].
    quench_steps
        FIRE steps on a copy of each snapshot, which take most of the thermal motion out; a
        Debye-Waller factor puts it back in when images are made.
    seed
        Decides shapes, orientations and thermal noise.
    """

    symbol: str = "Au"
    radii: tuple[float, ...] = (15.0, 14.0)
    gap: float = 1.5
    temperature: float = 650.0
    snapshots: int = 60
    interval: float = 5.0
    quench_steps: int = 60
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.radii) <= 6:
            raise InputError(
                f"got {len(self.radii)} crystals, expected 1 … 6; give for example radii (15, 14)"
            )
        if not 0 < self.temperature <= 2000 or self.snapshots < 1 or self.interval <= 0:
            raise InputError(
                f"got {self.temperature} K and {self.snapshots} snapshots {self.interval} ps "
                "apart, expected 0 … 2000 K, one snapshot or more, more than 0 ps; give for "
                "example 650, 60, 5"
            )


def sinter(
    settings: SinterSettings, progress: Callable[[int, int], None] | None = None
) -> Trajectory:
    """Let nanocrystals sinter in vacuum, by molecular dynamics.

    Parameters
    ----------
    settings
        What to simulate.
    progress
        Called with (snapshots done, snapshots in all).

    Raises
    ------
    InputError
        If asap3 or ASE is not installed.
    """
    tools = _import_tools()
    atoms = tools["Atoms"](
        [settings.symbol] * len(positions := starting_positions(settings)), positions=positions
    )
    atoms.center(vacuum=30.0)  # asap3 wants a cell; it is not periodic
    atoms.calc = tools["EMT"]()
    tools["FIRE"](atoms, logfile=None).run(fmax=0.05, steps=40)
    # Half of the energy goes into the springs: start at twice the temperature.
    spread = np.sqrt(atoms.get_masses() * 2 * settings.temperature * tools["kB"])
    momenta = spread[:, None] * Stream(settings.seed, "heat").normal(len(positions), 3)
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    dynamics = tools["Langevin"](
        atoms,
        _TIME_STEP * tools["fs"],
        temperature_K=settings.temperature,
        friction=_FRICTION / tools["fs"],
        seed=settings.seed,
    )
    steps = max(1, round(settings.interval * 1000 / _TIME_STEP))
    quenched = np.empty((settings.snapshots, len(positions), 3))
    for index in range(settings.snapshots):
        dynamics.run(steps)
        copy = atoms.copy()
        copy.calc = tools["EMT"]()
        tools["FIRE"](copy, logfile=None).run(fmax=1e-3, steps=settings.quench_steps)
        snapshot = copy.get_positions()
        quenched[index] = snapshot - snapshot.mean(axis=0)  # the thermostat pushes the whole
        if progress is not None:
            progress(index + 1, settings.snapshots)
    return Trajectory(settings.symbol, quenched, settings.interval)


def starting_positions(settings: SinterSettings) -> Floats:
    """Put crystals side by side, each near a zone axis along z and turned at random, (N, 3) [Å]."""
    stream = Stream(settings.seed, "sinter")
    placed: list[Floats] = []
    middles = _ring(settings)
    for radius, middle in zip(settings.radii, middles, strict=True):
        shape = Shape("twin" if stream.chance(0.25) else "octahedron", radius, 1.15, 0.05)
        zone = ((1, 1, 0), (1, 1, 0), (1, 0, 0))[stream.whole(0, 2)]
        turn = zone_rotation(zone, stream.between(0, 2 * math.pi))
        tilt = Rotation.from_rotvec([*(math.radians(3) * stream.normal(2)), 0.0])
        atoms = (tilt * turn).apply(crystal(settings.symbol, shape, stream))
        away = middle / max(float(np.linalg.norm(middle)), 1e-9)
        placed.append(_pushed_in(atoms, middle + 2 * radius * away, -away, placed, settings.gap))
    positions = np.concatenate(placed)
    centred: Floats = positions - positions.mean(axis=0)
    return centred


def _ring(settings: SinterSettings) -> Floats:
    """Middles of the crystals (n, 3): the first at the origin, the others around it."""
    middles = np.zeros((len(settings.radii), 3))
    for index in range(1, len(settings.radii)):
        angle = 2 * math.pi * (index - 1) / 3  # the third touches both others
        distance = settings.radii[0] + settings.radii[index] + settings.gap
        middles[index] = distance * np.array([math.cos(angle / 2), math.sin(angle / 2), 0.0])
    return middles


def _pushed_in(
    atoms: Floats, start: Floats, direction: Floats, placed: list[Floats], gap: float
) -> Floats:
    """Bring a crystal in along ``direction`` until it is ``gap`` away from the others."""
    centred: Floats = atoms - atoms.mean(axis=0)
    if not placed:
        return centred
    tree = cKDTree(np.concatenate(placed))
    least = max(gap + _APART, _APART)
    moved: Floats = centred + start
    for _ in range(400):
        nearer: Floats = moved + 0.25 * direction
        if tree.query(nearer)[0].min() < least:
            break
        moved = nearer
    return moved


def _import_tools() -> dict[str, Any]:
    """Return what is needed of asap3 and ASE, by name."""
    homes = {
        "EMT": "asap3",
        "Langevin": "asap3.md.langevin",
        "Atoms": "ase",
        "FIRE": "ase.optimize",
        "fs": "ase.units",
        "kB": "ase.units",
    }
    try:
        return {name: getattr(importlib.import_module(home), name) for name, home in homes.items()}
    except ImportError as error:
        raise InputError(
            f"got no {error.name}, expected asap3 and ASE for molecular dynamics; install them "
            "with pip install 'napari-tcsdl[simulate]', or load a stored trajectory"
        ) from error


TRAJECTORIES = {
    "au_pair": SinterSettings("Au", (14.0, 13.0), 1.0, 650.0, seed=101),
    "au_three": SinterSettings("Au", (12.0, 11.0, 10.5), 1.0, 600.0, seed=102),
    "au_unequal": SinterSettings("Au", (15.0, 9.5), 0.5, 700.0, seed=103),
    "ag_pair": SinterSettings("Ag", (12.5, 12.0), 1.0, 550.0, seed=104),
    "au_hot": SinterSettings("Au", (12.0, 11.5), 0.5, 750.0, seed=105),
    "pt_pair": SinterSettings("Pt", (12.0, 12.0), 0.5, 800.0, seed=106),
    "au_large": SinterSettings("Au", (16.0, 14.5), 1.0, 650.0, seed=108),
    "au_four": SinterSettings("Au", (12.0, 11.0, 10.0, 9.0), 0.5, 650.0, seed=109),
    "au_sample": SinterSettings("Au", (13.5, 12.5), 0.5, 650.0, seed=207),
}
"""What the training movies are made from, and the sample movie: ``au_sample`` trains nothing."""


def main(arguments: list[str]) -> int:
    """Run trajectories that are not there yet; 0, or 2 with one sentence on stderr."""
    if not arguments or not set(arguments[1:]) <= TRAJECTORIES.keys():
        names = ", ".join(TRAJECTORIES)
        print(f"usage: python -m napari_tcsdl.simulate.dynamics FOLDER [{names}]", file=sys.stderr)
        return 2
    return exit_code(lambda: _run(Path(arguments[0]), arguments[1:] or list(TRAJECTORIES)))


def _run(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / f"{name}.npz"
        if path.exists():
            continue
        trajectory = sinter(TRAJECTORIES[name], lambda done, of: print(f"{done}/{of}"))
        trajectory.save(path)
        print(f"{path}: {trajectory.positions.shape[1]} atoms, {path.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
