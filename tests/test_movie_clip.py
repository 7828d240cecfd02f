"""Movies of a view: frames drawn side by side, GIF and MP4 written one frame at a time."""

import sys
import time
import weakref
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from napari_tcsdl import movie_clip
from napari_tcsdl._box_picture import GREYS, BoxPicture, colours_of
from napari_tcsdl._clip_frame import FrameRenderer, fitted, font, palette_of
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


def picture(title="raw", shape=(64, 64), seed=0, **changes):
    image = np.random.default_rng(seed).uniform(0, 100, shape).astype(np.float32)
    settings = {
        "lines": ("20.00 dB   SSIM 0.500",),
        "image": image,
        "limits": (0.0, 100.0),
        "colormap": GREYS,
        "pixel_size": 0.5,
    }
    return BoxPicture(title, **(settings | changes))


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


# --- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 4, 7])
@pytest.mark.parametrize("shape", [(512, 512), (37, 31), (4096, 3000), (60, 900)])
def test_frames_are_even_and_at_most_1920_wide(count, shape):
    pictures = [picture(str(index), image=np.zeros(shape, np.float32)) for index in range(count)]
    frame = FrameRenderer(pictures).draw(pictures, "frame 1 / 9")
    assert frame.shape[1] <= 1920
    assert frame.shape[0] <= 1250
    assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
    assert frame.dtype == np.uint8


def box_of(renderer, frame, index):
    """Pixels of the image in box ``index``."""
    left = renderer.gap + index % renderer.columns * renderer.step[0]
    top = renderer.gap // 2 + index // renderer.columns * renderer.step[1] + renderer.head
    return frame[top : top + renderer.box[1], left : left + renderer.box[0]]


def test_boxes_show_their_pixels_side_by_side():
    pictures = [picture(str(seed), (300, 300), seed) for seed in range(4)]
    renderer = FrameRenderer(pictures)
    assert (renderer.rows, renderer.columns, renderer.box) == (1, 4, (300, 300))
    frame = renderer.draw(pictures)
    for index, box in enumerate(pictures):
        expected = colours_of(box.image, box.limits, GREYS, (0, 0, 0))
        found = box_of(renderer, frame, index)
        np.testing.assert_array_equal(found[:250], expected[:250])  # above the scale bar


def test_small_images_are_magnified_by_whole_numbers():
    pictures = [picture(shape=(40, 50))]
    renderer = FrameRenderer(pictures)
    assert renderer.box == (600, 480)
    found = box_of(renderer, renderer.draw(pictures), 0)[:400]
    expected = colours_of(pictures[0].image, (0, 100), GREYS, (0, 0, 0))
    np.testing.assert_array_equal(found, expected.repeat(12, axis=0).repeat(12, axis=1)[:400])


def test_large_images_are_averaged_before_their_colours():
    # Half of the pixels far above white: averaged after the colours, they would be mid grey.
    image = np.zeros((3840, 3840), np.float32)
    image[::2, ::2] = image[1::2, 1::2] = 1000
    pictures = [picture(image=image, limits=(0.0, 500.0))]
    renderer = FrameRenderer(pictures)
    found = box_of(renderer, renderer.draw(pictures), 0)
    assert found[: renderer.box[1] // 2].min() > 200


@pytest.mark.parametrize(("pixel_size", "pixels"), [(0.5, 40), (None, 100), (1.0, 100)])
def test_scale_bar_is_as_long_as_it_says(pixel_size, pixels):
    """2 nm at 0.05 nm px⁻¹ are 40 px, magnified twice by the frame."""
    image = np.zeros((200, 310) if pixels == 100 else (200, 200), np.float32)
    pictures = [picture(image=image, pixel_size=pixel_size)]
    renderer = FrameRenderer(pictures)
    found = box_of(renderer, renderer.draw(pictures), 0)
    white = (found == 255).all(axis=2)
    longest = max(white.sum(axis=1))
    assert longest == pytest.approx(pixels * renderer.box[0] / image.shape[1], abs=1)


def test_words_are_drawn_over_and_below_the_boxes():
    renderer = FrameRenderer([picture("")])
    blank = renderer.draw([picture("", lines=())])
    for changed, rows in (
        (renderer.draw([picture("raw", lines=())]), slice(0, renderer.head)),
        (renderer.draw([picture("")]), slice(0, renderer.head)),
        (renderer.draw([picture("", lines=())], "frame 1 / 9"), slice(-renderer.line * 2, None)),
    ):
        different = (changed != blank).any(axis=2)
        assert different[rows].sum() > 50
        different[rows] = False
        assert not different.any()


def test_long_words_are_shrunk_then_shortened():
    words, size = fitted("reconstruction (unfolding network)", 20, 260, True)
    assert words == "reconstruction (unfolding network)"
    assert size < 20
    words, size = fitted("a name that goes on and on " * 5, 20, 260)
    assert words.endswith("…")
    assert font(size).getlength(words) <= 260


def test_holes_have_the_colour_of_the_ground():
    pictures = [picture(image=np.full((50, 50), np.nan, np.float32))]
    renderer = FrameRenderer(pictures)
    frame = renderer.draw(pictures)
    assert (box_of(renderer, frame, 0)[:50] == frame[0, 0]).all()


def test_four_boxes_of_512_take_less_than_a_tenth_of_a_second():
    pictures = [picture(shape=(512, 512)) for _ in range(4)]
    renderer = FrameRenderer(pictures)
    times = []
    for _ in range(5):
        begun = time.process_time()  # of this process: others may use the machine too
        renderer.draw(pictures, "frame 1 / 9")
        times.append(time.process_time() - begun)
    assert min(times) < 0.1


# --- palette ----------------------------------------------------------------------------------


def test_a_palette_has_128_greys_and_the_colours_of_the_words():
    palette = palette_of([picture("raw"), picture("JPEG")])
    greys = palette[np.ptp(palette, axis=1) == 0]
    assert len(np.unique(greys[:, 0])) == 128
    assert len(palette) < 200
    assert [86, 180, 233] in palette.tolist()  # the blue of JPEG


def test_a_palette_has_room_for_colormaps():
    heat = np.stack([np.arange(256), np.arange(256) // 2, 255 - np.arange(256)], axis=1)
    box = picture(colormap=heat.astype(np.uint8))
    palette = palette_of([picture(), box]).astype(int)
    assert len(palette) <= 256
    distances = np.abs(heat[:, None] - palette[None]).max(axis=2).min(axis=1)
    assert distances.max() <= 4
