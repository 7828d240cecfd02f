from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.drift import positions_of
from napari_tcsdl.encoding import encode_block, make_masks, make_storage, measure_statistics
from napari_tcsdl.io import open_compressed
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.persistence import persistence_of
from napari_tcsdl.pipeline import compress, consistency_map, decode_block, make_header, reconstruct
from napari_tcsdl.settings import Settings

SETTINGS = Settings(compression_ratio=4, mask_tile=16, device="cpu", seed=5)
EXACT = replace(SETTINGS, companding=0.0)


@pytest.fixture
def compressed(movie, tmp_path):
    return compress(movie, tmp_path / "m.tcs.zarr", SETTINGS)


def test_stored_measurements_are_the_masked_sums(movie, frames, tmp_path):
    compressed = compress(movie, tmp_path / "m.tcs.zarr", EXACT)
    for index in range(compressed.n_measurements):
        measurement = compressed.measurement(index)
        block = frames[measurement.first_frame :][: measurement.n_frames].astype(int)
        masks = compressed.masks_of(index).unpack(frames.shape[1:])
        np.testing.assert_array_equal(measurement.values, (masks[: len(block)] * block).sum(0))


@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
def test_companded_measurements_are_as_close_as_half_their_noise(movie, tmp_path, kind):
    exact, rounded = (
        compress(movie, tmp_path / f"{name}.tcs.zarr", replace(settings, masks=kind))
        for name, settings in (("exact", EXACT), ("rounded", SETTINGS))
    )
    noise = NoiseModel.from_json(rounded.header.noise)
    table = rounded.header.storage.companding
    assert table.fraction == 0.5
    assert exact.header.storage.companding is None
    for index in range(rounded.n_measurements - 1):
        y, stored = exact.measurement(index).values, rounded.measurement(index).values
        assert stored.dtype == y.dtype
        sigma = np.sqrt(noise.gain * y + exact.masks.openness * 4 * noise.offset_variance)
        error = stored.astype(float) - y
        # Half a step of σ / 2, or of 1 where that is more, and what rounding the table adds.
        assert np.all(np.abs(error) <= np.maximum(0.3 * sigma, 0.5) + 1)
        assert abs(error.mean()) < 0.05 * sigma.mean()
    assert rounded.bytes_on_disk()["measurements"] < exact.bytes_on_disk()["measurements"]


def test_the_file_tells_the_decoder_how_long_structure_lasts(movie, tmp_path, monkeypatch):
    compressed = compress(movie, tmp_path / "m.tcs.zarr", SETTINGS)
    assert compressed.header.persistence == persistence_of(movie)
    contexts = []

    def told(made, blocks, context, **how):
        contexts.append(context)
        raise Cancelled

    monkeypatch.setattr("napari_tcsdl.reconstruction.reconstruct_tiled", told)
    with pytest.raises(Cancelled):
        decode_block(compressed, 0, SETTINGS)
    assert contexts[0].persistence == compressed.header.persistence


def test_the_file_tells_the_decoder_where_the_specimen_lies(tmp_path):
    """Whole frames that drift by two pixels a frame, across blocks and in the short last one."""
    scene = np.random.default_rng(0).uniform(10, 60, (96, 200))
    scene = gaussian_filter(scene, 2) * 8 - 200
    frames = np.stack([scene[10:74, 100 - 2 * t : 180 - 2 * t] for t in range(10)])
    frames = np.random.default_rng(1).poisson(frames.clip(1)).astype(np.uint16)
    settings = Settings(compression_ratio=4, mask_tile=16)
    file = compress(Movie(frames), tmp_path / "m.tcs.zarr", settings)
    assert file.positions is not None
    np.testing.assert_array_equal(file.positions, 0.25 * np.rint(positions_of(frames) / 0.25))
    np.testing.assert_allclose(np.diff(file.positions, axis=0), [[0, 2]] * 9, atol=0.5)


def test_a_block_is_encoded_as_the_file_stores_it(movie, tmp_path):
    compressed = compress(movie, tmp_path / "m.tcs.zarr", SETTINGS)
    header = make_header(movie, SETTINGS, measure_statistics(movie))
    masks = make_masks(SETTINGS, movie.shape[1:])
    for index in range(compressed.n_measurements):
        measurement, _ = encode_block(movie, 4 * index, masks, header.storage)
        np.testing.assert_array_equal(measurement.values, compressed.measurement(index).values)


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_a_flash_that_nobody_expected_is_not_clipped(frames, dtype):
    calm, flash = Movie(frames.astype(dtype)), frames.astype(dtype)
    flash[5] = 60_000 if dtype == "uint16" else 1e9
    storage = make_storage(calm, SETTINGS, measure_statistics(calm))
    masks = make_masks(SETTINGS, frames.shape[1:])
    exact, rounded = (encode_block(Movie(flash), 4, masks, how)[0] for how in (None, storage))
    assert exact.values.max() >= flash[5].max()
    np.testing.assert_allclose(rounded.values, exact.values, rtol=1 / 64, atol=5)


