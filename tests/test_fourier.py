"""Power spectra: a planted lattice is found where it is, in the unit that was asked for."""

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.fourier import d_spacing, power_spectrum


def lattice(shape, d, angle, pixel_size):
    """Fringes of spacing d [Å] whose wave vector lies at an angle from +x towards +y (down)."""
    y, x = np.mgrid[: shape[0], : shape[1]] * pixel_size
    along = x * np.cos(angle) + y * np.sin(angle)
    return 50 + 10 * np.cos(2 * np.pi * along / d)


def strongest(power, axes):
    """Frequency (y, x) of the strongest peak: centroid of power around its maximum."""
    i, j = np.unravel_index(power.argmax(), power.shape)
    rows, cols = slice(i - 2, i + 3), slice(j - 2, j + 3)
    weights = power[rows, cols].astype(np.float64)
    y, x = np.meshgrid(axes[0][rows], axes[1][cols], indexing="ij")
    return np.average(y, weights=weights), np.average(x, weights=weights)


@pytest.mark.parametrize("d", [2.039, 2.355, 6.1])
@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2, np.pi / 2])
@pytest.mark.parametrize("shape", [(192, 256), (211, 157)])
def test_planted_lattice_is_found_within_one_percent(d, angle, shape):
    power, axes = power_spectrum(lattice(shape, d, angle, 0.5), pixel_size=0.5)
    found = np.hypot(*strongest(power, axes))
    assert d_spacing(found) == pytest.approx(d, rel=0.01)


def test_first_axis_is_y():
    power, axes = power_spectrum(lattice((96, 160), 4.0, np.pi / 2, 0.5), pixel_size=0.5)
    fy, fx = strongest(power, axes)
    assert abs(fy) == pytest.approx(0.25, rel=0.01)
    assert abs(fx) < 0.01
    assert power.shape == (len(axes[0]), len(axes[1])) == (96, 160)


def test_diagonal_keeps_its_quadrant():
    power, axes = power_spectrum(lattice((128, 128), 5.0, 0.4, 1.0), pixel_size=1.0)
    fy, fx = strongest(power, axes)
    assert np.arctan(fy / fx) == pytest.approx(0.4, abs=0.02)


def test_unit_is_per_pixel_without_a_pixel_size():
    image = lattice((64, 80), 8.0, 0, 1.0)
    power, (_, fx) = power_spectrum(image)
    calibrated, (_, fx_calibrated) = power_spectrum(image, pixel_size=0.25)
    np.testing.assert_array_equal(power, calibrated)
    np.testing.assert_allclose(fx_calibrated, fx * 4)
    assert fx.min() == -0.5
    assert fx[40] == 0


def test_white_noise_lies_at_its_variance():
    """Parseval: the mean of the spectrum is the windowed variance."""
    image = np.random.default_rng(0).normal(7, 3, (301, 250))
    power, _ = power_spectrum(image)
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in image.shape]
    window = np.outer(*hann)
    residual = window * (image - np.average(image, weights=window))
    assert power.mean() == pytest.approx((residual**2).sum() / (window**2).sum(), rel=1e-4)
    assert power.mean() == pytest.approx(9, rel=0.05)


def test_mean_is_removed_and_spectrum_is_symmetric():
    power, _ = power_spectrum(np.random.default_rng(1).normal(1e4, 3, (65, 33)))
    assert power[32, 16] < 1e-3 * power.mean()
    np.testing.assert_allclose(power, power[::-1, ::-1], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3)])
def test_tiny_and_constant_frames_are_finite(shape):
    power, (fy, fx) = power_spectrum(np.full(shape, 200, np.uint8))
    assert power.shape == shape == (len(fy), len(fx))
    np.testing.assert_allclose(power, 0, atol=1e-6)


def test_d_spacing():
    assert d_spacing(0.5) == 2
    assert d_spacing(-0.25) == 4
    assert d_spacing(0) == np.inf
    np.testing.assert_array_equal(d_spacing(np.array([0.0, 0.5])), [np.inf, 2])


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"got an image of shape \(2, 4, 4\), expected one frame"):
        power_spectrum(np.ones((2, 4, 4)))
    with pytest.raises(InputError, match=r"got pixel size -1 Å/px, expected a finite number > 0"):
        power_spectrum(np.ones((4, 4)), pixel_size=-1)
    with pytest.raises(InputError, match="NaN or infinite pixels for the power spectrum"):
        power_spectrum(np.full((4, 4), np.nan))


@pytest.mark.parametrize("shape", [(128, 192), (120, 96)])
@pytest.mark.parametrize("every", [2, 4])
def test_every_kth_frequency_has_the_power_that_it_has_among_all(shape, every):
    image = np.random.default_rng(3).poisson(20, shape)
    power, axes = power_spectrum(image, pixel_size=0.5)
    some, coarse = power_spectrum(image, pixel_size=0.5, every=every)
    rows, columns = (np.searchsorted(all_, few) for all_, few in zip(axes, coarse, strict=True))
    np.testing.assert_allclose(coarse[0], axes[0][rows], atol=1e-12)
    assert some.shape == (shape[0] // every, shape[1] // every)
    np.testing.assert_allclose(some, power[np.ix_(rows, columns)], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("every", [0, 3])
def test_a_number_that_does_not_divide_the_sides_is_refused(every):
    with pytest.raises(InputError, match="expected a number that divides both sides"):
        power_spectrum(np.ones((64, 66)), every=every)
