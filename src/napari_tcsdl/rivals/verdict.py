"""Who wins on this movie, in plain sentences: a pure function of the study.

Where a codec beats us, that comes first. What lies within its standard error is a tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .points import (
    BEST_BELOW,
    BUDGETED,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    Rival,
    Study,
)
from .ranking import PSNR, SSIM, TIE_ERRORS, Entry, Score, ahead, judged_point, ranked

CLEARLY = 0.05
"""Relative difference from which scores without an error of their own count as different."""

LOST, TIED, WON, ALONE = 0, 1, 2, 3
"""How we did, in the order in which it is told."""


def verdict(study: Study) -> tuple[str, ...]:
    """Say who wins where on this movie, and at which cost of encoding.

    Parameters
    ----------
    study
        With rivals, their points and costs; its own ``verdict`` is not read.

    Returns
    -------
    tuple of str
        Sentences. Those in which a codec beats us come first.
    """
    told = [_by_psnr(study, purpose) for purpose in BUDGETED]
    sentences = [text for _, text in sorted(told, key=lambda entry: entry[0])]
    sentences += [*_disagreements(study), *_held_out(study)]
    return (*sentences, *_cost(study), *_left_out(study))


# --- who is ahead -------------------------------------------------------------------------------


def _where(study: Study, purpose: str) -> str:
    budget = f"{study.budgets[purpose]:,} bytes"
    return {
        RAW_OVER_B: f"At raw/B ({budget}, the paper's protocol)",
        SAME_BYTES: f"At the bytes of our real file ({budget})",
        BEST_BELOW: f"At any size up to raw/B ({budget})",
    }[purpose]


def _with_score(entry: Entry, score: Score, purpose: str) -> str:
    size = f" at {entry.point.n_bytes:,} bytes" if purpose == BEST_BELOW else ""
    return f"{entry.rival.label} ({score.text(score.mean(entry.point))}{size})"


def _by_psnr(study: Study, purpose: str) -> tuple[int, str]:
    ranking, where = ranked(study, purpose, PSNR), _where(study, purpose)
    ours = next((entry for entry in ranking if entry.ours), None)
    others = [entry for entry in ranking if not entry.ours]
    if ours is None:
        least = study.ours.over_budget.get(purpose)
        size = "" if least is None else f" of {least:,} bytes"
        best = f"; best is {_with_score(others[0], PSNR, purpose)}" if others else ""
        return LOST, f"{where} we have nothing to show: our file{size} is larger{best}."
    mine = _with_score(ours, PSNR, purpose)
    if not others:
        return ALONE, f"{where} {mine} stands alone: no rival was measured there."
    rival = others[0]
    theirs = _with_score(rival, PSNR, purpose)
    if PSNR.mean(rival.point) > PSNR.mean(ours.point):
        certain, gap = ahead(study, rival, ours, PSNR)
        if certain:
            return LOST, f"{where} {theirs} beats us, {mine}, {gap}."
        return TIED, f"{where} {theirs} and {mine} tie: ahead {gap}, within the error."
    certain, gap = ahead(study, ours, rival, PSNR)
    if certain:
        return WON, f"{where} {mine} wins, ahead of {theirs} {gap}."
    return TIED, f"{where} {mine} and {theirs} tie: ahead {gap}, within the error."


# --- where other scores disagree ----------------------------------------------------------------


def _disagreements(study: Study) -> Iterable[str]:
    for purpose in BUDGETED:
        ranking = ranked(study, purpose, PSNR)
        if len(ranking) < 2:
            continue
        first = ranking[0]
        where = _where(study, purpose).split(" (")[0]
        by_ssim = ranked(study, purpose, SSIM)[0]
        certain, gap = ahead(study, by_ssim, first, SSIM)
        if by_ssim.rival.name != first.rival.name and certain:
            yield (
                f"{where} PSNR and SSIM disagree: {_with_score(by_ssim, SSIM, purpose)} is ahead "
                f"of {_with_score(first, SSIM, purpose)} {gap}."
            )
        yield from _beyond(ranking, purpose, where)


MOST_LOST = 0.5
"""Share of lost features beyond which the tracking error of the others is not told."""


@dataclass(frozen=True)
class _Beyond:
    """A score of ``Fidelity``: its name in words, its value (lower is better), and as text."""

    words: str
    value: Callable[[Mapping[str, Any]], float | None]
    text: Callable[[float, str], str]


def _lost_spots(fidelity: Mapping[str, Any]) -> float | None:
    """Share of the reference's spots that is missing, mean over reflections that can be weighed."""
    known = (spot["share"] for spot in (fidelity.get("spots") or {}).values())
    shares = [min(1.0, share) for share in known if share is not None]
    return 1.0 - float(np.mean(shares)) if shares else None


def _tracked(fidelity: Mapping[str, Any]) -> float | None:
    """Tracking error, where most features were found: of a few others it says nothing."""
    lost = fidelity.get("tracking_lost") or 0.0
    return None if lost > MOST_LOST else fidelity.get("tracking_rms")


