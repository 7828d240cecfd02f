"""Halves of a raw movie: the loss on them is the loss against the truth, plus a known constant."""

import numpy as np
import pytest
import torch
from tiny_training import BATCH, CPU

from napari_tcsdl._validation import InputError
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.simulate.detectors import Detector, expose
from napari_tcsdl.training import thinned
from napari_tcsdl.training.coding import Layout, draw_masks
from napari_tcsdl.training.thinned import (
    RawMovie,
    Stretch,
    ThinnedSettings,
    Window,
    halves,
    side_within,
    thinned_batch,
)

LAYOUT = Layout(4, 1, 0, 0)
COUNTING = Detector("counting", dose=3.0)
INTEGRATING = Detector(
    "integrating", dose=20.0, gain=8.0, gain_spread=0.3, read_noise=5.0, pedestal=100.0
)
DETECTORS = [COUNTING, INTEGRATING]


def exposed(detector, count=48, side=16):
    """Independent exposures (n, T, H, W) of one moving scene, and its expected counts."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    scene = torch.stack([1 + 0.4 * torch.sin(x / 2 + t) * torch.sin(y / 3) for t in range(4)])
    values, truth = expose(
        scene.expand(count, -1, -1, -1).contiguous(), detector, torch.Generator().manual_seed(1)
    )
    dtype = np.uint8 if detector is COUNTING else np.float32
    return values.numpy().astype(dtype), truth


@pytest.fixture
def in_counts(monkeypatch):
    """Leave batches in units of the coded half."""
    monkeypatch.setattr(thinned, "level_and_spread", lambda measured, generator: (0.0, 1.0))


def coded(detector, fraction):
    """A batch of halves of many exposures, and the truth of its coded half."""
    crops, truth = exposed(detector)
    raw = RawMovie(Movie(crops[0]), detector.noise_model())
    masks = draw_masks(len(crops), Layout(4, 1, 0, 0), 16, 0.0, torch.Generator().manual_seed(2))
    settings = ThinnedSettings(fraction, BATCH, CPU)
    chances = torch.Generator().manual_seed(3), np.random.default_rng(3)
    return halves(raw, crops, masks, LAYOUT, settings, chances), fraction * truth


@pytest.mark.usefixtures("in_counts")
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.kind)
@pytest.mark.parametrize("fraction", [0.5, 0.8])
def test_the_target_has_the_mean_of_the_coded_half_and_independent_noise(detector, fraction):
    (batch, noise), truth = coded(detector, fraction)
    wrong = batch.truth - truth
    spread = float(noise.mean().sqrt())
    assert float(wrong.mean()) == pytest.approx(0, abs=5 * spread / wrong.numel() ** 0.5)
    assert float(wrong.square().mean()) == pytest.approx(float(noise.mean()), rel=0.05)
    exposures = batch.coded.masks.sum(1)
    shown = batch.coded.mean[:, 0] - (batch.coded.masks * truth).sum(1) / exposures
    assert float(shown.mean()) == pytest.approx(0, abs=5 * float(shown.std()) / 110)
    for t in range(4):
        pair = torch.stack([shown.flatten(), wrong[:, t].flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 5 / pair.shape[1] ** 0.5


@pytest.mark.usefixtures("in_counts")
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.kind)
def test_the_loss_less_the_noise_is_the_error_against_the_truth(detector):
    """Of an estimator that sees the coded half only, here Ȳ itself and half of it."""
    (batch, noise), truth = coded(detector, 0.5)
    for factor in (1.0, 0.5):
        estimate = factor * batch.coded.per_frame(batch.coded.mean)
        against_target = float(((estimate - batch.truth).square().mean((-2, -1)) - noise).mean())
        against_truth = float((estimate - truth).square().mean())
        # The mixed term, 2 (f − truth) · noise, has mean zero and this standard error.
        error = 2 * (against_truth * float(noise.mean()) / truth.numel() / len(estimate)) ** 0.5
        tolerance = 4 * error + 0.02 * float(noise.mean())
        assert against_target == pytest.approx(against_truth, abs=tolerance)


@pytest.mark.usefixtures("in_counts")
@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.kind)
def test_the_network_is_told_the_noise_of_the_coded_half(detector):
    (batch, _), truth = coded(detector, 0.5)
    exposures = batch.coded.masks.sum(1)
    shown = batch.coded.mean[:, 0] - (batch.coded.masks * truth).sum(1) / exposures
    told = batch.coded.sigma[:, 0].square().mean()
    assert float(told) == pytest.approx(float(shown.square().mean()), rel=0.08)


def test_correlated_noise_of_both_halves_stays_uncorrelated(in_counts):
    detector = Detector("integrating", dose=30.0, gain=8.0, gain_spread=0.3, mtf=(0.09, 0.0))
    crops, truth = exposed(detector, count=64)
    flat = expose(torch.ones(6, 64, 64), detector, torch.Generator().manual_seed(5))[0].numpy()
    raw = RawMovie.measured(Movie(flat))
    assert raw.correlation is not None
    masks = draw_masks(len(crops), Layout(4, 1, 0, 0), 16, 0.0, torch.Generator().manual_seed(2))
    settings = ThinnedSettings(0.5, BATCH, CPU)
    chances = torch.Generator().manual_seed(3), np.random.default_rng(3)
    batch, _ = halves(raw, crops, masks, LAYOUT, settings, chances)
    seen = batch.coded.mean[:, 0] - (masks * truth / 2).sum(1) / masks.sum(1)
    wrong = (batch.truth - truth / 2).mean(1)
    for shift in (0, 1):  # also with the neighbour, whose noise is much the same
        pair = torch.stack([seen[..., shift:].flatten(), wrong[..., : 16 - shift].flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.05


def test_noise_of_counted_electrons_is_exact():
    counted = RawMovie.measured(Movie(poisson_movie()))
    assert counted.noise.gain != 1
    assert counted.true_noise.variance(7.0) == 7.0
    gained = RawMovie(Movie(poisson_movie().astype(np.float32)), NoiseModel(8.0, 30.0))
    assert gained.true_noise is gained.noise


# --- cutting --------------------------------------------------------------------------------------


class Counted:
    """Frames that count how many were read."""

    def __init__(self, frames):
        self.frames, self.shape, self.dtype = frames, frames.shape, frames.dtype
        self.read = 0

    def __getitem__(self, key):
        part = self.frames[key]
        self.read += len(part)
        return part


def poisson_movie(n_frames=24, height=40, width=36, dose=20.0):
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    scene = 1 + 0.5 * np.sin((x + 0.2 * t) / 2) * np.sin(y / 3)
    return np.random.default_rng(0).poisson(dose * scene).astype(np.uint8)


def test_long_stretches_are_read_frame_by_frame(monkeypatch):
    frames = poisson_movie()
    windows = [Window(0, 3), Window(20, 10)]
    whole = Stretch(Movie(frames), range(4, 20)).cut(range(2, 5), windows, 16)
    monkeypatch.setattr(thinned, "_IN_MEMORY", 0)
    source = Counted(frames)
    lazy = Stretch(Movie(source), range(4, 20))
    assert source.read == 0
    np.testing.assert_array_equal(lazy.cut(range(2, 5), windows, 16), whole)
    assert source.read == 3
    np.testing.assert_array_equal(whole[1], frames[6:9, 20:36, 10:26])


def test_batches_follow_the_seed_and_fit_the_movie():
    raw = RawMovie.measured(Movie(poisson_movie()))
    stretch = Stretch(raw.movie, range(7))
    settings = ThinnedSettings(0.5, BATCH, CPU)
    for seed in range(6):
        batch = thinned_batch(raw, stretch, settings, seed).batch
        same = thinned_batch(raw, stretch, settings, seed).batch
        assert torch.equal(batch.coded.mean, same.coded.mean)
        assert torch.equal(batch.truth, same.truth)
        assert batch.truth.shape[1] <= 7
        assert batch.truth.shape[-2:] == (16, 16)


def test_crops_are_as_large_as_the_movie_allows():
    movie = Movie(poisson_movie(height=40, width=39))
    assert (side_within(movie, 64), side_within(movie, 16)) == (36, 16)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (poisson_movie(3), "got 3 frames of 40 × 36, expected at least 4 of 16 × 16"),
        (poisson_movie(8, 12, 40), "got 8 frames of 12 × 40, expected at least 4"),
        (np.repeat(poisson_movie(1), 8, 0), "got a movie without noise, expected raw frames"),
    ],
)
def test_movies_that_cannot_be_thinned(frames, sentence):
    with pytest.raises(InputError, match=sentence):
        RawMovie.measured(Movie(frames))
