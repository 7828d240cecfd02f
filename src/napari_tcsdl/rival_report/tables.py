"""The tables of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from .._words import human_bytes
from ..rivals.points import BUDGETED, EXACT, OURS, PURPOSE_WORDS, RatePoint, Rival, Study
from ..rivals.rival_facts import HeldOutScore
from .words import KINDS, cell, decibels, number, ratio


def scores(study: Study) -> str:
    """Every rival under both byte rules and at its best size; the best of each column is bold."""
    purposes = [purpose for purpose in BUDGETED if purpose in study.budgets]
    best = {
        (purpose, what): _best(study, purpose, what)
        for purpose in purposes
        for what in ("psnr", "ssim")
    }
    head = ['<tr><th rowspan="2">codec</th>']
    for purpose in purposes:
        title = PURPOSE_WORDS[purpose] + f" (≤ {human_bytes(study.budgets[purpose])})"
        head.append(f'<th colspan="3">{escape(title)}</th>')
    head.append('<th rowspan="2">encoding</th></tr><tr>')
    head += [cell(name, tag="th") for _ in purposes for name in ("PSNR [dB]", "SSIM", "bytes")]
    rows, group = [], ""
    for rival in study.rivals:
        if rival.absent or rival.kind == "lossless":
            continue
        if rival.kind != group:
            group = rival.kind
            name = escape(KINDS.get(group, group))
            rows.append(f'<tr><td class="group" colspan="{3 * len(purposes) + 2}">{name}</td></tr>')
        rows.append(_score_row(study, rival, purposes, best))
    return _table("".join(head) + "</tr>", rows)


def _score_row(
    study: Study,
    rival: Rival,
    purposes: list[str],
    best: Mapping[tuple[str, str], float],
) -> str:
    cells = [cell(rival.label, "left")]
    for purpose in purposes:
        point = _point(study, rival, purpose)
        if point is None:
            least = rival.over_budget.get(purpose)
            text = "–" if least is None else f"over budget: at least {human_bytes(least)}"
            cells.append(f'<td colspan="3" class="muted">{escape(text)}</td>')
            continue
        for what, text in (("psnr", _deviated(point)), ("ssim", f"{point.ssim:.3f}")):
            wins = getattr(point, what) == best[purpose, what]
            cells.append(cell(text, "best" if wins else ""))
        raw = ratio(study.raw_bytes / point.n_bytes)
        cells.append(cell(f"{human_bytes(point.n_bytes)} ({raw})", "muted"))
    cost = "–" if rival.cost is None else ratio(rival.cost.ratio_to_ours)
    row = "".join([*cells, cell(cost)])
    kind = ' class="ours"' if rival.kind == OURS else ""
    return f"<tr{kind}>{row}</tr>"


def _point(study: Study, rival: Rival, purpose: str) -> RatePoint | None:
    """Return what stands in a column: a coded measurement has one size at B, whatever is asked."""
    point = rival.point(purpose)
    if point is not None or rival.kind != OURS or rival.over_budget.get(purpose):
        return point
    at_ratio = (p for p in rival.points if p.quality == study.compression_ratio)
    own = next(at_ratio, None)
    return own if own is not None and own.n_bytes <= study.budgets[purpose] else None


def _best(study: Study, purpose: str, what: str) -> float:
    points = [_point(study, rival, purpose) for rival in study.rivals if rival.kind != "lossless"]
    return max((getattr(point, what) for point in points if point), default=math.nan)


def _deviated(point: RatePoint) -> str:
    """Mean and deviation over frames."""
    return f"{decibels(point.psnr)} ± {point.psnr_sd:.2f}"


def lossless(study: Study) -> str:
    """Lossless codecs: real bytes, and what they cost."""
    rows = []
    for rival in study.rivals:
        point = rival.point(EXACT)
        if rival.kind == "lossless" and point is not None:
            cost = "–" if rival.cost is None else ratio(rival.cost.ratio_to_ours)
            rows.append(
                _row(
                    rival.label,
                    human_bytes(point.n_bytes),
                    ratio(study.raw_bytes / point.n_bytes),
                    cost,
                )
            )
    return _simple(("codec", "bytes", "raw ÷ bytes", "encoding"), rows)


def storage(study: Study) -> str:
    """Our real file, and its ratio taken three ways."""
    rows = [_row(name, human_bytes(count)) for name, count in study.file_bytes.items()]
    rows += [
        _row(f"ratio, {name.replace('_', ' ')}", ratio(value))
        for name, value in study.storage_ratios.items()
    ]
    return _simple(("our file", ""), rows)


def costs(study: Study) -> str:
    """Say what encoding costs each, measured alone, as ratios to ours."""
    rows = []
    named = [(rival.label, rival.cost) for rival in study.rivals]
    if study.camera_cost is not None:
        named.insert(0, ("masked sum alone, as in a camera", study.camera_cost))
    for name, cost in named:
        if cost is None:
            continue
        peak = "–" if cost.peak_bytes is None else human_bytes(cost.peak_bytes)
        rows.append(
            _row(
                name,
                f"{number(1000 * cost.cpu_seconds_per_frame)} ms",
                f"{number(cost.megabytes_per_second_per_core)} MB/s",
                peak,
                ratio(cost.ratio_to_ours),
            )
        )
    titles = ("encoder", "CPU time a frame", "raw, per core", "peak memory", "CPU time ÷ ours")
    return _simple(titles, rows)


def fidelity(study: Study) -> str:
    """Scores beyond PSNR, each rival at its best size up to raw/B; empty where none were taken."""
    found = []
    for rival in study.rivals:
        purpose = next((p for p in reversed(BUDGETED) if p in rival.fidelity), None)
        if purpose is not None:
            found.append((rival.label, rival.fidelity[purpose]))
    if not found:
        return ""
    unit = str(found[0][1].get("unit", ""))
    spots = list(dict.fromkeys(hkl for _, values in found for hkl in values.get("spots") or ()))
    titles = [f"{words} [{unit}]" if sized else words for _, words, sized in _BEYOND]
    rows = []
    for label, values in found:
        numbers = [_known(values.get(key)) for key, *_ in _BEYOND]
        shares = [_known((values["spots"].get(hkl) or {}).get("share")) for hkl in spots]
        rows.append(_row(label, *numbers, *shares))
    return _simple(("codec", *titles, *(f"({hkl}) kept" for hkl in spots)), rows)


_BEYOND = (
    ("frc_half", "FRC ½", True),
    ("frc_seventh", "FRC 1/7", True),
    ("edge_width", "edge width", True),
    ("tracking_rms", "tracking error", True),
    ("tracking_lost", "share lost", False),
    ("speed_correlation", "speed correlation", False),
)
"""Scores by their key, in words, and whether they are lengths."""


def held_out(study: Study) -> str:
    """Scores of one half of the electrons against the other; the best PSNR is bold."""
    facts = study.held_out
    if facts is None:
        return ""
    scores = [rival.held_out for rival in study.rivals if rival.held_out]
    least = min((score.mse for score in scores), default=math.nan)
    rows = []
    for rival in study.rivals:
        score = rival.held_out
        if score is None:
            continue
        cells = [
            cell(rival.label, "left"),
            cell(_unseen(score, facts.data_range), "best" if score.mse == least else ""),
            cell("–" if math.isinf(score.resolution) else f"{score.resolution:.3g}"),
            cell("–" if score.quality is None else f"{score.quality:g}"),
            cell(human_bytes(score.n_bytes), "muted"),
        ]
        kind = ' class="ours"' if rival.kind == OURS else ""
        rows.append(f"<tr{kind}>{''.join(cells)}</tr>")
    for name, reason in facts.failed.items():
        label = cell(study.rival(name).label, "left")
        rows.append(f'<tr>{label}<td colspan="4" class="muted">{escape(reason)}</td></tr>')
    titles = ("codec", "PSNR [dB]", f"FRC ½ [{facts.unit}]", "quality", "bytes of its half")
    return _simple(titles, rows)


def _unseen(score: HeldOutScore, data_range: float) -> str:
    """PSNR ± its error; its lower bound where the error is not told from none."""
    if math.isfinite(score.psnr):
        return f"{score.psnr:.2f} ± {score.psnr_error:.2f}"
    most = score.mse + 2 * score.mse_error
    return f"> {10 * math.log10(data_range**2 / most):.1f}" if most > 0 else "∞"


def held_out_facts(study: Study) -> str:
    """Say how the movie was split, and what its raw frames resolve."""
    known = study.held_out
    if known is None:
        return ""
    values: dict[str, str | None] = {"seed of the split": str(known.seed)}
    if known.dependence is not None:
        values["dependence of the halves"] = f"{known.dependence:.3f}"
    if known.shared_error is not None:
        errors = [rival.held_out.mse for rival in study.rivals if rival.held_out]
        best = f" (the best has {number(min(errors))})" if errors else ""
        words = f"{number(known.shared_error)}{best}, squared detector units"
        values["mean squared errors may be off by"] = words
    if known.raw_resolution is not None:
        finite = math.isfinite(known.raw_resolution)
        words = f"{known.raw_resolution:.3g} {known.unit}" if finite else "nothing resolved"
        values["raw frames, even against odd (FRC 1/7)"] = words
    return facts(values)


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def absent(study: Study) -> str:
    """Who could not take part, and why."""
    rows = [
        f"<tr>{cell(rival.label)}{cell(rival.absent, 'text')}</tr>"
        for rival in study.rivals
        if rival.absent
    ]
    return _simple(("codec", "why it is not in the tables"), rows) if rows else ""


def encoders(study: Study) -> str:
    """Versions, flags and licences, as they were used."""
    rows = []
    for rival in study.rivals:
        if rival.points:
            chosen = [p for p in rival.points if set(p.purposes) & {*BUDGETED, EXACT}]
            point = (chosen or list(rival.points))[0]
            words = cell(point.settings or rival.version, "text") + cell(rival.licence, "text")
            rows.append(f"<tr>{cell(rival.label)}{words}</tr>")
    return _simple(("codec", "encoder and flags (of one of its points)", "licence"), rows)


def facts(values: Mapping[str, Any]) -> str:
    """Two columns: name and value."""
    rows = []
    for key, value in values.items():
        words = "not given" if value is None else str(value)
        rows.append(_row(key.replace("_", " "), words))
    return _simple(("", ""), rows)


def _row(first: str, *others: str) -> str:
    return f"<tr>{cell(first, 'left')}{''.join(cell(text) for text in others)}</tr>"


def _simple(titles: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(cell(title, tag="th") for title in titles) if any(titles) else ""
    return _table(f"<tr>{head}</tr>" if head else "", rows)


def _table(head: str, rows: list[str]) -> str:
    top = f"<thead>{head}</thead>" if head else ""
    return f'<div class="wide"><table>{top}<tbody>{"".join(rows)}</tbody></table></div>'
