import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.movie import Movie


class CountingSource:
    """Frames that remember which were read."""

    def __init__(self, frames):
        self._frames, self.reads = frames, []
        self.shape, self.dtype = frames.shape, frames.dtype

    def __getitem__(self, key):
        self.reads.append(range(*key.indices(self.shape[0])))
        return self._frames[key]


def test_a_movie_reads_only_the_frames_that_are_asked_for(frames):
    source = CountingSource(frames)
    movie = Movie(source)
    assert source.reads == []
    np.testing.assert_array_equal(movie.read(2, 5), frames[2:5])
    assert source.reads == [range(2, 5)]


def test_blocks_cover_the_movie_once_and_the_last_may_be_short(movie, frames):
    blocks = list(movie.blocks(4))
    assert [first for first, _ in blocks] == [0, 4, 8]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), frames)


def test_a_sample_is_bounded_and_reaches_both_ends(frames):
    source = CountingSource(frames)
    sample = Movie(source).sample(max_pixels=3 * frames[0].size)
    assert len(sample) == 3
    np.testing.assert_array_equal(sample[[0, -1]], frames[[0, -1]])


@pytest.mark.parametrize(
    ("stored", "travels"),
    [("u1", "u1"), (">u2", "u2"), ("i2", "u2"), ("i1", "u1"), ("f8", "f4"), ("f2", "f4")],
)
def test_pixel_types_travel_without_loss(stored, travels):
    frames = np.arange(1, 2 * 12 * 8 + 1).reshape(2, 12, 8) % 100 + 1
    movie = Movie(frames.astype(stored))
    assert movie.dtype == np.dtype(travels)
    assert movie.read(0, 2).dtype == np.dtype(travels)
    np.testing.assert_array_equal(movie.read(0, 2), frames)


@pytest.mark.parametrize("dtype", ["i4", "u8", "c8"])
def test_other_pixel_types_are_refused(dtype):
    with pytest.raises(InputError, match=r"got pixels of type \w+, expected uint8, uint16 or"):
        Movie(np.ones((2, 8, 8), dtype))


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((0, 8, 8), r"got an empty stack of 0 × 8 × 8, expected a movie \(T, H, W\)"),
        ((1, 8, 8), r"got 1 frame of 8 × 8, expected a movie of at least 2 frames"),
        ((8, 8), r"got one image of 8 × 8, expected a movie \(T, H, W\)"),
        ((2, 5, 8, 8), r"got 4 axes \(2 × 5 × 8 × 8\), expected a movie \(T, H, W\); select"),
        ((64, 64, 3), r"got 64 × 64 × 3, which looks like RGB colour, expected a grey movie"),
        ((9, 64, 64, 3), r"looks like RGB colour, expected a grey movie"),
    ],
)
def test_wrong_shapes_are_refused_in_one_sentence(shape, sentence):
    with pytest.raises(InputError, match=sentence):
        Movie(np.ones(shape, np.uint8))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.nan, "frame 3 holds NaN values, expected finite detector counts"),
        (np.inf, "frame 3 holds infinite values, expected finite detector counts"),
        (1e13, r"frame 3 holds values up to 1e\+13, expected detector counts of at most 1e\+12"),
        (-1.0, r"frame 3 holds negative values \(lowest -1\), expected detector counts ≥ 0"),
    ],
)
def test_values_that_no_detector_records_are_refused(frames, value, sentence):
    bad = frames.astype(np.float32)
    bad[3, 5, 7] = value
    movie = Movie(bad)
    movie.read(0, 3)
    with pytest.raises(InputError, match=sentence):
        movie.read(2, 5)


def test_negative_integers_are_refused_not_wrapped(frames):
    bad = frames.astype(np.int16)
    bad[4, 0, 0] = -3
    with pytest.raises(InputError, match=r"frame 4 holds negative values \(lowest -3\)"):
        Movie(bad).read(3, 6)


def test_an_all_zero_frame_is_named(frames):
    frames[6] = 0
    with pytest.raises(InputError, match=r"frame 6 is all zero, expected detector counts"):
        Movie(frames).read(5, 8)


def test_float64_overflow_is_named_before_the_cast(frames):
    bad = frames.astype(np.float64)
    bad[2] = 1e300
    with pytest.raises(InputError, match=r"frame 2 holds values up to 1e\+300"):
        Movie(bad).read(0, 4)


def test_raw_bytes_are_those_of_the_pixels_that_travel(frames):
    assert Movie(frames.astype(np.float64)).nbytes == 4 * frames.size
