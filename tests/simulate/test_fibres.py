"""Fibres: thickness of cylinders, absorption, Fresnel fringes, bending."""

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.simulate.bending import bending_movie
from napari_tcsdl.simulate.fibres import Fibre, FibreScene, fibre_movie, thickness
from napari_tcsdl.simulate.film import Film
from napari_tcsdl.simulate.microscope import Microscope

FRAMES = 3
ZERO = np.zeros(FRAMES)
SMOOTH = Fibre(
    outer=200.0,
    inner=0.0,
    angle=0.0,
    offset=ZERO,
    slide=ZERO,
    bends=np.zeros((FRAMES, 1)),
    waves=np.array([[1000.0, 0.0]]),
    roughness=1e-6,
    texture=1e-9,
)
SCENE = FibreScene(
    (SMOOTH,),
    pixel_size=10.0,
    shape=(96, 80),
    microscope=Microscope(300.0, 0.0, 0.0, focal_spread=0.0, convergence=0.0),
    film=Film(thickness=1e-6),
    drift=np.zeros((FRAMES, 2)),
)


def test_thickness_of_a_cylinder_is_its_chord():
    y = (np.arange(96) - 48) * 10.0
    solid = thickness(SCENE, 0).numpy()
    expected = 2 * np.sqrt(np.maximum(200.0**2 - y**2, 0))
    np.testing.assert_allclose(solid[:, 40], expected, atol=0.05)
    hollow = thickness(replace(SCENE, fibres=(replace(SMOOTH, inner=120.0),)), 0).numpy()
    bore = 2 * np.sqrt(np.maximum(120.0**2 - y**2, 0))
    np.testing.assert_allclose(hollow[:, 40], expected - bore, atol=0.05)


def test_in_focus_carbon_absorbs_and_out_of_focus_its_edges_have_fringes():
    flat = fibre_movie(SCENE)[0]
    middle = thickness(SCENE, 0).numpy()[48, 40]
    assert flat[48, 40] == pytest.approx(math.exp(-middle / SCENE.mean_free_path), rel=0.02)
    assert flat[:20].mean() == pytest.approx(1, abs=0.01)
    under = replace(SCENE, microscope=replace(SCENE.microscope, defocus=40_000.0))
    fringed = fibre_movie(under)[0]
    edge = 48 - 20
    # Underfocus: bright line just outside the edge, within the first zone √(λ Δf) = 28 Å.
    outside = fringed[edge - 5 : edge + 1, 40]
    assert outside.max() > 1.1
    over = replace(SCENE, microscope=replace(SCENE.microscope, defocus=-40_000.0))
    assert fibre_movie(over)[0][edge - 5 : edge + 1, 40].min() < 0.95


def test_a_bending_wave_bends_the_axis():
    bends = np.array([[0.0], [100.0], [-50.0]])
    scene = replace(SCENE, fibres=(replace(SMOOTH, bends=bends),))
    x = (np.arange(80) - 40) * 10.0
    for index, amplitude in enumerate((0.0, 100.0, -50.0)):
        carbon = thickness(scene, index).numpy()
        y = (np.arange(96) - 48)[:, None] * 10.0
        axis = (carbon * y).sum(0) / carbon.sum(0)
        np.testing.assert_allclose(axis, amplitude * np.sin(2 * math.pi * x / 1000), atol=3)


def test_drift_and_offset_move_it_and_texture_slides_with_it():
    drift = np.array([[0.0, 0.0], [30.0, -20.0], [0.0, 0.0]])
    fibre = replace(SMOOTH, texture=0.2, slide=np.array([0.0, 0.0, 50.0]), inner=100.0)
    scene = replace(SCENE, fibres=(fibre,), drift=drift)
    first, drifted, slid = (thickness(scene, index).numpy() for index in range(3))
    np.testing.assert_allclose(drifted[5:-5, 5:], np.roll(first, (-2, 3), (0, 1))[5:-5, 5:], atol=2)
    np.testing.assert_allclose(slid[:, 6:], first[:, 1:-5], atol=2)
    assert np.abs(slid - first).max() > 10


def test_equal_seeds_make_equal_movies():
    first = bending_movie(5, 3, 48)
    np.testing.assert_array_equal(first, bending_movie(5, 3, 48))
    assert first.shape == (3, 48, 48)
    assert first.min() >= 0
    assert np.isfinite(first).all()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: replace(SMOOTH, inner=300.0), "got a fibre of radius 200.0 Å with a bore of 300"),
        (
            lambda: fibre_movie(replace(SCENE, drift=np.zeros((2, 2)))),
            r"got 1 fibres and a drift over \[2, 3\] frames, expected one fibre or more",
        ),
        (lambda: fibre_movie(replace(SCENE, fibres=())), "got 0 fibres and a drift"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
