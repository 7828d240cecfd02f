"""Scores against held-out halves are those against the truth, which they never saw."""

import numpy as np
import pytest
from scipy import ndimage

from napari_tcsdl._validation import InputError
from napari_tcsdl.held_out_frames import held_out_scores, split
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel, estimate_noise

COUNTING = NoiseModel(1.0, 0.0, mean=12.0)
INTEGRATING = NoiseModel(30.0, -3000.0 + 25.0, mean=340.0)  # pedestal 100, read noise 5


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """A scene that drifts, around 12 counts: (16, 96, 96)."""
    noise = np.random.default_rng(0).normal(size=(96, 96))
    scene = ndimage.gaussian_filter(noise, 2.5, mode="wrap")
    scene = np.stack([np.roll(scene, t // 2, axis=1) for t in range(16)])
    return 12 + 3 * scene / scene.std()


@pytest.fixture(scope="module")
def counted(truth) -> Movie:
    counts = np.random.default_rng(1).poisson(truth.clip(0)).astype(np.uint8)
    return Movie(counts, name="counts", pixel_size=0.5)


def rivals(kept: np.ndarray) -> dict[str, np.ndarray]:
    """From the best to the worst."""
    smooth = ndimage.gaussian_filter(kept.astype(float), (1, 1.5, 1.5))
    binned = np.repeat(kept.reshape(-1, 8, *kept.shape[1:]).mean(axis=1), 8, axis=0)
    return {"smoothed": smooth, "binned": binned, "copied": kept}


def test_halves_sum_to_the_counts_and_are_the_same_each_time(counted):
    halves = split(counted, COUNTING, 5)
    kept, target = halves.kept.read(0, 16), halves.target.read(0, 16)
    np.testing.assert_array_equal(kept + target, counted.read(0, 16))
    np.testing.assert_array_equal(halves.kept.read(3, 4)[0], kept[3])
    np.testing.assert_array_equal(split(counted, COUNTING, 5).target.read(9, 11), target[9:11])
    assert (split(counted, COUNTING, 6).kept.read(0, 1) != kept[:1]).any()
    assert kept.dtype == np.uint8
    assert (halves.kept.pixel_size, halves.kept.path) == (0.5, None)


def test_nothing_is_read_before_it_is_asked_for():
    class Untouchable:
        shape, dtype = (1000, 4096, 4096), np.dtype(np.uint8)

        def __getitem__(self, key):
            raise AssertionError("read")

    assert split(Movie(Untouchable()), COUNTING, 0).kept.shape == (1000, 4096, 4096)


def test_mean_squared_errors_are_unbiased(truth, counted):
    """Over many ways to split, the mean is that against the truth."""
    deviations = []
    for seed in range(12):
        kept, target, noise = split(counted, COUNTING, seed)
        frames = rivals(kept.read(0, 16))["smoothed"]
        found = held_out_scores(frames, target, noise, data_range=10.0)
        exact = np.square(frames - truth / 2).mean()
        deviations.append((found.mse - exact) / found.mse_error)
    assert abs(np.mean(deviations)) < 1.2  # √12 splits of one movie share its noise
    assert np.max(np.abs(deviations)) < 4


def test_psnr_and_its_error_follow_from_the_mean_squared_error(counted):
    kept, target, noise = split(counted, COUNTING, 0)
    frames = rivals(kept.read(0, 16))["smoothed"]
    found = held_out_scores(frames, target, noise, data_range=10.0)
    assert found.psnr == pytest.approx(10 * np.log10(100 / found.mse))
    upper = 10 * np.log10(100 / (found.mse - found.mse_error))
    assert upper - found.psnr == pytest.approx(found.psnr_error, rel=0.2)
    assert found.n_frames == 16


def test_ranking_and_resolution_agree_with_the_truth(truth, counted):
    kept, target, noise = split(counted, COUNTING, 0)
    scores = {
        name: held_out_scores(frames, target, noise, data_range=10.0, kept=kept)
        for name, frames in rivals(kept.read(0, 16)).items()
    }
    exact = {n: np.square(f - truth / 2).mean() for n, f in rivals(kept.read(0, 16)).items()}
    assert sorted(scores, key=lambda n: scores[n].mse) == sorted(exact, key=exact.get)
    for name, found in scores.items():
        assert found.mse == pytest.approx(exact[name], abs=4 * found.mse_error)
    assert scores["smoothed"].psnr > scores["copied"].psnr + 3


def test_corrected_frc_is_that_against_the_truth(truth, counted):
    from napari_tcsdl.frc import frc

    kept, target, noise = split(counted, COUNTING, 0)
    frames = rivals(kept.read(0, 16))["smoothed"]
    found = held_out_scores(frames, target, noise, data_range=10.0, kept=kept)
    exact = frc(frames, truth, pixel_size=0.5)
    known = found.corrected.values > 0
    assert known.sum() > 5
    difference = found.corrected.values - exact.values
    assert np.abs(difference[known]).max() < 0.2
    assert np.abs(found.frc.values - exact.values)[known].max() > 0.3  # what it corrects
    assert held_out_scores(frames, target, noise, data_range=10.0).corrected is None


def test_halves_of_an_integrating_detector_are_independent(truth):
    generator = np.random.default_rng(3)
    signal = 30 * (truth - 4)  # 240 ± 90 above the pedestal
    recorded = (
        100 + 30 * generator.poisson(signal.clip(0) / 30) + generator.normal(0, 5, truth.shape)
    )
    movie = Movie(np.rint(recorded).clip(0).astype(np.uint16), name="integrating")
    kept, target, noise = split(movie, INTEGRATING, 0)
    first, second = kept.read(0, 16).astype(float), target.read(0, 16).astype(float)
    assert kept.dtype == np.uint16
    expected = (100 + signal) / 2
    pedestal = first.mean() - expected.mean()
    residuals = first - expected - pedestal, second - expected - pedestal
    assert np.corrcoef(*(r.ravel() for r in residuals))[0, 1] == pytest.approx(0, abs=0.02)
    assert noise.variance(first.mean()) == pytest.approx(residuals[1].var(), rel=0.05)
    frames = np.full_like(first, first.mean())
    found = held_out_scores(frames, target, noise, data_range=300.0)
    exact = np.square(frames - expected - pedestal).mean()
    assert found.mse == pytest.approx(exact, abs=4 * found.mse_error)


def test_dark_movies_are_raised_so_that_no_half_falls_below_zero():
    noise = NoiseModel(0.0, 100.0, mean=10.0)
    dark = np.random.default_rng(4).normal(10, 10, (3, 64, 64)).clip(0)
    movie = Movie(np.rint(dark).astype(np.uint8), name="dark")
    kept, target, half = split(movie, noise, 0)
    pair = kept.read(0, 3), target.read(0, 3)
    assert min(part.min() for part in pair) > 0
    raised = sum(part.astype(float) for part in pair) - movie.read(0, 3)
    np.testing.assert_allclose(raised, raised.mean(), atol=1)  # but for rounding
    assert half.mean == pytest.approx(5 + raised.mean() / 2, abs=0.1)


def test_works_with_the_noise_that_is_measured(truth, counted):
    noise = estimate_noise(counted.read(0, 16))
    kept, target, half = split(counted, noise, 0)
    frames = rivals(kept.read(0, 16))["smoothed"]
    found = held_out_scores(frames, target, half, data_range=10.0)
    exact = np.square(frames - truth / 2).mean()
    assert found.mse == pytest.approx(exact, abs=4 * found.mse_error)
    assert half.variance(6.0) == 6.0  # whatever the fit of the whole says


def test_a_wrong_noise_model_shows_as_dependence(truth):
    recorded = 500 + 30 * truth + np.random.default_rng(5).normal(0, 40, truth.shape)
    movie = Movie(np.rint(recorded).astype(np.uint16), name="flat noise")
    found = {}
    for deviation in (30.0, 40.0):
        kept, target, noise = split(movie, NoiseModel(0.0, deviation**2, mean=860.0), 0)
        flat = np.full(movie.shape, float(target.read(0, 16).mean()))
        found[deviation] = held_out_scores(flat, target, noise, data_range=1.0, kept=kept)
    assert found[40.0].dependence == pytest.approx(0, abs=0.01)
    # (σ² − m²) / (σ² + m²) of true variance σ² and modelled m²
    assert found[30.0].dependence == pytest.approx((40**2 - 30**2) / (40**2 + 30**2), abs=0.02)
    exact = np.square(15 * (truth - truth.mean())).mean()
    assert found[40.0].mse == pytest.approx(exact, abs=4 * found[40.0].mse_error)
    assert found[30.0].mse == pytest.approx(exact + (40**2 - 30**2) / 4, rel=0.05)


def test_what_does_not_belong_together_is_refused(counted):
    kept, target, noise = split(counted, COUNTING, 0)
    frames = kept.read(0, 16)
    with pytest.raises(InputError, match="got seed -1 to split a movie"):
        split(counted, COUNTING, -1)
    with pytest.raises(InputError, match="got data_range = 0"):
        held_out_scores(frames, target, noise, data_range=0)
    with pytest.raises(InputError, match="expected one shape"):
        held_out_scores(frames[:8], target, noise, data_range=1)
    spoiled = frames.astype(float)
    spoiled[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="got NaN or infinite pixels in the frames to be scored"):
        held_out_scores(spoiled, target, noise, data_range=1)
