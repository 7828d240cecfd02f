"""The boxes of a view as a figure for a paper: white, text as text, scale bars, power spectra.

Drawn on matplotlib's ``Figure``: no display, no pyplot. In a PDF each image is embedded with the
pixels that it has, and words are TrueType text, which can be searched and edited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from ._box_picture import BoxPicture, largest_shape, rows_of
from ._figure_layout import DPI, fit, scale_bar
from ._validation import InputError, OutputError
from ._whole_file import whole_file
from .figures import decimated, pixel_in
from .fourier import power_spectrum

SUFFIXES = (".pdf", ".png")
WIDTH = 7.2
"""[in] Two columns of a journal, 183 mm."""
DPI_RANGE = (300, 600)
"""Of a PNG: as fine as the images, within these."""

_INK, _SOFT, _BLANK = "#14171c", "#5b6470", "#d9dde3"
_TITLE, _WORDS, _SMALLEST = 8.0, 7.0, 5.0  # [pt]
_EDGE, _GAP, _HEAD, _FOOT = 0.06, 0.09, 0.34, 0.2  # [in]
_AXIS, _SPECTRUM_GAP, _TICKS = 0.44, 0.1, 0.34  # [in] left of the spectra, above, below
_WIDEST_PANEL, _TALLEST = 3.4, 1.8  # [in], and of the panel's width


@dataclass(frozen=True)
class _Page:
    """Where the boxes lie, in inches from the top left corner."""

    width: float
    height: float
    panel: tuple[float, float]
    left: float
    columns: int
    row: float
    spectrum: float

    @classmethod
    def of(cls, pictures: Sequence[BoxPicture], columns: int | None, spectra: bool) -> _Page:
        rows, across = rows_of(len(pictures), columns)
        left = _AXIS if spectra else _EDGE
        wide = min(_WIDEST_PANEL, (WIDTH - left - _EDGE + _GAP) / across - _GAP)
        height, width = largest_shape(pictures)
        tall = wide * min(_TALLEST, height / width)
        spectrum = wide if spectra else 0.0
        row = _HEAD + tall + (_SPECTRUM_GAP + spectrum + _TICKS if spectra else _GAP)
        across_all = left + across * (wide + _GAP) - _GAP + _EDGE
        # The last tick's number stands half beyond its axis.
        across_all += 0.08 if spectra else 0.0
        return cls(across_all, rows * row + _FOOT, (wide, tall), left, across, row, spectrum)

    def corner(self, index: int) -> tuple[float, float]:
        """Left and top of the words of box ``index``."""
        across, down = index % self.columns, index // self.columns
        return self.left + across * (self.panel[0] + _GAP), _EDGE + down * self.row

    def axes(self, figure: Figure, left: float, top: float, size: tuple[float, float]) -> Axes:
        bottom = 1 - (top + size[1]) / self.height
        box = (left / self.width, bottom, size[0] / self.width, size[1] / self.height)
        axes = figure.add_axes(box)
        for spine in axes.spines.values():
            spine.set(color=_SOFT, linewidth=0.5)
        axes.tick_params(colors=_SOFT, labelsize=6, length=2, width=0.5, pad=1.5)
        return axes

    def text(self, figure: Figure, left: float, top: float, words: str, **how: Any) -> Text:
        style: dict[str, Any] = {"color": _INK, "va": "top", "fontsize": _WORDS} | how
        return figure.text(left / self.width, 1 - top / self.height, words, **style)


def view_figure(
    pictures: Sequence[BoxPicture],
    *,
    caption: str = "",
    columns: int | None = None,
    spectra: bool = False,
    vector: bool = False,
) -> Figure:
    """Draw a view; nothing is written.

    Parameters
    ----------
    pictures
        The boxes, in reading order.
    caption
        Below them: number and time of the frame.
    columns
        Boxes in a row; a row of up to four by default.
    spectra
        Draw the log power spectrum of each box below it, all on the scale of the first.
    vector
        Hand each image on with its own pixels, for formats that keep them; False smooths where
        an image has more pixels than the panel.

    Raises
    ------
    InputError
        If there is no picture, or a spectrum is wanted of one that is not filled.
    """
    page = _Page.of(pictures, columns, spectra)
    figure = Figure((page.width, page.height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    _draw_words(figure, page, pictures)
    for index, picture in enumerate(pictures):
        _draw_image(figure, page, index, picture, vector)
    if spectra:
        _draw_spectra(figure, page, pictures)
    foot = page.text(figure, page.left, page.height - _FOOT + 0.04, caption, color=_SOFT)
    fit(foot, page.width - page.left - _EDGE, _SMALLEST)
    return figure


def save_view_figure(
    pictures: Sequence[BoxPicture],
    path: Path,
    *,
    caption: str = "",
    columns: int | None = None,
    spectra: bool = False,
    replace: bool = False,
) -> None:
    """Write a view as PNG or PDF, whole or not at all; see :func:`view_figure`.

    Parameters
    ----------
    path
        ``NAME.pdf`` or ``NAME.png``.
    replace
        Whether a file of that name may be replaced.

    Raises
    ------
    InputError
        If there is no picture, or a spectrum is wanted of one that is not filled.
    OutputError
        If the name is no figure's, the file exists and ``replace`` is False, or it cannot be
        written.
    """
    path = Path(path)
    kind = check_figure(path)
    with whole_file(path, replace=replace) as partial:
        figure = view_figure(
            pictures, caption=caption, columns=columns, spectra=spectra, vector=kind == "pdf"
        )
        panel = _Page.of(pictures, columns, spectra).panel[0]
        dpi = int(np.clip(math.ceil(largest_shape(pictures)[1] / panel), *DPI_RANGE))
        # Type 42 is TrueType: text that can be searched and edited, where type 3 is outlines.
        with mpl.rc_context({"pdf.fonttype": 42}):
            figure.savefig(partial, format=kind, dpi=dpi, facecolor="white")


def check_figure(path: Path) -> str:
    """Return the format that the name of a figure asks for; see :func:`save_view_figure`."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(
            f"got figure name {Path(path).name}, expected one that ends in .png or .pdf; add one "
            "of these"
        )
    return suffix[1:]


