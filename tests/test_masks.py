import hashlib
import json

import numpy as np
import pytest

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.masks import KINDS, Masks

GOLDEN_BITS = {
    ("balanced", 10, 5): "d049f18e3fd73cbd643e5262ffc557066774b66a36403625028d8c21e4c4c64e",
    ("balanced", 30, 8): "483f14e227ed5ccc6abda88b3668ffa4773d8930dd62633076788a22bc899111",
    ("bernoulli", 10, None): "958beb77751058ea81de1c16f9fc6b593d6678f383abdada12b853227bb12560",
    ("bernoulli", 30, None): "677387783eec5769f2590aa9a4b71586caf5cae62c2529e3cebf96250257c38c",
}
GOLDEN_SHA256 = "085e60f837e9de888a5976454026358dd6e5bcc199714ac0ae6831f7fbd88a12"


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def from_docstring(kind, ratio, seed, exposures, tile):
    """The algorithm again, pixel by pixel, from the words of the module's docstring."""
    height, width = tile
    key = np.array([seed, 0x4D534B31 * 2**32 + ratio], dtype=np.uint64)
    words = np.random.Philox(key=key).random_raw(height * ratio * width)
    u = [int(word) >> 32 for word in words]
    masks = np.zeros((ratio, height, width), dtype=np.uint8)
    for y in range(height):
        for x in range(width):
            need = exposures
            for b in range(ratio):
                draw = u[(y * ratio + b) * width + x]
                if kind == "bernoulli":
                    masks[b, y, x] = draw < 2**31
                elif (draw * (ratio - b)) >> 32 < need:
                    masks[b, y, x] = 1
                    need -= 1
    return masks


@pytest.mark.parametrize(("kind", "ratio", "exposures"), GOLDEN_BITS)
def test_bits_are_the_same_for_ever(kind, ratio, exposures):
    masks = Masks.create(ratio, kind=kind, seed=2026, tile=(64, 48), exposures=exposures)
    digest = hashlib.sha256(masks.packed.tobytes()).hexdigest()
    assert digest == GOLDEN_BITS[kind, ratio, exposures]


def test_sha256_is_the_same_for_ever():
    assert Masks.create(10, seed=1, tile=(8, 8)).sha256 == GOLDEN_SHA256


@pytest.mark.parametrize("kind", KINDS)
def test_docstring_suffices_to_make_the_masks_again(kind):
    masks = Masks.create(11, kind=kind, seed=2**64 - 1, tile=(5, 7))
    again = from_docstring(kind, 11, 2**64 - 1, masks.exposures, (5, 7))
    np.testing.assert_array_equal(masks.unpack((5, 7)), again)


def test_rows_at_once_do_not_change_the_bits(monkeypatch):
    whole = Masks.create(9, tile=(33, 20))
    monkeypatch.setattr("napari_tcsdl.masks._WORDS_AT_ONCE", 9 * 20 * 4)
    np.testing.assert_array_equal(Masks.create(9, tile=(33, 20)).packed, whole.packed)


@pytest.mark.parametrize(
    ("ratio", "exposures"),
    [(2, 1), (3, 2), (7, 4), (8, 4), (10, 5), (19, 10), (20, 8), (22, 9), (30, 12), (200, 80)],
)
def test_balanced_masks_open_each_pixel_exactly_n_times(ratio, exposures):
    masks = Masks.create(ratio, seed=3, tile=(16, 24))
    assert masks.exposures == exposures
    assert (masks.unpack((16, 24)).sum(axis=0) == exposures).all()
    assert (masks.mask_sum((16, 24)) == exposures).all()


@pytest.mark.parametrize("exposures", [1, 3, 10])
def test_exposures_can_be_chosen(exposures):
    masks = Masks.create(10, exposures=exposures, tile=(32, 32))
    assert (masks.mask_sum((32, 32)) == exposures).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_mask_has_the_same_fill(kind):
    masks = Masks.create(12, kind=kind, seed=5, tile=(256, 256))
    fill = masks.unpack((256, 256)).mean(axis=(1, 2))
    # five standard deviations of a mean of 65,536 bits
    np.testing.assert_allclose(fill, 0.5, atol=5 * 0.5 / 256)


