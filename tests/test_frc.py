"""Fourier ring correlation says what it must where the answer is known."""

import math

import numpy as np
import pytest
from scipy import fft

from napari_tcsdl._validation import InputError
from napari_tcsdl.frc import HALVES_THRESHOLD, FrcCurve, frc, frc_halves


def filtered(noise, transfer):
    """Noise (…, H, W) times a transfer function of the frequency [px⁻¹]."""
    height, width = noise.shape[-2:]
    radius = np.hypot(fft.fftfreq(height)[:, None], fft.fftfreq(width))
    return fft.ifft2(fft.fft2(noise) * transfer(radius)).real


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(4, 128, 128))


def test_identical_pictures_correlate_fully(noise):
    curve = frc(noise[0], noise[0])
    np.testing.assert_allclose(curve.values, 1, atol=1e-6)
    assert curve.resolution() == pytest.approx(2)  # the sampling limits it: two pixels


def test_gain_and_offset_do_not_matter_and_inverted_contrast_does(noise):
    assert frc(noise[0], 7 * noise[0] + 900).values == pytest.approx(1, abs=1e-5)
    assert frc(noise[0], -noise[0]).values == pytest.approx(-1, abs=1e-5)


def test_order_does_not_matter(noise):
    forth, back = frc(noise[0], noise[1] + noise[0]), frc(noise[1] + noise[0], noise[0])
    np.testing.assert_allclose(forth.values, back.values)


@pytest.mark.parametrize("shape", [(96, 96), (3, 96, 61)])
def test_independent_noise_scatters_about_zero_as_expected(shape):
    generator = np.random.default_rng(1)
    deviations = []
    for _ in range(20):
        curve = frc(generator.normal(size=shape), generator.normal(size=shape))
        deviations.append((curve.values / curve.deviations)[2:])
    assert np.std(deviations) == pytest.approx(1, abs=0.12)
    assert np.mean(deviations) == pytest.approx(0, abs=0.15)
    assert np.abs(deviations).max() < 5


def test_independent_noise_resolves_nothing():
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(2, 20, 64, 64))
    assert frc(first, second).resolution() == math.inf


@pytest.mark.parametrize("cut_off", [0.12, 0.2, 0.37])
@pytest.mark.parametrize("threshold", [0.5, HALVES_THRESHOLD])
def test_cut_off_of_a_low_pass_is_found_within_five_percent(cut_off, threshold):
    truth, noise = np.random.default_rng(8).normal(size=(2, 2, 256, 256))
    estimate = filtered(truth, lambda radius: radius < cut_off) + 0.3 * noise
    curve = frc(estimate, truth, pixel_size=0.5)
    assert curve.resolution(threshold) == pytest.approx(0.5 / cut_off, rel=0.05)


def test_halves_cross_where_theory_says():
    """Signal of power A exp(−f²/2s²) in noise of power 1: FRC = S / (S + 1), 1/7 at S = 1/6."""
    strength, width = 40.0, 0.09
    generator = np.random.default_rng(3)
    signal = filtered(
        generator.normal(size=(20, 128, 128)),
        lambda f: np.sqrt(strength * np.exp(-(f**2) / (2 * width**2))),
    )
    halves = (signal + generator.normal(size=signal.shape) for _ in range(2))
    curve = frc(*halves)
    for threshold, ratio in ((0.5, 1.0), (HALVES_THRESHOLD, 1 / 6)):
        expected = width * math.sqrt(2 * math.log(strength / ratio))
        assert 1 / curve.resolution(threshold) == pytest.approx(expected, rel=0.05)


def test_half_against_truth_is_as_good_at_one_half_as_halves_are_at_a_seventh(noise):
    generator = np.random.default_rng(4)
    truth = filtered(np.repeat(noise, 5, axis=0), lambda f: 6 * np.exp(-((f / 0.12) ** 2)))
    first, second = (truth + generator.normal(size=truth.shape) for _ in range(2))
    both = frc((first + second) / 2, truth).resolution(0.5)
    assert frc(first, second).resolution(HALVES_THRESHOLD) == pytest.approx(both, rel=0.05)


def test_unit_follows_the_pixel_size(noise):
    estimate = filtered(noise[0], lambda radius: np.exp(-((radius / 0.15) ** 2))) + 0.3 * noise[1]
    pixels, angstrom = frc(estimate, noise[0]), frc(estimate, noise[0], pixel_size=0.25)
    np.testing.assert_allclose(angstrom.frequencies, pixels.frequencies * 4)
    assert angstrom.resolution() == pytest.approx(pixels.resolution() / 4)
    assert pixels.frequencies[0] == pytest.approx(1 / 128)
    assert pixels.frequencies[-1] == pytest.approx(0.5)


def test_rings_are_rings_on_oblong_frames():
    """A line along x and one along y of one frequency fall into the same ring."""
    y, x = np.mgrid[:96, :200]
    for along in (x, y):
        fringes = np.cos(2 * np.pi * along / 8)
        noise = np.random.default_rng(5).normal(size=(2, 96, 200))
        curve = frc(fringes + 0.1 * noise[0], fringes + 0.1 * noise[1])
        assert curve.frequencies[curve.values.argmax()] == pytest.approx(1 / 8, abs=0.011)


def test_movie_pools_its_frames(noise):
    estimate = noise + np.random.default_rng(6).normal(size=noise.shape)
    pooled = frc(estimate, noise)
    single = [frc(*pair) for pair in zip(estimate, noise, strict=True)]
    assert pooled.values[20:] == pytest.approx(np.mean([c.values for c in single], 0)[20:], abs=0.1)
    np.testing.assert_allclose(pooled.deviations, single[0].deviations / 2)


def test_even_and_odd_frames_of_noise_and_of_a_still_scene():
    generator = np.random.default_rng(7)
    noise = generator.normal(size=(9, 64, 64))
    assert np.abs(frc_halves(noise).values[2:]).mean() < 0.15
    scene = 5 * generator.normal(size=(64, 64))
    assert frc_halves(noise + scene, pixel_size=2.0).resolution(HALVES_THRESHOLD) == pytest.approx(
        4
    )


def test_an_empty_picture_agrees_with_nothing(noise):
    curve = frc(np.full((128, 128), 5, np.uint8), noise[0])
    np.testing.assert_array_equal(curve.values, 0)


def test_crossing_is_interpolated():
    curve = FrcCurve(np.array([0.1, 0.2, 0.3]), np.array([0.9, 0.7, 0.3]), np.ones(3))
    assert curve.resolution(0.5) == pytest.approx(1 / 0.25)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, math.nan])
def test_threshold_between_zero_and_one(noise, threshold):
    with pytest.raises(InputError, match=r"got FRC threshold .*, expected a number between 0 and"):
        frc(noise[0], noise[0]).resolution(threshold)


def test_bad_pictures_are_refused(noise):
    with pytest.raises(InputError, match=r"\(128, 128\) and \(4, 128, 128\) .* two of one shape"):
        frc(noise[0], noise)
    with pytest.raises(InputError, match="got frames of 15 × 40 px for the FRC, expected at least"):
        frc(np.ones((15, 40)), np.ones((15, 40)))
    with pytest.raises(InputError, match="got pixel size 0 Å/px"):
        frc(noise[0], noise[0], pixel_size=0)
    with pytest.raises(InputError, match="NaN or infinite pixels"):
        frc(noise[0] * np.nan, noise[0])
    with pytest.raises(InputError, match="expected at least two frames"):
        frc_halves(noise[:1])
