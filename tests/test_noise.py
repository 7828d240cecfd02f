"""The noise model found in a movie is the one it was made with."""

import numpy as np
import pytest

from napari_tcsdl._noise_line import difference_weights
from napari_tcsdl._validation import InputError
from napari_tcsdl.noise import NoiseModel, estimate_noise


def scene(height=96, width=96):
    y, x = np.mgrid[:height, :width]
    return 1 + 0.5 * np.sin(x / 7) * np.sin(y / 9)


@pytest.mark.parametrize("n_frames", [2, 3, 8])
@pytest.mark.parametrize(("gain", "pedestal", "dose"), [(1, 0, 2), (1, 0, 20), (30, 100, 8)])
def test_poisson_noise_gives_gain_and_pedestal(n_frames, gain, pedestal, dose):
    counts = np.random.default_rng(0).poisson(dose * scene(), (n_frames, 96, 96))
    model = estimate_noise((pedestal + gain * counts).astype(np.uint16))
    assert model.gain == pytest.approx(gain, rel=0.15)
    value = pedestal + gain * dose
    assert model.variance(value) == pytest.approx(gain**2 * dose, rel=0.1)


def test_gaussian_noise_is_constant():
    noise = np.random.default_rng(0).normal(0, 5, (6, 96, 96))
    model = estimate_noise((100 * scene() + noise).astype(np.float32))
    for value in (50, 100, 150):
        assert model.variance(value) == pytest.approx(25, rel=0.1)


def test_flat_field_gives_the_right_variance_at_its_level():
    frames = np.random.default_rng(0).poisson(20, (6, 64, 64)).astype(np.uint8)
    assert estimate_noise(frames).variance(20) == pytest.approx(20, rel=0.1)


def test_few_counts_do_not_vanish_in_the_median():
    frames = np.random.default_rng(0).poisson(0.1, (6, 96, 96)).astype(np.uint8)
    assert estimate_noise(frames).variance(0.1) == pytest.approx(0.1, rel=0.15)


def test_frames_that_do_not_differ_are_free_of_noise():
    model = estimate_noise(np.repeat(100 * scene()[None], 4, axis=0).astype(np.float32))
    assert (model.gain, model.offset_variance) == (0, 0)


def test_steady_motion_of_a_few_objects_is_not_taken_for_noise():
    generator = np.random.default_rng(0)
    frames = np.full((8, 96, 96), 100.0)
    for t in range(8):
        frames[t, 40:50, 10 + 4 * t : 20 + 4 * t] = 200
    model = estimate_noise((frames + generator.normal(0, 5, frames.shape)).astype(np.float32))
    assert model.variance(100) == pytest.approx(25, rel=0.15)


def test_variance_is_never_negative():
    model = NoiseModel(30.0, -3000.0)
    assert model.variance(50.0) == 0.0
    np.testing.assert_array_equal(model.variance(np.array([50.0, 110.0])), [0.0, 300.0])


@pytest.mark.parametrize(
    ("model", "counting"),
    [
        (NoiseModel(1.0, 0.0), True),
        (NoiseModel(1.04, -0.1, mean=15.5), True),
        (NoiseModel(0.0, 0.1, mean=0.1), True),  # too few counts to show a slope
        (NoiseModel(0.0, 130.0, mean=130.0), False),  # grey levels, equal by accident
        (NoiseModel(0.3, 83.0, mean=138.0), False),
        (NoiseModel(30.0, -3000.0, mean=460.0), False),
        (NoiseModel(1.0, 25.0, mean=20.0), False),
        (NoiseModel(0.0, 0.0, mean=0.0), False),
    ],
)
def test_counted_electrons_are_told_from_grey_levels(model, counting):
    assert model.counting is counting


def test_estimated_model_of_counts_is_counting():
    for dose in (2, 20):
        frames = np.random.default_rng(0).poisson(dose * scene(), (6, 96, 96)).astype(np.uint8)
        assert estimate_noise(frames).counting


def test_noise_of_a_part_of_the_signal():
    """x = pedestal + gain · n: p of it has gain, and p of the offset."""
    assert NoiseModel(30.0, -3000.0, 460.0).thinned(0.25) == NoiseModel(30.0, -750.0, 115.0)
    assert NoiseModel(2.0, 5.0).thinned(0.5).mean is None


