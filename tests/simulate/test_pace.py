"""How fast random scenes of the library are: many movies hardly move from frame to frame."""

import numpy as np
import pytest

from napari_tcsdl.simulate import bending, rigid
from napari_tcsdl.simulate.bending import random_fibres
from napari_tcsdl.simulate.pace import random_pace
from napari_tcsdl.simulate.rigid import random_scene

FRAMES = 8


def at_pace(monkeypatch, module, pace, make, *arguments):
    monkeypatch.setattr(module, "random_pace", lambda seed: pace)
    return make(*arguments)


def steps(places):
    return np.abs(np.diff(places, axis=0)).reshape(FRAMES - 1, -1).max(axis=1)


def test_half_of_all_seeds_are_slow_by_any_factor_down_to_a_fiftieth():
    paces = np.array([random_pace(seed) for seed in range(2000)])
    slow = paces[paces < 1]
    assert len(slow) / len(paces) == pytest.approx(0.5, abs=0.04)
    assert paces.max() == 1
    assert slow.min() > 0.02
    assert np.quantile(slow, (0.25, 0.75)) == pytest.approx([0.02**0.75, 0.02**0.25], rel=0.15)
    assert random_pace(7) == random_pace(7)


@pytest.mark.parametrize("seed", [1, 3])
def test_slow_fibres_are_the_same_fibres_that_move_less(monkeypatch, seed):
    fast, slow = (
        at_pace(monkeypatch, bending, pace, random_fibres, seed, FRAMES, 32) for pace in (1.0, 0.05)
    )
    np.testing.assert_allclose(steps(slow.drift), 0.05 * steps(fast.drift))
    assert slow.film.memory == pytest.approx(20 * fast.film.memory)
    for one, other in zip(slow.fibres, fast.fibres, strict=True):
        assert (one.outer, one.texture) == (other.outer, other.texture)
        assert steps(one.bends).max() < 0.12 * steps(other.bends).max()
        np.testing.assert_allclose(np.diff(one.slide), 0.05 * np.diff(other.slide))


@pytest.mark.parametrize("seed", [0, 5])
def test_slow_crystals_are_the_same_crystals_that_move_less(monkeypatch, seed):
    fast, slow = (
        at_pace(monkeypatch, rigid, pace, random_scene, seed, FRAMES, 48) for pace in (1.0, 0.05)
    )
    np.testing.assert_allclose(slow.support.shifts, 0.05 * fast.support.shifts)
    # Of the first one; hops of its atoms, which are fewer, take random numbers from the others.
    one, other = slow.groups[0], fast.groups[0]
    assert one.positions.shape == other.positions.shape
    moved, far = (
        np.median(np.abs(np.diff(group.positions, axis=0)), axis=(1, 2)) for group in (one, other)
    )
    np.testing.assert_allclose(moved, 0.05 * far, rtol=0.2)


def test_the_film_of_a_slow_scene_keeps_its_structure_longer(monkeypatch):
    memory = []
    for pace in (1.0, 0.05):
        scenes = [at_pace(monkeypatch, rigid, pace, random_scene, k, 2, 32) for k in range(6)]
        memory.append(np.mean([scene.support.film.memory for scene in scenes]))
    assert memory[1] > 8 * memory[0]
