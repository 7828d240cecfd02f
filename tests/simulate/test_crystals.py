"""Nanocrystals: neighbours, facets, twins, orientation, hopping atoms."""

import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_tcsdl._validation import InputError
from napari_tcsdl.simulate._random import Stream
from napari_tcsdl.simulate.crystals import (
    KINDS,
    LATTICE_CONSTANTS,
    Shape,
    Surface,
    crystal,
    zone_rotation,
)


def neighbours(atoms, reach):
    return np.array([len(n) - 1 for n in cKDTree(atoms).query_ball_point(atoms, reach)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("symbol", LATTICE_CONSTANTS)
def test_atoms_touch_their_neighbours(symbol, kind):
    atoms = crystal(symbol, Shape(kind, 11.0), Stream(2, "test"))
    bond = LATTICE_CONSTANTS[symbol] / math.sqrt(2)
    nearest = cKDTree(atoms).query(atoms, k=2)[0][:, 1]
    assert nearest.min() > 0.97 * bond
    assert np.median(nearest) == pytest.approx(bond, rel=0.01)
    counts = neighbours(atoms, 1.2 * bond)
    assert counts.max() == 12
    assert (counts == 12).mean() > 0.35


def test_a_crystal_is_bounded_by_its_facets():
    atoms = crystal("Au", Shape(radius=15.0, ratio=1.15, uneven=0.0), Stream(1, "test"))
    reach = 15.0 + 1e-6
    for normal in ([1, 1, 1], [-1, 1, 1], [1, -1, -1]):
        assert np.abs(atoms @ normal).max() / math.sqrt(3) <= reach
    assert np.abs(atoms).max() <= 1.15 * reach
    assert len(atoms) == pytest.approx(4 / LATTICE_CONSTANTS["Au"] ** 3 * 19_000, rel=0.25)


def test_the_same_stream_gives_the_same_crystal_and_another_another():
    first, again, other = (
        crystal("Pt", Shape(radius=9.0), Stream(seed, "test")) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or np.abs(first - other).max() > 0.1


def test_a_twin_mirrors_its_lattice_at_one_plane():
    atoms = crystal("Au", Shape("twin", 14.0), Stream(5, "test"))
    bond = LATTICE_CONSTANTS["Au"] / math.sqrt(2)
    tree = cKDTree(atoms)
    # Inversion through an atom maps the neighbours of a bulk atom onto each other, not at a twin.
    centric = []
    for atom in atoms[neighbours(atoms, 1.2 * bond) == 12]:
        around = atoms[tree.query_ball_point(atom, 1.2 * bond)] - atom
        centric.append(all(np.linalg.norm(around + a, axis=1).min() < 0.1 for a in around))
    assert 0 < np.mean(~np.array(centric)) < 0.4


def test_a_decahedron_has_five_wedges():
    atoms = crystal("Au", Shape("decahedron", 14.0, uneven=0.0), Stream(1, "test"))
    atoms = zone_rotation((1, 1, 0), 0.0).apply(atoms)  # its axis along z
    turned = np.stack(list(_turned(atoms, 72.0)), axis=1)
    distance = cKDTree(atoms).query(turned)[0]
    assert np.quantile(distance, 0.95) < 0.3


def _turned(atoms, degrees):
    angle = math.radians(degrees)
    x, y, z = atoms.T
    return (
        x * math.cos(angle) - y * math.sin(angle),
        x * math.sin(angle) + y * math.cos(angle),
        z,
    )


@pytest.mark.parametrize("zone", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (3, 1, 0)])
def test_a_zone_axis_ends_up_along_the_beam(zone):
    direction = np.array(zone) / np.linalg.norm(zone)
    np.testing.assert_allclose(zone_rotation(zone, 0.7).apply(direction), [0, 0, 1], atol=1e-12)


def test_hopping_atoms_stay_on_the_crystal():
    stream = Stream(3, "test")
    atoms = crystal("Au", Shape(radius=10.0), stream)
    bond = LATTICE_CONSTANTS["Au"] / math.sqrt(2)
    surface = Surface(atoms, bond, stream)
    np.testing.assert_array_equal(surface.hop(0), atoms)
    for _ in range(5):
        moved = surface.hop(4)
    changed = np.linalg.norm(moved - atoms, axis=1) > 0.1
    assert 3 <= changed.sum() <= 20
    assert cKDTree(moved).query(moved, k=2)[0][:, 1].min() > 0.85 * bond
    assert neighbours(moved, 1.2 * bond)[changed].min() >= 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Shape("ball"), "got crystal kind 'ball', expected one of octahedron"),
        (lambda: Shape(radius=1.0), "got a crystal radius of 1.0 Å, expected 3 … 100 Å"),
        (lambda: crystal("C", Shape(), Stream(1, "x")), "got crystals of 'C', expected one of Au"),
        (lambda: Stream(-1, "x"), "got seed -1, expected a whole number ≥ 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
