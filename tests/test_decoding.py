"""Blocks in any order: groups, their neighbours, damage, and what is refused before any work."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, CorruptFileError, DeviceError, InputError
from napari_tcsdl.comparison import compare
from napari_tcsdl.decoder_choice import check_decoder
from napari_tcsdl.decoding import Decoder, level_of_file
from napari_tcsdl.export import reconstruct_to_tiff
from napari_tcsdl.io import open_compressed, open_movie
from napari_tcsdl.io._layout import shard_key
from napari_tcsdl.level import Level, level_of, sampled_measurements
from napari_tcsdl.masks import Masks
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import (
    compress,
    consistency_map,
    decode_block,
    encode_block,
    level_of_movie,
    reconstruct,
)
from napari_tcsdl.reconstruction import RECONSTRUCTORS, DecoderRow
from napari_tcsdl.settings import Settings

RATIO = 4
N_FRAMES = 22  # blocks of 4, 4, 4, 4, 4 and 2 frames; groups of two blocks
BLOCKS = (0, 1, 2, 3, 4, 5)
SETTINGS = Settings(
    compression_ratio=RATIO,
    mask_tile=16,
    device="cpu",
    decoder="learned",
    reference="raw",
    companding=0.0,  # else a table that depends on all frames
)
LEVEL = Level(50.0, 10.0)


def noisy_frames(n=N_FRAMES, seed=3):
    """A moving bump under Poisson noise, (n, 40, 36)."""
    y, x = np.mgrid[:40, :36]
    t = np.arange(n)[:, None, None]
    bump = np.exp(-((y - 20) ** 2 + (x - 10 - 0.7 * t) ** 2) / 40)
    return np.random.default_rng(seed).poisson(40 + 60 * bump).astype(np.uint16)


def stored(frames, folder, settings=SETTINGS, name="m"):
    return compress(Movie(frames, name="bump.tif"), folder / f"{name}.tcs.zarr", settings)


@pytest.fixture
def compressed(tmp_path):
    return stored(noisy_frames(), tmp_path)


def frames_of(blocks):
    return np.concatenate([block.frames for block in blocks])


# --- groups -----------------------------------------------------------------------------------


def test_a_block_does_not_depend_on_what_was_asked_for_before(compressed, learned):
    in_order = list(reconstruct(compressed, SETTINGS))
    decoder = Decoder(compressed, SETTINGS)
    for index in (5, 0, 3, 2, 1, 4, 0):
        block = decoder.block(index)
        np.testing.assert_array_equal(block.frames, in_order[index].frames)
        np.testing.assert_array_equal(block.uncertainty, in_order[index].uncertainty)
        alone = decode_block(compressed, index, SETTINGS)
        np.testing.assert_array_equal(block.frames, alone.frames)
        assert block.first_frame == alone.first_frame == index * RATIO
    assert frames_of(in_order).shape == (N_FRAMES, 40, 36)


def test_going_through_a_movie_decodes_each_group_once(compressed, learned):
    list(reconstruct(compressed, SETTINGS))
    (decoder,) = learned
    assert len(decoder.groups) == 4  # two, two and one block, and the short end


def test_groups_take_the_nearest_frames_of_their_neighbours(compressed, learned):
    list(reconstruct(compressed, SETTINGS))
    lengths = [[segment.n_frames for segment in group] for group in learned[0].groups]
    assert lengths == [[4, 4, 3], [3, 4, 4, 3], [3, 4], [3, 2]]


def test_whole_blocks_do_not_see_a_short_end(tmp_path, learned):
    """Its few frames are mostly their own noise; it sees what lies before it."""
    short, long = (stored(noisy_frames(n), tmp_path, name=str(n)) for n in (20, 22))
    without, with_end = (list(reconstruct(movie, SETTINGS)) for movie in (short, long))
    levels = [decoder.contexts[0].mean for decoder in learned]
    assert levels[0] == levels[1]  # so that nothing else differs
    np.testing.assert_array_equal(frames_of(without), frames_of(with_end[:-1]))
    assert [segment.n_frames for segment in learned[1].groups[-1]] == [3, 2]


def test_a_neighbour_in_part_is_its_mean_times_the_exposures_of_these_frames(compressed, learned):
    decode_block(compressed, 2, SETTINGS)
    before, *_, behind = learned[0].groups[0]
    for segment, index, used in ((before, 1, slice(1, 4)), (behind, 4, slice(0, 3))):
        masks = compressed.masks_of(index).unpack((40, 36)).astype(float)
        mean = compressed.measurement(index).values / masks.sum(0)
        np.testing.assert_array_equal(segment.phi.masks.numpy(), masks[used])
        np.testing.assert_allclose(segment.y.numpy(), mean * masks[used].sum(0), rtol=1e-6)


def test_frames_beyond_the_context_change_nothing(tmp_path, learned):
    first, second = noisy_frames(), noisy_frames()
    second[12:] = noisy_frames(seed=4)[12:]  # the block behind that which the context reaches into
    both = [stored(frames, tmp_path, name=str(k)) for k, frames in enumerate((first, second))]
    blocks = [Decoder(movie, SETTINGS, LEVEL).block(1).frames for movie in both]
    np.testing.assert_array_equal(*blocks)


def test_frames_of_the_context_are_seen(tmp_path, learned):
    first, second = noisy_frames(), noisy_frames()
    second[8:12] = noisy_frames(seed=4)[8:12]
    both = [stored(frames, tmp_path, name=str(k)) for k, frames in enumerate((first, second))]
    before, behind = (
        np.stack([Decoder(movie, SETTINGS, LEVEL).block(k).frames for k in (0, 1)]).reshape(
            8, 40, 36
        )
        for movie in both
    )
    changed = np.abs(before - behind).max(axis=(1, 2)) > 0
    assert changed.tolist() == [False] * 5 + [True] * 3


def steps(frames):
    """Change (rms) from each frame to the next."""
    return np.sqrt(np.square(np.diff(frames, axis=0)).mean(axis=(1, 2)))


def test_no_seam_at_the_edges_of_blocks_and_groups(tmp_path, learned):
    still = np.random.default_rng(5).poisson(50, (N_FRAMES, 40, 36)).astype(np.uint16)
    compressed = stored(still, tmp_path)
    change = steps(frames_of(reconstruct(compressed, SETTINGS)))
    within, between = change[3], change[7]  # edges of a block in a group and of a group
    assert between == pytest.approx(within, rel=0.3)
    # Without neighbours the whole difference of two blocks falls on one step.
    alone = [compressed.measurement(k).values / 2.0 for k in (1, 2)]
    assert between < 0.5 * np.std(alone[0] - alone[1])


def test_a_still_clean_movie_does_not_flicker_at_all(tmp_path, learned):
    image = noisy_frames(1)
    compressed = stored(np.repeat(image, N_FRAMES, 0), tmp_path)
    frames = frames_of(reconstruct(compressed, SETTINGS))
    np.testing.assert_allclose(frames, frames[:1].repeat(N_FRAMES, 0), rtol=1e-5)


def test_a_decoder_without_context_takes_one_block_at_a_time(compressed):
    decoder = Decoder(compressed, Settings(device="cpu", decoder="gap_tv"))
    assert [decoder.group(k) for k in (0, 1, 5)] == [range(1), range(1, 2), range(5, 6)]
    assert [decoder.reach(k, 6) for k in (0, 1, 5)] == [1, 2, 6]
    assert decoder.block(5).uncertainty is None


def test_blocks_of_a_large_b_are_decoded_two_by_two_with_context(tmp_path, learned):
    settings = Settings(compression_ratio=9, mask_tile=16, device="cpu", decoder="learned")
    compressed = stored(noisy_frames(), tmp_path, settings)
    list(reconstruct(compressed, settings))
    lengths = [[segment.n_frames for segment in group] for group in learned[0].groups]
    assert lengths == [[9, 9], [3, 4]]


def test_context_reaches_over_several_short_blocks(tmp_path, learned):
    settings = Settings(compression_ratio=2, mask_tile=16, device="cpu", decoder="learned")
    compressed = stored(noisy_frames(17), tmp_path, settings)
    decoder = Decoder(compressed, settings)
    decoder.block(5)
    lengths = [[segment.n_frames for segment in group] for group in learned[0].groups]
    assert lengths == [[1, 2, 2, 2, 2, 2]]
    assert decoder.group(5) == range(4, 8)
    assert decoder.reach(0, 9) == 6


def test_work_on_a_block_in_place_does_not_reach_the_kept_group(compressed, learned):
    decoder = Decoder(compressed, SETTINGS)
    expected = decoder.block(0).frames.copy()
    decoder.block(0).frames[:] = -1
    np.testing.assert_array_equal(decoder.block(0).frames, expected)


# --- threads, progress ------------------------------------------------------------------------


def test_many_threads_get_the_same_frames(compressed, learned):
    expected = {block.first_frame: block.frames for block in reconstruct(compressed, SETTINGS)}
    decoder = Decoder(compressed, SETTINGS)
    wrong = []

    def ask(seed):
        for index in np.random.default_rng(seed).permutation(6):
            block = decoder.block(int(index))
            if not np.array_equal(block.frames, expected[block.first_frame]):
                wrong.append(index)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_progress_rises_over_groups_to_one(compressed, learned):
    seen = []
    for _ in reconstruct(compressed, SETTINGS, progress=seen.append):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_after_a_cancelled_group_the_next_request_decodes_it(compressed, learned):
    decoder = Decoder(compressed, SETTINGS)

    def cancel(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        decoder.block(0, cancel)
    expected = decode_block(compressed, 0, SETTINGS).frames
    np.testing.assert_array_equal(decoder.block(0).frames, expected)


# --- damage -----------------------------------------------------------------------------------


@pytest.fixture
def damaged(compressed):
    """Measurement 2, the first of the middle group, is gone."""
    (compressed.path / shard_key(2)).unlink()
    return open_compressed(compressed.path)


def test_a_damaged_measurement_is_named_and_the_others_are_decoded(damaged, learned):
    decoder = Decoder(damaged, SETTINGS)
    with pytest.raises(CorruptFileError, match=r"measurement 2 \(frames 8–11\) is missing"):
        decoder.block(2)
    assert frames_of(decoder.block(k) for k in (0, 1, 3, 4, 5)).shape[0] == N_FRAMES - RATIO
    lengths = [[segment.n_frames for segment in group] for group in learned[0].groups]
    assert lengths == [[4, 4], [4, 3], [3, 4], [3, 2]], "nothing reaches over the gap"


def test_order_does_not_matter_around_damage(damaged, learned):
    first, second = Decoder(damaged, SETTINGS), Decoder(damaged, SETTINGS)
    ahead = {k: first.block(k).frames for k in (0, 1, 3, 4, 5)}
    for k in (5, 4, 3, 1, 0):
        np.testing.assert_array_equal(second.block(k).frames, ahead[k])


def test_export_leaves_out_only_what_is_damaged(damaged, learned, tmp_path):
    path = tmp_path / "rec.tif"
    seen = []
    (sentence,) = reconstruct_to_tiff(
        damaged, path, SETTINGS, skip_damaged=True, progress=seen.append
    )
    assert "measurement 2" in sentence
    movie = open_movie(path)
    lost = np.isnan(np.asarray(movie.source[0:N_FRAMES])).all(axis=(1, 2))
    assert np.flatnonzero(lost).tolist() == [8, 9, 10, 11]
    assert seen[-1] == 1


# --- comparison -------------------------------------------------------------------------------


@pytest.fixture
def comparison(tmp_path, learned):
    movie = Movie(noisy_frames(), name="bump.tif")
    return compare(movie, tmp_path / "c.tcs.zarr", SETTINGS)


def test_a_comparison_decodes_as_the_finished_file_is_decoded(comparison):
    seen = []
    blocks = list(comparison.run(seen.append))
    again = list(reconstruct(open_compressed(comparison.path), SETTINGS))
    for block, other in zip(blocks, again, strict=True):
        np.testing.assert_array_equal(block.frames("learned"), other.frames)
        np.testing.assert_array_equal(block.uncertainty, other.uncertainty)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_written_ahead_every_byte_is_counted_once(comparison):
    shares = sum(row.bytes for b in comparison for row in b.scores if row.codec == "learned")
    on_disk = sum(f.stat().st_size for f in comparison.path.rglob("*") if f.is_file())
    assert shares == on_disk


def test_only_what_is_looked_ahead_at_is_written_ahead(comparison):
    blocks = iter(comparison)
    next(blocks)
    # Group 0 is measurements 0 and 1; three frames of measurement 2 are its context.
    assert open_compressed(comparison.path).n_measurements == 3


# --- level ------------------------------------------------------------------------------------


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


def test_a_damaged_sample_is_passed_over(damaged):
    others = [level_of(damaged.measurement(k), damaged.masks) for k in (0, 1, 3, 4)]
    assert level_of_file(damaged) == pytest.approx(np.median(others, axis=0))
    for k in (0, 1, 3, 4, 5):
        (damaged.path / shard_key(k)).unlink()
    assert level_of_file(damaged) is None


def test_a_bad_frame_is_told_when_its_turn_comes(tmp_path):
    frames = noisy_frames().astype(np.float32)
    frames[9] = np.nan
    assert level_of_movie(Movie(frames), Masks.create(RATIO, tile=(16, 16))) is not None


# --- refused before any work ------------------------------------------------------------------


@pytest.fixture
def needs_weights(monkeypatch, tmp_path, learned):
    """The decoder ``learned`` needs weights; returns the folder where they belong."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr("napari_tcsdl.reconstruction.checkpoint.WEIGHTS", folder)
    row = RECONSTRUCTORS["learned"]
    monkeypatch.setitem(RECONSTRUCTORS, "learned", DecoderRow(row.make, row.line, "small"))
    return folder


