"""Level and spectrum of the noise against simulated detectors; motion is told from noise."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import fft

from napari_tcsdl._validation import InputError
from napari_tcsdl.noise import NoiseModel, estimate_noise
from napari_tcsdl.noise_spectrum import (
    MeasuredNoise,
    NoiseSpectrum,
    measure_noise,
    measure_noise_spectrum,
    power_of,
)
from napari_tcsdl.simulate.detectors import Detector, expose

N_FRAMES, SIDE = 12, 160

DETECTORS = {
    "counting": Detector("counting", 8.0),
    "integrating": Detector(
        "integrating",
        8.0,
        gain=30,
        gain_spread=0.3,
        mtf=(0.085, 0.0),
        read_noise=8,
        pedestal=100,
    ),
    "scintillator": Detector(
        "scintillator",
        20.0,
        gain=10,
        gain_spread=0.4,
        mtf=(0.17, 0.02),
        read_noise=6,
        pedestal=200,
    ),
    "wide": Detector(
        "scintillator",
        20.0,
        gain=10,
        gain_spread=0.4,
        mtf=(0.22, 0.03),
        read_noise=2,
        pedestal=200,
    ),
}


@cache
def recorded(kind, speed):
    """Noisy frames and their truth; a lattice of 8.2 × 9.1 px drifts by ``speed`` px a frame."""
    y, x = np.mgrid[:SIDE, :SIDE]
    shifts = speed * np.arange(N_FRAMES)[:, None, None]
    lattice = np.cos(2 * np.pi * (x + shifts) / 8.2) * np.cos(2 * np.pi * y / 9.1)
    intensity = 1 + 0.5 * lattice * (1 + 0.3 * np.sin(x / 40))
    values, truth = expose(
        torch.from_numpy(intensity), DETECTORS[kind], torch.Generator().manual_seed(0)
    )
    return values.numpy(), truth.numpy()


def correlation_of(noise):
    """Of noise (n, H, W), whose mean is 0: (5, 5)."""
    power = (np.abs(fft.fft2(noise)) ** 2).mean(axis=0)
    lags = np.arange(-2, 3)
    correlation = fft.ifft2(power).real[np.ix_(lags, lags)]
    return correlation / correlation[2, 2]


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("speed", [0, 1])
def test_still_and_slow_scenes(kind, speed):
    frames, truth = recorded(kind, speed)
    noise = frames - truth
    model, spectrum = measure_noise(frames)
    assert model.variance(frames.mean()) == pytest.approx(noise.var(), rel=0.05)
    assert spectrum.spoilt is None
    assert spectrum.white is (kind == "counting")
    np.testing.assert_allclose(spectrum.correlation, correlation_of(noise), atol=0.03)
    measured = fft.rfft2(noise)
    expected = (np.abs(measured) ** 2).mean(axis=0) / noise.var() / SIDE**2
    power = spectrum.resampled((SIDE, SIDE))[:, : SIDE // 2 + 1]
    radius = np.hypot(fft.fftfreq(SIDE)[:, None], fft.rfftfreq(SIDE)[None])
    for low in (0.02, 0.1, 0.2, 0.3, 0.4):
        ring = (radius >= low) & (radius < low + 0.08)
        assert power[ring].mean() == pytest.approx(expected[ring].mean(), rel=0.1, abs=0.03)


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("speed", [4, 6])
def test_fast_motion_is_noticed_and_taken_off(kind, speed):
    frames, truth = recorded(kind, speed)
    variance = (frames - truth).var()
    level = frames.mean()
    model, spectrum = measure_noise(frames)
    estimated = estimate_noise(frames).variance(level)
    assert estimated > 1.1 * variance
    assert "to the variance that consecutive frames differ by: the noise level" in spectrum.spoilt
    assert f"motion or flicker adds {spectrum.excess:.0%}" in spectrum.spoilt
    assert estimated / (1 + spectrum.excess) == pytest.approx(model.variance(level), rel=0.05)
    assert model.variance(level) == pytest.approx(variance, rel=0.1)
    np.testing.assert_allclose(spectrum.correlation, correlation_of(frames - truth), atol=0.03)


def test_what_jumps_in_a_part_of_the_field_does_not_colour_the_noise():
    """Its differences look like noise shared by neighbours; elsewhere there is none."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    jumps = generator.uniform(-2, 2, (2, N_FRAMES, 1, 1))
    atoms = np.cos(2 * np.pi * (x + jumps[0]) / 8.2) * np.cos(2 * np.pi * (y + jumps[1]) / 9.1)
    crystal = np.hypot(x - 50, y - 80) < 30
    frames = generator.poisson(20 * (1 + 0.3 * (x / SIDE - 0.5) + 0.2 * atoms * crystal))
    model, spectrum = measure_noise(frames.astype(np.uint8))
    assert spectrum.white
    assert spectrum.correlation[2, 3] == pytest.approx(0, abs=0.02)
    assert spectrum.correlation[3, 2] == pytest.approx(0, abs=0.02)
    assert model.variance(20) == pytest.approx(20, rel=0.08)


@pytest.mark.parametrize("pedestal", [0, 100])
def test_blank_borders_are_no_quiet_places(pedestal):
    y, x = np.mgrid[:192, :192]
    dose = 20 * (1 + 0.5 * np.sin(x / 9) * np.sin(y / 7))
    frames = np.random.default_rng(0).poisson(dose, (8, 192, 192)) + pedestal
    frames[:, :70] = 0
    frames[..., :70] = 0
    model, spectrum = measure_noise(frames.astype(np.uint16))
    assert spectrum.spoilt is None
    assert spectrum.correlation[2, 3] == pytest.approx(0, abs=0.03)
    assert model.variance(pedestal + 20) == pytest.approx(20, rel=0.1)