@pytest.mark.parametrize(("kind", "expected"), [("balanced", -1 / 7), ("bernoulli", 0.0)])
def test_frames_are_correlated_only_as_a_fixed_sum_demands(kind, expected):
    frames = Masks.create(8, kind=kind, seed=6, tile=(256, 256)).unpack((256, 256))
    for a in range(8):
        for b in range(a):
            assert correlation(frames[a], frames[b]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbouring_pixels_are_uncorrelated(kind):
    frames = Masks.create(8, kind=kind, seed=7, tile=(256, 256)).unpack((256, 256))
    assert abs(correlation(frames[:, 1:], frames[:, :-1])) < 0.01
    assert abs(correlation(frames[:, :, 1:], frames[:, :, :-1])) < 0.01
    assert abs(correlation(frames[:-1, :, 1:], frames[1:, :, :-1])) < 0.01


def test_every_subset_is_equally_likely():
    frames = Masks.create(4, exposures=2, seed=8, tile=(200, 300)).unpack((200, 300))
    code = np.tensordot(1 << np.arange(4), frames, axes=1)
    counts = np.bincount(code.ravel(), minlength=16)
    subsets = [3, 5, 6, 9, 10, 12]
    assert counts[subsets].sum() == 60_000
    assert (np.abs(counts[subsets] - 10_000) < 500).all()


def test_some_bernoulli_pixels_are_never_open():
    sums = Masks.create(2, kind="bernoulli", tile=(128, 128)).mask_sum((128, 128))
    assert (sums == 0).mean() == pytest.approx(0.25, abs=0.03)


def test_seed_and_ratio_change_the_bits_and_nothing_else_does():
    planes = Masks.create(8, seed=0).packed
    np.testing.assert_array_equal(planes, Masks.create(8, seed=0).packed)
    for other in (Masks.create(8, seed=1), Masks.create(9, seed=0)):
        assert (planes[0] == other.packed[0]).mean() < 0.05


def test_packed_bit_j_of_plane_k_is_frame_8k_plus_j():
    masks = Masks.create(19, seed=9, tile=(13, 17))
    frames = masks.unpack((13, 17))
    assert masks.packed.shape == (3, 13, 17)
    for b, y, x in [(0, 0, 0), (7, 12, 16), (8, 3, 4), (18, 5, 11), (15, 9, 2)]:
        assert masks.packed[b // 8, y, x] >> (b % 8) & 1 == frames[b, y, x]
    assert (masks.packed[2] >> 3 == 0).all()


def test_packed_is_read_only():
    masks = Masks.create(4, tile=(4, 4))
    with pytest.raises(ValueError, match="read-only"):
        masks.packed[0, 0, 0] = 1


@pytest.mark.parametrize("shape", [(3, 4), (10, 14), (37, 31)])
@pytest.mark.parametrize("start", [(0, 0), (3, 5), (105, 207)])
def test_window_equals_tiling_then_cropping(shape, start):
    masks = Masks.create(10, kind="bernoulli", tile=(10, 14), seed=10)
    plane = np.tile(masks.unpack((10, 14)), (1, 20, 20))
    expected = plane[:, start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]]
    np.testing.assert_array_equal(masks.unpack(shape, start), expected)
    np.testing.assert_array_equal(masks.mask_sum(shape, start), expected.sum(axis=0))


@pytest.mark.parametrize(("n_frames", "exposures"), [(1, 1), (2, 1), (3, 1), (15, 6), (29, 12)])
def test_shortened_balanced_masks_leave_no_pixel_unexposed(n_frames, exposures):
    short = Masks.create(30, tile=(32, 32), seed=11).shortened(n_frames)
    assert short.compression_ratio == n_frames
    assert (short.mask_sum((32, 32)) == exposures).all()


def test_shortened_keeps_kind_seed_and_tile():
    masks = Masks.create(10, kind="bernoulli", seed=12, tile=(8, 9))
    short = masks.shortened(6)
    same = Masks.create(6, kind="bernoulli", seed=12, tile=(8, 9))
    assert short.sha256 == same.sha256
    assert masks.shortened(10) is masks


@pytest.mark.parametrize("n_frames", [0, 11])
def test_shortened_refuses_what_is_no_last_block(n_frames):
    with pytest.raises(InputError, match=rf"got a last block of {n_frames} frames, expected 1 to"):
        Masks.create(10, tile=(4, 4)).shortened(n_frames)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_frames", [10, 7, 1])
def test_json_round_trip(kind, n_frames):
    masks = Masks.create(10, kind=kind, seed=2**64 - 1, tile=(6, 5)).shortened(n_frames)
    again = Masks.from_json(json.loads(json.dumps(masks.to_json())), masks.packed)
    assert again.to_json() == masks.to_json()
    np.testing.assert_array_equal(again.packed, masks.packed)


def test_one_flipped_bit_is_found():
    masks = Masks.create(10, tile=(6, 5))
    bits = masks.packed.copy()
    bits[1, 2, 3] ^= 1
    with pytest.raises(CorruptFileError, match=r"got masks .* expected .*; restore the file"):
        Masks.from_json(masks.to_json(), bits)


@pytest.mark.parametrize(
    ("entry", "value"), [("exposures", 4), ("kind", "bernoulli"), ("tile", [5, 6])]
)
def test_changed_metadata_is_found(entry, value):
    masks = Masks.create(10, tile=(6, 5))
    with pytest.raises(CorruptFileError, match="with sha256"):
        Masks.from_json(masks.to_json() | {entry: value}, masks.packed)


def test_missing_metadata_is_found():
    masks = Masks.create(10, tile=(6, 5))
    meta = {key: value for key, value in masks.to_json().items() if key != "tile"}
    with pytest.raises(CorruptFileError, match=r"damaged or missing entry \('tile'\)"):
        Masks.from_json(meta, masks.packed)


def test_newer_version_is_refused():
    masks = Masks.create(10, tile=(6, 5))
    with pytest.raises(InputError, match="format version 2, expected at most 1; update"):
        Masks.from_json(masks.to_json() | {"version": 2}, masks.packed)


@pytest.mark.parametrize(
    ("ratio", "settings", "sentence"),
    [
        (1, {}, "got compression ratio B = 1, expected at least 2"),
        (10, {"kind": "random"}, "got mask kind 'random', expected balanced or bernoulli"),
        (10, {"seed": -1}, "got mask seed -1, expected a whole number from 0"),
        (10, {"seed": 2**64}, "got mask seed 18446744073709551616, expected"),
        (10, {"seed": 1.5}, "got mask seed 1.5, expected a whole number"),
        (10, {"tile": (0, 4)}, r"got mask tile \(0, 4\), expected \(height, width\)"),
        (10, {"tile": (4,)}, r"got mask tile \(4,\), expected \(height, width\)"),
        (10, {"exposures": 0}, "got exposures = 0, expected a whole number from 1 to B = 10"),
        (10, {"exposures": 11}, "got exposures = 11, expected a whole number from 1 to B = 10"),
        (10, {"kind": "bernoulli", "exposures": 5}, "for bernoulli masks, expected none"),
    ],
)
def test_bad_settings_get_one_sentence(ratio, settings, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        Masks.create(ratio, **settings)
    assert "\n" not in str(error.value)
