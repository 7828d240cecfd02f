"""Nanocrystals as lists of atoms: lattices, facets, twins, orientations, surface hops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from .._validation import InputError
from ._random import Stream

Floats = NDArray[np.float64]

LATTICE_CONSTANTS = {"Au": 4.0786, "Pt": 3.9242, "Ag": 4.0853, "Pd": 3.8907, "Cu": 3.6149}
"""Face-centred cubic metals: lattice constant at room temperature [Å]."""

KINDS = ("octahedron", "twin", "decahedron")
"""Truncated octahedra, the same with one twin plane, and five-fold twinned decahedra."""

_CLOSE = 0.8  # nearest-neighbour distances within which atoms count as one
_SHELL = 1.2  # nearest-neighbour distances within which atoms count as neighbours


@dataclass(frozen=True)
class Shape:
    """Which atoms of the lattice belong to a crystal.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    radius
        Distance of the {111} facets from the centre [Å].
    ratio
        Distance of the {100} facets over that of {111}: 1.15 is Wulff's shape of gold, 1.73 an
        octahedron, 0.87 a cuboctahedron.
    uneven
        Standard deviation of the facets' distances, relative.
    """

    kind: str = "octahedron"
    radius: float = 15.0
    ratio: float = 1.15
    uneven: float = 0.08

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"got crystal kind {self.kind!r}, expected one of {', '.join(KINDS)}; "
                "give for example octahedron"
            )
        if not 3 <= self.radius <= 100:
            raise InputError(
                f"got a crystal radius of {self.radius} Å, expected 3 … 100 Å; give for example 15"
            )


def crystal(symbol: str, shape: Shape, stream: Stream) -> Floats:
    """Return the atoms of a crystal around the origin, (N, 3) [Å], crystal axes along x, y, z.

    A decahedron's five-fold axis and the normal of a twin plane are [110] and [111].

    Raises
    ------
    InputError
        If the element is none of :data:`LATTICE_CONSTANTS`.
    """
    if symbol not in LATTICE_CONSTANTS:
        raise InputError(
            f"got crystals of {symbol!r}, expected one of {', '.join(LATTICE_CONSTANTS)}; "
            "give for example Au"
        )
    constant = LATTICE_CONSTANTS[symbol]
    if shape.kind == "decahedron":
        return _decahedron(constant, shape, stream)
    sites = fcc_sites(constant, 1.9 * shape.radius) - constant * (stream.uniform(3) - 0.5)
    normals, distances = _facets(shape, stream)
    sites = sites[(sites @ normals.T <= distances).all(axis=1)]
    if shape.kind == "twin":
        sites = _twinned(sites, constant, stream.between(-0.4, 0.4) * shape.radius)
    return sites


def fcc_sites(constant: float, reach: float) -> Floats:
    """Return face-centred cubic lattice points within a cube of half side ``reach``, (N, 3)."""
    n = math.ceil(reach / constant) + 1
    cells = np.stack(np.meshgrid(*[np.arange(-n, n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites: Floats = constant * (cells[:, None] + basis).reshape(-1, 3)
    kept: Floats = sites[np.abs(sites).max(axis=1) <= reach]
    return kept


def _facets(shape: Shape, stream: Stream) -> tuple[Floats, Floats]:
    """Return normals (F, 3) and distances (F,) [Å] of the {111} and {100} facets."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3) / math.sqrt(3)
    normals = np.concatenate([signs, np.eye(3), -np.eye(3)])
    distances = shape.radius * np.array([1.0] * 8 + [shape.ratio] * 6)
    return normals, distances * (1 + shape.uneven * stream.normal(len(distances)))


def _twinned(sites: Floats, constant: float, depth: float) -> Floats:
    """Turn the part beyond a (111) plane by 180° about its normal: a coherent twin."""
    normal = np.ones(3) / math.sqrt(3)
    spacing = constant / math.sqrt(3)
    height = sites @ normal
    # The plane must run through a layer of atoms, about which the lattice is then mirrored.
    plane = height[np.abs(height - depth).argmin()]
    kept = sites[height <= plane + 0.1 * spacing]
    layer = kept[np.abs(kept @ normal - plane) < 0.1 * spacing]
    pivot = layer[0]
    mirrored = kept - 2 * np.outer((kept - pivot) @ normal, normal)
    far = height.max() - plane
    above = (mirrored - pivot) @ normal
    new = mirrored[(above > 0.1 * spacing) & (above <= far + 0.1 * spacing)]
    return np.concatenate([kept, new])