def test_json_round_trip():
    model = NoiseModel(1.5, 2.25)
    assert NoiseModel.from_json(model.to_json()) == model


def test_tiny_movies_still_give_a_model():
    frames = np.random.default_rng(0).poisson(50, (2, 4, 4)).astype(np.uint8)
    assert 10 < estimate_noise(frames).variance(50) < 200


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8)])
def test_one_frame_cannot_tell_noise_from_signal(shape):
    with pytest.raises(InputError, match="expected at least two frames"):
        estimate_noise(np.ones(shape, np.uint8))


def test_correlated_noise_keeps_its_gain():
    """Its own bins would raise it by ΣK³ / (ΣK²)², here a third, where noise makes the spread."""
    generator = np.random.default_rng(0)
    kernel = np.array([0.085, 0.83, 0.085])
    electrons = generator.poisson(8 * (1 + 0.5 * scene()), (8, 96, 96))
    for axis in (1, 2):
        electrons = np.apply_along_axis(np.convolve, axis, electrons, kernel, "same")
    model = estimate_noise((100 + 30 * electrons)[:, 1:-1, 1:-1].astype(np.float32))
    expected = 30 * (kernel**2).sum() ** 2
    assert model.gain == pytest.approx(expected, rel=0.1)
    for dose in (10, 12, 14):
        assert model.variance(100 + 30 * dose) == pytest.approx(30 * expected * dose, rel=0.1)


def test_difference_of_the_order_that_cancels_most():
    """Slow drift wants a high order; what jumps at random wants none in particular."""
    generator = np.random.default_rng(0)
    x = np.arange(96)
    t = np.arange(10)[:, None, None]
    noise = generator.normal(0, 1, (10, 96, 96))
    drifting = 20 * np.sin((x + 0.8 * t) * 2 * np.pi / 8) + noise
    weights = difference_weights(drifting)
    assert len(weights) == 5
    assert np.square(weights).sum() == pytest.approx(1)
    assert weights.sum() == pytest.approx(0, abs=1e-6)
    assert estimate_noise(drifting.astype(np.float32)).variance(0) == pytest.approx(1, rel=0.15)
    assert len(difference_weights(noise)) == 3
    assert len(difference_weights(noise[:2])) == 2


def test_old_files_know_no_pedestal():
    model = NoiseModel.from_json({"gain": 30.0, "offset_variance": -3000.0, "mean": 460.0})
    assert (model.pedestal, model.read_noise) == (None, None)
    known = NoiseModel(30.0, -1400.0, 460.0, 100.0, 40.0)
    assert NoiseModel.from_json(known.to_json()) == known


@pytest.mark.parametrize("pedestal", [0, 20, 100, 1000])
def test_blank_borders_do_not_bend_the_line(pedestal):
    """As drift correction leaves them: pixels that never change."""
    ramp = np.broadcast_to(np.linspace(20, 60, 128), (8, 128, 128))
    frames = (np.random.default_rng(0).poisson(ramp) + pedestal).astype(np.uint16)
    frames[:, :26] = 0
    model = estimate_noise(frames)
    assert model.gain == pytest.approx(1, abs=0.06)
    assert model.variance(pedestal + 40) == pytest.approx(40, rel=0.06)


@pytest.mark.parametrize("speed", [0.0, 0.7])
def test_read_noise_and_motion_do_not_bend_the_line(speed):
    """Binned by their own values, pixels would be told apart by read noise, too."""
    generator = np.random.default_rng(0)
    x = np.arange(160)
    dose = 6 + 4 * np.sin(2 * np.pi * (x + speed * np.arange(12)[:, None, None]) / 12)
    electrons = generator.poisson(np.broadcast_to(dose, (12, 160, 160)))
    frames = 5 * electrons + generator.normal(150, 15, electrons.shape)
    model = estimate_noise(frames.astype(np.float32))
    assert model.gain == pytest.approx(5, rel=0.1)
    assert model.variance(180) == pytest.approx(25 * 6 + 15**2, rel=0.05)
