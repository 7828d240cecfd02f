"""One picture of a comparison: frames, details, power spectra, and PSNR and SSIM over time.

Drawn on matplotlib's ``Figure`` and Agg canvas: no display, no pyplot, no global state. The panels
of a row share one grey scale: what differs is the codec.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import ndimage

from ._figure_layout import (
    CURVES,
    DETAIL_ASPECT,
    DPI,
    GROUND,
    HEAD,
    LEFT,
    LINE,
    MARK,
    MUTED,
    RIGHT,
    TEXT,
    Layout,
    colour_of,
    fit,
    scale_bar,
    width_of,
    wrap,
)
from ._validation import InputError
from ._whole_file import whole_file
from .fourier import power_spectrum

Curve = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

_NAMES = {
    "jpeg_same_bytes": "JPEG, same bytes",
    "jpeg_raw_over_B": "JPEG, raw/B bytes",
    "binning": "frame binning",
}
_DASHED = ("jpeg_raw_over_B",)
_MOST_PIXELS = 900  # along a panel: more cannot be seen
_SYMBOL_FRAMES = 40  # up to which each frame has a symbol of its own on the curves


@dataclass(frozen=True, eq=False)
class FigureData:
    """What one picture shows.

    Attributes
    ----------
    title
        Movie, compression ratio, storage ratio.
    frame_index
        Which frame the images are.
    images
        Label → (H, W), all of one shape, in detector units and in the order of the panels. The
        first is raw: its spectrum sets the scale of all spectra. The last is the reference: it
        sets the grey scale of all images.
    subtitles
        Label → scores, bytes and quality in words, parts joined by ", "; may be missing.
    pixel_size
        [Å px⁻¹], or None where it is unknown.
    curves
        Codec → (frame numbers, PSNR [dB], SSIM), each (n,).
    limits
        (black, white) in detector units, or None for those of the reference.
    """

    title: str
    frame_index: int
    images: Mapping[str, NDArray[Any]]
    subtitles: Mapping[str, str] = field(default_factory=dict)
    pixel_size: float | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shapes = sorted({np.shape(image) for image in self.images.values()})
        if len(shapes) != 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
            raise InputError(
                f"got images of shapes {shapes} for a figure, expected at least one frame (H, W), "
                "all of one shape; give the same frame of each codec"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the images."""
        height, width = next(iter(self.images.values())).shape
        return height, width


def comparison_figure(data: FigureData) -> Figure:
    """Draw a comparison; nothing is written."""
    layout = Layout.of(len(data.images), data.shape[0] / data.shape[1], curves=bool(data.curves))
    figure = Figure((layout.width, layout.height), dpi=DPI, facecolor=GROUND)
    FigureCanvasAgg(figure)
    _draw_words(figure, layout, data)
    _draw_images(figure, layout, data)
    _draw_spectra(figure, layout, data)
    if data.curves:
        _draw_curves(figure, layout, data)
    return figure


def save_comparison_figure(data: FigureData, path: Path) -> None:
    """Write a comparison as PNG, whole or not at all.

    Raises
    ------
    OutputError
        If ``path`` cannot be written.
    """
    figure = comparison_figure(data)
    with whole_file(path, replace=True) as partial:
        figure.savefig(partial, format="png", facecolor=GROUND)


def _draw_words(figure: Figure, layout: Layout, data: FigureData) -> None:
    """Write the title, and over each panel its codec with scores and bytes."""
    right = layout.width - RIGHT
    note = layout.text(
        figure, (right, 0.36), f"frame {data.frame_index}", 14, ha="right", color=MUTED
    )
    title = layout.text(figure, (LEFT, 0.3), data.title, 19, weight="bold")
    fit(title, right - LEFT - width_of(note) - 0.4, smallest=13)
    for index, label in enumerate(data.images):
        left = layout.left_of(index)
        name = layout.text(figure, (left, HEAD), label, 14, color=colour_of(label), weight="bold")
        fit(name, layout.panel)
        words = data.subtitles.get(label, "")
        scores = layout.text(figure, (left, HEAD + 0.31), words, 11.5, linespacing=1.3)
        wrap(scores, layout.panel)
        fit(scores, layout.panel)


