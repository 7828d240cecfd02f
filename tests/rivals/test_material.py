"""Frames in plain files, segments of whole blocks, windows within the movie."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_tcsdl.rivals.frames import FrameFile, Part
from napari_tcsdl.rivals.material import FIDELITY_FRAMES, segments_of, window_around


@pytest.fixture
def file(tmp_path) -> FrameFile:
    frames = np.arange(7 * 4 * 5, dtype=np.uint16).reshape(7, 4, 5)
    return FrameFile.write(
        tmp_path / "raw", (7, 4, 5), np.dtype(np.uint16), (frames[:3], frames[3:])
    )


def test_pieces_become_one_movie(file):
    frames = np.arange(7 * 4 * 5, dtype=np.uint16).reshape(7, 4, 5)
    np.testing.assert_array_equal(file.read(0, 7), frames)
    np.testing.assert_array_equal(file.read(2, 5), frames[2:5])
    assert file.nbytes == frames.nbytes
    assert file.read(2, 5).dtype == np.uint16


@pytest.mark.parametrize(
    "key", [slice(None), slice(1, 3), slice(0, 4, 2), slice(3, None, -1), slice(2, 2)]
)
def test_a_part_slices_as_its_frames_do(file, key):
    part = pickle.loads(pickle.dumps(Part(file, 2, 6)))
    assert part.shape == (4, 4, 5)
    assert part.dtype == np.uint16
    np.testing.assert_array_equal(part[key], file.read(2, 6)[key])


@given(
    n_frames=st.integers(2, 3_000),
    side=st.integers(1, 600),
    ratio=st.integers(2, 40),
    most=st.integers(1, 2**22),
)
def test_segments_are_whole_blocks_without_gaps(n_frames, side, ratio, most):
    segments = segments_of((n_frames, side, side), ratio, most)
    assert segments[0][0] == 0
    assert segments[-1][1] == n_frames
    for (_, stop), (start, _) in pairwise(segments):
        assert stop == start
        assert stop % ratio == 0
    block = ratio * side * side
    assert all((stop - start) * side * side <= max(most, block) for start, stop in segments)


def test_a_short_movie_is_one_segment():
    assert segments_of((30, 256, 256), 10) == ((0, 30),)
    assert segments_of((61, 128, 128), 30) == ((0, 61),)


@given(n_frames=st.integers(2, 500), share=st.floats(0, 1), side=st.integers(1, 3_000))
def test_the_window_holds_its_frame(n_frames, share, side):
    frame = min(n_frames - 1, int(share * n_frames))
    first, stop = window_around(frame, (n_frames, side, side), 2**22)
    assert 0 <= first <= frame < stop <= n_frames
    assert stop - first == min(FIDELITY_FRAMES, n_frames, max(1, 2**22 // side**2))