_BEYOND = (
    _Beyond("FRC (½)", lambda f: f.get("frc_half"), lambda value, unit: f"{value:.3g} {unit}"),
    _Beyond("Bragg spots", _lost_spots, lambda value, unit: f"{100 * (1 - value):.0f} % kept"),
    _Beyond("tracking", _tracked, lambda v, unit: f"{v:.2g} {unit} rms"),
)


def _beyond(ranking: Sequence[Entry], purpose: str, where: str) -> Iterable[str]:
    """Name who is ahead by other scores, where that is not who is ahead by PSNR."""
    first = ranking[0]
    if purpose not in first.rival.fidelity:  # not measured: nothing to disagree with
        return
    for score in _BEYOND:
        values = {}
        for number, entry in enumerate(ranking):
            fidelity = entry.rival.fidelity.get(purpose)
            value = None if fidelity is None else score.value(fidelity)
            if value is not None:
                values[number] = value
        if len(values) < 2:
            continue
        best = min(values, key=lambda number: values[number])
        unit = str(ranking[best].rival.fidelity[purpose].get("unit", ""))
        if 0 not in values:
            lead = "no value"
        elif values[best] < values[0] * (1 - CLEARLY):
            lead = score.text(values[0], unit)
        else:
            continue
        yield (
            f"{where} PSNR and {score.words} disagree: {ranking[best].rival.label} "
            f"({score.text(values[best], unit)}) is ahead of {first.rival.label} ({lead})."
        )


# --- where held-out electrons disagree ----------------------------------------------------------


def _held_out(study: Study) -> Iterable[str]:
    """Tell who is first by electrons that nobody saw, where it is not who is first otherwise."""
    facts = study.held_out
    if facts is None:
        return
    if facts.refused:
        yield f"Not judged by held-out electrons: {_bare(facts.refused)}."
        return
    entries = [
        (Entry(rival, point), rival.held_out)
        for rival in study.rivals
        if rival.held_out is not None and (point := judged_point(rival)) is not None
    ]
    if not entries:
        return
    first, theirs = max(entries, key=lambda entry: entry[0].point.psnr)
    best, least = min(entries, key=lambda entry: entry[1].mse)
    # Errors have one target in common, so this is rather too much; and what the halves share of
    # the noise counts in full.
    error = TIE_ERRORS * math.hypot(theirs.mse_error, least.mse_error)
    error += facts.shared_error or 0.0
    if theirs.mse - least.mse > error and ahead(study, first, best, PSNR)[0]:
        yield (
            f"Electrons that nobody saw (at half the dose) disagree with the reference: "
            f"{best.rival.label} ({PSNR.text(least.psnr)}) is ahead of {first.rival.label} "
            f"({PSNR.text(theirs.psnr)}), which is first against the reference."
        )


# --- cost, and who is not here ------------------------------------------------------------------


def _cost(study: Study) -> Iterable[str]:
    ours = study.ours.cost
    if ours is None:
        return
    yield (
        f"Our encoder takes {1e3 * ours.cpu_seconds_per_frame:.3g} CPU-ms a frame "
        f"({ours.megabytes_per_second_per_core:.3g} MB/s on one core){_sum_alone(study)}."
    )
    dear = []
    for rival in _best_rivals(study):
        if rival.cost is not None:
            dear.append(f"{rival.label} {_times(rival.cost.ratio_to_ours)}")
    if dear:
        yield f"Encoding with the best rivals takes, in CPU time against ours: {', '.join(dear)}."


def _sum_alone(study: Study) -> str:
    camera = study.camera_cost
    if camera is None:
        return ""
    share = f"{1e3 * camera.cpu_seconds_per_frame:.3g}"
    return f", of which the masked sum that a camera could do takes {share} CPU-ms"


def _best_rivals(study: Study) -> list[Rival]:
    """Return the best codec for each purpose, and the best of those as cheap as ours, once each."""
    best: dict[str, Rival] = {}
    for purpose in BUDGETED:
        others = [entry.rival for entry in ranked(study, purpose, PSNR) if not entry.ours]
        cheap = [rival for rival in others if rival.kind == "cheap"]
        for rival in (*others[:1], *cheap[:1]):
            best.setdefault(rival.name, rival)
    return list(best.values())


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio < 10 else f"{ratio:,.0f} times"


def _left_out(study: Study) -> Iterable[str]:
    over = [
        f"{rival.label} ({least:,} bytes)"
        for rival in study.rivals
        if rival.kind != OURS and (least := rival.over_budget.get(RAW_OVER_B)) is not None
    ]
    if over:
        yield f"Even at their smallest, these stay above raw/B: {', '.join(over)}."
    for words, reasons in (
        ("Not installed", [(rival.label, rival.missing) for rival in study.rivals]),
        ("Not taken", [(rival.label, rival.refused) for rival in study.rivals]),
    ):
        told = [f"{label} ({_bare(reason)})" for label, reason in reasons if reason]
        if told:
            yield f"{words}: {'; '.join(told)}."


def _bare(reason: Any) -> str:
    return str(reason).rstrip(".")
