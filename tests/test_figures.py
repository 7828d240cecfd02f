"""The picture of a comparison: nothing cut off, axes and scale bars true, any size and unit."""

import imagecodecs
import matplotlib as mpl
import numpy as np
import pytest

from napari_tcsdl._figure_layout import colour_of
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.figures import FigureData, comparison_figure, save_comparison_figure

LABELS = ("raw", "reconstruction (gap_tv)", "JPEG, same bytes", "frame binning", "reference: truth")
TWO = ("raw", "reference: truth")
CODECS = ("raw", "gap_tv", "binning", "jpeg_raw_over_B", "jpeg_same_bytes")


def lattice(shape, period=6.0):
    fringes = 100 + 20 * np.cos(2 * np.pi * np.arange(shape[1]) / period)
    return np.tile(fringes.astype(np.float32), (shape[0], 1))


def make(shape=(40, 52), labels=TWO, codecs=("gap_tv",), n_frames=6, **changes):
    rng = np.random.default_rng(0)
    settings = {
        "title": "au_grains_48x256x256.tif, B = 10, storage ratio 7.3",
        "frame_index": 3,
        "images": {label: lattice(shape) + rng.normal(0, 2, shape) for label in labels},
        "subtitles": dict.fromkeys(labels[:-1], "24.25 dB, SSIM 0.748, 1,164,819 B, quality 37"),
        "pixel_size": 0.4,
        "curves": {
            codec: (np.arange(n_frames), 20 + rng.normal(0, 1, n_frames), rng.random(n_frames))
            for codec in codecs
        },
    }
    return FigureData(**(settings | changes))


def words_of(figure):
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return [text for text in texts if text.get_text()]


def shown_in(figure, label):
    """Axes whose images belong to a column, by the left edge of its name: frame, detail, FFT."""
    name = next(text for text in figure.texts if text.get_text() == label)
    left = name.get_position()[0]
    columns = [axes for axes in figure.axes if axes.images]
    return [axes for axes in columns if axes.get_position(original=True).x0 == pytest.approx(left)]


def boxes_of(figure):
    """Where each text is drawn [px]; ticks beyond the limits of their axes are not."""
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in words_of(figure)]
    for axes in (axes for axes in figure.axes if axes.axison):
        boxes += [axes.xaxis.label.get_window_extent(), axes._left_title.get_window_extent()]
        for axis, view in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in axis.get_major_ticks():
                if min(view) <= tick.get_loc() <= max(view):
                    boxes.append(tick.label1.get_window_extent())
    return [box for box in boxes if box.width > 1 and box.height > 1]


def assert_all_words_inside(figure):
    """No text leaves the picture, and no two texts overlap."""
    width, height = figure.get_size_inches() * figure.dpi
    boxes = boxes_of(figure)
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width + 1
        assert box.y1 <= height
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or down <= 1


@pytest.mark.parametrize(
    ("shape", "labels", "changes"),
    [
        ((128, 165), LABELS, {"codecs": CODECS}),
        (
            (64, 64),
            LABELS,
            {"codecs": CODECS, "pixel_size": None, "title": "a_long_file_name_" * 20 + ".tif"},
        ),
        ((30, 200), LABELS[:2], {"n_frames": 300, "subtitles": {}}),
        ((60, 12), LABELS[1:4], {"pixel_size": 2.5e4, "codecs": ("gap_tv", "a_codec" * 9)}),
        ((5, 7), LABELS, {"codecs": ()}),
    ],
    ids=["calibrated", "long title", "wide", "tall", "tiny"],
)
def test_nothing_is_cut_off_or_overlaps(shape, labels, changes):
    assert_all_words_inside(comparison_figure(make(shape, labels, **changes)))


def test_png_is_written_whole(tmp_path):
    path = tmp_path / "comparison.png"
    data = make()
    save_comparison_figure(data, path)
    pixels = imagecodecs.png_decode(path.read_bytes())
    assert min(pixels.shape[:2]) > 1200
    assert pixels[..., :3].std() > 20
    assert [file.name for file in tmp_path.iterdir()] == ["comparison.png"]


def test_global_settings_of_matplotlib_are_left_alone():
    before = dict(mpl.rcParams)
    comparison_figure(make())
    assert dict(mpl.rcParams) == before


def test_frames_share_the_grey_scale_of_the_reference():
    data = make()
    noisy = dict(data.images) | {"raw": data.images["raw"] * 50}
    figure = comparison_figure(make(images=noisy))
    limits = {ax.images[0].get_clim() for label in TWO for ax in shown_in(figure, label)[:2]}
    assert len(limits) == 1
    low, high = limits.pop()
    reference = data.images["reference: truth"]
    assert reference.min() - 20 < low < reference.min() + 10
    assert reference.max() - 10 < high < reference.max() + 20
    figure = comparison_figure(make(limits=(1.0, 9.0)))
    assert shown_in(figure, "raw")[0].images[0].get_clim() == (1.0, 9.0)


