import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_tcsdl._validation import InputError
from napari_tcsdl.encoder import Encoder, encode, measurement_dtype
from napari_tcsdl.masks import Masks

DTYPES = (np.uint8, np.uint16, np.float32)
SHAPES = [(37, 31), (5, 64), (4, 65), (3, 200), (2, 1), (1, 16), (70, 33)]


def random_frames(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 1000).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def explicit(frames, masks):
    """Y = Σ_b C_b ⊙ X_b as written in Eq. 1; float32 sums in the order of the frames."""
    wide = np.float32 if frames.dtype.kind == "f" else np.uint64
    total = np.zeros(frames.shape[1:], dtype=wide)
    for frame, mask in zip(frames, masks.unpack(frames.shape[1:]), strict=False):
        total += frame.astype(wide) * mask
    return total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ratio", [2, 7, 8, 9, 16, 30, 33])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_explicit_sum_to_the_bit(shape, ratio, dtype):
    masks = Masks.create(ratio, kind="bernoulli", seed=1, tile=(16, 24))
    frames = random_frames((ratio, *shape), dtype)
    values = encode(frames, masks)
    assert values.dtype == measurement_dtype(dtype, ratio)
    assert values.shape == shape
    np.testing.assert_array_equal(values, explicit(frames, masks))


@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (64, 64), (20, 130), (21, 131), (100, 300)])
@pytest.mark.parametrize("shape", [(20, 130), (37, 31), (64, 64), (70, 64)])
def test_tiles_of_any_size_repeat_over_the_frame(tile, shape):
    masks = Masks.create(11, kind="bernoulli", seed=2, tile=tile)
    frames = random_frames((11, *shape), np.uint8)
    np.testing.assert_array_equal(encode(frames, masks), explicit(frames, masks))


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_larger_than_a_strip(dtype):
    masks = Masks.create(10, seed=3, tile=(8, 8))
    frames = random_frames((10, 1100, 130), dtype)
    np.testing.assert_array_equal(encode(frames, masks), explicit(frames, masks))


@pytest.mark.parametrize(
    ("dtype", "ratio", "expected"),
    [
        (np.uint8, 2, np.uint16),
        (np.uint8, 257, np.uint16),
        (np.uint8, 258, np.uint32),
        (np.uint16, 1, np.uint16),
        (np.uint16, 2, np.uint32),
        (np.uint16, 65_537, np.uint32),
        (np.float32, 30, np.float32),
        (">u2", 2, np.uint32),
    ],
)
def test_measurement_dtype_is_the_narrowest_that_is_safe(dtype, ratio, expected):
    assert measurement_dtype(np.dtype(dtype), ratio) == expected


@pytest.mark.parametrize(
    ("dtype", "ratio"), [(np.uint8, 257), (np.uint8, 258), (np.uint16, 50), (np.uint16, 300)]
)
def test_full_scale_frames_do_not_overflow(dtype, ratio):
    masks = Masks.create(ratio, exposures=ratio, tile=(4, 4))
    white = np.iinfo(dtype).max
    frames = np.full((ratio, 6, 70), white, dtype=dtype)
    values = encode(frames, masks)
    assert (values.astype(np.int64) == ratio * int(white)).all()


def test_one_full_scale_frame_through_a_single_mask():
    masks = Masks.create(10, tile=(4, 4)).shortened(1)
    frames = np.full((1, 5, 70), 65_535, dtype=np.uint16)
    values = encode(frames, masks)
    assert values.dtype == np.uint16
    assert (values == 65_535).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_frames", [1, 7, 8, 9, 17])
def test_short_block_uses_the_first_masks(dtype, n_frames):
    masks = Masks.create(18, seed=4, tile=(16, 16))
    frames = random_frames((n_frames, 12, 70), dtype)
    values = encode(frames, masks)
    assert values.dtype == measurement_dtype(dtype, 18)
    np.testing.assert_array_equal(values, explicit(frames, masks))


@pytest.mark.parametrize("layout", ["strided", "fortran", "byte-swapped", "read-only"])
def test_memory_layout_does_not_matter(layout):
    masks = Masks.create(9, seed=5, tile=(8, 8))
    frames = random_frames((9, 10, 40), np.uint16)
    other = {
        "strided": np.repeat(frames, 2, axis=2)[:, :, ::2],
        "fortran": np.asfortranarray(frames),
        "byte-swapped": frames.astype(">u2"),
        "read-only": np.frombuffer(frames.tobytes(), np.uint16).reshape(frames.shape),
    }[layout]
    np.testing.assert_array_equal(encode(other, masks), encode(frames, masks))


def test_a_frame_behind_a_closed_mask_leaves_no_trace():
    masks = Masks.create(4, exposures=1, tile=(4, 4))
    frames = np.where(masks.unpack((4, 4)) == 0, np.float32(np.nan), np.float32(3))
    assert (encode(frames, masks) == 3).all()


