"""A study in words, for the window: points, the current choice, rows of the table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._words import human_bytes
from ..settings import Settings
from .layers import title_of

if TYPE_CHECKING:  # codecs and zarr take a second to load
    from ..rivals import HeldOutFacts, HeldOutScore, RatePoint, Rival

PURPOSES = {
    "best_below": "best at any size up to raw/B",
    "raw_over_B": "at raw/B",
    "same_bytes": "at the bytes of our file",
}
"""What the table can show of each rival."""

HELD_OUT = "held_out"
"""Purpose, and score, of rivals judged by electrons that they never saw."""

_EXACT = "exact"
_QUANTISERS = {"qmin": "q"}


@dataclass(frozen=True)
class Choice:
    """Where the settings of the window stand in the study.

    Attributes
    ----------
    text
        What it is, in words.
    n_bytes
        Real bytes where it is measured, else those to be expected.
    point
        The measured point; None if there is none yet.
    """

    text: str
    n_bytes: float
    point: RatePoint | None


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    name
        Key of the rival.
    cells
        Label, size, raw ÷ bytes, PSNR, and SSIM and cost of encoding, or error and resolution by
        held-out electrons; or label and why there is nothing.
    tip
        Everything about it.
    point
        What the row shows; None where there is nothing.
    """

    name: str
    cells: tuple[str, ...]
    tip: str
    point: RatePoint | None


def current_choice(rivals: Mapping[str, Rival], settings: Settings) -> Choice | None:
    """Find B and decoder of ``settings`` among what is measured; None if nothing of ours is.

    Where B is not measured, its bytes are those of the nearest that is, as bytes go with 1/B.
    """
    ratio, decoder = settings.compression_ratio, settings.decoder
    mine = rivals.get(decoder)
    for point in mine.points if mine is not None else ():
        if point.quality == ratio:
            return Choice(f"current choice, B = {ratio}", point.n_bytes, point)
    ours = [point for rival in rivals.values() if rival.kind == "ours" for point in rival.points]
    if not ours:
        return None

    def far(point: RatePoint) -> float:
        return abs(math.log((point.quality or ratio) / ratio))

    near = min(ours, key=far)
    expected = near.n_bytes * (near.quality or ratio) / ratio
    whose = "" if mine is not None else f"{title_of(decoder)}, "
    return Choice(f"{whose}B = {ratio}, not measured yet", expected, None)


def quality_words(point: RatePoint) -> str:
    """Name the quality of a point, such as ``crf 41`` or ``B = 10``; empty where there is none."""
    from ..codecs import CODECS

    if point.quality is None:
        return ""
    codec = CODECS.get(point.codec)
    if codec is None:
        return f"B = {point.quality:g}"
    whole = int(point.quality) if point.quality == int(point.quality) else point.quality
    template = getattr(codec, "unit", None) or getattr(codec, "words", None)
    if template is not None:
        return str(template).format(whole)
    options = " ".join(f"{option}={value}" for option, value in getattr(codec, "options", ()))
    found = re.search(r"(\w+)=\{q\}", options)
    word = found[1] if found else "quality"
    return f"{_QUANTISERS.get(word, word)} {point.quality:g}"


def point_name(rival: Rival, point: RatePoint) -> str:
    """Name a point, such as ``AV1 MP4, crf 41``."""
    label = title_of(rival.name) if rival.kind == "ours" else rival.label
    return ", ".join(filter(None, (label, quality_words(point))))


def scores_line(point: RatePoint, raw_bytes: int) -> str:
    """Write its bytes and scores in one line."""
    from ..rival_report.words import decibels, ratio

    share = ratio(raw_bytes / point.n_bytes)
    real = f"{human_bytes(point.n_bytes)} ({share})"
    return f"{real},  {decibels(point.psnr)} dB,  SSIM {point.ssim:.3f}"


def cost_line(rival: Rival, point: RatePoint) -> str:
    """Say what encoding costs: measured alone, or as long as it is not, beside the others."""
    from ..rival_report.words import number, ratio

    if rival.cost is not None:
        return f"encoding: {ratio(rival.cost.ratio_to_ours)} our CPU time"
    return f"encoding: {number(point.encode_seconds)} CPU s, measured beside others"