def _draw_images(figure: Figure, layout: Layout, data: FigureData) -> None:
    reference = list(data.images.values())[-1]
    black, white = data.limits or _grey_limits(reference)
    grey: dict[str, Any] = {"cmap": "gray", "vmin": black, "vmax": white}
    rows, cols = _detail_window(reference)
    corner = cols.start - 0.5, rows.start - 0.5
    size = cols.stop - cols.start, rows.stop - rows.start
    height, width = data.shape
    whole = layout.panels(figure, "frame", len(data.images))
    details = layout.panels(figure, "detail", len(data.images))
    for axes, detail, image in zip(whole, details, data.images.values(), strict=True):
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axes.imshow(decimated(image), extent=extent, **grey)
        axes.set_anchor("N")
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=MARK, linewidth=1.2))
        detail.imshow(image[rows, cols], interpolation="nearest", **grey)
        for shown in (axes, detail):
            shown.set(xticks=[], yticks=[])
        for spine in detail.spines.values():
            spine.set(color=MARK, linewidth=1.2)
    scale_bar(whole[0], (height, width), data.pixel_size)
    scale_bar(details[0], (size[1], size[0]), data.pixel_size)
    layout.row_name(figure, "frame", "whole frame")
    layout.row_name(figure, "detail", f"detail × {width / size[0]:.2g}")


def _draw_spectra(figure: Figure, layout: Layout, data: FigureData) -> None:
    """Draw the log power of every image on one scale: that of the first, the raw frame."""
    step, unit = pixel_in(data.pixel_size)
    nyquist = 0.5 / step
    spectra = [power_spectrum(image, pixel_size=step) for image in data.images.values()]
    # The brightest pixel of each block survives, so that no Bragg spot is lost.
    powers = [decimated(power, np.max) for power, _ in spectra]
    floor = max(float(np.median(powers[0])), float(np.finfo(np.float32).tiny))
    bright = float(np.sort(powers[0], axis=None)[-9:][0])
    scale: dict[str, Any] = {
        "vmin": math.log10(floor / 2),
        "vmax": math.log10(max(bright, 10 * floor)),
    }
    panels = layout.panels(figure, "fft", len(spectra))
    for index, (axes, power, (_, (fy, fx))) in enumerate(zip(panels, powers, spectra, strict=True)):
        # Pixels are centred on their frequencies: half a step of room on each side.
        x, y = (0.5 * nyquist / max(1, len(f) // 2) for f in (fx, fy))
        extent = (fx[0] - x, fx[-1] + x, fy[-1] + y, fy[0] - y)
        shown = np.log10(np.maximum(power, floor / 1e3))
        axes.imshow(shown, cmap="inferno", extent=extent, **scale)
        axes.set(xlim=(-nyquist, nyquist), ylim=(nyquist, -nyquist), aspect="equal")
        axes.xaxis.set_major_locator(MaxNLocator(5, symmetric=True, prune="both"))
        axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True, prune="both"))
        axes.tick_params(left=index == 0, labelleft=index == 0)
    layout.row_name(figure, "fft", f"power spectrum [1/{unit}]")


def pixel_in(pixel_size: float | None) -> tuple[float, str]:
    """Return a pixel size [Å px⁻¹] in the unit whose inverse gives short numbers on the axes."""
    if pixel_size is None:
        return 1.0, "px"
    return (pixel_size / 10, "nm") if pixel_size < 50 else (pixel_size / 1e4, "µm")


