"""The specimen is followed wherever frames show where it is, and stays where they do not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_tcsdl.drift import (
    Follower,
    in_common,
    is_worth_following,
    offsets_of,
    positions_of,
)

SIDE, N_FRAMES = 128, 24


def places(seed=0, size=1.2, n_frames=N_FRAMES):
    """Positions (T, 2) of a specimen that drifts and shakes, from where it is first."""
    steps = np.random.default_rng(seed).normal(0.4, size, (n_frames, 2))
    steps[0] = 0
    return steps.cumsum(0)


def grains(positions, side=SIDE, dose=20.0, seed=1):
    """Expected counts (T, H, W) of dark grains on a lattice, wherever the specimen lies."""
    rng = np.random.default_rng(seed)
    centres, radii = rng.uniform(-20, side + 20, (40, 2)), rng.uniform(3, 9, 40)
    y, x = np.mgrid[:side, :side]
    frames = []
    for dy, dx in positions:
        frame = 1 + 0.08 * np.sin((x - dx) / 1.4) * np.sin((y - dy) / 1.4)
        for (cy, cx), radius in zip(centres, radii, strict=True):
            frame -= 0.25 * np.exp(-((y - dy - cy) ** 2 + (x - dx - cx) ** 2) / (2 * radius**2))
        frames.append(np.clip(frame, 0.05, None))
    return dose * np.array(frames)


def recorded(expected, seed=2):
    return np.random.default_rng(seed).poisson(expected).astype(np.uint16)


def steps_off(found, true):
    """Root mean square [px] by which steps from frame to frame are wrong."""
    return float(np.sqrt(np.square(np.diff(found - true, axis=0)).mean()))


@pytest.mark.parametrize(("dose", "most"), [(None, 0.05), (20, 0.25), (5, 0.6)])
def test_a_specimen_that_drifts_and_shakes_is_followed(dose, most):
    true = places()
    expected = grains(true, dose=dose or 20.0)
    found = positions_of(expected if dose is None else recorded(expected))
    assert found.shape == (N_FRAMES, 2)
    assert found[0].tolist() == [0, 0]
    assert steps_off(found, true) < most


def test_a_jump_is_followed_at_once():
    true = places(size=0.3)
    true[12:] += (17.0, -19.0)
    found = positions_of(recorded(grains(true)))
    np.testing.assert_allclose(found[12] - found[11], true[12] - true[11], atol=0.5)
    assert steps_off(found, true) < 0.3


def test_noise_alone_goes_nowhere():
    found = positions_of(recorded(np.full((N_FRAMES, SIDE, SIDE), 5.0)))
    assert np.abs(np.diff(found, axis=0)).max() < 3
    assert np.abs(found).max() < 6


def test_nothing_slips_along_a_straight_edge():
    y, x = np.mgrid[:SIDE, :SIDE]
    t = np.arange(N_FRAMES)[:, None, None]
    edge = 8 * (1 + 0.5 * np.tanh((x - SIDE / 2 - 0.8 * t) / 3)) * np.ones_like(y)
    found = positions_of(recorded(edge))
    np.testing.assert_allclose(found[-1, 1], 0.8 * (N_FRAMES - 1), atol=2.5)
    assert np.abs(np.diff(found[:, 0])).max() < 3


def test_a_beam_that_flickers_moves_nothing():
    flicker = 1 + 0.3 * np.sin(np.arange(N_FRAMES))[:, None, None]
    found = positions_of(recorded(grains(np.zeros((N_FRAMES, 2))) * flicker))
    assert np.abs(found).max() < 0.6


@pytest.mark.parametrize("value", [0, 7])
def test_frames_that_show_nothing_stay(value):
    frames = np.full((3, 16, 20), value, np.uint8)
    assert not positions_of(frames).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 3), (33, 50)])
def test_any_size_is_followed(shape):
    frames = np.random.default_rng(0).poisson(4.0, (4, *shape))
    assert np.isfinite(positions_of(frames)).all()


def test_of_large_frames_the_middle_is_followed(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.drift._SIDE", 96)
    true = places(size=0.5)
    frames = recorded(grains(true))
    follower = Follower(frames.shape[1:])
    assert follower.shape == (96, 96)
    found = np.array([follower.follow(frame) for frame in frames])
    np.testing.assert_array_equal(found, positions_of(frames[:, 16:-16, 16:-16]))
    assert steps_off(found, true) < 0.3


def test_offsets_are_whole_pixels_on_either_side_of_a_middle():
    positions = np.array([[0, 0], [1.2, -3.4], [4.0, 2.0], [2.0, 2.6]])
    offsets = offsets_of(positions, 64)
    assert offsets.dtype == np.int32
    assert np.abs(np.diff(offsets, axis=0) - np.diff(positions, axis=0)).max() <= 1
    for axis in (0, 1):
        assert abs(int(offsets[:, axis].min()) + int(offsets[:, axis].max())) <= 2


def test_who_goes_far_is_followed_in_stretches():
    positions = np.stack([np.arange(100.0), np.zeros(100)], axis=1)
    offsets = offsets_of(positions, 10)
    assert np.abs(offsets).max() <= 10
    steps = np.diff(offsets[:, 0])
    assert (steps == 1).sum() == 95  # as long as 2 · 10 px allow
    assert (steps < 0).sum() == 4


def test_a_specimen_that_drifts_is_worth_following():
    assert is_worth_following(recorded(grains(places())))


def test_a_specimen_that_stays_is_not():
    assert not is_worth_following(recorded(grains(np.zeros((N_FRAMES, 2)))))


def test_nor_is_a_detector_that_shows_more_of_itself_than_of_the_specimen():
    pattern = gaussian_filter(np.random.default_rng(5).normal(0, 1, (SIDE, SIDE)), 3)
    frames = grains(places()) * (1 + 6 * pattern).clip(0.1)
    assert not is_worth_following(recorded(frames))


def test_hot_pixels_do_not_hold_the_specimen():
    frames = recorded(grains(places()))
    hot = np.random.default_rng(6).integers(0, SIDE, (2, 30))
    frames[:, hot[0], hot[1]] = 5000
    assert is_worth_following(frames)


def test_frames_have_in_common_what_they_show_where_it_is():
    positions = np.array([[0, 0], [3, -2], [-4, 5]])
    scene = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    frames = np.stack([scene[20 - y : 50 - y, 20 - x : 50 - x] for y, x in positions])
    still, followed = in_common(frames, positions.astype(float), 1)
    pairs = [(frames[0][:-3, 2:], frames[1][3:, :-2]), (frames[1][7:, :-7], frames[2][:-7, 7:])]
    expected = [float((a * b).sum()) for a, b in pairs]
    np.testing.assert_allclose(followed, sum(expected) / (27 * 28 + 23 * 23), rtol=1e-5)
    assert abs(still) < 0.2 < followed


def test_frames_that_share_no_pixel_have_nothing_in_common():
    frames = np.ones((2, 5, 5), np.float32)
    assert in_common(frames, np.array([[0.0, 0.0], [40.0, 0.0]]), 1) == (0, 0)


def test_single_electrons_are_not_taken_for_hot_pixels():
    true = places(size=0.3)
    faint = recorded(grains(true, dose=0.004))
    assert np.quantile(faint, 0.995) == 0
    found = positions_of(faint)
    assert np.isfinite(found).all()