@given(
    groups=st.lists(st.integers(1, 25), min_size=1, max_size=12),
    ratio=st.integers(2, 20),
    dtype=st.sampled_from(DTYPES),
)
@settings(max_examples=60, deadline=None)
def test_streaming_equals_one_shot_whatever_the_grouping(groups, ratio, dtype):
    masks = Masks.create(ratio, kind="bernoulli", seed=6, tile=(8, 8))
    frames = random_frames((sum(groups), 4, 33), dtype)
    encoder = Encoder(masks, (4, 33), dtype)
    measurements, first = [], 0
    for size in groups:
        measurements += encoder.add(frames[first : first + size])
        first += size
        assert len(measurements) == first // ratio
    last = encoder.finish()
    assert (last is None) == (len(frames) % ratio == 0)
    measurements += [last] if last else []

    starts = range(0, len(frames), ratio)
    assert [m.first_frame for m in measurements] == list(starts)
    for start, measurement in zip(starts, measurements, strict=True):
        block = frames[start : start + ratio]
        assert measurement.n_frames == len(block)
        assert measurement.values.dtype == measurement_dtype(dtype, ratio)
        np.testing.assert_array_equal(measurement.values, encode(block, masks))


def test_detector_may_reuse_its_buffer():
    masks = Masks.create(10, seed=7, tile=(8, 8))
    frames = random_frames((10, 6, 70), np.uint8)
    encoder, buffer = Encoder(masks, (6, 70), np.uint8), np.empty((6, 70), np.uint8)
    done = []
    for frame in frames:
        buffer[:] = frame
        done += encoder.add(buffer)
        buffer[:] = 255
    np.testing.assert_array_equal(done[0].values, encode(frames, masks))


def test_masks_without_a_tile_cover_the_whole_frame():
    masks = Masks.create(10, seed=9, tile=(9, 128))
    frames = random_frames((10, 9, 128), np.uint8)
    np.testing.assert_array_equal(encode(frames, masks), explicit(frames, masks))


def test_finished_measurements_do_not_change_later():
    masks = Masks.create(3, seed=8, tile=(8, 8))
    frames = random_frames((6, 6, 70), np.uint16)
    encoder = Encoder(masks, (6, 70), np.uint16)
    (first,) = encoder.add(frames[:3])
    kept = first.values.copy()
    encoder.add(frames[3:])
    np.testing.assert_array_equal(first.values, kept)


def test_empty_group_adds_nothing():
    encoder = Encoder(Masks.create(3, tile=(4, 4)), (4, 4), np.uint8)
    assert encoder.add(np.empty((0, 4, 4), np.uint8)) == []
    assert encoder.finish() is None


@pytest.mark.parametrize("shape", [(4, 5), (0, 4, 5), (11, 4, 5), (2, 0, 5)])
def test_encode_refuses_what_is_no_block(shape):
    with pytest.raises(InputError, match=r"got a block of shape .* expected \(b, H, W\) with 1 ≤"):
        encode(np.ones(shape, np.uint8), Masks.create(10, tile=(4, 4)))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64, np.complex64])
def test_other_pixel_types_are_refused(dtype):
    with pytest.raises(InputError, match=r"got frames of type .*, expected uint8, uint16 or float"):
        encode(np.ones((2, 4, 4), dtype), Masks.create(10, tile=(4, 4)))


def test_ratio_that_even_uint32_cannot_hold_is_refused():
    with pytest.raises(InputError, match="B = 65538 for uint16 frames, expected B ≤ 65537"):
        measurement_dtype(np.uint16, 65_538)


@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 4, 4)])
def test_encoder_refuses_a_bad_frame_shape(shape):
    with pytest.raises(InputError, match=r"got frame shape .* expected \(height, width\)"):
        Encoder(Masks.create(10, tile=(4, 4)), shape, np.uint8)


@pytest.mark.parametrize(
    "frames", [np.ones((4, 5), np.uint8), np.ones((2, 4, 4), np.uint16), np.ones(4, np.uint8)]
)
def test_encoder_refuses_frames_unlike_those_announced(frames):
    encoder = Encoder(Masks.create(10, tile=(4, 4)), (4, 4), np.uint8)
    with pytest.raises(InputError, match=r"got frames of shape .* expected \(4, 4\) and uint8"):
        encoder.add(frames)


def test_encoder_refuses_frames_after_the_end():
    encoder = Encoder(Masks.create(10, tile=(4, 4)), (4, 4), np.uint8)
    encoder.finish()
    with pytest.raises(InputError, match="after the movie was finished, expected none"):
        encoder.add(np.ones((4, 4), np.uint8))
