"""The shipped weights of our network from B = 2 to B = 50, and with few or many exposures."""

import numpy as np
import pytest

from napari_tcsdl._exposures import served_exposures
from napari_tcsdl.io import open_movie
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.reconstruction import RECONSTRUCTORS, load_checkpoint, shipped_weights
from napari_tcsdl.settings import Settings
from napari_tcsdl.simulate import sample_movie_path, sample_truth

HEIGHT, WIDTH, N_FRAMES = 47, 52, 100
DOSE = 6.0  # [e/px/frame]
RATIOS = (2, 3, 7, 23, 45, 50)  # of them 2, 3, 45 and 50 are never drawn in training

# row, column, radius, spacing [px] and angle of two crystals that drift apart and turn
_CRYSTALS = ((18, 17, 11, 5.0, 0.3, 1), (32, 37, 10, 4.2, 1.1, -1))


@pytest.fixture(scope="module")
def crystals():
    """Two lattices that no simulator of ours has drawn: counts (uint8) and truth, (T, H, W)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    t = np.arange(N_FRAMES)[:, None, None]
    truth = np.full((N_FRAMES, HEIGHT, WIDTH), DOSE)
    for row, column, radius, spacing, angle, way in _CRYSTALS:
        dy, dx = y - row - 0.015 * way * t, x - column - 0.05 * way * t
        turned = angle + 0.004 * way * t
        u = np.cos(turned) * dx + np.sin(turned) * dy
        v = np.cos(turned) * dy - np.sin(turned) * dx
        inside = 1 / (1 + np.exp((np.hypot(dy, dx) - radius) / 0.7))
        lattice = np.cos(2 * np.pi * u / spacing) * np.cos(2 * np.pi * v / spacing)
        truth *= 1 - inside * (0.35 + 0.25 * lattice)
    return np.random.default_rng(0).poisson(truth).astype(np.uint8), truth


@pytest.fixture(scope="module")
def sintering():
    """A corner of the sample movie: counts and truth, (T, H, W)."""
    corner = (slice(None), slice(100, 100 + HEIGHT), slice(110, 110 + WIDTH))
    counts = open_movie(sample_movie_path()).read(0, 60)[corner]
    return counts, np.asarray(sample_truth())[corner]


def decoded(counts, folder, **settings):
    """Frames and uncertainty that the shipped weights make of counts, and Ȳ of each frame."""
    chosen = Settings(device="cpu", **settings)
    name = "_".join(map(str, settings.values()))
    compressed = compress(Movie(counts), folder / f"{name}.tcs.zarr", chosen)
    blocks = list(reconstruct(compressed, chosen))
    means = []
    for index, block in enumerate(blocks):
        y = compressed.measurement(index).values
        mean = y / compressed.masks_of(index).mask_sum(y.shape)
        means.append(np.broadcast_to(mean, block.frames.shape))
    frames = np.concatenate([block.frames for block in blocks])
    stated = [block.uncertainty for block in blocks if block.uncertainty is not None]
    return frames, np.concatenate(stated) if stated else None, np.concatenate(means)


def rms(difference):
    return float(np.sqrt(np.square(difference).mean()))


def cut(movie, ratio):
    """Two blocks of B frames, or what there is; of a small B more."""
    n_frames = max(13, 2 * ratio)
    return movie[0][:n_frames], movie[1][:n_frames]


def test_these_ratios_are_those_that_the_weights_claim():
    about = load_checkpoint(shipped_weights(RECONSTRUCTORS["unfolding"].weights)).about
    assert about["compression_ratios"] == [min(RATIOS), max(RATIOS)]


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_ratio_gives_more_than_the_mean_of_a_block(crystals, tmp_path, ratio):
    counts, truth = cut(crystals, ratio)
    frames, uncertainty, mean = decoded(counts, tmp_path, compression_ratio=ratio)
    assert frames.shape == uncertainty.shape == counts.shape
    assert np.isfinite(frames).all()
    assert np.isfinite(uncertainty).all()
    assert rms(frames - truth) < 0.8 * rms(mean - truth)
    # An easy scene: more than 68 of 100 lie within what is stated, the more the longer the block.
    assert 0.5 < (np.abs(frames - truth) < uncertainty).mean() < 0.95


@pytest.mark.parametrize("ratio", [2, 3, 7])
def test_short_blocks_come_out_better_than_by_total_variation(crystals, tmp_path, ratio):
    counts, truth = cut(crystals, ratio)
    ours, _, _ = decoded(counts, tmp_path, compression_ratio=ratio)
    classical, _, _ = decoded(counts, tmp_path, compression_ratio=ratio, decoder="gap_tv")
    assert rms(ours - truth) < 0.95 * rms(classical - truth)


@pytest.mark.parametrize("ratio", [45, 50])
def test_long_blocks_of_sintering_gold_do_too(sintering, tmp_path, ratio):
    """Not of every scene: of slow ones and of very fast ones the two are about as good there."""
    counts, truth = cut(sintering, ratio)
    ours, uncertainty, mean = decoded(counts, tmp_path, compression_ratio=ratio)
    classical, _, _ = decoded(counts, tmp_path, compression_ratio=ratio, decoder="gap_tv")
    assert rms(ours - truth) < rms(classical - truth)
    assert rms(ours - truth) < 0.95 * rms(mean - truth)
    assert 0.5 < (np.abs(ours - truth) < uncertainty).mean() < 0.9


@pytest.mark.parametrize("ratio", [10, 30])
@pytest.mark.parametrize("end", [0, -1])
def test_exposures_that_are_not_warned_of_are_worth_having(crystals, tmp_path, ratio, end):
    exposures = served_exposures(ratio)[end]
    counts, truth = cut(crystals, ratio)
    chosen = {"compression_ratio": ratio, "exposures": exposures}
    ours, _, mean = decoded(counts, tmp_path, **chosen)
    classical, _, _ = decoded(counts, tmp_path, **chosen, decoder="gap_tv")
    assert rms(ours - truth) < 1.1 * rms(classical - truth)
    assert rms(ours - truth) < 0.8 * rms(mean - truth)