def _draw_words(figure: Figure, page: _Page, pictures: Sequence[BoxPicture]) -> None:
    """Write titles over one line of words, each kind in one size: that of its longest."""
    titles, words = [], []
    for index, picture in enumerate(pictures):
        left, top = page.corner(index)
        how: dict[str, Any] = {"fontsize": _TITLE, "weight": "bold", "va": "baseline"}
        titles.append(page.text(figure, left, top + 0.1, picture.title, **how))
        lines = "   ".join(picture.lines)
        words.append(page.text(figure, left, top + 0.22, lines, color=_SOFT, va="baseline"))
    largest = _TITLE
    for texts in (titles, words):  # the words are not larger than the titles either
        for text in texts:
            fit(text, page.panel[0], _SMALLEST)
        largest = min(largest, *(float(text.get_fontsize()) for text in texts))
        for text in texts:
            text.set_fontsize(largest)


def _draw_image(figure: Figure, page: _Page, index: int, picture: BoxPicture, vector: bool) -> None:
    left, top = page.corner(index)
    axes = page.axes(figure, left, top + _HEAD - _EDGE, page.panel)
    colours = ListedColormap(picture.colormap / 255).with_extremes(bad=_BLANK)
    low, high = picture.limits
    how: dict[str, Any] = {"interpolation": "none"} if vector else {}
    axes.imshow(
        np.ma.masked_invalid(picture.image), cmap=colours, vmin=low, vmax=high, aspect="auto", **how
    )
    axes.set(xticks=[], yticks=[])
    height, width = picture.image.shape
    scale_bar(axes, (height, width), picture.pixel_size)
    # The bar's own size is made for panels twice as wide.
    axes.texts[-1].set_fontsize(min(9.0, 4.2 * page.panel[0]))


def _draw_spectra(figure: Figure, page: _Page, pictures: Sequence[BoxPicture]) -> None:
    """Draw log power, half a decade below the noise of the first box up to its Bragg spots."""
    limits: tuple[float, float] | None = None
    for index, picture in enumerate(pictures):
        if not np.isfinite(picture.image).all():
            raise InputError(
                f"{picture.title}: got a box that is not filled, expected finite pixels for its "
                "power spectrum; zoom in, or leave the spectra out"
            )
        step, unit = pixel_in(picture.pixel_size)
        power, (fy, fx) = power_spectrum(picture.image, pixel_size=step)
        shown = np.log10(np.maximum(decimated(power, np.max), np.finfo(np.float32).tiny))
        if limits is None:
            floor, bright = np.percentile(shown, (50, 99.98))
            limits = float(floor) - 0.5, max(float(bright), float(floor) + 1)
        left, top = page.corner(index)
        top += _HEAD - _EDGE + page.panel[1] + _SPECTRUM_GAP
        axes = page.axes(figure, left, top, (page.spectrum, page.spectrum))
        # Pixels are centred on their frequencies: half a step of room on each side.
        nyquist = 0.5 / step
        y, x = (0.5 * nyquist / max(1, len(f) // 2) for f in (fy, fx))
        extent = (fx[0] - x, fx[-1] + x, fy[-1] + y, fy[0] - y)
        axes.imshow(shown, cmap="inferno", extent=extent, vmin=limits[0], vmax=limits[1])
        axes.set(xlim=(-nyquist, nyquist), ylim=(nyquist, -nyquist), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(4, symmetric=True, prune="both"))
        if index % page.columns:
            axes.tick_params(left=False, labelleft=False)
        else:
            axes.set_ylabel(f"1/{unit}", color=_SOFT, fontsize=6.5, labelpad=1)
        axes.set_xlabel(f"1/{unit}", color=_SOFT, fontsize=6.5, labelpad=1)
