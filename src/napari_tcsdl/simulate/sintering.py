"""Random views of molecular-dynamics trajectories, for training."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ._random import Stream
from .render import Group, Support, render
from .rigid import Scene, random_drift, random_film, random_microscope, random_view
from .trajectory import Trajectory

Floats = NDArray[np.float64]


def sintering_movie(
    trajectory: Trajectory,
    seed: int,
    n_frames: int = 60,
    side: int = 256,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Return a random view (T, H, W) of a trajectory, relative to vacuum, made on ``device``."""
    scene = random_sintering(trajectory, seed, n_frames, side)
    return render(scene.groups, scene.microscope, scene.view, scene.support, device)


def random_sintering(
    trajectory: Trajectory, seed: int, n_frames: int = 60, side: int = 256
) -> Scene:
    """Return a random view of a trajectory: the seed decides direction, speed, lens and film.

    Parameters
    ----------
    trajectory
        What moves.
    seed
        Any whole number ≥ 0.
    n_frames
        T; longer than the trajectory, it runs backwards from its end.
    side
        H = W [px].
    """
    stream = Stream(seed, "view")
    view = random_view(stream, side)
    drift = random_drift(stream, n_frames)
    field = side * view.pixel_size
    positions = _in_time(trajectory.positions, n_frames, stream)
    positions = _seen_from(positions, n_frames, stream)
    # The thermostat leaves the whole a little restless; real ones sit on a film that trembles.
    jitter = stream.between(0.0, 0.2) * stream.normal(n_frames, 2)
    place = drift + jitter + field * stream.between(0, 0.2) * stream.normal(2)
    moved = positions + np.pad(place, ((0, 0), (0, 1)))[:, None]
    group = Group(trajectory.symbol, moved, stream.between(0.3, 1.5))
    support = Support(random_film(stream, field), drift, seed)
    return Scene((group,), random_microscope(stream), view, support)


def _in_time(positions: Floats, n_frames: int, stream: Stream) -> Floats:
    """Pick a start, a speed and a direction of time; between snapshots atoms go straight."""
    speed = (0.5, 1.0, 1.0, 1.0, 1.5, 2.0)[stream.whole(0, 5)]
    start = stream.between(0, 0.5) * len(positions) if speed < 1 else 0.0
    last = len(positions) - 1
    time = start + speed * np.arange(n_frames)
    time = last - np.abs(np.mod(time, 2 * last) - last) if last > 0 else 0 * time
    if stream.chance(0.5):
        time = last - time
    before = np.floor(time).astype(int)
    after = np.minimum(before + 1, last)
    share = (time - before)[:, None, None]
    between: Floats = positions[before] * (1 - share) + positions[after] * share
    return between


def _seen_from(positions: Floats, n_frames: int, stream: Stream) -> Floats:
    """Turn everything: about the beam, a little off the zone axes or anyhow; slowly go on."""
    if stream.chance(0.65):
        tilt = math.radians(5) * stream.normal(2)
        turn = Rotation.from_rotvec([*tilt, 0.0])
    else:
        quaternion = stream.normal(4)
        turn = Rotation.from_quat(quaternion / np.linalg.norm(quaternion))
    turn = Rotation.from_euler("z", 2 * math.pi * stream.between(0, 1)) * turn
    libration = math.radians(stream.log_between(0.02, 0.6))
    slow = np.arange(n_frames)[:, None] * stream.normal(3) * math.radians(0.1)
    turns = Rotation.from_rotvec(slow + libration * stream.normal(n_frames, 3)) * turn
    seen: Floats = np.einsum("tij,tnj->tni", turns.as_matrix(), positions)
    return seen
