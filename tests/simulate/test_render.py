"""Films, drift and rendering: what moves, what stays, what a seed decides."""

import math

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.simulate._random import Stream
from napari_tcsdl.simulate.bending import random_fibres
from napari_tcsdl.simulate.crystals import Shape, crystal, zone_rotation
from napari_tcsdl.simulate.film import Film, film_phases
from napari_tcsdl.simulate.microscope import Microscope
from napari_tcsdl.simulate.multislice import Grid
from napari_tcsdl.simulate.render import Group, Support, View, render
from napari_tcsdl.simulate.rigid import random_scene, scene_movie
from napari_tcsdl.simulate.sintering import random_sintering
from napari_tcsdl.simulate.trajectory import Trajectory

LENS = Microscope(300.0, 60.0, -10.0)
VIEW = View((64, 64), 0.25, margin=4.0, slabs=2)
STILL = np.zeros((3, 2))


@pytest.fixture(scope="module")
def gold():
    return zone_rotation((1, 1, 0), 0.3).apply(crystal("Au", Shape(radius=5.0), Stream(1, "x")))


GRID = Grid((96, 96), 0.25)


def films(film, shifts, grid=GRID, seed=1):
    return np.stack(
        [f.numpy() for f in film_phases(film, grid, LENS, np.asarray(shifts), Stream(seed, "film"))]
    )


def correlation(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def test_the_film_forgets_itself_at_the_stated_rate():
    phases = films(Film(memory=4.0, still=0.0), np.zeros((9, 2)))
    for lag in (1, 4, 8):
        assert correlation(phases[0], phases[lag]) == pytest.approx(math.exp(-lag / 4), abs=0.1)


def test_a_part_of_the_film_stays():
    phases = films(Film(memory=0.2, still=0.6), np.zeros((6, 2)))
    assert correlation(phases[0], phases[5]) == pytest.approx(0.6, abs=0.08)


def test_the_film_drifts_with_the_stage():
    phases = films(Film(memory=1e6), [[0.0, 0.0], [0.75, -0.5]])  # 3 px in x, -2 px in y
    np.testing.assert_allclose(phases[1], np.roll(phases[0], (-2, 3), (0, 1)), atol=5e-3)


def test_a_thicker_film_has_more_speckle_by_the_square_root():
    thin, thick = (films(Film(thickness=t), np.zeros((1, 2))).std() for t in (10.0, 90.0))
    assert thick / thin == pytest.approx(3, rel=1e-3)


def test_a_finer_grid_has_a_film_of_the_same_strength():
    coarse = films(Film(), np.zeros((1, 2)))
    fine = films(Film(), np.zeros((1, 2)), Grid((192, 192), 0.125))
    assert correlation(coarse[0], fine[0, ::2, ::2]) == pytest.approx(1, abs=1e-5)


def test_beyond_its_edge_is_vacuum():
    film = Film(edge=(0.0, 0.0))  # covers x < 0
    phases = films(film, np.zeros((1, 2)))[0]
    assert phases[:, :36].std() > 0.01
    assert np.abs(phases[:, 84:]).max() < 0.1 * phases[:, :36].std()


def test_vacuum_is_one(gold):
    far = gold + np.array([500.0, 0, 0])
    movie = render([Group("Au", np.stack([gold, far]))], LENS, VIEW)
    np.testing.assert_allclose(movie[1], 1, atol=1e-4)
    assert movie[0].std() > 0.05


def test_drift_moves_the_image_as_said(gold):
    shifted = gold + np.array([1.25, -0.75, 0])  # 5 px in x, -3 px in y
    movie = render([Group("Au", np.stack([gold, shifted]))], LENS, VIEW)
    assert correlation(movie[1], np.roll(movie[0], (-3, 5), (0, 1))) > 0.999
    assert correlation(movie[1], movie[0]) < 0.9


def test_pixels_integrate_over_finer_waves(gold):
    coarse = render([Group("Au", gold[None])], LENS, View((32, 32), 0.5, margin=4.0))
    fine = render([Group("Au", gold[None])], LENS, View((64, 64), 0.25, margin=4.0))
    np.testing.assert_allclose(coarse[0], fine[0].reshape(32, 2, 32, 2).mean((1, 3)), atol=2e-2)


def test_vibration_blurs_along_its_axis(gold):
    view = View((64, 64), 0.25, margin=4.0, vibration=(0.8, 0.0))
    sharp = render([Group("Au", gold[None])], LENS, VIEW)[0]
    blurred = render([Group("Au", gold[None])], LENS, view)[0]
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.01)
    for axis, low, high in ((1, 0.0, 0.4), (0, 0.4, 1.0)):
        ratio = np.diff(blurred, axis=axis).std() / np.diff(sharp, axis=axis).std()
        assert low < ratio < high


def test_batches_make_no_difference(gold):
    positions = np.stack([gold, gold + np.array([0.3, 0, 0]), gold + np.array([0, 0.4, 0])])
    support = Support(Film(), STILL, seed=4)
    one, three = (
        render([Group("Au", positions)], LENS, View((64, 64), 0.25, batch=b), support)
        for b in (1, 3)
    )
    np.testing.assert_allclose(one, three, atol=1e-5)


def test_equal_seeds_make_equal_movies_and_others_do_not():
    first = scene_movie(3, n_frames=3, side=48)
    np.testing.assert_array_equal(first, scene_movie(3, n_frames=3, side=48))
    assert first.shape == (3, 48, 48)
    assert np.isfinite(first).all()
    assert first.min() >= 0
    assert correlation(first[0], scene_movie(4, n_frames=3, side=48)[0]) < 0.9


def test_random_scenes_keep_their_ranges():
    for seed in range(12):
        scene = random_scene(seed, 4, 128)
        assert 0.15 <= scene.view.pixel_size <= 0.5
        assert scene.microscope.voltage in (80, 200, 300)
        assert -20 <= scene.microscope.spherical <= 1200
        assert 8 <= scene.support.film.thickness <= 60
        assert all(20 < group.positions.shape[1] < 20_000 for group in scene.groups)
        assert random_fibres(seed, 4, 64).microscope.voltage in (80, 200, 300)


def test_crystals_tremble_while_their_middle_drifts():
    scene = random_scene(2, 40, 128)
    for group in scene.groups:
        middle = group.positions.mean(axis=1)
        relative = group.positions - middle[:, None]
        steps = np.linalg.norm(np.diff(relative, axis=0), axis=2)
        assert 0.01 < np.median(steps) < 2.0


def test_views_of_a_trajectory_turn_it_rigidly_and_keep_its_time(gold):
    steps = np.arange(10)[:, None, None]
    trajectory = Trajectory("Ag", gold[None] * (1 + 0.01 * steps), 5.0)
    scene = random_sintering(trajectory, 1, 16, 96)
    (group,) = scene.groups
    assert group.symbol == "Ag"
    assert group.positions.shape == (16, len(gold), 3)
    sizes = np.linalg.norm(group.positions - group.positions.mean(1, keepdims=True), axis=2).mean(1)
    growth = sizes / sizes.min()
    assert growth.max() <= 1.09 + 1e-6
    assert np.abs(np.diff(growth)).max() < 0.025  # never a jump, at any speed, also turning back


def test_groups_of_unequal_length_are_refused(gold):
    groups = [Group("Au", np.stack([gold] * n)) for n in (2, 3)]
    with pytest.raises(InputError, match=r"got groups of atoms over \[2, 3\] frames, expected"):
        render(groups, LENS, VIEW)
    with pytest.raises(InputError, match=r"over \[\] frames"):
        render([], LENS, VIEW)
