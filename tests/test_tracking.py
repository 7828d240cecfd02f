"""Features are found where they were put, and a movie blurred in time is told from a sharp one."""

import numpy as np
import pytest
from scipy import ndimage

from napari_tcsdl._validation import InputError
from napari_tcsdl.tracking import follow, track

N_FRAMES = 20
SPEED = (0.4, -0.7)  # px/frame


def moving(shifts: np.ndarray, seed: int = 0) -> np.ndarray:
    """Blobs that are displaced by (T, 2) [px]: (T, 128, 128)."""
    blobs = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(176, 176)), 2.5)
    blobs /= blobs.std()
    return np.stack([ndimage.shift(blobs, s, order=3)[24:-24, 24:-24] for s in shifts])


def steady(n_frames: int = N_FRAMES) -> np.ndarray:
    return np.arange(n_frames)[:, None] * np.array(SPEED)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return moving(steady())


@pytest.fixture(scope="module")
def features(truth):
    return follow(truth)


def test_features_move_as_the_scene_does(features):
    assert len(features) >= 2
    travelled = features.places[-1] - features.places[0]
    expected = np.tile((N_FRAMES - 1) * np.array(SPEED), (len(features), 1))
    # Errors of some hundredths of a pixel a frame add up here, as they do not in `track`.
    np.testing.assert_allclose(travelled, expected, atol=0.08 * N_FRAMES)


def test_the_truth_itself_is_in_its_place(truth, features):
    found = track(truth, truth, features)
    assert found.rms < 0.05
    assert (found.lost, found.reason) == (0, "")
    assert found.lag == pytest.approx(0, abs=0.02)
    assert found.speed_correlation == pytest.approx(1, abs=1e-3)
    assert found.motion == pytest.approx(np.hypot(*SPEED), rel=0.05)


def test_a_displaced_movie_is_off_by_its_displacement(truth, features):
    displaced = moving(steady() + np.array([1.3, -2.1]))
    found = track(displaced, truth, features, pixel_size=0.5)
    assert found.bias == pytest.approx((0.65, -1.05), abs=0.06)
    assert found.rms == pytest.approx(0.5 * np.hypot(1.3, 2.1), rel=0.05)
    np.testing.assert_allclose(found.per_frame, found.rms, rtol=0.1)


@pytest.mark.parametrize("delay", [1, 3])
def test_a_late_movie_lags_by_its_delay(truth, features, delay):
    late = moving(steady() - delay * np.array(SPEED))
    assert track(late, truth, features).lag == pytest.approx(delay, abs=0.1)
    early = moving(steady() + delay * np.array(SPEED))
    assert track(early, truth, features).lag == pytest.approx(-delay, abs=0.1)


def test_a_running_mean_lags_as_long_as_its_memory(truth, features):
    mean = truth.copy()
    for index in range(1, len(mean)):
        mean[index] = (mean[index - 1] + truth[index]) / 2
    # Σ k 2⁻ᵏ⁻¹ = 1 frame, once its memory has filled up.
    assert track(mean, truth, features).lag == pytest.approx(1, abs=0.25)


def test_binned_frames_stand_still_and_jump(truth, features):
    binned = np.repeat(truth.reshape(-1, 10, *truth.shape[1:]).mean(axis=1), 10, axis=0)
    found, exact = track(binned, truth, features), track(truth, truth, features)
    speed = np.hypot(*SPEED)
    assert found.rms == pytest.approx(speed * np.sqrt((10**2 - 1) / 12), rel=0.2)
    assert found.rms > 20 * exact.rms
    assert found.speed_correlation < 0.5
    assert abs(found.lag) < 0.5  # as often late as early
    assert found.per_frame[0] > 4 * found.per_frame[4]  # worst at the ends of the block


@pytest.mark.parametrize("deviation", [0.5, 2.0])
def test_white_noise_costs_a_fraction_of_a_pixel(truth, features, deviation):
    noisy = truth + np.random.default_rng(1).normal(0, deviation, truth.shape)
    found = track(noisy, truth, features)
    assert found.rms < 0.3 * deviation
    assert found.lost < 0.05


def test_mere_noise_is_lost(truth, features):
    noise = np.random.default_rng(2).normal(size=truth.shape)
    found = track(noise, truth, features)
    assert found.lost > 0.9


def test_of_straight_edges_only_motion_across_counts():
    y, x = np.mgrid[:128, :128]
    offsets = 0.5 * np.arange(12)[:, None, None]
    across = 0.8 * y - 0.6 * x
    stripe = np.exp(-((across - 14 - offsets) ** 2) / 8)
    features = follow(stripe)
    assert len(features) >= 1
    np.testing.assert_array_equal(features.axes[:, 1], 0)
    np.testing.assert_allclose(np.abs(features.axes[:, 0]), [[0.8, 0.6]] * len(features), atol=0.02)
    late = np.exp(-((across - 14 - offsets + 1) ** 2) / 8)  # by two frames
    found = track(late, stripe, features)
    assert found.bias == pytest.approx((-0.8, 0.6), abs=0.05)
    assert found.lag == pytest.approx(2, abs=0.1)


def test_a_lattice_is_searched_within_half_its_period():
    y, x = np.mgrid[:128, :128]
    frames = np.stack(
        [np.cos(2 * np.pi * (x - 0.3 * t) / 9) + np.cos(2 * np.pi * y / 9) for t in range(12)]
    )
    features = follow(frames)
    assert len(features) >= 1
    assert features.radii.max() <= 6.5  # diagonal of half the cell
    assert track(frames, frames, features).rms < 0.05


def test_a_static_scene_says_so():
    still = moving(np.zeros((10, 2)))
    found = track(still, still)
    assert found.rms is None
    assert found.reason == "nothing in the scene moves by 0.5 px or more"
    flat = np.ones((10, 128, 128))
    assert "nothing in the scene could be followed" in track(flat, flat).reason


def test_bad_movies_are_refused(truth, features):
    with pytest.raises(InputError, match=r"at least 8 of at least 98 × 98 px"):
        follow(truth[:7])
    with pytest.raises(InputError, match=r"at least 8 of at least 98 × 98 px"):
        follow(truth[:, :90])
    with pytest.raises(InputError, match="expected one shape"):
        track(truth[:-1], truth, features)
    with pytest.raises(InputError, match="expected those of this reference; follow them anew"):
        track(truth[:-1], truth[:-1], features)
    with pytest.raises(InputError, match="got most = 0 features"):
        follow(truth, most=0)
    spoiled = truth.copy()
    spoiled[5, 0, 0] = np.inf
    with pytest.raises(InputError, match="got NaN or infinite pixels in frame 5"):
        track(spoiled, truth, features)
