"""What fine-tuning tells the window, and the curves that come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .job import Report

SOURCES = {"movie": "this movie", "scenes": "scenes of known truth"}
"""What steps learn from, and what to call it."""
_KEEP = 0.95
"""Of the running mean, at each step: single batches differ more than the network changes."""


@dataclass(frozen=True, eq=False)
class Begun(Report):
    """The weights and the device are there; the movie's noise is measured next."""

    device: str


@dataclass(frozen=True, eq=False)
class Learning(Report):
    """Steps that were taken since the last report.

    Attributes
    ----------
    losses
        (step, loss, source) of each, oldest first; sources are "movie" and "scenes".
    look
        (step, error, least error) of the last look at the held-out frames, errors in units of
        the movie's variance.
    progress, minutes_left
        Of the whole run.
    """

    losses: tuple[tuple[int, float, str], ...]
    look: tuple[int, float, float]
    progress: float
    minutes_left: float


@dataclass(frozen=True, eq=False)
class Learned(Report):
    """What came of it; if anything, the weights are written.

    Attributes
    ----------
    improved
        Whether weights are surely better than those of the start, on the held-out frames.
    errors
        On these, before and after, in units of the movie's variance.
    decibels
        By how much the error fell [dB]; None where it is too small to be known.
    steps, kept_step
        Steps that were taken, and the step of the weights that are kept.
    held_out
        Frames that nothing was learned from.
    path
        Of the new weights; None without a gain.
    start
        What was begun with, in words.
    ended
        Why it ended, in words.
    """

    improved: bool
    errors: tuple[float, float]
    decibels: float | None
    steps: int
    kept_step: int
    held_out: range
    path: Path | None
    start: str
    ended: str

    def sentence(self) -> str:
        """Say what came of it, in plain words."""
        if self.steps == 0:
            return "Stopped before the first step: nothing was learned."
        first, last = self.held_out.start, self.held_out.stop - 1
        where = f"on held-out frames {first} to {last}"
        if not self.improved or self.path is None:
            return (
                f"No gain {where} after {self.steps} steps ({self.ended}): {self.start} stay best."
            )
        before, after = self.errors
        if self.decibels is not None:
            gain = f"Better by {self.decibels:.2f} dB {where}"
            detail = f"squared error {before:.2%} → {after:.2%} of the movie's variance"
        else:
            gain = f"Better {where}"
            detail = f"squared error lower by {before - after:.2%} of the movie's variance"
        return f"{gain} at step {self.kept_step} of {self.steps} ({self.ended}): {detail}."


@dataclass(frozen=True, eq=False)
class Pictured(Report):
    """Held-out frames (T, H, W), decoded with the weights before and after [detector units].

    They begin at frame ``first_frame`` of the movie, row ``top``, column ``left``.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    first_frame: int
    top: int
    left: int
    limits: tuple[float, float]


@dataclass(eq=False)
class Curves:
    """Loss and held-out error over the steps of one run.

    Attributes
    ----------
    losses
        Steps, losses and their running mean, for each source.
    looks
        Steps and errors of the looks at the held-out frames; step 0 is the start.
    best
        Step and error of the weights that would be kept now; None before the first look.
    """

    losses: dict[str, tuple[list[int], list[float], list[float]]] = field(
        default_factory=lambda: {source: ([], [], []) for source in SOURCES}
    )
    looks: tuple[list[int], list[float]] = field(default_factory=lambda: ([], []))
    best: tuple[int, float] | None = None

    def add(self, news: Learning) -> None:
        """Go on with what was reported."""
        for step, loss, source in news.losses:
            steps, values, means = self.losses[source]
            steps.append(step)
            values.append(loss)
            before = means[-1] if means else loss
            # The mean of all there is at first, then of about the last twenty.
            keep = min(_KEEP, 1 - 1 / len(values))
            means.append(keep * before + (1 - keep) * loss if np.isfinite(loss) else before)
        step, error, least = news.look
        if not self.looks[0] or step > self.looks[0][-1]:
            self.looks[0].append(step)
            self.looks[1].append(error)
        if error == least:
            self.best = step, error

    @property
    def step(self) -> int:
        """Steps that were taken."""
        return max((steps[-1] for steps, *_ in self.losses.values() if steps), default=0)

    def sentence(self) -> str:
        """Say how it stands."""
        if self.best is None:
            return "first look at the held-out frames…"
        step, error = self.best
        start = self.looks[1][0]
        if step == 0:
            return f"step {self.step}, no gain on held-out frames yet"
        gain = f"{10 * np.log10(start / error):.2f} dB better" if min(start, error) > 0 else "best"
        return f"step {self.step}, {gain} at step {step}"
