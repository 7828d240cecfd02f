"""The spectrum in which spots are sought: its powers, its units, and how high noise rises."""

from itertools import pairwise

import numpy as np
import pytest
from waves_in_noise import PIXEL_SIZE, SHAPES, noise

from napari_tcsdl import _speckle
from napari_tcsdl._validation import InputError
from napari_tcsdl.fourier import power_spectrum
from napari_tcsdl.spots import FALSE_ALARMS, spectrum_of


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 65), (51, 77), (16, 40)])
def test_spectrum_is_the_power_spectrum_unfolded(shape):
    image = noise(shape) + 100
    spectrum = spectrum_of(image, pixel_size=0.5)
    power, (fy, fx) = power_spectrum(image, pixel_size=0.5)
    np.testing.assert_allclose(spectrum.power, power, atol=1e-5 * power.max())
    assert spectrum.power.dtype == np.float32
    np.testing.assert_allclose(spectrum.fy, 10 * fy)  # 1/nm and 1/Å
    np.testing.assert_allclose(spectrum.fx, 10 * fx)
    assert spectrum.unit == "1/nm"
    assert spectrum.nyquist == pytest.approx(10)


def test_spectrum_without_a_pixel_size_is_in_pixels():
    spectrum = spectrum_of(noise((64, 80)), pixel_size=None)
    assert spectrum.unit == "1/px"
    assert spectrum.nyquist == spectrum.fx[0] * -1 == 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_white_noise_lies_at_its_variance(shape):
    spectrum = spectrum_of(3 * noise(shape) + 50, pixel_size=PIXEL_SIZE)
    assert spectrum.power.mean() == pytest.approx(9, rel=0.06)


@pytest.mark.parametrize("shape", [(96, 96), (97, 80), (80, 97)])
def test_spectrum_obeys_friedels_law(shape):
    power = spectrum_of(noise(shape), pixel_size=None).power
    start = [1 - size % 2 for size in shape]  # an even side has no +Nyquist
    inside = power[start[0] :, start[1] :]
    np.testing.assert_allclose(inside, inside[::-1, ::-1], rtol=1e-3, atol=1e-4)


def test_strength_of_noise_is_predicted():
    """Smoothed powers of white noise exceed each height as often as the theory says."""
    smoothed = []
    for seed in range(40):
        spectrum = spectrum_of(noise(seed=seed), pixel_size=None)
        smoothed.append(spectrum.smoothed[:115, 10:-10])  # the upper half, without its mirror
    power = np.array(smoothed)
    power /= np.median(power)
    for probability, tolerance in ((0.1, 0.03), (1e-2, 0.08), (1e-3, 0.15), (1e-4, 0.4)):
        exceeded = (power > _speckle.highest_noise(probability, 1)).mean()
        assert exceeded == pytest.approx(probability, rel=tolerance)


def test_more_noise_rises_higher():
    heights = [_speckle.highest_noise(FALSE_ALARMS, tries) for tries in (9, 2**15, 2**19, 2**23)]
    assert all(low + 1 < high for low, high in pairwise(heights))
    assert _speckle.highest_noise(1e-3, 10) == pytest.approx(_speckle.highest_noise(1e-4, 1))


def test_images_that_have_no_spectrum_are_refused():
    with pytest.raises(
        InputError, match=r"got an image of shape \(2, 32, 32\), expected one frame"
    ):
        spectrum_of(np.ones((2, 32, 32)), pixel_size=None)
    with pytest.raises(InputError, match="got an image of 15 × 40 px for a spectrum, expected at"):
        spectrum_of(np.ones((15, 40)), pixel_size=None)
    with pytest.raises(InputError, match="NaN or infinite pixels"):
        spectrum_of(np.full((32, 32), np.nan), pixel_size=None)
    with pytest.raises(InputError, match="got pixel size 0"):
        spectrum_of(np.ones((32, 32)), pixel_size=0)
