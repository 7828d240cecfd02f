"""The figure of a view: text stays text, pixels stay pixels, scale bars are true."""

import re
import zlib
from dataclasses import replace

import imagecodecs
import matplotlib as mpl
import numpy as np
import pytest

from napari_tcsdl._box_picture import GREYS, BoxPicture, bar_length, colours_of
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.view_figure import save_view_figure, view_figure

TITLES = ("raw", "reconstruction (unfolding network)", "JPEG, same bytes, q 25", "measurement 2")
SHAPE = (40, 52)


def lattice(shape=SHAPE, period=6.0):
    fringes = 100 + 20 * np.cos(2 * np.pi * np.arange(shape[1]) / period)
    return np.tile(fringes.astype(np.float32), (shape[0], 1))


def picture(title="raw", image=None, pixel_size=0.4, lines=("12.77 dB   SSIM 0.228",)):
    image = lattice() if image is None else image
    return BoxPicture(title, lines, image, (80.0, 120.0), GREYS, pixel_size)


def boxes_of(titles=TITLES, **changes):
    return [picture(title, **changes) for title in titles]


def images_of(figure):
    return [axes for axes in figure.axes if axes.texts]


def pdf_texts(data: bytes) -> list[str]:
    """Each text object of a PDF, as it could be searched."""
    texts = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            code = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"\bBT\b(.*?)\bET\b", code, re.DOTALL):
            shown = b"".join(re.findall(rb"\(((?:\\.|[^\\()])*)\)", block, re.DOTALL))
            shown = re.sub(rb"\\(.)", rb"\1", shown, flags=re.DOTALL)
            texts.append(shown.replace(b"\x00", b"").decode("latin1"))
    return texts


# --- PDF --------------------------------------------------------------------------------------


def test_words_in_a_pdf_are_text_in_truetype_fonts(tmp_path):
    save_view_figure(boxes_of(), tmp_path / "view.pdf", caption="frame 13 / 59   t = 0.65 s")
    data = (tmp_path / "view.pdf").read_bytes()
    texts = pdf_texts(data)
    for words in (*TITLES, "12.77 dB   SSIM 0.228", "0.5 nm", "frame 13 / 59   t = 0.65 s"):
        assert words in texts
    assert texts.count("0.5 nm") == 4
    assert re.search(rb"/BaseFont /[A-Z]{6}\+DejaVuSans\b", data)
    assert b"/FontFile2" in data
    assert b"/Type3" not in data


def test_images_in_a_pdf_have_their_own_pixels(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.uniform(80, 120, SHAPE).astype(np.float32)
    save_view_figure([picture(image=image)], tmp_path / "view.pdf")
    data = (tmp_path / "view.pdf").read_bytes()
    heads = re.findall(rb"/Subtype /Image /Width (\d+) /Height (\d+)", data)
    assert heads == [(b"52", b"40")]


# --- PNG --------------------------------------------------------------------------------------


def test_a_png_is_wide_enough_for_two_columns_and_written_whole(tmp_path):
    save_view_figure(boxes_of(), tmp_path / "view.png")
    pixels = imagecodecs.png_decode((tmp_path / "view.png").read_bytes())
    assert pixels.shape[1] == pytest.approx(7.2 * 300, abs=2)
    assert (pixels[:3, :, :3] == 255).all()  # white ground
    assert [file.name for file in tmp_path.iterdir()] == ["view.png"]


def test_a_png_is_finer_where_the_images_are(tmp_path):
    boxes = boxes_of(image=lattice((700, 700)))
    save_view_figure(boxes, tmp_path / "view.png")
    pixels = imagecodecs.png_decode((tmp_path / "view.png").read_bytes())
    assert pixels.shape[1] > 4 * 700


# --- drawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixel_size", "label", "pixels"),
    [(0.4, "0.5 nm", 12.5), (None, "10 px", 10), (2.5e4, "20 µm", 8), (5.0, "5 nm", 10)],
)
def test_scale_bar_is_as_long_as_it_says_in_each_box(pixel_size, label, pixels):
    figure = view_figure(boxes_of(pixel_size=pixel_size))
    assert len(images_of(figure)) == 4
    for axes in images_of(figure):
        assert [text.get_text() for text in axes.texts] == [label]
        bar = next(patch for patch in axes.patches if patch.get_facecolor()[:3] == (1, 1, 1))
        assert bar.get_width() * SHAPE[1] == pytest.approx(pixels)
    length, words = bar_length(SHAPE[1], pixel_size)
    assert (pytest.approx(length), words) == (pixels, label)


def test_images_are_shown_with_their_own_pixels_contrast_and_colours():
    colours = GREYS[::-1].copy()
    box = replace(picture(), limits=(90.0, 130.0), colormap=colours)
    (axes,) = images_of(view_figure([box], vector=True))
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), box.image)
    assert image.get_clim() == (90, 130)
    assert image.get_interpolation() == "none"
    assert image.cmap(0.0)[:3] == (1, 1, 1)
    assert image.cmap(1.0)[:3] == (0, 0, 0)


def test_panels_keep_the_shape_of_the_images():
    figure = view_figure(boxes_of(TITLES[:2]))
    inches = figure.get_size_inches()
    for axes in images_of(figure):
        width, height = axes.get_position().size * inches
        assert height / width == pytest.approx(40 / 52)


