"""How the page writes numbers, and names and colours rivals."""

from __future__ import annotations

import math
from html import escape

from ..rivals.points import OURS, Rival

_PALETTE = (
    "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17a0b4", "#a3a300",
    "#5254a3", "#637939", "#843c39", "#7b4173", "#3182bd", "#31a354", "#756bb1", "#636363",
)  # fmt: skip
_OURS = ("#ff7f0e", "#c25a00", "#ffb266")
_SYMBOLS = {"image": "circle", "video": "square", "cheap": "triangle", OURS: "diamond"}
_DASHES = {"image": "", "video": "6 3", "cheap": "2 3", OURS: ""}

KINDS = {
    OURS: "coded measurement",
    "image": "frame by frame",
    "video": "video",
    "cheap": "as cheap as ours",
    "lossless": "lossless",
}
"""What kinds of rivals are called."""


def colours(rivals: tuple[Rival, ...]) -> dict[str, str]:
    """Return a colour for each rival by name: ours orange, the others in the order given."""
    ours = [rival.name for rival in rivals if rival.kind == OURS]
    others = [rival.name for rival in rivals if rival.kind != OURS]
    table = {name: _OURS[at % len(_OURS)] for at, name in enumerate(ours)}
    return table | {name: _PALETTE[at % len(_PALETTE)] for at, name in enumerate(others)}


def symbol(rival: Rival) -> str:
    """Return the shape of its points in plots."""
    return _SYMBOLS.get(rival.kind, "circle")


def dash(rival: Rival) -> str:
    """Return how its curve is dashed."""
    return _DASHES.get(rival.kind, "")


def decibels(value: float) -> str:
    """PSNR in words; infinite for equal frames."""
    return "∞" if math.isinf(value) else f"{value:.2f}"


def number(value: float) -> str:
    """Three digits, and no exponent for large numbers."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def ratio(value: float | None) -> str:
    """``12.3 ×``, or a dash where it is unknown."""
    return "–" if value is None else f"{number(value)} ×"


def cell(text: str, kind: str = "", tag: str = "td") -> str:
    """One cell of a table; ``text`` is escaped."""
    name = f' class="{kind}"' if kind else ""
    return f"<{tag}{name}>{escape(text)}</{tag}>"
