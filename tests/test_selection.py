import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.movie import Movie
from napari_tcsdl.selection import Selection, select


class CountingSource:
    """Frames that remember which were read."""

    def __init__(self, frames):
        self._frames, self.reads = frames, []
        self.shape, self.dtype = frames.shape, frames.dtype

    def __getitem__(self, key):
        self.reads.append(range(*key.indices(self.shape[0])))
        return self._frames[key]


@pytest.fixture
def counts():
    return np.random.default_rng(4).integers(0, 255, (9, 21, 30), dtype=np.uint8)


def test_nothing_is_read_until_it_is_asked_for_and_then_only_that(counts):
    source = CountingSource(counts)
    part = select(Movie(source), Selection(first=2, stop=8, field=(1, 2, 11, 20)))
    assert source.reads == []
    assert part.shape == (6, 10, 18)
    np.testing.assert_array_equal(part.read(1, 3), counts[3:5, 1:11, 2:20])
    assert source.reads == [range(3, 5)]


def test_every_third_frame_takes_three_times_as_long(counts):
    source = CountingSource(counts)
    part = select(Movie(source, frame_time=0.5), Selection(every=3))
    assert part.frame_time == 1.5
    np.testing.assert_array_equal(part.read(0, 3), counts[[0, 3, 6]])
    assert [len(read) for read in source.reads] == [1, 1, 1]


def test_binning_by_sum_keeps_every_count(counts):
    part = select(Movie(counts, pixel_size=0.4), Selection(field=(0, 0, 20, 30), binning=2))
    assert part.shape == (9, 10, 15)
    assert part.dtype == np.uint16
    assert part.pixel_size == 0.8
    assert part.read(0, 9).sum() == counts[:, :20].sum(dtype=np.int64)


def test_binning_by_mean_keeps_the_mean_of_each_square(counts):
    part = select(Movie(counts), Selection(binning=3, mean=True))
    assert part.dtype == np.float32
    np.testing.assert_allclose(part.read(2, 3)[0, 1, 2], counts[2, 3:6, 6:9].mean(), rtol=1e-6)


def test_a_rest_that_fills_no_square_is_cut(counts):
    assert select(Movie(counts), Selection(binning=4)).shape == (9, 5, 7)


@pytest.mark.parametrize(
    ("dtype", "binning", "expected"),
    [("u1", 16, "u2"), ("u1", 17, "f4"), ("u2", 2, "f4"), ("f4", 2, "f4")],
)
def test_sums_fit_their_type(dtype, binning, expected):
    largest = np.iinfo(dtype).max if dtype[0] == "u" else 7
    frames = np.full((2, 17, 17), largest, dtype)
    part = select(Movie(frames), Selection(binning=binning))
    assert part.dtype == np.dtype(expected)
    assert part.read(0, 1)[0, 0, 0] == np.float32(int(largest) * binning**2)


def test_a_sum_below_zero_is_refused_and_does_not_wrap():
    frames = np.full((3, 8, 8), 5, np.int8)
    frames[1] = -1
    part = select(Movie(frames), Selection(binning=2))
    assert part.read(0, 1)[0, 0, 0] == 20
    with pytest.raises(InputError, match="negative"):
        part.read(1, 2)


def test_a_calibration_alone_keeps_the_movie_and_its_file(counts):
    movie = Movie(counts, path="m.tif", pixel_size=0.1)
    part = select(movie, Selection(pixel_size=0.2, frame_time=0.04))
    assert (part.pixel_size, part.frame_time, part.path) == (0.2, 0.04, "m.tif")
    assert part.source is counts


def test_it_says_what_was_taken(counts):
    selection = Selection(first=1, stop=5, every=2, field=(0, 3, 8, 11), binning=2)
    name = select(Movie(counts, name="m.tif"), selection).name
    assert (
        name
        == "m.tif (frames 1 to 4, one frame in 2, rows 0 to 7, columns 3 to 10, sum of 2 × 2 px)"
    )
    assert Selection().words() == ""


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        (Selection(first=9), r"^got frames 9 to 8, expected some of 0 to 8 of movie; choose"),
        (Selection(first=3, stop=12), r"^got frames 3 to 11, expected some of 0 to 8"),
        (
            Selection(field=(0, 0, 22, 30)),
            r"^got rows 0 to 21 and columns 0 to 29, expected a part",
        ),
        (Selection(field=(4, 5, 4, 9)), r"expected a part of 21 × 30 px; choose a field inside"),
        (Selection(binning=22), r"^got one frame in 1 and binning 22, .* at most 21 px"),
        (Selection(every=0), r"^got one frame in 0"),
        (Selection(pixel_size=0.0), r"^got pixel size 0\.0, expected a finite number > 0"),
        (Selection(frame_time=float("nan")), r"^got frame time nan, expected a finite number > 0"),
    ],
)
def test_a_part_that_is_not_there_is_one_sentence(counts, selection, sentence):
    with pytest.raises(InputError, match=sentence):
        select(Movie(counts), selection)
