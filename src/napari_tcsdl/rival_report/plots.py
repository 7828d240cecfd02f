"""The plots of the page: quality against real bytes, and against what encoding costs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .._words import human_bytes
from ..rivals.points import BEST_BELOW, OURS, RAW_OVER_B, SAME_BYTES, RatePoint, Rival, Study
from .svg import Axis, Plot
from .words import colours, dash, decibels, ratio, symbol

_CHOSEN, _STEP = 5.5, 3.0
"""[px] Radius of points that serve a purpose, and of mere steps of a curve."""


def rate_distortion(study: Study, what: str = "psnr") -> str:
    """Plot PSNR [dB] or SSIM of every lossy rival against the real bytes of the whole movie.

    Parameters
    ----------
    study
        With at least one finite point.
    what
        ``psnr`` or ``ssim``.
    """
    lossy = [rival for rival in study.rivals if _drawn(rival, what)]
    points = [point for rival in lossy for point in _drawn(rival, what)]
    bytes_of = [point.n_bytes for point in points] + list(study.budgets.values())
    title = {"psnr": "PSNR [dB]", "ssim": "SSIM"}[what]
    across = Axis(
        "real bytes of the movie, and raw bytes over them",
        *_log_ends(bytes_of),
        logarithmic=True,
        words=human_bytes,
        under=lambda count: ratio(study.raw_bytes / count),
    )
    up = Axis(title, *_ends(getattr(point, what) for point in points))
    plot = Plot(across, up, f"{title} against real bytes")
    names = {RAW_OVER_B: f"raw/{study.compression_ratio}", SAME_BYTES: "our bytes"}
    for row, (purpose, word) in enumerate(names.items()):
        if purpose in study.budgets:
            plot.mark(study.budgets[purpose], word, row)
    shades = colours(study.rivals)
    for rival in [*(r for r in lossy if r.kind != OURS), *(r for r in lossy if r.kind == OURS)]:
        drawn = _drawn(rival, what)
        at = [(float(point.n_bytes), float(getattr(point, what))) for point in drawn]
        plot.curve(at, shades[rival.name], dash(rival))
        for place, point in zip(at, drawn, strict=True):
            radius = _CHOSEN if _chosen(point, rival, study) else _STEP
            word = f"{rival.label}: {_words(point, study)}"
            plot.point(place, shades[rival.name], word, (symbol(rival), radius))
    return plot.text()


def cost_quality(study: Study) -> str | None:
    """Plot the best PSNR at any size up to raw/B against CPU time; None if no cost is known."""
    rows = []
    for rival in study.rivals:
        point = rival.point(BEST_BELOW) or rival.point(RAW_OVER_B)
        if point is not None and rival.cost is not None and math.isfinite(point.psnr):
            rows.append((rival, point, rival.cost.ratio_to_ours))
    if not rows:
        return None
    across = Axis(
        "CPU time to encode, as a multiple of ours",
        *_log_ends([cost for _, _, cost in rows]),
        logarithmic=True,
        words=ratio,
    )
    up = Axis("best PSNR [dB]", *_ends(point.psnr for _, point, _ in rows))
    plot = Plot(across, up, "best PSNR at any size up to raw/B, against the cost of encoding")
    shades = colours(study.rivals)
    for rival, point, cost in rows:
        word = f"{rival.label}: {decibels(point.psnr)} dB at {ratio(cost)} our CPU time"
        plot.point((cost, point.psnr), shades[rival.name], word, (symbol(rival), _CHOSEN))
    for rival, point, cost in sorted(rows, key=lambda row: -row[1].psnr):
        plot.name((cost, point.psnr), rival.label)
    return plot.text()


def _drawn(rival: Rival, what: str) -> list[RatePoint]:
    """Points of a curve by rising bytes; a lossless codec has none."""
    finite = [point for point in rival.points if math.isfinite(getattr(point, what))]
    kept = [] if rival.kind == "lossless" else finite
    return sorted(kept, key=lambda point: point.n_bytes)


def _chosen(point: RatePoint, rival: Rival, study: Study) -> bool:
    if rival.kind == OURS:
        return point.quality == study.compression_ratio
    return bool({RAW_OVER_B, SAME_BYTES, BEST_BELOW} & set(point.purposes))


def _words(point: RatePoint, study: Study) -> str:
    return (
        f"{decibels(point.psnr)} dB, SSIM {point.ssim:.3f}, {human_bytes(point.n_bytes)} "
        f"({ratio(study.raw_bytes / point.n_bytes)}), {point.settings}"
    )


def _ends(values: Iterable[float]) -> tuple[float, float]:
    """Return the ends of a linear axis with room around the values."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _log_ends(values: Iterable[float]) -> tuple[float, float]:
    known = [value for value in values if value > 0]
    return min(known) / 1.4, max(known) * 1.4