def test_beam_stop_does_not_pass_for_quiet():
    model, spectrum = measure_noise(partly_dark())
    assert spectrum.spoilt is None
    assert model.variance(400) == pytest.approx(10**2 * 20 + 36, rel=0.05)


def test_unrelated_frames_are_noticed():
    generator = np.random.default_rng(1)
    radius = np.hypot(fft.fftfreq(SIDE)[:, None], fft.fftfreq(SIDE)[None])
    scenes = fft.ifft2(fft.fft2(generator.normal(size=(8, SIDE, SIDE))) * (radius < 0.08)).real
    frames = 100 + 20 * scenes / scenes.std() + generator.normal(0, 8, scenes.shape)
    model, spectrum = measure_noise(frames)
    assert spectrum.excess > 4
    assert model.variance(100) == pytest.approx(64, rel=0.15)


def test_flicker_of_the_beam_is_no_colour():
    generator = np.random.default_rng(1)
    beam = 1 + 0.05 * generator.normal(size=(10, 1, 1))
    spectrum = measure_noise_spectrum(
        generator.poisson(100 * np.broadcast_to(beam, (10, 96, 96))), NoiseModel(1.0, 0.0)
    )
    assert spectrum.white
    assert spectrum.excess < 0.15


@pytest.mark.parametrize("shape", [(2, 64, 64), (3, 16, 16), (2, 17, 200), (4, 100, 33)])
def test_short_and_small_movies(shape):
    frames = np.random.default_rng(0).poisson(30, shape).astype(np.uint8)
    model, spectrum = measure_noise(frames)
    assert spectrum.power.mean() == pytest.approx(1)
    assert (spectrum.power > 0).all()
    assert len(spectrum.power) == min(64, *shape[1:]) // 2 * 2
    assert model.variance(30) == pytest.approx(30, rel=0.25)


def test_tiny_and_noise_free_movies_are_white():
    tiny = np.random.default_rng(0).poisson(30, (3, 8, 8)).astype(np.uint8)
    assert measure_noise(tiny).spectrum.white
    still = np.repeat(np.arange(400.0).reshape(1, 20, 20), 4, axis=0)
    assert isinstance(measure_noise(still), MeasuredNoise)
    assert measure_noise(still).spectrum.white
    assert measure_noise_spectrum(still, NoiseModel(0.0, 4.0)).white


def test_resampling_keeps_the_spectrum():
    k = 2 * np.pi * fft.fftfreq(64)
    power = (1 + 0.5 * np.cos(k)[:, None]) * (1 + 0.2 * np.cos(k))
    spectrum = NoiseSpectrum(power / power.mean())
    np.testing.assert_allclose(spectrum.resampled((64, 64)), spectrum.power, atol=1e-9)
    ky, kx = (2 * np.pi * fft.fftfreq(n) for n in (50, 91))
    expected = (1 + 0.5 * np.cos(ky)[:, None]) * (1 + 0.2 * np.cos(kx))
    np.testing.assert_allclose(spectrum.resampled((50, 91)), expected, atol=1e-9)
    assert spectrum.correlation[2, 3] == pytest.approx(0.1)
    assert spectrum.correlation[3, 2] == pytest.approx(0.25)
    assert spectrum.resampled((3, 2)).shape == (3, 2)
    np.testing.assert_allclose(power_of(spectrum.correlation, (50, 91)), expected, atol=1e-9)


def test_no_frequency_is_without_power():
    correlation = np.zeros((3, 3))
    correlation[1] = 0.8, 1.0, 0.8  # of no possible noise
    power = power_of(correlation, (16, 16))
    assert power.min() > 0
    assert power.mean() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 32, 32), (4, 15, 32), (32, 32)])
def test_bad_frames_are_refused(shape):
    with pytest.raises(InputError, match=r"expected at least two of at least 16 × 16 px \(n, H"):
        measure_noise_spectrum(np.ones(shape), NoiseModel(1.0, 0.0))


# --- pedestal and read noise --------------------------------------------------------------------


def partly_dark(pedestal=200.0, read=6.0, gain=10.0, dark=True):
    """Electrons of ``gain`` on a pedestal; a twentieth of the field may be without electrons."""
    generator = np.random.default_rng(2)
    y, x = np.mgrid[:192, :192]
    electrons = 20 * (1 + 0.5 * np.sin(x / 5) * np.sin(y / 7))
    if dark:
        electrons[np.hypot(x - 30, y - 30) < 25] = 0
    shape = (16, *electrons.shape)
    return pedestal + gain * generator.poisson(electrons, shape) + generator.normal(0, read, shape)


def test_pedestal_and_read_noise_behind_a_beam_stop():
    model = measure_noise(partly_dark()).model
    assert model.pedestal == pytest.approx(200, abs=1)
    assert model.read_noise == pytest.approx(6, rel=0.1)
    assert NoiseModel.from_json(model.to_json()) == model


def test_no_pedestal_where_everything_is_exposed():
    model = measure_noise(partly_dark(dark=False)).model
    assert (model.pedestal, model.read_noise) == (None, None)
    assert set(model.to_json()) == {"gain", "offset_variance", "mean"}


def test_counted_electrons_have_neither():
    model = measure_noise(recorded("counting", 0)[0]).model
    assert (model.pedestal, model.read_noise) == (0, 0)