@pytest.mark.parametrize("spectra", [False, True])
@pytest.mark.parametrize(
    ("titles", "columns", "shape"),
    [
        (TITLES, None, (40, 52)),
        (("a layer with a name that goes on and on " * 4,), None, (30, 200)),
        ((*TITLES, "uncertainty", "consistency", "binning"), 4, (60, 60)),
        (TITLES, 2, (120, 40)),
    ],
)
def test_nothing_is_cut_off_or_overlaps(titles, columns, shape, spectra):
    boxes = boxes_of(titles, image=lattice(shape))
    figure = view_figure(boxes, caption="frame 1 / 9", columns=columns, spectra=spectra)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    texts = [text for text in figure.texts if text.get_text()]
    assert len(texts) == 2 * len(titles) + 1
    boxes = [text.get_window_extent() for text in texts]
    panels = [axes.get_window_extent() for axes in figure.axes]
    if spectra:
        boxes += [
            axis.label.get_window_extent()
            for axes in figure.axes
            for axis in (axes.xaxis, axes.yaxis)
            if axis.label.get_text()
        ]
    for index, one in enumerate(boxes):
        assert min(one.x0, one.y0) >= -1
        assert one.x1 <= width + 1
        assert one.y1 <= height + 1
        for other in boxes[index + 1 :] + panels:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or down <= 1


def test_titles_have_one_size():
    figure = view_figure(boxes_of())
    sizes = {t.get_fontsize() for t in figure.texts if t.get_text() in TITLES}
    assert len(sizes) == 1
    words = {t.get_fontsize() for t in figure.texts if t.get_text().endswith("SSIM 0.228")}
    assert len(words) == 1
    assert words.pop() <= sizes.pop()


@pytest.mark.parametrize(
    ("pixel_size", "unit", "pixel"), [(0.4, "1/nm", 0.04), (None, "1/px", 1.0)]
)
def test_bragg_spot_stands_at_its_frequency(pixel_size, unit, pixel):
    box = picture(image=lattice((96, 120)), pixel_size=pixel_size)
    figure = view_figure([box, box], spectra=True)
    spectrum = [axes for axes in figure.axes if not axes.texts]
    assert len(spectrum) == 2
    assert spectrum[0].get_xlabel() == unit
    (image,) = spectrum[0].images
    power = np.array(image.get_array())
    power[:, : power.shape[1] // 2 + 4] = -np.inf
    row, column = np.unravel_index(power.argmax(), power.shape)
    left, right, bottom, top = image.get_extent()
    x = left + (column + 0.5) / power.shape[1] * (right - left)
    y = top + (row + 0.5) / power.shape[0] * (bottom - top)
    assert x == pytest.approx(1 / (6 * pixel), rel=0.01)
    assert y == pytest.approx(0, abs=0.01 / pixel)


def test_spectra_share_the_scale_of_the_first_box():
    dim = picture("dim", image=lattice() / 30)
    figure = view_figure([picture(), dim], spectra=True)
    limits = {axes.images[0].get_clim() for axes in figure.axes if not axes.texts}
    assert len(limits) == 1


def test_global_settings_of_matplotlib_are_left_alone(tmp_path):
    before = dict(mpl.rcParams)
    save_view_figure(boxes_of(), tmp_path / "view.pdf")
    assert dict(mpl.rcParams) == before


def test_colours_clip_at_the_limits_and_holes_are_blank():
    image = np.array([[np.nan, -5.0, 0.0, 5.0, 10.0, 99.0]], np.float32)
    colours = colours_of(image, (0.0, 10.0), GREYS, (1, 2, 3))
    assert colours[0].tolist() == [[1, 2, 3], [0] * 3, [0] * 3, [128] * 3, [255] * 3, [255] * 3]


# --- refused ----------------------------------------------------------------------------------


def test_a_box_that_is_not_filled_has_no_spectrum():
    image = lattice()
    image[0] = np.nan
    view_figure([picture(image=image)])
    with pytest.raises(InputError, match="raw: got a box that is not filled, expected finite pix"):
        view_figure([picture(image=image)], spectra=True)


def test_an_existing_file_is_replaced_only_where_it_was_agreed(tmp_path):
    path = tmp_path / "view.pdf"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"got output .*view.pdf, which exists already, expect"):
        save_view_figure(boxes_of(), path)
    assert path.read_text() == "mine"
    save_view_figure(boxes_of(), path, replace=True)
    assert path.read_bytes().startswith(b"%PDF")
    assert [file.name for file in tmp_path.iterdir()] == ["view.pdf"]


def test_other_names_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"got figure name view.jpg, expected one that ends in"):
        save_view_figure(boxes_of(), tmp_path / "view.jpg")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*view.png .*, expected a folder with fr"):
        save_view_figure(boxes_of(), tmp_path / "absent" / "view.png")


def test_there_must_be_a_box():
    with pytest.raises(InputError, match="got no box to draw, expected at least one picture; sho"):
        view_figure([])


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 4)])
def test_a_picture_is_one_image(shape):
    with pytest.raises(InputError, match=r"raw: got a picture of shape .*, expected one image"):
        picture(image=np.ones(shape))


def test_a_colormap_is_a_table():
    with pytest.raises(InputError, match=r"raw: got a colormap float64 of shape \(256, 3\), exp"):
        replace(picture(), colormap=GREYS / 255)