def test_the_consistency_map_knows_that_sums_were_rounded(movie, truth_frames, tmp_path):
    coarse = compress(movie, tmp_path / "c.tcs.zarr", replace(SETTINGS, companding=2.0))
    exact = compress(movie, tmp_path / "e.tcs.zarr", EXACT)
    spreads = [consistency_map(c, 0, truth_frames[:4]).std() for c in (exact, coarse)]
    # Without it: √(1 + 4/12) = 1.15 times as much.
    assert spreads[1] == pytest.approx(spreads[0], rel=0.06)


def test_the_file_carries_physics_and_settings(compressed, movie, frames):
    header = compressed.header
    assert (header.pixel_size, header.frame_time) == (movie.pixel_size, movie.frame_time)
    assert header.value_range == pytest.approx((frames.min(), frames.max()), abs=10)
    assert Settings.from_json(header.settings) == SETTINGS
    assert compressed.frames_valid == len(frames)


def test_a_last_frame_alone_keeps_every_pixel(movie, frames, tmp_path):
    compressed = compress(movie, tmp_path / "m.tcs.zarr", EXACT)
    last = compressed.measurement(compressed.n_measurements - 1)
    assert last.n_frames == 1
    np.testing.assert_array_equal(last.values, frames[-1])


def test_reconstruction_has_every_frame_in_detector_units(compressed, truth_frames):
    blocks = list(reconstruct(compressed, SETTINGS))
    assert [block.first_frame for block in blocks] == [0, 4, 8]
    frames = np.concatenate([block.frames for block in blocks])
    assert frames.shape == truth_frames.shape
    assert frames.dtype == np.float32
    assert abs(frames.mean() - truth_frames.mean()) < 0.02 * truth_frames.mean()
    still = truth_frames.mean()
    assert np.mean((frames - truth_frames) ** 2) < 0.25 * np.mean((still - truth_frames) ** 2)


def test_an_unknown_decoder_lists_those_there_are(compressed):
    with pytest.raises(InputError, match="got decoder 'magic', expected one of unfolding, gap_tv"):
        decode_block(compressed, 0, Settings(decoder="magic"))


def test_b_larger_than_the_movie_writes_nothing(movie, tmp_path):
    path = tmp_path / "m.tcs.zarr"
    with pytest.raises(InputError, match="B = 10 for a movie of 9 frames, expected B ≤ 9"):
        compress(movie, path, Settings(compression_ratio=10))
    assert not path.exists()


def test_frames_before_a_bad_one_are_kept(frames, tmp_path):
    bad = frames.astype(np.float32)
    path = tmp_path / "m.tcs.zarr"

    class TurnsBad:
        """NaN appears only when the encoder, not the statistics, reads frame 5."""

        shape, dtype, reads = bad.shape, bad.dtype, 0

        def __getitem__(self, key):
            self.reads += 1
            block = bad[key].copy()
            if self.reads > 2 and key.start <= 5 < key.stop:
                block[5 - key.start, 0, 0] = np.nan
            return block

    with pytest.raises(InputError, match="frame 5 holds NaN"):
        compress(Movie(TurnsBad()), path, EXACT)
    kept = open_compressed(path)
    assert kept.frames_valid == 4
    np.testing.assert_array_equal(
        kept.measurement(0).values,
        (kept.masks_of(0).unpack(bad.shape[1:]) * bad[:4]).sum(0),
    )


def test_cancel_keeps_what_is_written(movie, tmp_path):
    path = tmp_path / "m.tcs.zarr"

    def cancel_at_half(fraction):
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        compress(movie, path, SETTINGS, progress=cancel_at_half)
    assert open_compressed(path).frames_valid == 8


def test_progress_of_reconstruction_rises_to_one(compressed):
    seen = []
    for _ in reconstruct(compressed, SETTINGS, progress=seen.append):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 2 * compressed.n_measurements


def test_a_short_last_block_has_the_pixel_type_of_the_file(frames, tmp_path):
    movie = Movie(frames.astype(np.uint16) * 200)
    compressed = compress(movie, tmp_path / "m.tcs.zarr", SETTINGS)
    kinds = {compressed.measurement(k).values.dtype for k in range(compressed.n_measurements)}
    assert kinds == {np.dtype(np.uint32)}
