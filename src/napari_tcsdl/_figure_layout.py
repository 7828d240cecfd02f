"""Where the panels of a figure lie, in inches; its colours; text that fits its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from . import _colours
from ._box_picture import bar_length

GROUND, TEXT, MUTED, LINE, MARK = "#15181d", "#e6e9ee", "#98a1af", "#343a45", "#ffd166"
DPI = 150
LEFT, RIGHT, GAP = 0.95, 0.3, 0.12
"""[in] Margins, and between panels."""
HEAD = 0.85
"""[in] From the top to the names of the panels."""
CURVES = 2.5
"""[in] Height of the plots of PSNR and SSIM."""
DETAIL_ASPECT = 0.7

_LABELS, _ROW_GAP, _FFT_GAP, _CURVE_GAP, _FOOT = 0.86, 0.12, 0.16, 0.95, 0.75
_COLOURS = {
    "reference": _colours.REFERENCE,
    "raw": _colours.RAW,
    "jpeg": _colours.JPEG,
    "binning": _colours.BINNING,
}


def colour_of(name: str) -> str:
    """Return one colour per codec, whether named over its panel or in the table of scores."""
    lower = name.lower()
    return next(
        (shade for key, shade in _COLOURS.items() if lower.startswith(key) or f" {key}" in lower),
        _colours.RECONSTRUCTION,
    )


@dataclass(frozen=True)
class Layout:
    """Rows and panels, in inches from the top left corner."""

    width: float
    height: float
    panel: float
    tops: dict[str, float]
    heights: dict[str, float]

    @classmethod
    def of(cls, n_panels: int, aspect: float, *, curves: bool) -> Layout:
        """Lay out ``n_panels`` images of height ÷ width = ``aspect``."""
        panel = min(4.6, max(2.6, (16 - LEFT - RIGHT + GAP) / n_panels - GAP))
        width = max(11.0, LEFT + n_panels * (panel + GAP) - GAP + RIGHT)
        frame = panel * min(1.6, max(0.3, aspect))
        heights = {"frame": frame, "detail": panel * DETAIL_ASPECT, "fft": panel}
        tops, top = {}, HEAD + _LABELS
        for row, gap in (("frame", _ROW_GAP), ("detail", _FFT_GAP), ("fft", _CURVE_GAP)):
            tops[row] = top
            top += heights[row] + gap
        if curves:
            tops["curves"], heights["curves"] = top, CURVES
            top += CURVES
        else:
            top -= _CURVE_GAP
        return cls(width, top + _FOOT, panel, tops, heights)

    def left_of(self, index: int) -> float:
        """Left edge of the panel in column ``index``."""
        return LEFT + index * (self.panel + GAP)

    def axes(self, figure: Figure, row: str, left: float, width: float) -> Axes:
        """Add axes in a row, from ``left``, ``width`` wide."""
        return self.axes_at(figure, (left, self.tops[row]), (width, self.heights[row]))

    def axes_at(
        self, figure: Figure, corner: tuple[float, float], size: tuple[float, float]
    ) -> Axes:
        """Add axes with their top left corner at (left, top), of (width, height)."""
        left, bottom = corner[0] / self.width, 1 - (corner[1] + size[1]) / self.height
        box = (left, bottom, size[0] / self.width, size[1] / self.height)
        axes = figure.add_axes(box, facecolor=GROUND)
        axes.tick_params(colors=MUTED, labelsize=10.5, length=3, width=0.8)
        for spine in axes.spines.values():
            spine.set_color(LINE)
        return axes

    def panels(self, figure: Figure, row: str, count: int) -> list[Axes]:
        """Add a row of equal panels."""
        return [self.axes(figure, row, self.left_of(index), self.panel) for index in range(count)]

    def text(
        self, figure: Figure, at: tuple[float, float], words: str, size: float, **how: Any
    ) -> Text:
        """Write at (left, top); ``how`` goes to matplotlib's Text."""
        style: dict[str, Any] = {"color": TEXT, "va": "top", "fontsize": size} | how
        return figure.text(at[0] / self.width, 1 - at[1] / self.height, words, **style)

    def row_name(self, figure: Figure, row: str, name: str) -> None:
        """Write the name of a row along its left margin."""
        middle = self.tops[row] + self.heights[row] / 2
        how: dict[str, Any] = {"rotation": 90, "va": "center", "ha": "left", "color": MUTED}
        self.text(figure, (0.14, middle), name, 11.5, **how)


def scale_bar(axes: Axes, shape: tuple[int, int], pixel_size: float | None) -> None:
    """Draw a round length of at most a third of the panel, with its name above it."""
    height, width = shape
    length, words = bar_length(width, pixel_size)
    share, em = length / width, 0.07 * width / height  # em: of the panel's height
    where: dict[str, Any] = {"transform": axes.transAxes}
    back = Rectangle((0, 0), share + 0.09, 2.1 * em, color="black", alpha=0.62, lw=0, **where)
    axes.add_patch(back)
    bar = Rectangle((0.045, 0.45 * em), share, 0.22 * em, color="white", lw=0, **where)
    axes.add_patch(bar)
    how: dict[str, Any] = {"color": "white", "ha": "center", "va": "bottom", "fontsize": 12}
    axes.text(0.045 + share / 2, 0.85 * em, words, **how, **where)


def width_of(text: Text) -> float:
    """Width of a text as drawn [in]."""
    return float(text.get_window_extent().width) / DPI


def fit(text: Text, width: float, smallest: float = 9.0) -> None:
    """Shrink a text to ``width`` [in], and shorten it in the middle where that is not enough."""
    size = float(text.get_fontsize())
    while width_of(text) > width and size > smallest:
        size -= 0.5
        text.set_fontsize(size)
    words = text.get_text()
    for kept in range(len(words) - 2, 3, -1):
        if width_of(text) <= width:
            return
        text.set_text(f"{words[: kept - kept // 2]}…{words[-(kept // 2) :]}")


def wrap(text: Text, width: float) -> None:
    """Break a text of parts joined by commas into as few lines as fit into ``width`` [in]."""
    line, lines = "", []
    for part in text.get_text().split(", "):
        longer = f"{line}, {part}" if line else part
        text.set_text(longer)
        if line and width_of(text) > width:
            lines.append(line)
            longer = part
        line = longer
    text.set_text("\n".join([*lines, line]))