def put_weights(folder, kinds=("balanced",), ratios=(2, 10)):
    import torch

    from napari_tcsdl.reconstruction import Checkpoint, save_checkpoint

    about = {
        "decoder": "learned",
        "mask_kinds": list(kinds),
        "compression_ratios": list(ratios),
        "normalisation": "none",
        "training_data": "none",
        "seed": 0,
        "commit": "none",
        "scores": {},
    }
    save_checkpoint(folder / "small.safetensors", Checkpoint({}, {"w": torch.zeros(1)}, about))


def test_absent_weights_are_told_at_once(compressed, needs_weights, tmp_path):
    for work in (
        lambda: check_decoder(SETTINGS),
        lambda: reconstruct(compressed, SETTINGS),
        lambda: compare(Movie(noisy_frames()), tmp_path / "c.tcs.zarr", SETTINGS),
        lambda: reconstruct_to_tiff(compressed, tmp_path / "r.tif", SETTINGS),
    ):
        with pytest.raises(InputError, match=r"got no weights from .*small\.json .*gap_tv"):
            work()
    assert not (tmp_path / "c.tcs.zarr").exists()
    assert not (tmp_path / "r.tif").exists()


def test_masks_that_the_weights_do_not_know_are_refused(compressed, needs_weights, tmp_path):
    put_weights(needs_weights, kinds=("bernoulli",))
    refused = (
        "got balanced masks for decoder 'learned', expected bernoulli masks, .* choose the "
        "decoder gap_tv, or compress with masks of kind bernoulli"
    )
    with pytest.raises(InputError, match=refused):
        reconstruct(compressed, SETTINGS)
    with pytest.raises(InputError, match=refused):
        compare(Movie(noisy_frames()), tmp_path / "c.tcs.zarr", SETTINGS)


