"""Names of the rings in a spectrum: none covers another, a spot, or nothing."""

from __future__ import annotations

import numpy as np

from napari_tcsdl.display.spectra_style import Ring, label_places, rings_of
from napari_tcsdl.lattice import LATTICES


def test_names_of_rings_cover_neither_each_other_nor_a_spot():
    rings = rings_of(LATTICES["graphite"], 20.0)
    assert len(rings) > 5
    pixel, view, spot = 0.12, (-15.0, -15.0, 15.0, 15.0), (2.0, -2.0)
    places = [p for p in label_places(rings, pixel, view, [spot]) if p is not None]
    assert len(places) >= 4
    for k, (x, y) in enumerate(places):
        assert abs(np.hypot(x, y) - rings[0].q) < 20
        for other in [*places[:k], spot]:
            assert abs(x - other[0]) >= 40 * pixel or abs(y - other[1]) >= 15 * pixel


def test_a_ring_beyond_the_view_has_no_name():
    assert label_places([Ring("004", 10.0)], 0.01, (-2.0, -2.0, 2.0, 2.0)) == [None]


def test_no_lattice_no_rings():
    assert rings_of(None, 20.0) == []
    assert [ring.name for ring in rings_of(LATTICES["Au"], 5.0)] == ["111", "200"]
