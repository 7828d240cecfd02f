"""Movies of a view: GIF and MP4, written one frame at a time."""

import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest
from clip_pictures import picture
from PIL import Image

from napari_tcsdl import movie_clip
from napari_tcsdl._clip_frame import palette_of
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.movie_clip import check_clip, write_clip


@pytest.fixture
def av():
    return pytest.importorskip("av", reason='needs PyAV: pip install "napari-tcsdl[video]"')


def grey_frames(count=5, shape=(24, 32)):
    """Ramps that move, away from the edges of the grey scale."""
    for index in range(count):
        ramp = (np.arange(shape[1]) * 4 + 40 + 10 * index) % 200 + 20
        yield np.repeat(np.tile(ramp.astype(np.uint8), (shape[0], 1))[..., None], 3, axis=2)


def sizes_and_frames(path):
    with Image.open(path) as gif:
        frames, durations = [], []
        for index in range(gif.n_frames):
            gif.seek(index)
            frames.append(np.asarray(gif.convert("RGB")))
            durations.append(gif.info["duration"])
        return gif.info, durations, frames


# --- GIF --------------------------------------------------------------------------------------


def test_a_gif_holds_every_frame_with_its_greys(tmp_path):
    path = tmp_path / "movie.gif"
    assert write_clip(grey_frames(), path) == 5
    info, durations, frames = sizes_and_frames(path)
    assert durations == [100] * 5
    assert info["loop"] == 0
    for found, expected in zip(frames, grey_frames(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_gif_keeps_its_rate_over_many_frames(tmp_path):
    path = tmp_path / "movie.gif"
    write_clip(grey_frames(31, (2, 2)), path, frame_rate=30)
    _, durations, _ = sizes_and_frames(path)
    assert set(durations) == {30, 40}
    assert sum(durations) == pytest.approx(31 / 30 * 1000, abs=10)


def test_a_gif_of_few_greys_is_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    frame = np.repeat(noise[..., None], 3, axis=2)
    write_clip([frame], tmp_path / "256.gif")
    write_clip([frame], tmp_path / "128.gif", palette=palette_of([picture()]))
    sizes = [(tmp_path / name).stat().st_size for name in ("128.gif", "256.gif")]
    assert sizes[0] < 0.96 * sizes[1]
    _, _, (found,) = sizes_and_frames(tmp_path / "128.gif")
    assert np.abs(found.astype(int) - frame).max() <= 2


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_one_frame_is_held_at_a_time(tmp_path, suffix):
    if suffix == ".mp4":
        pytest.importorskip("av")
    seen = []

    def frames():
        for frame in grey_frames(6):
            alive = sum(ref() is not None for ref in seen)
            assert alive <= 1
            own = frame.copy()
            seen.append(weakref.ref(own))
            yield own
            del own

    assert write_clip(frames(), tmp_path / f"movie{suffix}") == 6


# --- MP4 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("codecs", [None, {"mpeg4"}])
def test_an_mp4_holds_every_frame(av, tmp_path, monkeypatch, codecs):
    if codecs is not None:  # a build of FFmpeg without x264
        monkeypatch.setattr(av, "codecs_available", codecs)
    path = tmp_path / "movie.mp4"
    assert write_clip(grey_frames(7, (48, 64)), path, frame_rate=12.5) == 7
    with av.open(str(path)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == ("h264" if codecs is None else "mpeg4")
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == Fraction(25, 2)
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    for one, expected in zip(found, grey_frames(7, (48, 64)), strict=True):
        error = np.mean((one.astype(float) - expected) ** 2)
        assert 10 * np.log10(255**2 / error) > 30


def test_the_head_of_an_mp4_goes_in_front(av, tmp_path):
    write_clip(grey_frames(), tmp_path / "movie.mp4")
    data = (tmp_path / "movie.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_odd_sizes_are_refused_for_mp4(av, tmp_path):
    with pytest.raises(InputError, match="got frames of 33 × 24 px, expected even sizes for MP4"):
        write_clip(grey_frames(shape=(24, 33)), tmp_path / "movie.mp4")
    assert not list(tmp_path.iterdir())


def test_without_pyav_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    sentence = r'run pip install "napari-tcsdl\[video\]", or choose GIF'
    with pytest.raises(OutputError, match=sentence):
        check_clip(tmp_path / "movie.mp4")
    with pytest.raises(OutputError, match=sentence):
        write_clip(grey_frames(), tmp_path / "movie.mp4")
    assert not list(tmp_path.iterdir())
    write_clip(grey_frames(), tmp_path / "movie.gif")


def test_the_licence_of_the_wheel_is_said():
    assert "GPL" in movie_clip.__doc__


# --- refused ----------------------------------------------------------------------------------


def test_other_names_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"got movie name movie.avi, expected one that ends in"):
        write_clip(grey_frames(), tmp_path / "movie.avi")


@pytest.mark.parametrize("rate", [0, -1, float("nan"), 51])
def test_rates_that_a_gif_cannot_keep(tmp_path, rate):
    with pytest.raises(InputError, match=r"got .* frames/s for a movie .gif, expected more than 0"):
        write_clip(grey_frames(), tmp_path / "movie.gif", frame_rate=rate)


def test_no_frames(tmp_path):
    with pytest.raises(InputError, match="got no frames for a movie, expected at least one; give"):
        write_clip([], tmp_path / "movie.gif")
    assert not list(tmp_path.iterdir())


def test_frames_of_other_shapes(tmp_path):
    frames = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    with pytest.raises(InputError, match=r"got frame 1 of shape \(4, 6, 3\), expected \(H, W, 3\)"):
        write_clip(frames, tmp_path / "movie.gif")


def test_what_breaks_off_leaves_nothing_and_damages_nothing(tmp_path):
    path = tmp_path / "movie.gif"
    path.write_text("mine")

    def broken():
        yield from grey_frames(2)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_clip(broken(), path, replace=True)
    assert path.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["movie.gif"]


def test_an_existing_movie_is_replaced_only_where_it_was_agreed(tmp_path):
    path = tmp_path / "movie.gif"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"got output .*movie.gif, which exists already"):
        write_clip(grey_frames(), path)
    assert path.read_text() == "mine"
    write_clip(grey_frames(), path, replace=True)
    assert path.read_bytes()[:6] == b"GIF89a"
