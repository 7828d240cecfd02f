"""Thinned halves: half the signal each, and no noise in common."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_tcsdl._validation import InputError
from napari_tcsdl.noise import NoiseModel, estimate_noise
from napari_tcsdl.thinning import noise_correlation, thin

N_FRAMES, SIDE = 400, 32
POISSON = NoiseModel(1.0, 0.0)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def scene(side=SIDE):
    y, x = np.mgrid[:side, :side]
    return 1 + 0.5 * np.sin(x / 3) * np.sin(y / 4)


def correlation_of(a, b):
    """Correlation of two noises (n, H, W) whose mean over n is the signal."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())


def shifted(a, b):
    """The same between each pixel of a and its right neighbour in b."""
    return correlation_of(a[:, :, :-1], b[:, :, 1:])


def spread_noise(generator, n_frames=N_FRAMES, side=SIDE, dose=12.0):
    """Electrons of gain 30 on a pedestal of 100, blurred as an MTF does; and their model.

    The model is exact where blurring leaves the signal alone: on a flat field.
    """
    sigma = 0.42
    noise = generator.poisson(dose, (n_frames, side, side)) - dose
    blurred = gaussian_filter(noise, (0, sigma, sigma), mode="wrap")
    kept = blurred.var() / noise.var()
    return 100 + 30 * (dose + blurred), NoiseModel(30 * kept, -3000 * kept, 100 + 30 * dose)


@pytest.mark.parametrize("dose", [0.1, 2, 60])
@pytest.mark.parametrize("fraction", [0.5, 0.3])
def test_halves_of_poisson_counts_are_poisson_and_independent(generator, dose, fraction):
    counts = generator.poisson(dose * scene(), (N_FRAMES, SIDE, SIDE)).astype(np.uint8)
    kept, rest = thin(counts, fraction, POISSON, generator)
    np.testing.assert_array_equal(kept + rest, counts)
    assert kept.dtype == rest.dtype == np.uint8
    assert abs(correlation_of(kept.astype(float), rest.astype(float))) < 0.01
    for part, share in ((kept, fraction), (rest, 1 - fraction)):
        assert part.mean() == pytest.approx(share * dose * scene().mean(), rel=0.02)
        assert (part.var(axis=0) / part.mean(axis=0)).mean() == pytest.approx(1, abs=0.03)
    # independent, not merely uncorrelated: squares tell nothing, either
    variance = np.square(kept - kept.mean(axis=0))
    assert abs(correlation_of(variance, rest.astype(float))) < 0.015


@pytest.mark.parametrize("fraction", [0.5, 0.2])
def test_halves_of_gained_frames_are_uncorrelated(generator, fraction):
    frames = 100 + 30 * generator.poisson(12 * scene(), (N_FRAMES, SIDE, SIDE))
    frames = frames + generator.normal(0, 20, frames.shape)
    noise = NoiseModel(30.0, -3000.0 + 400)
    kept, rest = thin(frames.astype(np.float32), fraction, noise, generator)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept + rest, frames, rtol=1e-5)
    assert abs(correlation_of(kept, rest)) < 0.01
    for part, share in ((kept, fraction), (rest, 1 - fraction)):
        np.testing.assert_allclose(
            part.mean(axis=0).mean(), share * (100 + 360 * scene()).mean(), rtol=0.005
        )
        expected = noise.thinned(share).variance(part.mean(axis=0))
        assert (part.var(axis=0) / expected).mean() == pytest.approx(1, abs=0.02)


def test_halves_of_the_estimated_model_are_uncorrelated(generator):
    frames = 100 + 30 * generator.poisson(12 * scene(64), (80, 64, 64)).astype(np.float32)
    kept, rest = thin(frames, 0.5, estimate_noise(frames[:8]), generator)
    assert abs(correlation_of(kept, rest)) < 0.03


def test_whole_values_that_are_no_counts_are_not_dealt_out_binomially(generator):
    """Grey levels of mean 130 and variance 130 by accident: the slope tells."""
    grey = np.rint(generator.normal(130 * scene(), 11, (N_FRAMES, SIDE, SIDE)))
    kept, rest = thin(grey.astype(np.uint16), 0.5, NoiseModel(0.0, 121.0, 130.0), generator)
    assert kept.dtype == np.float32
    assert abs(correlation_of(kept, rest)) < 0.01


def test_correlated_noise_needs_its_correlation(generator):
    frames, noise = spread_noise(generator)
    white = thin(frames, 0.5, noise, generator)
    assert shifted(*white) > 0.05  # a neighbour tells of the other half
    correlation = noise_correlation(frames, noise)
    coloured = thin(frames, 0.5, noise, generator, correlation)
    assert abs(shifted(*coloured)) < 0.015
    assert abs(correlation_of(*coloured)) < 0.015


def test_correlation_is_the_detectors(generator):
    frames, noise = spread_noise(generator)
    found = noise_correlation(frames, noise)
    deviation = frames - frames.mean(axis=0)
    for shift in ((0, 1), (1, 0), (1, 1), (0, 2)):
        moved = np.roll(deviation, shift, axis=(1, 2))
        expected = (deviation * moved).mean() / deviation.var()
        assert found[2 + shift[0], 2 + shift[1]] == pytest.approx(expected, abs=0.02)
    np.testing.assert_allclose(found, found[::-1, ::-1], atol=1e-9)
    assert found[2, 2] == 1


def test_white_noise_has_no_correlation(generator):
    counts = generator.poisson(5 * scene(), (12, SIDE, SIDE))
    assert noise_correlation(counts, POISSON) is None
    assert noise_correlation(np.ones((4, 16, 16)), POISSON) is None


@pytest.mark.parametrize("shape", [(3, 4), (5, 7, 3), (2, 3, 33, 20)])
def test_any_shape_keeps_the_variance_of_the_coloured_noise(generator, shape):
    correlation = np.zeros((5, 5))
    correlation[2, 1:4] = 0.3, 1.0, 0.3
    draws = [
        thin(np.zeros(shape), 0.5, NoiseModel(0.0, 4.0), generator, correlation)[0]
        for _ in range(4000 // int(np.prod(shape)) + 100)
    ]
    assert np.shape(draws[0]) == shape
    assert np.var(draws) == pytest.approx(1.0, rel=0.1)


def test_equal_seeds_split_equally():
    frames = np.random.default_rng(1).normal(50, 5, (3, 16, 16)).astype(np.float32)
    for noise in (POISSON, NoiseModel(2.0, 5.0)):
        first, again, other = (
            thin(frames, 0.5, noise, np.random.default_rng(seed))[0] for seed in (4, 4, 5)
        )
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_fraction_between_zero_and_one(generator, fraction):
    with pytest.raises(InputError, match="to thin by, expected a number between 0 and 1; give"):
        thin(np.ones((4, 4)), fraction, POISSON, generator)


def test_bad_input_is_refused(generator):
    with pytest.raises(InputError, match="NaN or infinite pixels to thin"):
        thin(np.full((4, 4), np.inf), 0.5, POISSON, generator)
    with pytest.raises(InputError, match=r"correlation of shape \(3, 3\), expected \(5, 5\)"):
        thin(np.ones((4, 4)), 0.5, POISSON, generator, np.ones((3, 3)))
    with pytest.raises(InputError, match=r"got frames of shape \(1, 16, 16\), expected at least"):
        noise_correlation(np.ones((1, 16, 16)), POISSON)