def point_text(rival: Rival, point: RatePoint, raw_bytes: int) -> str:
    """Say all about a point, line by line."""
    lines = [point_name(rival, point), scores_line(point, raw_bytes), cost_line(rival, point)]
    if rival.held_out is not None and rival.held_out.quality == point.quality:
        lines.append(f"held-out electrons: {held_out_words(rival.held_out)} dB, at half the dose")
    return "\n".join(lines)


def held_out_words(score: HeldOutScore) -> str:
    """Write its PSNR and error; ∞ where the error is not told from none."""
    finite = math.isfinite(score.psnr)
    return f"{score.psnr:.2f} ± {score.psnr_error:.2f}" if finite else "∞"


def table_rows(rivals: Iterable[Rival], purpose: str, raw_bytes: int) -> list[Row]:
    """Rows of all rivals at ``purpose``: the best first, then exact ones, then those with nothing.

    Parameters
    ----------
    rivals
        As far as they are measured.
    purpose
        A key of :data:`PURPOSES`.
    raw_bytes
        Of the movie.
    """
    rows = []
    for rival in rivals:
        point = rival.point(_EXACT) or rival.point(purpose)
        if point is None:
            rows.append((3.0, 0.0, _empty_row(rival, purpose)))
        else:
            exact = 1.0 if rival.kind == "lossless" else 0.0
            place = point.n_bytes if exact else -point.psnr
            rows.append((exact, place, _full_row(rival, point, raw_bytes)))
    return [row for *_, row in sorted(rows, key=lambda entry: entry[:2])]


def _full_row(rival: Rival, point: RatePoint, raw_bytes: int) -> Row:
    from ..rival_report.words import decibels, ratio

    cells = (
        title_of(rival.name) if rival.kind == "ours" else rival.label,
        human_bytes(point.n_bytes),
        ratio(raw_bytes / point.n_bytes),
        decibels(point.psnr),
        f"{point.ssim:.3f}",
        "–" if rival.cost is None else ratio(rival.cost.ratio_to_ours),
    )
    tip = f"{point_text(rival, point, raw_bytes)}\n{point.settings}"
    return Row(rival.name, cells, tip, point)


def _empty_row(rival: Rival, purpose: str) -> Row:
    label = title_of(rival.name) if rival.kind == "ours" else rival.label
    least = rival.over_budget.get(purpose)
    if rival.absent or least is None:
        reason = rival.absent or "nothing at this size"
        short = "missing" if rival.missing else "refused" if rival.refused else reason
        return Row(rival.name, (label, short), reason, None)
    text = f"over budget: at least {human_bytes(least)}"
    return Row(rival.name, (label, text), f"{rival.label}: {text}", None)


def held_out_rows(rivals: Iterable[Rival], facts: HeldOutFacts, raw_bytes: int) -> list[Row]:
    """Rows of all rivals judged by held-out electrons: least error first, then why others are not.

    Lossless ones are left out: what they give back is the half that they were given.
    """
    judged, others = [], []
    for rival in rivals:
        score = rival.held_out
        if score is not None:
            judged.append((score.mse, _judged_row(rival, score, facts, raw_bytes)))
        elif rival.kind != "lossless":
            row, reason = _empty_row(rival, HELD_OUT), facts.failed.get(rival.name)
            told = row if reason is None else replace(row, cells=(row.cells[0], reason), tip=reason)
            others.append(told)
    return [row for _, row in sorted(judged, key=lambda entry: entry[0])] + others


def _judged_row(rival: Rival, score: HeldOutScore, facts: HeldOutFacts, raw_bytes: int) -> Row:
    from ..rival_report.words import decibels, ratio

    point = next((each for each in rival.points if each.quality == score.quality), None)
    resolved = math.isfinite(score.resolution)
    cells = (
        title_of(rival.name) if rival.kind == "ours" else rival.label,
        human_bytes(score.n_bytes),
        ratio(raw_bytes / score.n_bytes),
        decibels(score.psnr),
        f"{score.psnr_error:.2f}" if math.isfinite(score.psnr_error) else "–",
        f"{score.resolution:.3g} {facts.unit}" if resolved else "–",
    )
    tip = cells[0] if point is None else point_text(rival, point, raw_bytes)
    return Row(rival.name, cells, tip, point)