def test_the_masks_of_the_file_count_not_those_of_the_settings(compressed, needs_weights):
    put_weights(needs_weights)
    other = Settings(compression_ratio=30, masks="bernoulli", device="cpu", decoder="learned")
    assert frames_of(reconstruct(compressed, other)).shape[0] == N_FRAMES
    with pytest.raises(InputError, match="got bernoulli masks"):
        check_decoder(other)


def test_a_b_that_the_weights_do_not_know_is_refused(compressed, needs_weights):
    put_weights(needs_weights, ratios=(8, 40))
    with pytest.raises(InputError, match=r"B = 4 for decoder 'learned', expected B = 8 to 40"):
        reconstruct(compressed, SETTINGS)


def test_a_device_that_is_absent_is_told_at_once(compressed, learned):
    with pytest.raises(DeviceError, match="got device"):
        reconstruct(compressed, Settings(device="cuda:99", decoder="learned"))


def test_a_measurement_that_is_not_there(compressed, learned):
    for index in (-1, 6):
        with pytest.raises(InputError, match=f"got measurement {index}, expected 0 to 5"):
            decode_block(compressed, index, SETTINGS)


# --- consistency ------------------------------------------------------------------------------


def test_the_consistency_map_shows_where_frames_were_tampered_with(compressed, monkeypatch):
    truth = noisy_frames().astype(np.float32)
    map_of_truth = consistency_map(compressed, 1, truth[4:8])
    assert np.abs(map_of_truth).max() == 0
    forged = truth[4:8].copy()
    forged[:, 10:20, 10:20] += 40
    found = consistency_map(compressed, 1, forged)
    assert found.shape == (40, 36)
    assert (found[10:20, 10:20] < -4).all()
    found[10:20, 10:20] = 0
    assert (found == 0).all()


