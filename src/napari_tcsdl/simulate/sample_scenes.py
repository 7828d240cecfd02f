"""What the two sample movies show: every number of their scenes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ._random import Stream
from .fibres import Fibre, FibreScene, fibre_movie
from .film import Film
from .microscope import Microscope
from .render import Group, Support, View, render
from .trajectory import Trajectory

_FRAMES, _SIDE = 60, 256


def sinter_trajectory() -> Trajectory:
    """Return the atoms of "Au nanocrystals sinter": 5 ps of dynamics from frame to frame."""
    path = Path(__file__).parent.parent / "sample_data" / "au_sinter_trajectory.npz"
    return Trajectory.load(path)


def au_sinter(pixel_size: float, seed: int) -> NDArray[np.float32]:
    """Two crystals in the diagonal of the field; the stage creeps."""
    trajectory = sinter_trajectory()
    turn = Rotation.from_euler("z", 38, degrees=True)
    time = np.arange(_FRAMES, dtype=np.float64)
    creep = np.stack([0.03 * time, -0.02 * time], axis=1)
    walk = 0.06 * np.cumsum(Stream(seed, "drift").normal(_FRAMES, 2), axis=0)
    drift = creep + walk - walk[0]
    positions = trajectory.positions @ turn.as_matrix().T
    moved = positions + np.pad(drift, ((0, 0), (0, 1)))[:, None]
    microscope = Microscope(
        300.0, defocus=55.0, spherical=-12.0, astigmatism=4.0, focal_spread=14.0, convergence=0.2
    )
    view = View((_SIDE, _SIDE), pixel_size, margin=5.0, finest=0.13, batch=2)
    support = Support(Film(thickness=35.0, memory=12.0, still=0.4), drift, seed)
    return render([Group(trajectory.symbol, moved, 0.8)], microscope, view, support)


def carbon_fibres(pixel_size: float, seed: int) -> NDArray[np.float32]:
    """Two hollow fibres swing and slide across each other."""
    time = np.arange(_FRAMES, dtype=np.float64)
    scene = FibreScene(
        (_thick(time), _thin(time)),
        pixel_size,
        (_SIDE, _SIDE),
        Microscope(300.0, defocus=60_000.0, spherical=1200.0, convergence=0.1),
        film=Film(thickness=1500.0, memory=20.0, still=0.6),
        drift=np.stack([0.8 * time, 0.3 * time], axis=1),
        seed=seed,
    )
    return fibre_movie(scene)


def _thick(time: NDArray[np.float64]) -> Fibre:
    return Fibre(
        outer=330.0,
        inner=150.0,
        angle=0.33,
        offset=350 - 2.5 * time,
        slide=4.0 * time,
        bends=np.stack([_swing(time, 140, 48, 0.0), _swing(time, 45, 31, 1.0)], axis=1),
        waves=np.array([[5200.0, 0.4], [2300.0, 2.0]]),
        roughness=5.0,
        texture=0.02,
        grain=30.0,
    )


def _thin(time: NDArray[np.float64]) -> Fibre:
    return Fibre(
        outer=170.0,
        inner=60.0,
        angle=-0.75,
        offset=-250 + 3.0 * time,
        slide=-6.0 * time,
        bends=np.stack([_swing(time, 220, 37, 0.5), _swing(time, 40, 23, 0.0)], axis=1),
        waves=np.array([[4300.0, 1.4], [1900.0, 0.3]]),
        roughness=4.0,
        texture=0.03,
        grain=25.0,
    )


def _swing(
    time: NDArray[np.float64], amplitude: float, period: float, phase: float
) -> NDArray[np.float64]:
    """Amplitude [Å] of a bending wave; period [frames], phase [rad]."""
    swung: NDArray[np.float64] = amplitude * np.sin(2 * math.pi * time / period + phase)
    return swung
