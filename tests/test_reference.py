import numpy as np
import pytest

from napari_tcsdl.encoding import MovieStatistics
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.noise_spectrum import measure_noise_spectrum
from napari_tcsdl.reference import GRID, WINDOW, make_reference, spread_windows


def test_the_range_of_large_frames_is_that_of_the_whole_field():
    """Flat in the middle, a gradient towards the border: the middle alone would say 0."""
    y, x = np.mgrid[-450:450, -450:450]
    truth = 100 + 0.4 * np.maximum(np.maximum(abs(y), abs(x)) - 300, 0)
    frames = np.random.default_rng(0).poisson(np.stack([truth] * 2)).astype(np.uint8)
    noise = NoiseModel(1.0, 0.0)
    spectrum = measure_noise_spectrum(frames, noise)
    statistics = MovieStatistics((60.0, 200.0), noise, spectrum)
    reference = make_reference(Movie(frames), "denoised", statistics, None)
    expected = np.percentile(truth, 99.9) - np.percentile(truth, 0.1)
    assert reference.data_range == pytest.approx(expected, rel=0.25)


def test_windows_reach_every_corner_and_small_frames_stay_whole():
    large = np.arange(900 * 1000).reshape(1, 900, 1000)
    windows = spread_windows(large)
    assert windows.shape == (GRID * GRID, WINDOW, WINDOW)
    assert {0, 999, 899_000, 899_999} <= set(windows.ravel())
    assert spread_windows(large[:, :500, :500]).shape == (1, 500, 500)
