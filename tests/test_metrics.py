"""PSNR and SSIM are scikit-image's, over a data range that the caller must name."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_tcsdl._validation import InputError
from napari_tcsdl.metrics import data_range_of, psnr, ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    truth = rng.uniform(100, 900, (37, 31)).astype(np.float32)
    return truth + rng.normal(0, 40, truth.shape).astype(np.float32), truth


@pytest.mark.parametrize("data_range", [255.0, 800.0, 65535.0])
def test_equal_to_scikit_image(pair, data_range):
    image, truth = (np.asarray(frame, np.float64) for frame in pair)
    assert psnr(*pair, data_range=data_range) == peak_signal_noise_ratio(
        truth, image, data_range=data_range
    )
    assert ssim(*pair, data_range=data_range) == structural_similarity(
        truth,
        image,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def test_psnr_of_a_known_error_is_the_formula():
    reference = np.zeros((16, 16))
    assert psnr(reference + 2.0, reference, data_range=20.0) == pytest.approx(20.0)
    # halving the data range costs 6.02 dB: the range decides, not the pixel type
    assert psnr(reference + 2.0, reference, data_range=10.0) == pytest.approx(20 - 6.0206, abs=1e-3)


def test_unsigned_frames_do_not_wrap():
    low, high = np.full((16, 16), 3, np.uint8), np.full((16, 16), 250, np.uint8)
    assert psnr(low, high, data_range=247) == pytest.approx(0.0)


def test_ssim_agrees_with_the_published_formula_in_the_middle_of_a_frame():
    """Wang et al. (2004), Eq. 13, written out with an explicit 11 × 11 Gaussian."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 1, (2, 11, 11))
    radius = np.arange(-5, 6)
    weights = np.exp(-(radius[:, None] ** 2 + radius**2) / (2 * 1.5**2))
    weights /= weights.sum()
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    var_x, var_y = ((weights * z**2).sum() - (weights * z).sum() ** 2 for z in (x, y))
    covariance = (weights * x * y).sum() - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    # scikit-image crops five pixels at each edge: of 11 × 11 only the middle remains
    assert ssim(x, y, data_range=1.0) == pytest.approx(expected, rel=1e-9)


def test_identical_frames(pair):
    assert psnr(pair[1], pair[1], data_range=800) == math.inf
    assert ssim(pair[1], pair[1], data_range=800) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("data_range", [0, -1, math.nan, math.inf])
def test_data_range_must_be_positive_and_finite(pair, metric, data_range):
    with pytest.raises(InputError, match=r"got data_range = .*, expected a finite number > 0"):
        metric(*pair, data_range=data_range)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_data_range_is_required(pair, metric):
    with pytest.raises(TypeError, match="data_range"):
        metric(*pair)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_shapes_must_agree(metric):
    with pytest.raises(InputError, match=r"shape \(16, 17\) and .* \(16, 16\), expected two fra"):
        metric(np.ones((16, 17)), np.ones((16, 16)), data_range=1)
    with pytest.raises(InputError, match="compare frame by frame"):
        metric(np.ones((2, 16, 16)), np.ones((2, 16, 16)), data_range=1)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_is_refused(pair, metric, bad):
    image = pair[0].copy()
    image[3, 4] = bad
    with pytest.raises(InputError, match="NaN or infinite pixels in the frame, expected finite"):
        metric(image, pair[1], data_range=800)


def test_frames_smaller_than_the_window():
    with pytest.raises(InputError, match="got frames of 10 × 30 px, expected at least 11 × 11 px"):
        ssim(np.ones((10, 30)), np.zeros((10, 30)), data_range=1)


def test_data_range_ignores_hot_and_dead_pixels():
    frames = np.tile(np.linspace(100, 200, 10_000).reshape(100, 100), (3, 1, 1)).astype(np.uint16)
    frames[0, 0, :5], frames[1, 3, :5] = 65535, 0
    assert data_range_of(frames) == pytest.approx(100, abs=1.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_data_range_of_a_constant_movie_is_refused(dtype):
    with pytest.raises(InputError, match="percentiles are both 7, expected a signal that varies"):
        data_range_of(np.full((2, 5, 5), 7, dtype))


def test_data_range_needs_finite_frames():
    with pytest.raises(InputError, match="expected frames"):
        data_range_of(np.ones((5, 5)))
    with pytest.raises(InputError, match="NaN or infinite pixels for the data range"):
        data_range_of(np.full((2, 5, 5), math.nan, np.float32))
