"""Whole movies: one stream from end to end where a codec has one, and memory of a piece."""

import tracemalloc
import weakref
from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, CorruptFileError
from napari_tcsdl.codecs import (
    CHEAP,
    CODECS,
    VIDEO,
    StreamCodec,
    decode_movie,
    encode_movie,
)
from napari_tcsdl.codecs._video_stream import _HEAD, _in_time

RANGE = (0.0, 255.0)
N_FRAMES, LENGTH = _HEAD + 8, 13  # longer than what is held back; the last piece is shorter

VIDEOS = [codec for codec in CODECS.values() if codec.kind == VIDEO]
STREAMS = [codec for codec in CODECS.values() if codec.kind in (VIDEO, CHEAP)]
OTHERS = [codec for codec in CODECS.values() if codec.kind not in (VIDEO, CHEAP)]


def each(codecs):
    return pytest.mark.parametrize("codec", codecs, ids=lambda codec: codec.name)


@pytest.fixture(autouse=True)
def installed(request):
    codec = request.node.callspec.params.get("codec") if hasattr(request.node, "callspec") else None
    if codec is not None and codec.missing():
        pytest.skip(codec.missing())


@dataclass
class Cut:
    """A movie in pieces."""

    frames: np.ndarray
    length: int = LENGTH

    @property
    def shape(self):
        return self.frames.shape

    @property
    def dtype(self):
        return self.frames.dtype

    @property
    def lengths(self):
        return [len(piece) for piece in self]

    def __iter__(self):
        for start in range(0, len(self.frames), self.length):
            yield self.frames[start : start + self.length].copy()


def noisy_movie(n_frames=N_FRAMES, height=72, width=80):
    """Drifting waves under counting noise: (T, H, W) uint8."""
    t, y, x = np.mgrid[:n_frames, :height, :width]
    mean = 60 + 40 * np.sin(2 * np.pi * (x + 0.4 * t) / 12) * np.cos(2 * np.pi * y / 15)
    return np.random.default_rng(4).poisson(mean).clip(0, 255).astype(np.uint8)


def middle(codec):
    return codec.qualities[len(codec.qualities) // 2] if codec.qualities else None


@pytest.fixture(scope="module")
def movie() -> Cut:
    return Cut(noisy_movie())


@each(STREAMS)
def test_pieces_make_the_stream_that_the_whole_movie_makes(codec, movie, tmp_path):
    stored = encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    whole = codec.encode(movie.frames, middle(codec), RANGE)
    assert stored.n_bytes == whole.n_bytes
    assert stored.settings == whole.settings
    decoded = list(decode_movie(codec, stored, movie.lengths))
    assert [len(piece) for piece in decoded] == movie.lengths
    assert {piece.dtype for piece in decoded} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate(decoded), codec.decode(whole))


@each(VIDEOS)
def test_a_video_is_one_file_with_one_keyframe(codec, movie, tmp_path):
    av = pytest.importorskip("av")
    stored = encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    assert stored.path.stat().st_size == stored.n_bytes
    assert stored.path.read_bytes() == codec.encode(movie.frames, middle(codec), RANGE).files[0]
    with av.open(stored.path) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert len(keys) == N_FRAMES
    assert sum(keys) == (N_FRAMES if codec.name == "mjpeg_avi" else 1)


