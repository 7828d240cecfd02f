"""One rival: its rate–distortion curve, its best within each budget, and frames to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .._validation import Cancelled, TcsdlError
from ..codecs import IMAGE, VIDEO, Codec, largest_within
from .beyond import scores_beyond
from .material import Material
from .points import BEST_BELOW, EXACT, LADDER, RAW_OVER_B, SAME_BYTES, Rival, Shown
from .preview import Preview
from .rate_search import best_below, climb
from .trials import Trials

ENOUGH_SHARE = 4
"""Curves end at the first step above this part of the raw bytes: more is for lossless codecs."""

EXPECTED_STEPS = 60
"""Pieces of work of a typical rival on one segment, for the progress."""

FAILED = "failed unexpectedly"
"""So begins the reason where it is an error of the codec or ours, not of the movie."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Measured:
    """A rival with its frames for pictures."""

    rival: Rival
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class RivalJob:
    """Measure one codec; a job for a process of its own."""

    codec: Codec
    material: Material

    @property
    def name(self) -> str:
        """Of the codec."""
        return self.codec.name

    def run(self, progress: Progress) -> Measured:
        """Do it; see :func:`measure_rival`."""
        return measure_rival(self.codec, self.material, progress)


def measure_rival(codec: Codec, material: Material, progress: Progress) -> Measured:
    """Measure one codec on one movie; what goes wrong with it is part of the result.

    Raises
    ------
    Cancelled
        Only what ``progress`` raises to stop.
    """
    bare = Rival(codec.name, codec.label, codec.kind, licence=codec.licence)
    try:
        reason = codec.missing()
        if reason is not None:
            return Measured(replace(bare, missing=reason))
        bare = replace(bare, version=codec.version())
        tick = _ticks(progress, EXPECTED_STEPS * len(material.segments))
        trials = Trials(codec, material, tick)
        # Runs would cut what is binned over time; such codecs are quick, and have few qualities.
        sampled = material.sample if codec.kind in (IMAGE, VIDEO) else None
        sample = None if sampled is None else Trials(codec, sampled, tick)
        try:
            return _measure(trials, sample, bare)
        finally:
            for each in (trials, sample):
                if each is not None:
                    each.clear()
    except Cancelled:
        raise
    except TcsdlError as error:
        return Measured(replace(bare, refused=str(error)))
    except Exception as error:  # one bad rival must not end the study of the others
        return Measured(replace(bare, refused=f"{FAILED}: {in_words(error)}"))


def in_words(error: BaseException) -> str:
    """Name an error of nobody's sentence: its type and message."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def _ticks(progress: Progress, expected: int) -> Callable[[], None]:
    """Turn steps into a fraction that slows down rather than arrive before the work is done."""
    done = 0

    def tick() -> None:
        nonlocal done
        progress(done / (done + max(expected - done, expected / 8)))
        done += 1

    return tick


def _measure(trials: Trials, sample: Trials | None, bare: Rival) -> Measured:
    ladder, chosen, over = _choose(trials, sample)
    points = []
    for index in sorted({*ladder, *chosen.values()}):
        purposes = [purpose for purpose, at in chosen.items() if at == index]
        steps = [LADDER] if index in ladder else []
        points.append(trials.point(index, (*steps, *purposes), frames=bool(purposes)))
    material = trials.material
    offset = material.shown_frame - material.fidelity_frames[0]
    shown, fidelity = [], {}
    for index in dict.fromkeys(chosen.values()):  # one quality may serve several purposes
        served = [purpose for purpose, at in chosen.items() if at == index]
        window = trials.cut(index, *material.fidelity_frames)
        beyond = scores_beyond(window, material)
        if beyond is not None:
            fidelity.update(dict.fromkeys(served, beyond))
        shown.append(Shown(bare.name, served[-1], material.shown_frame, window[offset].copy()))
    ordered = tuple(sorted(points, key=lambda point: point.n_bytes))
    return Measured(
        replace(bare, points=ordered, over_budget=over, fidelity=fidelity), tuple(shown)
    )


def _choose(
    trials: Trials, sample: Trials | None
) -> tuple[list[int], dict[str, int], dict[str, int]]:
    """Return indices of the curve, indices by purpose, and least bytes by purpose out of reach."""
    count, budgets = len(trials.qualities), trials.material.budgets
    exact = trials.qualities == (None,)
    ladder = [] if exact else climb(trials.size, count, trials.material.raw.nbytes // ENOUGH_SHARE)
    chosen: dict[str, int] = {EXACT: 0} if exact else {}
    preview = None if sample is None or exact else Preview(trials, sample)
    for purpose in (RAW_OVER_B, SAME_BYTES):
        if preview is not None:
            _try(trials, preview.largest_within(budgets[purpose]), 0)
        index = largest_within(trials.size, trials.sizes, count, budgets[purpose])
        if index is not None:
            chosen[purpose] = index
    for index in sorted({*ladder, *chosen.values()}):
        trials.scores(index)  # both of one decoding, before the search asks for one of them
    if preview is not None:
        _try(trials, preview.best_below(budgets[BEST_BELOW]), 1)
    index = best_below(trials.psnr, trials.size, trials.sizes, budgets[BEST_BELOW])
    if index is not None:
        chosen[BEST_BELOW] = index
    least = min(trials.sizes.values())
    over = {purpose: least for purpose in budgets if purpose not in chosen}
    return ladder, chosen, over


def _try(trials: Trials, guess: int | None, reach: int) -> None:
    """Encode the whole movie with what was guessed and its neighbours: there the search goes on."""
    if guess is not None:
        for index in range(guess - reach, guess + reach + 1):
            if 0 <= index < len(trials.qualities):
                trials.size(index)
