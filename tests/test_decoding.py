"""Blocks in any order: groups, their neighbours, threads, damage, and comparisons."""

import threading

import numpy as np
import pytest
import tifffile
from bump_movie import N_FRAMES, RATIO, SETTINGS, frames_of, noisy_frames, stored

from napari_tcsdl._validation import Cancelled, CorruptFileError, InputError
from napari_tcsdl.comparison import compare
from napari_tcsdl.decoding import Decoder, level_of_file
from napari_tcsdl.export import TiffOutputs, reconstruct_to_tiff
from napari_tcsdl.io import open_compressed
from napari_tcsdl.io._layout import shard_key
from napari_tcsdl.level import Level, level_of
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import consistency_map, decode_block, reconstruct
from napari_tcsdl.settings import Settings

LEVEL = Level(50.0, 10.0)


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
    outputs = TiffOutputs(path, tmp_path / "unc.tif", tmp_path / "con.tif")
    (sentence,) = reconstruct_to_tiff(
        damaged, outputs, SETTINGS, skip_damaged=True, progress=seen.append
    )
    assert "measurement 2" in sentence
    for name, missing in {"rec": [8, 9, 10, 11], "unc": [8, 9, 10, 11], "con": [2]}.items():
        lost = np.isnan(tifffile.imread(tmp_path / f"{name}.tif"))
        assert np.flatnonzero(lost.all(axis=(1, 2))).tolist() == missing
        assert lost.sum() == len(missing) * lost[0].size
    assert seen[-1] == 1


def test_a_damaged_sample_is_passed_over(damaged):
    others = [level_of(damaged.measurement(k), damaged.masks) for k in (0, 1, 3, 4)]
    assert level_of_file(damaged) == pytest.approx(np.median(others, axis=0))
    for k in (0, 1, 3, 4, 5):
        (damaged.path / shard_key(k)).unlink()
    assert level_of_file(damaged) is None


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
