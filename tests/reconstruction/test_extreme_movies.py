"""Movies from next to no electrons to saturation, through the whole path and every decoder."""

import numpy as np
import pytest
import torch

from napari_tcsdl._validation import InputError
from napari_tcsdl.masks import Masks
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.pipeline import compress, consistency_map, reconstruct
from napari_tcsdl.reconstruction import (
    RECONSTRUCTORS,
    BlockContext,
    GroupBlock,
    reconstruct_tiled,
    shipped_weights,
)
from napari_tcsdl.settings import Settings

RATIO, SHAPE = 8, (20, 39, 44)  # two blocks and a short one, of odd frames


def disc():
    """1 outside of a disc that drifts, 0.5 inside: (T, H, W)."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    t = np.arange(SHAPE[0])[:, None, None]
    return np.where(np.hypot(y - 18, x - 15 - 0.5 * t) < 7, 0.5, 1.0)


def faint():
    """0.1 e/px/frame: nine pixels of ten are zero."""
    return np.random.default_rng(0).poisson(0.1 * disc()).astype(np.uint8)


def nearly_nothing():
    """One electron in every frame."""
    movie = np.zeros(SHAPE, np.uint8)
    where = np.random.default_rng(0).integers(SHAPE[1] * SHAPE[2], size=SHAPE[0])
    movie.reshape(SHAPE[0], -1)[np.arange(SHAPE[0]), where] = 1
    return movie


def overexposed(dtype):
    """All but the disc at the largest value of the type."""
    most = np.iinfo(dtype).max
    found = np.random.default_rng(0).poisson(1.5 * most * disc()).clip(0, most).astype(dtype)
    assert np.mean(found == most) > 0.8
    return found


MOVIES = {
    "faint": faint,
    "nearly nothing": nearly_nothing,
    "overexposed, 8 bits": lambda: overexposed(np.uint8),
    "overexposed, 16 bits": lambda: overexposed(np.uint16),
    "saturated, 8 bits": lambda: np.full(SHAPE, 255, np.uint8),
    "saturated, 16 bits": lambda: np.full(SHAPE, 65535, np.uint16),
}


def through_the_whole_path(movie, path, decoder):
    """Frames, uncertainty or None, and consistency maps."""
    settings = Settings(compression_ratio=RATIO, device="cpu", decoder=decoder)
    compressed = compress(Movie(movie), path, settings)
    blocks = list(reconstruct(compressed, settings))
    maps = [consistency_map(compressed, k, block.frames) for k, block in enumerate(blocks)]
    stated = [block.uncertainty for block in blocks if block.uncertainty is not None]
    assert len(stated) in (0, len(blocks))
    frames = np.concatenate([block.frames for block in blocks])
    return frames, np.concatenate(stated) if stated else None, np.stack(maps)


@pytest.mark.parametrize("decoder", RECONSTRUCTORS)
@pytest.mark.parametrize("name", MOVIES)
def test_every_decoder_gives_sane_numbers(name, decoder, tmp_path):
    movie = MOVIES[name]()
    frames, uncertainty, maps = through_the_whole_path(movie, tmp_path / "m.tcs.zarr", decoder)
    assert frames.shape == SHAPE
    assert maps.shape == (3, *SHAPE[1:])
    assert np.isfinite(frames).all()
    assert np.isfinite(maps).all()
    values = movie.astype(float)
    reach = np.ptp(values) + 0.01 * values.max()  # a uniform movie has no range of its own
    assert values.min() - reach < frames.min()
    assert frames.max() < values.max() + reach
    # Masks hide half of the electrons: of few, those that are seen tell the mean only roughly.
    assert frames.mean() == pytest.approx(values.mean(), rel=0.15 + 3 / values.sum() ** 0.5)
    if uncertainty is not None:
        assert uncertainty.shape == SHAPE
        assert (uncertainty > 0).all()
        assert (uncertainty < reach).all()  # which NaN is not, either


@pytest.mark.parametrize("decoder", RECONSTRUCTORS)
def test_a_tenth_of_an_electron_is_enough(decoder, tmp_path):
    """Frames are nearer the truth than counts are, and no single electron contradicts them."""
    counts, truth = faint(), 0.1 * disc()
    frames, _, maps = through_the_whole_path(counts, tmp_path / "m.tcs.zarr", decoder)
    assert np.square(frames - truth).mean() < 0.1 * np.square(counts - truth).mean()
    assert np.abs(maps).max() < 100
    assert 0.3 < maps.std() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_movie_of_nothing_is_refused_before_it_is_compressed(dtype, tmp_path):
    path = tmp_path / "m.tcs.zarr"
    with pytest.raises(InputError, match=r"frame 0 is all zero, .* beam blanked"):
        compress(Movie(np.zeros(SHAPE, dtype)), path, Settings(compression_ratio=RATIO))
    assert not path.exists()


@pytest.mark.parametrize("decoder", RECONSTRUCTORS)
@pytest.mark.parametrize("noise", [NoiseModel(1.0, 0.0, 0.0), NoiseModel(0.0, 0.0), None])
def test_a_measurement_of_nothing_gives_nothing(decoder, noise):
    """None of our own files holds one, but for files of others."""
    row = RECONSTRUCTORS[decoder]
    made = row.make(shipped_weights(row.weights)) if row.weights else row.make()
    masks = Masks.create(RATIO, tile=(16, 16))
    block = GroupBlock(np.zeros(SHAPE[1:], np.uint32), masks, RATIO)
    context = BlockContext((0.0, 0.0), noise, 0.0, 0.0, RATIO, masks.openness)
    found = reconstruct_tiled(
        made, [block], context, device=torch.device("cpu"), tile=512, progress=lambda done: None
    )
    assert found.frames.shape == (RATIO, *SHAPE[1:])
    assert np.abs(found.frames).max() < 1  # which NaN is not, either
    if found.uncertainty is not None:
        assert (found.uncertainty > 0).all()
        assert (found.uncertainty < 10).all()
