from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_tcsdl.display import lazy
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.movie import Movie

DATA = np.arange(5 * 4 * 3, dtype=np.uint16).reshape(5, 4, 3)


@pytest.fixture
def stack():
    reads = []

    def read(index):
        reads.append(index)
        return DATA[index]

    stack = LazyStack(DATA.shape, DATA.dtype, read)
    stack.reads = reads
    return stack


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        np.int64(2),
        slice(None),
        slice(1, 4, 2),
        slice(3, 3),
        (2, slice(1, 3)),
        (slice(None), 1),
        (slice(0, 2), slice(None), 2),
        (Ellipsis, 0),
        (3, Ellipsis),
        ([0, 3],),
        (1, 2, 0),
    ],
)
def test_slices_like_numpy(stack, key):
    np.testing.assert_array_equal(stack[key], DATA[key])
    assert np.shape(stack[key]) == np.shape(DATA[key])


def test_reads_one_frame_for_each_step_of_the_slider(stack):
    layer = Image(stack, contrast_limits=(0, 60), rgb=False)
    stack.reads.clear()
    layer._slice_dims(_dims(layer, 3))
    assert stack.reads == [3]


def _dims(layer, index):
    from napari.components import Dims

    dims = Dims(ndim=3, range=tuple((0, n - 1, 1) for n in layer.data.shape))
    dims.set_current_step(0, index)
    return dims


def test_keeps_a_few_frames(stack, monkeypatch):
    monkeypatch.setattr(lazy, "CACHE_BYTES", 0)
    small = LazyStack(DATA.shape, DATA.dtype, stack._read_frame)
    for index in (0, 1, 0, 1, 2, 0):
        small[index]
    assert stack.reads == [0, 1, 2, 0]


def test_a_movie_reads_ranges_at_once_and_only_what_is_asked_for():
    asked = []

    class Source:
        shape, dtype = DATA.shape, DATA.dtype

        def __getitem__(self, key):
            asked.append((key.start, key.stop))
            return DATA[key]

    stack = LazyStack.of_movie(Movie(Source()))
    stack[2]
    stack[1:4]
    assert asked == [(2, 3), (1, 4)]


def test_beyond_the_end_is_an_index_error(stack):
    with pytest.raises(IndexError, match="frame 5 of a stack of 5 frames"):
        stack[5]


def test_as_an_array_it_is_whole(stack):
    np.testing.assert_array_equal(np.asarray(stack), DATA)
    assert (stack.ndim, stack.size, stack.nbytes, len(stack)) == (3, 60, 120, 5)
