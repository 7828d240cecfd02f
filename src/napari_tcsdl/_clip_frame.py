"""Box pictures → one frame of a movie: boxes side by side, words, scale bars and the time.

Drawn by Pillow with the fonts that matplotlib brings along: ten times faster than a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ._box_picture import BoxPicture, bar_length, colours_of, largest_shape, rows_of
from ._figure_layout import GROUND, MUTED, TEXT, colour_of

WIDEST = 1920
"""[px]"""
TALLEST = 1200
"""[px] Roughly: what a projector shows."""
WIDEST_BOX = 640
"""[px] Small images are magnified up to here, by whole numbers."""
N_GREYS = 128
_RAMP = 8  # shades from the ground to a colour of the words, for their smooth edges
_FONT_SIZES = (11, 22)
_BACK = 0.38  # what is left of an image behind its scale bar


class FrameRenderer:
    """Draws the frames of one movie, all in the same size.

    Parameters
    ----------
    pictures
        Boxes of any frame: they set the sizes.
    columns
        Boxes in a row; a row of up to four by default.
    widest
        [px] Most width of a frame.
    """

    def __init__(
        self,
        pictures: Sequence[BoxPicture],
        columns: int | None = None,
        *,
        widest: int = WIDEST,
    ) -> None:
        self.rows, self.columns = rows_of(len(pictures), columns)
        height, width = largest_shape(pictures)
        self.gap = max(4, widest // 320)
        room = (widest - self.gap * (self.columns + 1)) / self.columns
        factor = min(room / width, (TALLEST / self.rows - 4 * _FONT_SIZES[1]) / height)
        if factor >= 1:
            factor = max(1, min(int(factor), WIDEST_BOX // width))
        self.box = max(1, int(width * factor)), max(1, round(height * factor))
        low, high = _FONT_SIZES
        self.font_size = int(np.clip(self.box[0] / 24, low, high))
        self.line = round(1.4 * self.font_size)
        self.head = 2 * self.line + self.gap
        self.step = self.box[0] + self.gap, self.box[1] + self.head + self.gap
        width = self.columns * self.step[0] + self.gap
        height = self.rows * self.step[1] + self.line + self.gap
        self.size = width + width % 2, height + height % 2

    def draw(self, pictures: Sequence[BoxPicture], footer: str = "") -> NDArray[np.uint8]:
        """Draw one frame.

        Parameters
        ----------
        pictures
            As many as the renderer was made for.
        footer
            Number and time of the frame.

        Returns
        -------
        NDArray
            (H, W, 3) uint8, H and W even.
        """
        canvas = Image.new("RGB", self.size, GROUND)
        pen = ImageDraw.Draw(canvas)
        for index, picture in enumerate(pictures):
            left = self.gap + index % self.columns * self.step[0]
            top = self.gap // 2 + index // self.columns * self.step[1]
            self._write_head(pen, (left, top), picture)
            canvas.paste(self._picture(picture), (left, top + self.head))
        at = self.gap, self.size[1] - self.line - self.gap // 2
        self._write(pen, at, footer, MUTED, self.size[0] - 2 * self.gap)
        return np.asarray(canvas)

    def _write_head(
        self, pen: ImageDraw.ImageDraw, at: tuple[int, int], picture: BoxPicture
    ) -> None:
        left, top = at
        colour = colour_of(picture.title)
        self._write(pen, (left, top), picture.title, colour, self.box[0], bold=True)
        words = "   ".join(picture.lines)
        self._write(pen, (left, top + self.line), words, TEXT, self.box[0])

    def _write(
        self,
        pen: ImageDraw.ImageDraw,
        at: tuple[int, int],
        words: str,
        colour: str,
        width: int,
        bold: bool = False,
    ) -> None:
        words, size = fitted(words, self.font_size, width, bold)
        pen.text((at[0], at[1] + self.line / 2), words, colour, font(size, bold), anchor="lm")

    def _picture(self, picture: BoxPicture) -> Image.Image:
        blank = ImageColor.getrgb(GROUND)[:3]
        image = picture.image
        if image.shape[1] > self.box[0]:
            # Before the colours: what is clipped at black or white would pull the mean.
            values = Image.fromarray(np.ascontiguousarray(image, np.float32))
            image = np.asarray(values.resize(self.box, Image.Resampling.BOX))
        colours = Image.fromarray(colours_of(image, picture.limits, picture.colormap, blank))
        if colours.size != self.box:
            colours = colours.resize(self.box, Image.Resampling.NEAREST)
        length, words = bar_length(picture.image.shape[1], picture.pixel_size)
        self._draw_bar(colours, length * self.box[0] / picture.image.shape[1], words)
        return colours

    def _draw_bar(self, image: Image.Image, length: float, words: str) -> None:
        """White bar with its name above it, lower left, on a darkened ground."""
        em = self.font_size
        pen = ImageDraw.Draw(image)
        bottom = image.size[1]
        wide = max(length, font(em).getlength(words))
        back = (0, max(0, bottom - round(2.4 * em)), min(image.size[0], round(wide + em)), bottom)
        dark = image.crop(back).point(lambda value: int(value * _BACK))
        image.paste(dark, back[:2])
        middle = (wide + em) / 2
        bar = (round(middle - length / 2), bottom - round(0.7 * em))
        pen.rectangle((*bar, bar[0] + round(length) - 1, bar[1] + max(2, em // 6) - 1), "white")
        pen.text((middle, bar[1] - em / 4), words, "white", font(em), anchor="ms")


def palette_of(pictures: Sequence[BoxPicture]) -> NDArray[np.uint8]:
    """Colours (n, 3), n ≤ 256, of a GIF of these boxes: few greys, so that it is small.

    Colormaps that are not grey share what the greys and the words leave over.
    """
    names = {GROUND, TEXT, MUTED, *(colour_of(picture.title) for picture in pictures)}
    ground = np.array(ImageColor.getrgb(GROUND)[:3], float)
    shares = np.linspace(0, 1, _RAMP)[:, None]
    ramps = [
        ground + shares * (np.array(ImageColor.getrgb(name)[:3]) - ground) for name in sorted(names)
    ]
    greys = np.repeat(np.linspace(0, 255, N_GREYS)[:, None], 3, axis=1)
    tables = {picture.colormap.tobytes(): picture.colormap for picture in pictures}
    coloured = [table for table in tables.values() if (np.ptp(table, axis=1) > 0).any()]
    found = np.vstack([greys, *ramps])
    if coloured:
        each = (256 - len(found)) // len(coloured)
        found = np.vstack([found, *(t[np.linspace(0, 255, each).astype(int)] for t in coloured)])
    return np.unique(np.rint(found).astype(np.uint8), axis=0)


@lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as matplotlib ships it."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", name), size)


@lru_cache(maxsize=1024)
def fitted(words: str, size: int, width: int, bold: bool = False) -> tuple[str, int]:
    """Shrink words to ``width`` [px], and shorten them where that is not enough."""
    while size > _FONT_SIZES[0] - 1 and font(size, bold).getlength(words) > width:
        size -= 1
    kept = len(words)
    short = words
    while kept > 1 and font(size, bold).getlength(short) > width:
        kept -= 1
        short = f"{words[:kept].rstrip()}…"
    return short, size
