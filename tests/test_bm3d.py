"""BM3D removes noise as well as the authors' package, the same for any number of threads."""

import numpy as np
import pytest
from skimage import data

from napari_tcsdl._bm3d_steps import block_side, wavelet_matrix
from napari_tcsdl._validation import InputError
from napari_tcsdl.bm3d import bm3d, whiten

PACKAGE = {
    "camera": (31.57, 28.78, 25.20),
    "brick": (37.70, 34.91, 30.39),
    "lattice": (36.27, 33.03, 27.43),
}
"""[dB] What the package bm3d 4.0.3 reaches on the same frames at σ = 15, 25, 50."""


def lattice(height=96, width=96):
    y, x = np.mgrid[:height, :width]
    u, v = 0.98 * x + 0.17 * y, 0.98 * y - 0.17 * x
    return 128 + 60 * np.cos(2 * np.pi * u / 8.2) * np.cos(2 * np.pi * v / 9.1)


def scene(name):
    if name == "lattice":
        return lattice()
    return getattr(data, name)()[96:224, 160:288].astype(float)


def noisy(truth, sigma):
    return truth + np.random.default_rng(sigma).normal(0, sigma, truth.shape)


def decibels(estimate, truth):
    return 10 * np.log10(255**2 / np.mean((estimate - truth) ** 2))


def spread_noise(shape, seed=0):
    """Noise of unit variance that a detector spread over its pixels, and its power (S, S)."""
    ky, kx = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")
    power = np.exp(-((2 * np.pi * 0.7) ** 2) * (kx**2 + ky**2)) + 0.02
    power /= power.mean()
    white = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    return np.fft.ifft2(white * np.sqrt(power)).real, power


@pytest.mark.parametrize("name", PACKAGE)
@pytest.mark.parametrize(("index", "sigma"), list(enumerate((15, 25, 50))))
def test_as_good_as_the_package(name, index, sigma):
    truth = scene(name)
    assert decibels(bm3d(noisy(truth, sigma), sigma), truth) > PACKAGE[name][index] - 0.2


def test_result_is_the_same_for_any_number_of_threads():
    frame = noisy(lattice(150, 90), 60)
    alone = bm3d(frame, 60, threads=1)
    for threads in (2, 5, None):
        np.testing.assert_array_equal(bm3d(frame, 60, threads=threads), alone)


def test_pedestal_and_unit_change_nothing():
    frame = noisy(scene("camera")[:64, :64], 25)
    expected = bm3d(frame, 25)
    np.testing.assert_allclose(bm3d(30 * frame + 1e4, 750), 30 * expected + 1e4, atol=0.1)


def test_flat_frame_becomes_flat():
    """No pixel is left as noisy as it was, at corners neither, and the mean stays."""
    frame = 7 + np.random.default_rng(1).normal(0, 1, (70, 83))
    result = bm3d(frame, 1.0)
    assert np.abs(result - 7).max() < 0.6
    assert result.mean() == pytest.approx(frame.mean(), abs=0.01)


def test_noise_free_frame_is_returned():
    frame = lattice(20, 20)
    for sigma in (0, 1e-5):
        np.testing.assert_array_equal(bm3d(frame, sigma), frame)
    np.testing.assert_array_equal(bm3d(np.full((9, 9), 3), 0.0), 3)


@pytest.mark.parametrize("shape", [(8, 8), (9, 40), (31, 17), (16, 16), (61, 37), (8, 200)])
def test_any_shape_from_eight_pixels_on(shape):
    truth = lattice(*shape)
    frame = noisy(truth, 30)
    before = frame.copy()
    result = bm3d(frame, 30)
    assert result.shape == shape
    assert result.dtype == np.float64
    assert np.mean((result - truth) ** 2) < 0.8 * np.mean((frame - truth) ** 2)
    np.testing.assert_array_equal(frame, before)


