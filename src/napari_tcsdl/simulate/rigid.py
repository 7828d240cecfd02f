"""Random scenes for training: rigid nanocrystals that drift, turn, tilt, meet and tremble."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ._random import Stream
from .crystals import LATTICE_CONSTANTS, Shape, Surface, crystal, zone_rotation
from .film import Film
from .microscope import Microscope
from .pace import random_pace
from .render import Group, Support, View, render

Floats = NDArray[np.float64]

_ZONES = ((1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 0, 0), (1, 1, 1), (1, 1, 2), (3, 1, 0))


@dataclass(frozen=True)
class Motion:
    """How one crystal moves: rigid, in every frame.

    Attributes
    ----------
    places
        (T, 3) centre [Å]: x, y, z.
    turns
        Rotations from crystal axes to the field, one for each frame.
    """

    places: Floats
    turns: Rotation


@dataclass(frozen=True)
class Scene:
    """Everything that :func:`~napari_tcsdl.simulate.render.render` needs."""

    groups: tuple[Group, ...]
    microscope: Microscope
    view: View
    support: Support


def scene_movie(
    seed: int, n_frames: int = 60, side: int = 256, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Return a random movie (T, H, W) of rigid crystals, relative to vacuum, made on ``device``."""
    scene = random_scene(seed, n_frames, side)
    return render(scene.groups, scene.microscope, scene.view, scene.support, device)


def random_scene(seed: int, n_frames: int = 60, side: int = 256) -> Scene:
    """Return a random scene; the seed decides everything in it.

    Parameters
    ----------
    seed
        Any whole number ≥ 0.
    n_frames
        T.
    side
        H = W [px].
    """
    stream = Stream(seed, "scene")
    view = random_view(stream, side)
    pace = random_pace(seed)
    drift = pace * random_drift(stream, n_frames)
    field = side * view.pixel_size
    symbol = "Au" if stream.chance(0.6) else ("Pt", "Ag", "Pd", "Cu")[stream.whole(0, 3)]
    debye_waller = stream.between(0.3, 1.2)
    groups = []
    for place, velocity, radius in _layout(stream, field, n_frames):
        shape = _random_shape(stream, radius)
        motion = _random_motion(stream, n_frames, place, velocity, pace)
        motion = replace(motion, places=motion.places + np.pad(drift, ((0, 0), (0, 1))))
        atoms = crystal(symbol, shape, stream)
        groups.append(Group(symbol, _moved(stream, atoms, symbol, motion, pace), debye_waller))
    film = random_film(stream, field)
    support = Support(replace(film, memory=film.memory / pace), drift, seed)
    return Scene(tuple(groups), random_microscope(stream), view, support)


def random_view(stream: Stream, side: int) -> View:
    """Pixel size 0.15 … 0.5 Å, mostly about 0.25; sometimes vibration."""
    pixel = stream.between(0.2, 0.3) if stream.chance(0.6) else stream.log_between(0.15, 0.5)
    vibration = (0.0, 0.0)
    if stream.chance(0.5):
        vibration = (stream.between(0, 0.35), stream.between(0, 0.35))
    return View((side, side), pixel, vibration=vibration)


def random_microscope(stream: Stream) -> Microscope:
    """Return a corrected lens near focus, or an uncorrected one near Scherzer's defocus."""
    voltage = (300.0, 300.0, 200.0, 80.0)[stream.whole(0, 3)]
    microscope = Microscope(voltage)
    wavelength = microscope.wavelength
    if voltage < 100 or stream.chance(0.6):  # low voltages resolve a lattice only when corrected
        spherical = stream.between(-20.0, 20.0)
        sign = 1 if stream.chance(0.65) else -1
        defocus = sign * stream.between(20, 120)
        spread = stream.between(10, 35)
    else:
        spherical = stream.log_between(400.0, 1200.0)
        scherzer = 1.2 * math.sqrt(spherical * 1e4 * wavelength)
        defocus = scherzer * stream.between(0.5, 1.4)
        spread = stream.between(20, 45)
    return Microscope(
        voltage=voltage,
        defocus=defocus,
        spherical=spherical,
        astigmatism=abs(float(stream.normal(1)[0])) * 12,
        astigmatism_angle=stream.between(0, math.pi),
        focal_spread=spread,
        convergence=stream.between(0.1, 0.5),
    )


