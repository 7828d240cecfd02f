"""Mean and spread of a movie: the same of its frames, of its file and for every block."""

import numpy as np
import pytest
from bump_movie import RATIO, SETTINGS, noisy_frames, stored

from napari_tcsdl.decoding import Decoder, level_of_file
from napari_tcsdl.encoding import encode_block, level_of_movie
from napari_tcsdl.level import level_of, sampled_measurements
from napari_tcsdl.masks import Masks
from napari_tcsdl.movie import Movie
from napari_tcsdl.settings import Settings


def test_level_is_mean_and_spread_of_the_normalised_measurement(compressed):
    level = level_of(compressed.measurement(0), compressed.masks)
    mean = compressed.measurement(0).values / compressed.masks.mask_sum((40, 36))
    assert level == pytest.approx((mean.mean(), mean.std()))


@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
def test_the_raw_movie_tells_the_level_of_its_file(tmp_path, kind):
    settings = Settings(compression_ratio=RATIO, masks=kind, mask_tile=16)
    compressed = stored(noisy_frames(), tmp_path, settings)
    movie = Movie(noisy_frames())
    level = level_of_movie(movie, compressed.masks, storage=compressed.header.storage)
    assert level == level_of_file(compressed)
    assert level_of_file(compressed).mean == pytest.approx(noisy_frames().mean(), rel=0.05)


def test_pixels_that_no_mask_opens_do_not_count():
    masks = Masks.create(2, kind="bernoulli", tile=(16, 16))
    frames = np.full((2, 32, 32), 70, np.uint8)
    measurement, _ = encode_block(Movie(frames), 0, masks)
    assert (masks.mask_sum((32, 32)) == 0).any()
    assert level_of(measurement, masks) == (70, 0)


def test_a_large_frame_is_sampled_by_rows(monkeypatch):
    masks = Masks.create(2, tile=(16, 16))
    measurement, _ = encode_block(Movie(noisy_frames()), 0, masks)
    whole = level_of(measurement, masks)
    monkeypatch.setattr("napari_tcsdl.level._LEVEL_PIXELS", 500)
    assert level_of(measurement, masks) == pytest.approx(whole, rel=0.2)


def test_samples_are_spread_over_the_whole_blocks():
    assert sampled_measurements(22, 4) == [0, 1, 2, 3, 4]
    assert sampled_measurements(1000, 10) == [0, 25, 50, 74, 99]
    assert sampled_measurements(3, 4) == [0]


def test_all_blocks_and_both_halves_get_one_level(compressed, learned):
    decoder = Decoder(compressed, SETTINGS)
    for index in (0, 3, 5):
        decoder.block(index)
    contexts = set(learned[0].contexts)
    assert len(contexts) == 1
    (context,) = contexts
    assert (context.mean, context.spread) == level_of_file(compressed)
    assert context.compression_ratio == RATIO


def test_a_bad_frame_is_told_when_its_turn_comes(tmp_path):
    frames = noisy_frames().astype(np.float32)
    frames[9] = np.nan
    assert level_of_movie(Movie(frames), Masks.create(RATIO, tile=(16, 16))) is not None