def test_borders_are_denoised_as_well():
    truth = lattice()
    error = np.abs(bm3d(noisy(truth, 25), 25) - truth)
    inside = np.zeros(truth.shape, bool)
    inside[8:-8, 8:-8] = True
    assert np.sqrt(np.mean(error[~inside] ** 2)) < 3 * np.sqrt(np.mean(error[inside] ** 2))


def test_blocks_are_large_for_lattices_and_weak_signals():
    for name, sigma, side in (("camera", 25, 8), ("camera", 150, 16), ("lattice", 25, 16)):
        frame = noisy(scene(name), sigma) / sigma
        assert block_side(frame.astype(np.float32)) == side
    assert block_side(np.zeros((12, 90), np.float32)) == 8


def test_correlated_noise_is_told_from_signal_by_its_spectrum():
    truth = lattice(128, 128)
    noise, power = spread_noise(truth.shape)
    frame = truth + 25 * noise
    informed = bm3d(frame, 25, power)
    assert decibels(informed, truth) > decibels(bm3d(frame, 25), truth) + 5
    # Only the shape of the spectrum counts, and a coarser one of (S, S) serves as well.
    np.testing.assert_allclose(bm3d(frame, 25, 7 * power), informed, atol=1e-3)
    _, coarse = spread_noise((64, 64))
    assert decibels(bm3d(frame, 25, coarse), truth) == pytest.approx(
        decibels(informed, truth), abs=0.1
    )


def test_flat_spectrum_is_white_noise():
    frame = noisy(lattice(), 25)
    np.testing.assert_allclose(bm3d(frame, 25, np.ones((64, 64))), bm3d(frame, 25), atol=1e-3)


def test_whitened_noise_is_white_and_can_be_coloured_again():
    noise, power = spread_noise((96, 80))
    white = whiten(noise, power)
    assert white.var() == pytest.approx(1, rel=0.05)
    assert abs(np.mean(white[:, 1:] * white[:, :-1])) < 0.03
    assert np.mean(noise[:, 1:] * noise[:, :-1]) > 0.4
    np.testing.assert_allclose(whiten(white, power, undo=True), noise, atol=1e-9)


def test_wavelets_of_a_block():
    """Rows have unit length; all but the first are blind to a constant, as the name says."""
    matrix = wavelet_matrix(8)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1)
    np.testing.assert_allclose(matrix[0], np.sqrt(1 / 8))
    np.testing.assert_allclose(matrix[1:].sum(axis=1), 0, atol=1e-12)
    assert np.count_nonzero(np.abs(matrix[4:]) > 1e-12) == 8  # the finest are Haar's


@pytest.mark.parametrize("shape", [(7, 20), (20, 7), (20,), (2, 20, 20)])
def test_frame_must_be_one_frame_large_enough(shape):
    with pytest.raises(InputError, match=r"got an array of shape .* to denoise, expected one fr"):
        bm3d(np.zeros(shape), 1.0)


def test_frame_must_be_finite():
    frame = np.zeros((20, 20))
    frame[3, 3] = np.nan
    with pytest.raises(InputError, match="got a frame with NaN or infinite values to denoise"):
        bm3d(frame, 1.0)


@pytest.mark.parametrize("sigma", [-1.0, np.nan, np.inf])
def test_sigma_must_be_a_width(sigma):
    with pytest.raises(InputError, match=r"got noise σ = .*, expected one finite number ≥ 0"):
        bm3d(np.zeros((20, 20)), sigma)


def test_spectrum_must_fit():
    with pytest.raises(InputError, match=r"got a noise spectrum of shape \(8, 9\) for a frame of"):
        bm3d(np.zeros((20, 20)), 1.0, np.ones((8, 9)))
    for power in (np.zeros((8, 8)), -np.ones((8, 8)), np.full((8, 8), np.nan)):
        with pytest.raises(InputError, match="got a noise spectrum with negative, infinite or no"):
            bm3d(np.zeros((20, 20)), 1.0, power)