@each([codec for codec in VIDEOS if codec.name != "mjpeg_avi"])
def test_one_stream_is_smaller_than_one_for_each_piece(codec, movie, tmp_path):
    """What a sceptic would call crippled: a keyframe and headers again and again."""
    coarse = codec.qualities[len(codec.qualities) // 3]  # finer ones code the noise of each frame
    stored = encode_movie(codec, movie, coarse, RANGE, tmp_path / "stored")
    apart = sum(codec.encode(piece, coarse, RANGE).n_bytes for piece in movie)
    assert stored.n_bytes < 0.8 * apart


@each(OTHERS)
def test_other_codecs_code_frame_by_frame_whatever_the_pieces(codec, tmp_path):
    assert not isinstance(codec, StreamCodec)
    movie = Cut(noisy_movie(5), length=2)
    stored = encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    whole = codec.encode(movie.frames, middle(codec), RANGE)
    assert (stored.n_bytes, stored.settings) == (whole.n_bytes, whole.settings)
    decoded = list(decode_movie(codec, stored, movie.lengths))
    np.testing.assert_array_equal(np.concatenate(decoded), codec.decode(whole))


# --- memory -------------------------------------------------------------------------------------


class Watched(Cut):
    """Knows how many of its pieces were alive at most when the next was asked for."""

    most = 0

    def __iter__(self):
        pieces = []
        for piece in super().__iter__():
            pieces.append(weakref.ref(piece))
            yield piece
            del piece
            self.most = max(self.most, sum(ref() is not None for ref in pieces))


@each(STREAMS)
def test_pieces_are_let_go_while_the_stream_goes_on(codec, tmp_path):
    movie = Watched(noisy_movie(40, 24, 24), length=4)
    encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    # Of ten: frames that were taken last keep theirs, and zarr's thread lets go in its own time.
    assert movie.most <= 3


@pytest.mark.parametrize("name", ["mjpeg_avi", "frame_binning", "frame_dropping"])
def test_memory_does_not_grow_with_the_movie(name, tmp_path):
    codec = CODECS[name]
    if codec.missing():
        pytest.skip(codec.missing())
    peaks = []
    for n_frames in (256, 384):
        movie = Cut(np.full((n_frames, 96, 96), 7, np.uint8), length=8)
        path, quality = tmp_path / f"{n_frames}", codec.qualities[-1]
        list(map(len, decode_movie(codec, _stored(codec, movie, path, quality), movie.lengths)))
        tracemalloc.start()
        try:
            for piece in decode_movie(codec, _stored(codec, movie, path, quality), movie.lengths):
                assert len(piece) == 8
                del piece
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    frame = 96 * 96 * np.dtype(np.float32).itemsize
    assert peaks[0] > 8 * frame
    assert peaks[1] < peaks[0] + 32 * frame  # 128 are more; zarr leaves some to the collector


def _stored(codec, movie, path, quality):
    return encode_movie(codec, movie, quality, RANGE, path)


# --- what goes wrong ----------------------------------------------------------------------------


@each(STREAMS)
def test_it_stops_where_the_pieces_do(codec, movie, tmp_path):
    class Stopping(Cut):
        def __iter__(self):
            yield from list(super().__iter__())[:2]
            raise Cancelled

    with pytest.raises(Cancelled):
        encode_movie(codec, Stopping(movie.frames), middle(codec), RANGE, tmp_path / "stored")


@each(VIDEOS)
def test_a_damaged_stream_is_noticed(codec, movie, tmp_path):
    stored = encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    stored.path.write_bytes(stored.path.read_bytes()[:40])
    with pytest.raises(CorruptFileError, match=r"got a .*video file .*; encode them again"):
        list(decode_movie(codec, stored, movie.lengths))


@pytest.mark.parametrize("name", ["mjpeg_avi", "jpegls"])
def test_frames_that_are_lost_or_found_are_noticed(name, tmp_path):
    codec, movie = CODECS[name], Cut(noisy_movie(6), length=3)
    if codec.missing():
        pytest.skip(codec.missing())
    stored = encode_movie(codec, movie, middle(codec), RANGE, tmp_path / "stored")
    with pytest.raises(RuntimeError, match="0 frames came back of 3"):
        list(decode_movie(codec, stored, [3, 3, 3]))
    with pytest.raises(RuntimeError, match="more frames came back than were encoded"):
        list(decode_movie(codec, stored, [3]))
    if stored.state is not None:
        fewer = replace(stored, state=replace(stored.state, shape=(5, 72, 80)))
        with pytest.raises(CorruptFileError, match="got a video file of 6 frames, expected 5; "):
            list(decode_movie(codec, fewer, [3, 2]))


# --- order of packets ---------------------------------------------------------------------------


def packets(order, first_dts):
    made = [SimpleNamespace(pts=pts, dts=None) for pts in order]
    made[0].dts = first_dts
    return made


def test_packets_that_are_first_reordered_late_still_come_before_they_are_shown():
    quiet = list(range(_HEAD + 6))
    order = [*quiet, *(len(quiet) + k for k in (4, 2, 0, 1, 3))]
    done = list(_in_time(packets(order, -2)))
    assert all(packet.dts <= packet.pts for packet in done)
    assert all(after.dts == before.dts + 1 for before, after in pairwise(done))


def test_short_movies_are_timed_by_what_is_there():
    for unset in (None, -(2**40)):  # what x265 leaves
        done = list(_in_time(packets([0, 2, 1], unset)))
        assert [packet.dts for packet in done] == [-1, 0, 1]
