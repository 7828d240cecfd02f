"""A plot as SVG: one pair of axes, points with a word for the pointer, curves and marks.

Text stays text and colours follow the page, so that the plot is readable on paper and in the dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 760, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 44, 62
_LETTER = 7.0
"""[px] Mean width of a letter of a name."""

_SYMBOLS: dict[str, str] = {
    "circle": '<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"',
    "square": '<rect x="{l:.1f}" y="{t:.1f}" width="{d:.1f}" height="{d:.1f}"',
    "diamond": '<path d="M{x:.1f} {t2:.1f}L{r2:.1f} {y:.1f}L{x:.1f} {b2:.1f}L{l2:.1f} {y:.1f}Z"',
    "triangle": '<path d="M{x:.1f} {t2:.1f}L{r2:.1f} {b:.1f}L{l2:.1f} {b:.1f}Z"',
}


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, and how far.

    Attributes
    ----------
    title
        Quantity and unit.
    low, high
        Ends, in units of the data; above 0 where ``logarithmic``.
    logarithmic
        Whether equal ratios take equal lengths.
    words
        How a tick is written.
    under
        What is written below it, if anything.
    """

    title: str
    low: float
    high: float
    logarithmic: bool = False
    words: Callable[[float], str] = field(default=lambda value: f"{value:g}", compare=False)
    under: Callable[[float], str] | None = field(default=None, compare=False)

    def share(self, value: float) -> float:
        """Return where ``value`` lies between both ends, 0 … 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values within the ends: five or so."""
        if not self.logarithmic:
            rough = (self.high - self.low) / 6
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough)
            first = math.ceil(self.low / step - 1e-9)
            return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        decades = math.log10(self.high / self.low)
        factors = (1,) if decades > 4 else (1, 3) if decades > 1.6 else (1, 2, 3, 5, 7)
        values = [factor * 10.0**power for power in powers for factor in factors]
        return [value for value in values if self.low <= value <= self.high]


class Plot:
    """Axes to draw on; :meth:`text` is the whole SVG."""

    def __init__(self, across: Axis, up: Axis, label: str) -> None:
        self.across, self.up = across, up
        self._names: list[tuple[float, float, float]] = []  # left, base line, right
        self._parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
            f"<title>{escape(label)}</title>",
        ]
        self._frame()

    def _frame(self) -> None:
        right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
        for value in self.across.ticks():
            x, _ = self._at(value, None)
            self._parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>')
            self._word(x, bottom + 16, self.across.words(value), "middle", "tick")
            if self.across.under is not None:
                self._word(x, bottom + 30, self.across.under(value), "middle", "tick")
        for value in self.up.ticks():
            _, y = self._at(None, value)
            self._parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
            self._word(_LEFT - 7, y + 4, self.up.words(value), "end", "tick")
        self._parts.append(f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
        self._word((_LEFT + right) / 2, HEIGHT - 10, self.across.title, "middle", "name")
        self._word(_LEFT - 50, _TOP - 26, self.up.title, "start", "name")

    def _at(self, across: float | None, up: float | None) -> tuple[float, float]:
        """Place of a pair of values [px]; None is the end of an axis."""
        x = 0.0 if across is None else self.across.share(across)
        y = 0.0 if up is None else self.up.share(up)
        return (
            _LEFT + x * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - y * (HEIGHT - _TOP - _BOTTOM),
        )

    def _word(self, x: float, y: float, word: str, anchor: str, kind: str) -> None:
        self._parts.append(
            f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
            f"{escape(word)}</text>"
        )

    def mark(self, across: float, word: str, row: int = 0) -> None:
        """Draw an upright dashed line at a value, with its name above, in one of two rows."""
        x, _ = self._at(across, None)
        top = _TOP - 4 - 14 * row
        self._parts.append(f'<path class="mark" d="M{x:.1f} {top}V{HEIGHT - _BOTTOM}"/>')
        self._word(x, top - 3, word, "end" if x > WIDTH - 60 else "middle", "tick")

    def curve(self, points: Sequence[tuple[float, float]], colour: str, dash: str) -> None:
        """Join points (across, up)."""
        if len(points) > 1:
            path = "L".join("{:.1f} {:.1f}".format(*self._at(*point)) for point in points)
            self._parts.append(
                f'<path fill="none" stroke="{colour}" stroke-width="1.6" '
                f'stroke-dasharray="{dash}" d="M{path}"/>'
            )

    def point(
        self, at: tuple[float, float], colour: str, word: str, how: tuple[str, float]
    ) -> None:
        """Draw a point (across, up); ``how`` is a symbol and its radius [px]."""
        symbol, r = how
        x, y = self._at(*at)
        places = {"x": x, "y": y, "r": r, "l": x - r, "t": y - r, "d": 2 * r, "b": y + r}
        places |= {"l2": x - 1.3 * r, "r2": x + 1.3 * r, "t2": y - 1.3 * r, "b2": y + 1.3 * r}
        body = _SYMBOLS[symbol].format(**places)
        self._parts.append(
            f'{body} fill="{colour}" class="point"><title>{escape(word)}</title>'
            f"</{body[1 : body.index(' ')]}>"
        )

    def name(self, at: tuple[float, float], word: str) -> None:
        """Write the name of a point beside it, where no other name is."""
        x, y = self._at(*at)
        width = _LETTER * len(word)
        places = [
            (x + side * 9 + (0 if side > 0 else -width), y + 4 + down)
            for down in (0, -13, 13, -26, 26)
            for side in (1, -1)
        ]
        inside = [p for p in places if p[0] > _LEFT and p[0] + width < WIDTH]
        left, base = next(
            (place for place in inside if not self._hits(place, width)), (inside or places)[0]
        )
        self._names.append((left, base, left + width))
        self._word(left, base, word, "start", "tick")

    def _hits(self, place: tuple[float, float], width: float) -> bool:
        left, base = place
        return any(
            abs(base - other) < 12 and left < end and start < left + width
            for start, other, end in self._names
        )

    def text(self) -> str:
        """Return the SVG."""
        return "\n".join([*self._parts, "</svg>"])