def random_drift(stream: Stream, n_frames: int) -> Floats:
    """Stage drift (T, 2) [Å]: a steady crawl, a smooth walk, sometimes a jump."""
    speed = stream.log_between(0.01, 0.6) if stream.chance(0.8) else 0.0
    angle = stream.between(0, 2 * math.pi)
    time = np.arange(n_frames) - n_frames / 2
    crawl = time[:, None] * speed * np.array([math.cos(angle), math.sin(angle)])
    walk = np.cumsum(stream.normal(n_frames, 2), axis=0) * stream.log_between(0.01, 0.25)
    drift: Floats = crawl + walk - walk[n_frames // 2]
    if stream.chance(0.1):
        drift[stream.whole(1, n_frames - 1) :] += 4 * stream.normal(2)
    return drift


def random_film(stream: Stream, field: float) -> Film:
    """Return carbon of 10 … 60 Å, still or restless, sometimes with a border to vacuum."""
    edge = None
    if stream.chance(0.25):
        edge = (stream.between(0, 2 * math.pi), stream.between(-0.4, 0.4) * field)
    return Film(
        thickness=stream.log_between(8.0, 60.0),
        memory=stream.log_between(2.0, 30.0),
        still=stream.between(0, 0.8),
        edge=edge,
    )


def _layout(stream: Stream, field: float, n_frames: int) -> list[tuple[Floats, Floats, float]]:
    """Where crystals start (x, y) [Å], how fast they move [Å/frame], how large they are [Å]."""
    number = (1, 2, 2, 2, 3, 3)[stream.whole(0, 5)]
    largest = min(30.0, 0.34 * field)
    rows = []
    angle = stream.between(0, 2 * math.pi)
    middle = 0.12 * field * stream.normal(2)
    for index in range(number):
        radius = stream.between(0.4, 0.95 if number > 1 else 1.4) * largest
        direction = angle + 2 * math.pi * (index + stream.between(-0.1, 0.1)) / number
        away = np.array([math.cos(direction), math.sin(direction)])
        gap = stream.between(-1.0, 12.0)
        distance = (radius + gap) if number > 1 else stream.between(0, 0.3) * field
        # At full pace crystals that approach meet about half way through the movie.
        velocity = -away * max(gap, 0) / n_frames * stream.between(0, 2.0)
        rows.append((middle + away * distance, velocity, radius))
    return rows


def _random_shape(stream: Stream, radius: float) -> Shape:
    kind = ("octahedron", "octahedron", "twin", "decahedron")[stream.whole(0, 3)]
    return Shape(
        kind,
        # Radii here are of the sphere of the same size; {111} facets lie inside it.
        radius=max(5.0, 0.9 * radius),
        ratio=stream.between(0.95, 1.5),
        uneven=stream.between(0.0, 0.15),
    )


def _random_motion(
    stream: Stream, n_frames: int, place: Floats, velocity: Floats, pace: float
) -> Motion:
    """Drift, slow turning and tilting, and libration anew in every frame."""
    if stream.chance(0.8):
        zone = _ZONES[stream.whole(0, len(_ZONES) - 1)]
        start = zone_rotation(zone, stream.between(0, 2 * math.pi))
        off_axis = math.radians(stream.between(0, 6)) * _unit(stream)
        start = Rotation.from_rotvec([*off_axis, 0.0]) * start
    else:
        quaternion = stream.normal(4)
        start = Rotation.from_quat(quaternion / np.linalg.norm(quaternion))
    still = stream.chance(0.2)
    jitter = 0.02 if still else stream.between(0.08, 0.35)  # [Å]
    libration = math.radians(0.1 if still else stream.between(0.3, 1.6))
    turning = math.radians(stream.normal(1)[0] * 0.35)
    tilting = math.radians(stream.log_between(0.01, 0.5)) * _unit(stream)
    time = np.arange(n_frames)[:, None]
    walk = np.cumsum(stream.normal(n_frames, 3), axis=0) * math.radians(0.15)
    slow = np.concatenate([time * tilting, time * turning], axis=1) + walk
    trembling = stream.normal(n_frames, 3) * libration * np.array([1, 1, 0.4])
    turns = Rotation.from_rotvec(pace * (slow + trembling)) * start
    wander = np.cumsum(stream.normal(n_frames, 2), axis=0) * stream.log_between(0.01, 0.15)
    places = place + pace * (time * velocity + wander + jitter * stream.normal(n_frames, 2))
    return Motion(np.pad(places, ((0, 0), (0, 1))), turns)


def _unit(stream: Stream) -> Floats:
    angle = stream.between(0, 2 * math.pi)
    return np.array([math.cos(angle), math.sin(angle)])


def _moved(stream: Stream, atoms: Floats, symbol: str, motion: Motion, pace: float) -> Floats:
    """Positions of all atoms in every frame, (T, N, 3), surface atoms hopping."""
    n_frames = len(motion.places)
    surface = Surface(atoms, LATTICE_CONSTANTS[symbol] / math.sqrt(2), stream)
    hops = 0 if stream.chance(0.3) else int(stream.log_between(1, 0.03 * len(atoms) + 2))
    moved = np.empty((n_frames, len(atoms), 3))
    for index in range(n_frames):
        due = int((index + 1) * pace * hops) - int(index * pace * hops)
        moved[index] = motion.turns[index].apply(surface.hop(due)) + motion.places[index]
    return moved