@pytest.mark.parametrize(("pixel_size", "unit"), [(0.4, "1/nm"), (None, "1/px"), (500, "1/µm")])
def test_bragg_spot_stands_at_its_frequency(pixel_size, unit):
    pixel = {"1/nm": 0.04, "1/px": 1, "1/µm": 0.05}[unit]
    expected = 1 / (6 * pixel)
    figure = comparison_figure(make((96, 120), pixel_size=pixel_size))
    axes = shown_in(figure, "raw")[2]
    image = axes.images[0]
    power = np.array(image.get_array())
    power[:, : power.shape[1] // 2 + 4] = -np.inf  # keep the spot on the right
    row, column = np.unravel_index(power.argmax(), power.shape)
    left, right, bottom, top = image.get_extent()
    x = left + (column + 0.5) / power.shape[1] * (right - left)
    y = top + (row + 0.5) / power.shape[0] * (bottom - top)
    assert x == pytest.approx(expected, rel=0.01)
    assert y == pytest.approx(0, abs=0.01 * expected)
    assert any(f"[{unit}]" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    ("pixel_size", "label", "pixels"),
    [(0.4, "0.5 nm", 12.5), (None, "10 px", 10), (2.5e4, "20 µm", 8), (5.0, "5 nm", 10)],
)
def test_scale_bar_is_as_long_as_it_says(pixel_size, label, pixels):
    axes = shown_in(comparison_figure(make(pixel_size=pixel_size)), "raw")[0]
    assert [text.get_text() for text in axes.texts] == [label]
    bar = next(patch for patch in axes.patches if patch.get_facecolor()[:3] == (1, 1, 1))
    assert bar.get_width() * 52 == pytest.approx(pixels)


def test_detail_shows_the_marked_part_where_the_structure_is():
    image = np.full((200, 240), 50, np.float32)
    image[120:150, 30:70] = lattice((30, 40), 4)
    images = {"raw": image, "reference: truth": image}
    whole, detail, _ = shown_in(comparison_figure(make(images=images)), "raw")
    frame = whole.patches[0]
    left, top = round(frame.get_x() + 0.5), round(frame.get_y() + 0.5)
    shown = np.asarray(detail.images[0].get_array())
    np.testing.assert_array_equal(
        shown, image[top : top + shown.shape[0], left : left + shown.shape[1]]
    )
    assert shown.std() > 2.5 * image.std()


def test_large_frames_are_merged_and_keep_their_place():
    image = lattice((40, 2000), 100)
    images = {"raw": image, "reference: truth": image}
    whole, _, spectrum = shown_in(comparison_figure(make(images=images)), "raw")
    assert whole.images[0].get_array().shape == (20, 1000)
    assert tuple(whole.images[0].get_extent()) == (-0.5, 1999.5, 39.5, -0.5)
    assert spectrum.images[0].get_array().shape == (20, 1000)


def test_infinite_psnr_has_no_line_and_a_sign_in_the_table():
    frames = np.arange(4)
    curves = {"raw": (frames, np.full(4, np.inf), np.ones(4)), "gap_tv": (frames, frames, frames)}
    figure = comparison_figure(make(curves=curves))
    psnr = next(axes for axes in figure.axes if axes.get_title(loc="left") == "PSNR [dB]")
    assert np.isfinite(psnr.get_ylim()).all()
    assert "∞" in [text.get_text() for text in figure.texts]


def test_means_of_each_codec_are_written():
    curves = {
        "jpeg_same_bytes": (np.arange(3), np.array([10, 11, 12.5]), np.array([0.1, 0.2, 0.6]))
    }
    written = [text.get_text() for text in comparison_figure(make(curves=curves)).texts]
    for words in ("JPEG, same bytes", "11.17", "0.300"):
        assert words in written


def test_one_colour_per_codec_in_panels_and_table():
    for label, codec in zip(LABELS, ("raw", "gap_tv", "jpeg_same_bytes", "binning"), strict=False):
        assert colour_of(label) == colour_of(codec)
    assert len({colour_of(label) for label in LABELS}) == 5
    assert colour_of("reference: raw") == colour_of("reference: truth")


@pytest.mark.parametrize(
    "images",
    [
        {},
        {"raw": np.ones((4, 4)), "b": np.ones((4, 5))},
        {"raw": np.ones(4)},
        {"r": np.ones((0, 4))},
    ],
)
def test_images_must_have_one_shape(images):
    with pytest.raises(InputError, match=r"got images of shapes .* for a figure, expected at leas"):
        make(images=images)


def test_output_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*comparison.png .*, expected a folder"):
        save_comparison_figure(make(), tmp_path / "absent" / "comparison.png")
