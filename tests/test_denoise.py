"""The denoised reference is closer to the truth than the raw frames, unbiased, reproducible."""

import sys
from types import ModuleType

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.denoise import (
    DENOISED_REFERENCE,
    METHODS,
    denoise_reference,
    describe_denoising,
)
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.noise_spectrum import NoiseSpectrum


def lattice(dose, shape=(48, 61)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return dose * (1 + 0.4 * np.cos(2 * np.pi * x / 8.2) * np.cos(2 * np.pi * y / 9.1))


def detected(electrons, *, gain=1.0, pedestal=0.0, read=0.0, n=2, seed=3):
    rng = np.random.default_rng(seed)
    shape = (n, *electrons.shape)
    return (gain * rng.poisson(electrons, shape) + pedestal + rng.normal(0, read, shape)).astype(
        np.float32
    )


def spread_over_neighbours(shape, share=0.2, seed=5):
    """Noise of unit variance that neighbours share, and its spectrum (S, S)."""
    k = 2 * np.pi * np.fft.fftfreq(64)
    power = np.multiply.outer(1 + 2 * share * np.cos(k), 1 + 2 * share * np.cos(k))
    root = np.sqrt(NoiseSpectrum(power).resampled(shape[1:]))
    white = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    return np.fft.ifft2(white * root).real, NoiseSpectrum(power)


@pytest.mark.parametrize("method", ["bm3d", "nlm"])
@pytest.mark.parametrize(
    ("dose", "gain", "pedestal", "read"), [(20, 1, 0, 0), (12, 30, 100, 40), (2, 1, 0, 0)]
)
def test_noise_falls_and_the_mean_stays(dose, gain, pedestal, read, method):
    electrons = lattice(dose)
    truth = gain * electrons + pedestal
    frames = detected(electrons, gain=gain, pedestal=pedestal, read=read)
    model = NoiseModel(gain, read**2 - gain * pedestal)
    result = denoise_reference(frames, model, method=method)
    assert result.dtype == np.float32
    assert result.shape == frames.shape
    left = ((result - truth) ** 2).mean() / ((frames - truth) ** 2).mean()
    assert left < {"bm3d": 0.2, "nlm": 0.35}[method]
    assert result.mean() - pedestal == pytest.approx(gain * dose, rel=0.03)


def test_inverse_is_unbiased_at_low_dose():
    """The algebraic inverse reads 0.25 electrons too low; the exact one does not."""
    frames = detected(np.full((64, 64), 1.0))
    assert denoise_reference(frames, NoiseModel(1.0, 0.0)).mean() == pytest.approx(
        frames.mean(), abs=0.05
    )


def test_sigma_as_number_or_per_frame_agree():
    frames = lattice(100)[None] + np.random.default_rng(0).normal(
        0, [[[5.0]], [[9.0]]], (2, 48, 61)
    )
    each = denoise_reference(frames, np.array([5.0, 9.0]))
    np.testing.assert_array_equal(each[0], denoise_reference(frames[:1], 5.0)[0])
    np.testing.assert_array_equal(each[1], denoise_reference(frames[1:], 9.0)[0])
    assert np.std(each[1] - lattice(100)) < 5


def test_constant_variance_is_the_limit_of_a_vanishing_gain():
    frames = lattice(100)[None] + np.random.default_rng(0).normal(0, 5, (1, 48, 61))
    gaussian = denoise_reference(frames, 5.0)
    for gain in (1e-7, 0.0, -1e-7):
        np.testing.assert_allclose(
            denoise_reference(frames, NoiseModel(gain, 25.0)), gaussian, rtol=1e-4
        )


def test_same_input_same_result():
    frames = detected(lattice(8))
    model = NoiseModel(1.0, 0.0)
    np.testing.assert_array_equal(
        denoise_reference(frames, model), denoise_reference(frames, model)
    )


def test_frames_without_noise_and_tiny_frames_pass():
    frames = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    np.testing.assert_array_equal(denoise_reference(frames, 0.0), frames)
    assert np.isfinite(denoise_reference(frames, NoiseModel(1.0, 0.0))).all()


def test_one_frame_alone_is_denoised_as_among_others():
    """Its parts are then worked on together, instead of whole frames."""
    frames = detected(lattice(8), n=5)
    model = NoiseModel(1.0, 0.0)
    together = denoise_reference(frames, model)
    np.testing.assert_array_equal(denoise_reference(frames[3:4], model)[0], together[3])


def test_spectrum_of_the_noise_helps():
    truth = lattice(60, (96, 96))
    noise, spectrum = spread_over_neighbours((2, 96, 96))
    frames = truth + 12 * noise
    informed, blind = (denoise_reference(frames, 12.0, given) for given in (spectrum, None))
    assert np.mean((informed - truth) ** 2) < 0.6 * np.mean((blind - truth) ** 2)
    np.testing.assert_array_equal(denoise_reference(frames, 12.0, spectrum.power), informed)


def test_white_spectrum_is_no_spectrum():
    frames = detected(lattice(20))
    model = NoiseModel(1.0, 0.0)
    np.testing.assert_array_equal(
        denoise_reference(frames, model, NoiseSpectrum(np.ones((64, 64)))),
        denoise_reference(frames, model),
    )


def test_the_method_is_named():
    assert describe_denoising() == DENOISED_REFERENCE
    assert "BM3D (own implementation of Dabov et al. 2007) of each frame" in DENOISED_REFERENCE
    assert "non-local means (scikit-image" in describe_denoising("nlm")
    assert "non-commercial use only" in describe_denoising("bm3d_package")
    for method in METHODS:
        assert "variance-stabilised" in describe_denoising(method)


def test_unknown_method_is_refused():
    message = "got the denoising method 'median', expected one of bm3d, nlm, bm3d_package; choose"
    with pytest.raises(InputError, match=message):
        denoise_reference(detected(lattice(8)), 1.0, method="median")
    with pytest.raises(InputError, match=message):
        describe_denoising("median")


def test_the_package_is_asked_for_before_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)  # not installed
    frames = detected(lattice(8))
    assert np.isfinite(denoise_reference(frames, 1.0)).all()
    with pytest.raises(
        InputError, match=r"'bm3d_package', expected the package bm3d to be .*non-c"
    ):
        denoise_reference(frames, 1.0, method="bm3d_package")


def test_the_package_gets_frames_of_unit_white_noise(monkeypatch):
    seen = []

    def returned_as_it_is(frame, sigma_psd):
        seen.append((sigma_psd, frame))
        return frame

    package = ModuleType("bm3d")
    package.bm3d = returned_as_it_is
    monkeypatch.setitem(sys.modules, "bm3d", package)
    noise, spectrum = spread_over_neighbours((2, 64, 64))
    result = denoise_reference(12 * noise, 12.0, spectrum, method="bm3d_package")
    np.testing.assert_allclose(result, 12 * noise, atol=1e-4)
    for sigma, frame in seen:
        assert sigma == 1.0
        assert frame.std() == pytest.approx(1, abs=0.05)
        assert abs(np.mean(frame[:, 1:] * frame[:, :-1])) < 0.05


@pytest.mark.parametrize("sigma", [-1.0, np.nan, np.array([1.0, 2.0, 3.0])])
def test_bad_sigma_is_refused(sigma):
    with pytest.raises(InputError, match=r"got noise σ = .* for 2 frames, expected one finite"):
        denoise_reference(detected(lattice(8)), sigma)


def test_frames_must_be_a_stack():
    with pytest.raises(InputError, match=r"got an array of shape \(4, 4\) to denoise, expected"):
        denoise_reference(np.ones((4, 4)), 1.0)
