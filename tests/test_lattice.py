"""Rings lie where crystallography has them: extinctions are those of the atoms in the cell."""

import math

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.lattice import (
    KINDS,
    LATTICES,
    Lattice,
    Reflection,
    lattice_of_spacings,
    make_lattice,
)

FCC = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
BODY = [(0, 0, 0), (0.5, 0.5, 0.5)]


def moved(sites, steps):
    return [tuple(np.add(site, step)) for site in sites for step in steps]


U = 0.3048  # oxygen of rutile
Z = 0.2081  # oxygen of anatase, from titanium
HCP = [(1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.75)]
# atoms of each cell, with the scattering strength of their element: any two numbers that do not
# cancel by chance
CELLS = {
    "Au": {1.0: FCC},
    "Si": {1.0: moved(FCC, [(0, 0, 0), (0.25, 0.25, 0.25)])},
    "graphite": {1.0: [*HCP, (0, 0, 0.25), (0, 0, 0.75)]},
    "CeO2": {1.0: FCC, 0.37: moved(FCC, [(0.25, 0.25, 0.25), (0.75, 0.75, 0.75)])},
    "TiO2 anatase": {
        1.0: moved(BODY, [(0, 0, 0), (0, 0.5, 0.25)]),
        0.37: moved(BODY, [(0, 0, Z), (0, 0, -Z), (0, 0.5, 0.25 + Z), (0, 0.5, 0.25 - Z)]),
    },
    "TiO2 rutile": {
        1.0: BODY,
        0.37: [(U, U, 0), (-U, -U, 0), (0.5 + U, 0.5 - U, 0.5), (0.5 - U, 0.5 + U, 0.5)],
    },
    "hcp": {1.0: HCP},
    "bcc": {1.0: BODY},
}
CONSTANTS = {
    "Au": (4.0786, 4.0786),
    "Si": (5.4310, 5.4310),
    "graphite": (2.464, 6.711),
    "CeO2": (5.4113, 5.4113),
    "TiO2 anatase": (3.7845, 9.5143),
    "TiO2 rutile": (4.5937, 2.9587),
    "hcp": (2.95, 4.68),
    "bcc": (2.8665, 2.8665),
}


def spacings_of_atoms(name, least_d):
    """All d of reflections whose structure factor is not zero."""
    a, c = CONSTANTS[name]
    n, m = (math.ceil(1.2 * constant / least_d) for constant in (a, c))
    h, k, l = (x.ravel() for x in np.mgrid[-n : n + 1, -n : n + 1, -m : m + 1])  # noqa: E741
    factor = sum(
        strength * np.exp(2j * np.pi * (h * x + k * y + l * z))
        for strength, sites in CELLS[name].items()
        for x, y, z in sites
    )
    in_plane = 4 / 3 * (h * h + h * k + k * k) if name in ("hcp", "graphite") else h * h + k * k
    inverse_square = in_plane / a**2 + l * l / c**2
    seen = (np.abs(factor) > 1e-6) & (inverse_square > 0) & (inverse_square <= 1 / least_d**2)
    return np.unique(np.round(1 / np.sqrt(inverse_square[seen]), 6))[::-1]


def spacings(lattice):
    return [ring.d for ring in lattice.reflections]


def names(lattice):
    return [ring.name for ring in lattice.reflections]


@pytest.mark.parametrize("name", CELLS)
def test_reflections_are_those_that_the_atoms_scatter_into(name):
    a, c = CONSTANTS[name]
    if name in LATTICES:
        lattice = LATTICES[name]
    else:
        lattice = make_lattice(name, a, c if name == "hcp" else None)
    np.testing.assert_allclose(spacings(lattice), spacings_of_atoms(name, 0.7), atol=2e-6)


def test_gold():
    gold = LATTICES["Au"]
    assert names(gold)[:6] == ["111", "200", "220", "311", "222", "400"]
    known = [2.355, 2.039, 1.442, 1.230, 1.1774, 1.0197]
    np.testing.assert_allclose(spacings(gold)[:6], known, atol=6e-4)


@pytest.mark.parametrize(
    ("name", "strongest"),
    [  # of powder diffraction files
        ("Ag", {"111": 2.359, "200": 2.043, "220": 1.445}),
        ("Pt", {"111": 2.265, "200": 1.962, "220": 1.387}),
        ("Si", {"111": 3.136, "220": 1.920, "311": 1.638, "400": 1.358}),
        ("graphite", {"0002": 3.356, "10-10": 2.134, "10-11": 2.034, "11-20": 1.232}),
        ("CeO2", {"111": 3.124, "200": 2.706, "220": 1.913, "311": 1.632}),
        ("TiO2 anatase", {"101": 3.517, "004": 2.379, "200": 1.892, "105": 1.700, "211": 1.666}),
        ("TiO2 rutile", {"110": 3.248, "101": 2.487, "111": 2.187, "211": 1.687, "220": 1.624}),
    ],
)
def test_presets_hold_the_known_lines(name, strongest):
    rings = {ring.name: ring.d for ring in LATTICES[name].reflections}
    for label, d in strongest.items():
        assert rings[label] == pytest.approx(d, abs=1.5e-3)


