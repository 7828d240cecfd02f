"""The nearest place of a plot in which a text hides nothing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl.display.free_place import CELL, along, free_place

SIZE, GROUND = (60.0, 16.0), (300.0, 200.0)


def hidden(place, taken) -> int:
    left, top = place
    inside = (taken[:, 0] >= left) & (taken[:, 0] < left + SIZE[0])
    return int((inside & (taken[:, 1] >= top) & (taken[:, 1] < top + SIZE[1])).sum())


def test_in_an_empty_plot_it_stands_where_it_belongs():
    left, top = free_place(SIZE, GROUND, (150, 100), np.empty((0, 2)))
    assert left + SIZE[0] / 2 == pytest.approx(150, abs=CELL)
    assert top + SIZE[1] / 2 == pytest.approx(100, abs=CELL)


def test_it_evades_curves_and_stays_within_the_plot():
    rng = np.random.default_rng(5)
    curves = [
        along(np.column_stack([np.linspace(0, 299, 6), rng.uniform(60, 199, 6)])) for _ in range(9)
    ]
    taken = np.concatenate(curves)
    for near in ((295.0, 195.0), (150.0, 100.0), (5.0, 198.0)):
        left, top = place = free_place(SIZE, GROUND, near, taken)
        assert hidden(place, taken) == 0
        assert 0 <= left <= GROUND[0] - SIZE[0]
        assert 0 <= top <= GROUND[1] - SIZE[1]


def test_of_free_places_the_nearest_is_taken():
    wall = along(np.array([(150.0, 0.0), (150.0, 199.0)]))
    for near, side in ((140.0, -1), (160.0, 1)):
        left, _ = place = free_place(SIZE, GROUND, (near, 100), wall)
        assert hidden(place, wall) == 0
        assert side * (left + SIZE[0] / 2 - 150) > 0


def test_where_nothing_is_free_as_little_as_possible_is_hidden():
    everywhere = np.argwhere(np.ones((150, 100))) * 2.0
    crowd = np.concatenate([everywhere, np.repeat(everywhere[everywhere[:, 1] < 150], 3, axis=0)])
    _, top = free_place(SIZE, GROUND, (150, 20), crowd)
    assert top >= 150


def test_a_text_as_large_as_the_plot_begins_in_its_corner():
    assert free_place((400, 16), GROUND, (150, 100), np.empty((0, 2))) == (0.0, 0.0)


def test_points_along_a_line_lie_closer_than_places_are_tried():
    points = along(np.array([(0.0, 0.0), (30.0, 40.0), (30.0, 41.0)]))
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert steps.max() <= CELL
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [30, 41]
