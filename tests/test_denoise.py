"""The denoised reference is closer to the truth than the raw frames, unbiased, reproducible."""

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.denoise import DENOISED_REFERENCE, denoise_reference
from napari_tcsdl.noise import NoiseModel


def lattice(dose, shape=(48, 61)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return dose * (1 + 0.4 * np.cos(2 * np.pi * x / 8.2) * np.cos(2 * np.pi * y / 9.1))


def detected(electrons, *, gain=1.0, pedestal=0.0, read=0.0, n=2, seed=3):
    rng = np.random.default_rng(seed)
    shape = (n, *electrons.shape)
    return (gain * rng.poisson(electrons, shape) + pedestal + rng.normal(0, read, shape)).astype(
        np.float32
    )


@pytest.mark.parametrize(
    ("dose", "gain", "pedestal", "read"), [(20, 1, 0, 0), (12, 30, 100, 40), (2, 1, 0, 0)]
)
def test_noise_falls_and_the_mean_stays(dose, gain, pedestal, read):
    electrons = lattice(dose)
    truth = gain * electrons + pedestal
    frames = detected(electrons, gain=gain, pedestal=pedestal, read=read)
    result = denoise_reference(frames, NoiseModel(gain, read**2 - gain * pedestal))
    assert result.dtype == np.float32
    assert result.shape == frames.shape
    assert ((result - truth) ** 2).mean() < 0.35 * ((frames - truth) ** 2).mean()
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


def test_the_method_is_named():
    assert "non-local means (scikit-image" in DENOISED_REFERENCE
    assert "variance-stabilised" in DENOISED_REFERENCE


@pytest.mark.parametrize("sigma", [-1.0, np.nan, np.array([1.0, 2.0, 3.0])])
def test_bad_sigma_is_refused(sigma):
    with pytest.raises(InputError, match=r"got noise σ = .* for 2 frames, expected one finite"):
        denoise_reference(detected(lattice(8)), sigma)


def test_frames_must_be_a_stack():
    with pytest.raises(InputError, match=r"got an array of shape \(4, 4\) to denoise, expected"):
        denoise_reference(np.ones((4, 4)), 1.0)
