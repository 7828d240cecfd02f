"""The radial profile has the power of the ring, in the unit of the spectrum."""

import numpy as np
import pytest

from napari_tcsdl.radial import radial_profile
from napari_tcsdl.spots import Spectrum2D, spectrum_of


@pytest.mark.parametrize("shape", [(256, 256), (191, 300), (301, 128)])
def test_white_noise_is_flat_at_its_variance(shape):
    noise = np.random.default_rng(0).normal(5, 3, shape)
    q, power = radial_profile(spectrum_of(noise, pixel_size=None))
    assert len(q) == len(power) == min(shape) // 2
    assert power.mean() == pytest.approx(9, rel=0.05)
    assert power[len(q) // 2 :].mean() == pytest.approx(power[10 : len(q) // 2].mean(), rel=0.1)


def test_rings_are_one_fourier_pixel_up_to_nyquist():
    q, _ = radial_profile(spectrum_of(np.eye(64), pixel_size=0.5))
    np.testing.assert_allclose(q, np.arange(1, 33) / (64 * 0.05))
    assert q[-1] == pytest.approx(10)  # 1/nm: half a period per 0.05 nm
    in_pixels, _ = radial_profile(spectrum_of(np.eye(64), pixel_size=None))
    assert in_pixels[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(64, 64), (65, 90), (120, 67)])
def test_each_fourier_pixel_counts_on_its_own_ring(shape):
    spectrum = spectrum_of(np.random.default_rng(1).normal(size=shape), pixel_size=0.3)
    radius = np.hypot(spectrum.fy[:, np.newaxis], spectrum.fx)
    marked = Spectrum2D(radius.astype(np.float32), spectrum.fy, spectrum.fx, spectrum.unit)
    q, mean_radius = radial_profile(marked)
    assert np.abs(mean_radius - q).max() <= 0.5 * max(spectrum.steps)


def test_mean_of_a_ring():
    spectrum = spectrum_of(np.random.default_rng(2).normal(size=(40, 33)), pixel_size=None)
    radius = np.hypot(spectrum.fy[:, np.newaxis], spectrum.fx)
    q, power = radial_profile(spectrum)
    for k in (0, 5, 15):
        ring = np.abs(radius - q[k]) < 0.5 / 33
        assert power[k] == pytest.approx(spectrum.power[ring].mean(), rel=1e-5)


def test_fringes_stand_out_at_their_period():
    y, x = np.mgrid[:160, :200]
    fringes = np.cos(2 * np.pi * (0.6 * x + 0.8 * y) / 8)
    q, power = radial_profile(spectrum_of(fringes, pixel_size=0.5))
    assert q[power.argmax()] == pytest.approx(10 / (8 * 0.5), abs=max(q[1] - q[0], 0))
