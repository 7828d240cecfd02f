"""Cheap rivals: what is kept is what a measurement would store, and decoded from that alone."""

from dataclasses import replace

import numpy as np
import pytest
from battery import CHECKS, run
from codec_cases import drifting_waves

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CHEAP, CODECS, SumStorage, binned_sum, binning
from napari_tcsdl.codecs.cheap import CHEAP_CODECS
from napari_tcsdl.io import stored_size
from napari_tcsdl.noise import NoiseModel

RANGE = (0.0, 255.0)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("codec", CHEAP_CODECS, ids=lambda codec: codec.name)
def test_battery(codec, check):
    run(check, codec)


def test_table_holds_every_cheap_codec():
    assert [codec for codec in CODECS.values() if codec.kind == CHEAP] == list(CHEAP_CODECS)


def poisson(mean, shape, seed=0):
    return np.random.default_rng(seed).poisson(mean, shape).astype(np.uint8)


def round_trip(name, frames, factor):
    return CODECS[name].decode(CODECS[name].encode(frames, factor, RANGE))


# --- frame binning ------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 3, 5, 12, 40])
def test_frames_of_a_bin_are_its_mean(factor):
    frames = poisson(20, (12, 9, 7))
    decoded = round_trip("frame_binning", frames, factor)
    for start in range(0, 12, factor):
        a_bin = slice(start, start + factor)
        mean = frames[a_bin].mean(axis=0, keepdims=True)
        np.testing.assert_allclose(
            decoded[a_bin], np.broadcast_to(mean, decoded[a_bin].shape), rtol=1e-6
        )


def test_bins_are_stored_as_measurements_are():
    frames = poisson(20, (7, 60, 50))
    encoded = CODECS["frame_binning"].encode(frames, 4, RANGE)
    sums = frames[:4].sum(0, np.uint16), frames[4:].sum(0, np.uint16)
    assert [len(file) for file in encoded.files] == [stored_size(one) for one in sums]
    assert sum(encoded.frame_bytes[:4]) == len(encoded.files[0])
    assert sum(encoded.frame_bytes[4:]) == len(encoded.files[1])
    assert "sum of 4 frames as 2 × uint16, stored losslessly" in encoded.settings


def test_binning_is_the_row_with_one_bin():
    frames = poisson(20, (5, 24, 20))
    result, encoded = binning(frames), CODECS["frame_binning"].encode(frames, 5, RANGE)
    assert result.frame_bytes == encoded.frame_bytes
    assert result.settings == encoded.settings
    np.testing.assert_array_equal(result.decoded, CODECS["frame_binning"].decode(encoded))


def test_noise_falls_with_the_root_of_the_frames_that_are_binned():
    frames = poisson(50, (32, 40, 40))
    for factor in (4, 16):
        noise = (round_trip("frame_binning", frames, factor) - 50).std()
        assert noise == pytest.approx(np.sqrt(50 / factor), rel=0.05)


# --- frame dropping -----------------------------------------------------------------------------


def test_kept_frames_are_exact_and_those_between_lie_on_the_line():
    frames = poisson(100, (13, 8, 8))
    decoded = round_trip("frame_dropping", frames, 4)
    for kept in (2, 6, 10, 12):  # the middles of 0–3, 4–7, 8–11 and of the lone last frame
        np.testing.assert_array_equal(decoded[kept], frames[kept])
    np.testing.assert_array_equal(decoded[0], frames[2])
    halfway = (frames[2].astype(float) + frames[6]) / 2
    np.testing.assert_allclose(decoded[4], halfway)
    np.testing.assert_allclose(decoded[3], 0.75 * frames[2] + 0.25 * frames[6].astype(float))


def test_steady_brightening_survives_dropping():
    ramp = np.arange(21.0)[:, None, None] * np.ones((21, 6, 5)) * 10
    decoded = round_trip("frame_dropping", ramp.astype(np.float32), 5)
    np.testing.assert_allclose(decoded[2:-1], ramp[2:-1], rtol=1e-6)