def _draw_curves(figure: Figure, layout: Layout, data: FigureData) -> None:
    """Draw PSNR and SSIM of each frame, and the table of their means, which is the legend."""
    table, between = 4.0, 0.75
    width = (layout.width - LEFT - RIGHT - table - 2 * between + 0.35) / 2
    for column, name in enumerate(("PSNR [dB]", "SSIM")):
        axes = layout.axes(figure, "curves", LEFT + column * (width + between), width)
        for codec, curve in data.curves.items():
            _draw_curve(axes, codec, curve[0], curve[column + 1])
        axes.axvline(data.frame_index, color=MARK, linewidth=1.2, zorder=1)
        axes.set_title(name, loc="left", color=TEXT, fontsize=13, pad=8)
        axes.set_xlabel("frame", color=MUTED, fontsize=11.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.margins(x=0.02, y=0.12)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    _draw_means(figure, layout, data, layout.width - RIGHT - table)


def _draw_curve(axes: Axes, codec: str, frames: NDArray[Any], values: NDArray[Any]) -> None:
    # Raw frames against raw frames have infinite PSNR: no line, rather than a broken axis.
    finite = np.where(np.isfinite(values), values, np.nan)
    symbol = "o" if len(frames) <= _SYMBOL_FRAMES else ""
    style: dict[str, Any] = {"color": colour_of(codec), "ls": _dashes(codec), "linewidth": 2.0}
    axes.plot(frames, finite, marker=symbol, markersize=3.5, **style)


def _draw_means(figure: Figure, layout: Layout, data: FigureData, left: float) -> None:
    """Write one line per codec: its line on the plots, name, mean PSNR and mean SSIM."""
    right, top = layout.width - RIGHT, layout.tops["curves"] - 0.31
    columns = (right - 0.8, right)
    layout.text(figure, (left, top), "mean over the movie", 12, color=MUTED)
    for at, head in zip(columns, ("dB", "SSIM"), strict=True):
        layout.text(figure, (at, top), head, 12, ha="right", color=MUTED)
    step = min(0.42, CURVES / len(data.curves))
    for row, (codec, curve) in enumerate(data.curves.items()):
        y = top + 0.43 + row * step
        line = layout.axes_at(figure, (left, y), (0.42, 0.2))
        line.set(ylim=(-1, 1), xlim=(0, 1))
        line.axis("off")
        line.plot((0, 1), (0, 0), color=colour_of(codec), ls=_dashes(codec), linewidth=2.6)
        name = layout.text(figure, (left + 0.58, y), _NAMES.get(codec, codec), 12.5)
        fit(name, columns[0] - 0.6 - left - 0.58)
        for at, values, digits in zip(columns, curve[1:], (2, 3), strict=True):
            mean = float(np.mean(values))
            words = f"{mean:.{digits}f}" if math.isfinite(mean) else "∞"
            layout.text(figure, (at, y), words, 12.5, ha="right")


def _dashes(codec: str) -> str:
    return "--" if codec in _DASHED else "-"


def _grey_limits(reference: NDArray[Any]) -> tuple[float, float]:
    """Return black and white that the reference fills, with some room for noisier images."""
    low, high = (float(value) for value in np.percentile(reference, (0.2, 99.8)))
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _detail_window(reference: NDArray[Any]) -> tuple[slice, slice]:
    """Return rows and columns of the part with the most structure, a quarter of a frame wide."""
    height, width = reference.shape
    cols = min(width, max(48, width // 4), max(1, round(height / DETAIL_ASPECT)))
    rows = min(height, max(1, round(cols * DETAIL_ASPECT)))
    pixels = reference.astype(np.float32)
    fine = ndimage.gaussian_filter(pixels, 1) - ndimage.gaussian_filter(pixels, 6)
    energy = ndimage.uniform_filter(fine**2, (rows, cols))
    # Keep the window whole: only centres that lie half a window from each edge.
    inner = energy[rows // 2 : height - (rows - 1) // 2, cols // 2 : width - (cols - 1) // 2]
    top, left = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(int(top), int(top) + rows), slice(int(left), int(left) + cols)


def decimated(image: NDArray[Any], merge: Callable[..., Any] = np.mean) -> NDArray[Any]:
    """Merge blocks of pixels (h, w) where a panel cannot show them one by one."""
    factor = max(1, max(image.shape) // _MOST_PIXELS)
    if factor == 1 or min(image.shape) < factor:
        return image
    height, width = (side // factor * factor for side in image.shape)
    blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(merge(blocks, axis=(1, 3)))