def test_the_consistency_map_of_frames_of_another_block_is_refused(compressed):
    with pytest.raises(InputError, match=r"got frames \(3, 40, 36\).*expected \(4, 40, 36\)"):
        consistency_map(compressed, 1, noisy_frames(3))


# --- weights of one's own -----------------------------------------------------------------------


def test_weights_from_a_file_are_those_that_decode(compressed, tmp_path):
    """A copy of the shipped weights gives the same frames; other weights give others."""
    import torch

    from napari_tcsdl.reconstruction import load_checkpoint, save_checkpoint, shipped_weights

    usual = Settings(compression_ratio=RATIO, mask_tile=16, device="cpu", decoder="unfolding")
    shipped = load_checkpoint(shipped_weights("unfolding"))
    copy, other = tmp_path / "copy.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(copy, shipped)
    halved = {name: weight / 2 for name, weight in shipped.state.items()}
    assert any(torch.count_nonzero(weight) for weight in halved.values())
    save_checkpoint(other, replace(shipped, state=halved))
    expected = decode_block(compressed, 1, usual).frames
    np.testing.assert_array_equal(
        decode_block(compressed, 1, replace(usual, weights=str(copy))).frames, expected
    )
    found = decode_block(compressed, 1, replace(usual, weights=str(other))).frames
    assert np.abs(found - expected).max() > 1


def test_weights_for_a_decoder_without_any_are_refused():
    with pytest.raises(InputError, match=r"got weights mine\.safetensors for decoder 'gap_tv'"):
        check_decoder(Settings(decoder="gap_tv", weights="mine.safetensors", device="cpu"))