def test_dropping_takes_as_many_files_as_binning_and_fewer_bytes():
    frames = poisson(20, (30, 64, 64))
    binned, dropped = (
        CODECS[name].encode(frames, 10, RANGE) for name in ("frame_binning", "frame_dropping")
    )
    assert len(binned.files) == len(dropped.files) == 3
    assert dropped.n_bytes < binned.n_bytes


@pytest.mark.parametrize("name", ["frame_binning", "frame_dropping"])
def test_who_asks_for_more_frames_than_there_are_is_told(name):
    codec, frames = CODECS[name], poisson(20, (12, 8, 8))
    assert "240 " in (settings := codec.encode(frames, 240, RANGE).settings) or "240," in settings
    assert "(there are 12) as uint" in settings
    assert "there are" not in codec.encode(frames, 12, RANGE).settings


# --- spatial binning ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 37, 31), (2, 32, 48), (1, 1, 1), (1, 5, 64)])
@pytest.mark.parametrize("factor", [2, 5, 16])
def test_sums_of_pixels_count_every_pixel_once(shape, factor):
    frames = poisson(9, shape)
    encoded = CODECS["spatial_binning"].encode(frames, factor, RANGE)
    exposures = [factor**2] * len(encoded.files)
    sums = np.stack(list(encoded.state.sums.read(encoded.files, exposures)))
    assert sums.shape == (shape[0], -(-shape[1] // factor), -(-shape[2] // factor))
    assert sums.sum() == frames.sum(dtype=np.int64)
    assert sums[0, 0, 0] == frames[0, :factor, :factor].sum(dtype=np.int64)


def test_the_spline_puts_features_back_where_they_were():
    waves = (200 * drifting_waves(2, 60, 72)).astype(np.float32)
    decoded = round_trip("spatial_binning", waves, 3)
    inside = (slice(None), slice(6, -6), slice(6, -6))
    assert np.abs(decoded - waves)[inside].max() < 0.03 * np.ptp(
        waves
    )  # means of 3 px are 2.5 % flatter
    for shift in (-1, 1):  # a grid that is off by a pixel would fit a moved picture better
        moved = np.roll(waves, shift, axis=2)
        assert np.abs(decoded - moved)[inside].mean() > 5 * np.abs(decoded - waves)[inside].mean()


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CHEAP_CODECS, ids=lambda codec: codec.name)
def test_sums_of_full_scale_pixels_do_not_overflow(codec):
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        frames = np.full((40, 6, 6), top, dtype)
        np.testing.assert_array_equal(codec.decode(codec.encode(frames, 40, (0, top))), top)


@pytest.mark.parametrize("quality", [0, -2, 2.5])
@pytest.mark.parametrize("codec", CHEAP_CODECS, ids=lambda codec: codec.name)
def test_only_whole_factors(codec, quality):
    with pytest.raises(
        InputError, match=r"got quality .*, expected a whole factor of at least 1; "
    ):
        codec.encode(np.zeros((2, 4, 4), np.uint8), quality, RANGE)


@pytest.mark.parametrize("codec", CHEAP_CODECS, ids=lambda codec: codec.name)
def test_companded_sums_are_fewer_bytes_and_what_is_decoded(codec):
    """Rounded to half of σ: fewer bytes, 2 % more noise variance, and no bias."""
    frames = poisson(60, (12, 64, 64))
    companded = replace(codec, storage=SumStorage(NoiseModel(1.0, 0.0, 60.0), 0.5))
    exact, rounded = (one.encode(frames, 3, RANGE) for one in (codec, companded))
    assert rounded.n_bytes < 0.8 * exact.n_bytes
    assert "rounded to 0.5 σ of their noise" in rounded.settings
    mean, coarse = codec.decode(exact), codec.decode(rounded)  # the state says how it is stored
    added = coarse.astype(float) - mean
    assert np.abs(added).max() > 0
    noise = (mean - 60).std()
    assert abs(added.mean()) < 0.02 * noise
    assert added.std() < 0.25 * noise


def test_binned_sum_is_exact_for_floats_too():
    frames = np.full((1000, 2, 2), 0.1, np.float32)
    assert binned_sum(frames).dtype == np.float32
    np.testing.assert_allclose(binned_sum(frames), 1000 * np.float64(np.float32(0.1)), rtol=1e-7)