def _decahedron(constant: float, shape: Shape, stream: Stream) -> Floats:
    """Five wedges between {111} twin planes around a common [110], each stretched to 72°."""
    axis = np.array([1.0, 1.0, 0.0]) / math.sqrt(2)
    frame = np.stack([np.array([0.0, 0.0, 1.0]), np.array([1.0, -1.0, 0.0]) / math.sqrt(2), axis])
    sites = fcc_sites(constant, 1.9 * shape.radius) @ frame.T
    # Seen along [110], (1-11) and (-111) bound a wedge of 70.53° around [001].
    angle = np.arctan2(sites[:, 1], sites[:, 0])
    half = math.atan(1 / math.sqrt(2))
    wedge = sites[np.abs(angle) <= half + 1e-6]
    stretch = math.tan(math.pi / 5) / math.tan(half)
    wedge = wedge * np.array([1.0, stretch, 1.0])
    reach = shape.radius * (1 + shape.uneven * stream.normal(5))
    length = shape.radius * stream.between(0.7, 1.1)
    parts = []
    for k in range(5):
        inside = (wedge[:, 0] <= reach[k]) & (np.abs(wedge[:, 2]) <= length)
        # Marks's blunt corners, so that uneven wedges do not stick out.
        kept = wedge[inside & (np.hypot(wedge[:, 0], wedge[:, 1]) <= 1.12 * shape.radius)]
        parts.append(Rotation.from_euler("z", 72 * k, degrees=True).apply(kept))
    atoms = without_overlap(np.concatenate(parts), constant / math.sqrt(2))
    turned: Floats = atoms @ frame  # back to crystal axes
    return turned


def without_overlap(atoms: Floats, neighbour: float) -> Floats:
    """Drop atoms (N, 3) closer than 0.8 nearest-neighbour distances to an earlier one."""
    pairs = cKDTree(atoms).query_pairs(_CLOSE * neighbour, output_type="ndarray")
    keep = np.ones(len(atoms), bool)
    keep[pairs.max(axis=1)] = False
    return atoms[keep]


def zone_rotation(zone: tuple[int, int, int], turn: float) -> Rotation:
    """Return the rotation that brings a crystal direction onto the beam, then turns in plane.

    Parameters
    ----------
    zone
        Crystal direction [uvw] that ends up along z, the beam.
    turn
        Rotation about the beam [rad].
    """
    target = np.array([[0.0, 0.0, 1.0]])
    direction = np.array([zone], float) / np.linalg.norm(zone)
    aligned, _ = Rotation.align_vectors(target, direction)
    return Rotation.from_euler("z", turn) * aligned


class Surface:
    """Atoms of a crystal that hop from site to site over its surface.

    Parameters
    ----------
    atoms
        (N, 3) [Å], the crystal in its own axes.
    neighbour
        Nearest-neighbour distance [Å].
    stream
        Where the random choices come from.
    """

    def __init__(self, atoms: Floats, neighbour: float, stream: Stream) -> None:
        self._stream = stream
        vacant = self._empty_sites(atoms, neighbour)
        self._sites = np.concatenate([atoms, vacant])
        self._occupant = np.full(len(self._sites), -1)
        self._occupant[: len(atoms)] = np.arange(len(atoms))
        tree = cKDTree(self._sites)
        self._near = tree.query_ball_point(self._sites, _SHELL * neighbour)
        self._site_of = np.arange(len(atoms))

    @staticmethod
    def _empty_sites(atoms: Floats, neighbour: float) -> Floats:
        """Sites of the next layer: where three atoms or more of the crystal are touched."""
        tree = cKDTree(atoms)
        # Sites of the next layer lie where a bond of the crystal leads out of it.
        pairs = tree.query_pairs(1.05 * neighbour, output_type="ndarray")
        bonds = np.unique((atoms[pairs[:, 1]] - atoms[pairs[:, 0]]).round(1), axis=0)
        bonds = np.concatenate([bonds, -bonds])
        count = np.array([len(n) for n in tree.query_ball_point(atoms, _SHELL * neighbour)])
        outer = atoms[count < 13]
        trial = (outer[:, None] + bonds[None]).reshape(-1, 3)
        free = tree.query(trial)[0] > 0.9 * neighbour
        trial = trial[free]
        touched = np.array(
            [len(n) for n in tree.query_ball_point(trial, 1.1 * neighbour)], dtype=int
        )
        trial = trial[touched >= 3]
        return without_overlap(trial, neighbour) if len(trial) else trial

    def coordination(self, sites: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return how many neighbours of these sites are occupied."""
        counts = [int((self._occupant[self._near[s]] >= 0).sum()) for s in sites]
        return np.array(counts) - (self._occupant[sites] >= 0)

    def hop(self, number: int) -> Floats:
        """Move ``number`` atoms and return where all are now, (N, 3) [Å]."""
        for _ in range(number):
            trial = np.array([self._stream.whole(0, len(self._site_of) - 1) for _ in range(12)])
            atom = trial[self.coordination(self._site_of[trial]).argmin()]
            start = self._site_of[atom]
            places = np.flatnonzero(self._occupant < 0)
            if not len(places):
                break
            chosen = places[[self._stream.whole(0, len(places) - 1) for _ in range(6)]]
            touching = self.coordination(chosen)
            if touching.max() >= 3:
                goal = chosen[touching.argmax()]
                self._occupant[start], self._occupant[goal] = -1, atom
                self._site_of[atom] = goal
        return self._sites[self._site_of]
