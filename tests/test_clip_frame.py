"""A frame of a movie of a view: boxes side by side, their words, and the palette of them."""

import time

import numpy as np
import pytest
from clip_pictures import picture

from napari_tcsdl._box_picture import GREYS, colours_of
from napari_tcsdl._clip_frame import FrameRenderer, fitted, font, palette_of


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