def test_forbidden_reflections_are_absent():
    assert not {"200", "222", "420"} & set(names(LATTICES["Si"]))
    assert not {"100", "110", "210", "211"} & set(names(LATTICES["Au"]))
    assert not {"100", "111", "210"} & set(names(make_lattice("bcc", 2.87)))
    assert not {"0001", "0003", "11-21"} & set(names(make_lattice("hcp", 2.95, 4.68)))
    assert "10-11" in names(make_lattice("hcp", 2.95, 4.68))
    assert not {"100", "001", "102"} & set(names(LATTICES["TiO2 rutile"]))
    assert not {"002", "110", "202"} & set(names(LATTICES["TiO2 anatase"]))


@pytest.mark.parametrize("name", LATTICES)
def test_spacings_fall_and_are_not_below_the_least(name):
    lattice = LATTICES[name]
    assert lattice.name == name
    assert (np.diff(spacings(lattice)) < 0).all()
    assert spacings(lattice)[-1] >= 0.7


def test_reflections_of_one_spacing_are_one_ring():
    for name in ("Au", "Si"):
        ring = next(ring for ring in LATTICES[name].reflections if "333" in ring.name)
        assert ring.name == "511/333"
        assert ring.d == pytest.approx(LATTICES[name].reflections[0].d / 3)


def test_indices_of_two_digits_are_written_apart():
    assert "1 0 11" in names(LATTICES["TiO2 anatase"])


def test_the_nearest_reflection_is_guessed_within_the_tolerance():
    gold = LATTICES["Au"]
    assert gold.guess(2.30).name == "111"
    assert gold.guess(2.03).name == "200"
    assert gold.guess(2.20) is None
    assert gold.guess(2.20, tolerance=0.08).name == "111"  # 200 is 7.9 % away, 111 6.6 %
    assert gold.guess(1.20).name == "222"  # 2 % away; 311 2.4 %
    for nothing in (math.inf, math.nan, 0.0, -2.355):
        assert gold.guess(nothing) is None
    assert Lattice("empty", ()).guess(2.0) is None


def test_ideal_hcp_and_least_d():
    ideal = make_lattice("hcp", 3.0)
    assert ideal.name == "hcp, a = 3 Å, c = 4.899 Å"
    assert next(r.d for r in ideal.reflections if r.name == "0002") == pytest.approx(1.633 * 1.5)
    assert names(make_lattice("fcc", 4.0, least_d=2.0)) == ["111", "200"]
    assert make_lattice("fcc", 3.61, name="Cu").name == "Cu"
    assert all(make_lattice(kind, 3.0).reflections for kind in KINDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sc", 3.0), "got lattice 'sc', expected one of fcc, bcc, hcp, diamond; choose one"),
        (("fcc", -3.0), "got a = -3 Å for a lattice, expected a length > 0"),
        (("fcc", math.nan), "got a = nan Å for a lattice"),
        (("hcp", 3.0, 0.0), "got c = 0 Å for a lattice"),
        (("fcc", 3.0, 5.0), "got c = 5 Å for the cubic lattice fcc, expected a alone; leave c out"),
        (("fcc", 0.3), "got no reflection of fcc, a = 0.3 Å with d of at least 0.7 Å"),
        (("fcc", 300.0), "got a lattice with indices up to 428, expected up to 100"),
    ],
)
def test_impossible_lattices_are_refused(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        make_lattice(*arguments)


def test_least_d_is_checked():
    with pytest.raises(InputError, match="got least d = 0 Å for a lattice"):
        make_lattice("fcc", 4.0, least_d=0)


@pytest.mark.parametrize(
    "given", ["2.04, 2.35; 1.44", "2.35 2.04\n1.44 Å", [1.44, 2.35, 2.04, 2.04], (2.35, 2.04, 1.44)]
)
def test_spacings_of_the_user(given):
    lattice = lattice_of_spacings(given)
    assert lattice.reflections == (
        Reflection("2.35 Å", 2.35),
        Reflection("2.04 Å", 2.04),
        Reflection("1.44 Å", 1.44),
    )
    assert lattice.guess(2.3).name == "2.35 Å"


def test_one_spacing_as_a_number():
    assert spacings(lattice_of_spacings(3)) == [3.0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("2.35, x", "got '2.35, x', expected d-spacings in Å"),
        ("2,35", "got '2,35', where a comma may be a decimal sign, expected decimal points"),
        (" ; ", "got 0 d-spacings, expected 1 to 100"),
        ([], "got 0 d-spacings, expected 1 to 100"),
        (np.arange(1, 102), "got 101 d-spacings, expected 1 to 100"),
        ("2.35, -1", "got d = -1 Å, expected d-spacings > 0"),
        ([math.inf], "got d = inf Å, expected d-spacings > 0"),
    ],
)
def test_impossible_spacings_are_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        lattice_of_spacings(given)
