"""Denoised reference frames computed ahead, while nothing else is at work. No Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from psygnal import Signal

from .._validation import Cancelled, TcsdlError
from ..movie import Movie
from .job import ComparisonJob, Report, Reporter
from .rescoring import denoised_reference
from .scorer import DENOISED, OWN, Scorer
from .sentences import one_sentence
from .session import Session

SETTLE_SECONDS = 0.5
"""After the slider has moved: until then the cores are for what follows it."""
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, eq=False)
class Filled(Report):
    """So many frames are kept."""

    kept: int


class FillJob:
    """Denoises frames of ``movie`` and keeps them; see :class:`~napari_tcsdl.display.job.Job`.

    It takes one core, those frames first that are nearest to the one that is shown, and waits
    while the slider moves.
    """

    def __init__(self, generation: int, movie: Movie, shown: int) -> None:
        self.generation, self.movie = generation, movie
        self.stop = threading.Event()
        self._shown, self._moved, self._kept = shown, 0.0, -1

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.movie.shape[0]

    def look_at(self, frame: int) -> None:
        """Go on around ``frame``, which is shown now."""
        if frame != self._shown:
            self._shown, self._moved = frame, time.monotonic()

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Fill, and report each frame."""
        with one_sentence():
            reference = denoised_reference(self.movie, self._step)
            reference.fill(partial(self._tell, report), lambda: self._shown)

    def _tell(self, report: Reporter, kept: int) -> None:
        self._step()
        if kept != self._kept:
            self._kept = kept
            report(Filled(self.generation, kept))

    def _step(self) -> None:
        while time.monotonic() - self._moved < SETTLE_SECONDS:
            if self.stop.wait(PAUSE_SECONDS):
                break
        if self.stop.is_set():
            raise Cancelled


class ReferenceFiller:
    """Has frames denoised as long as scores are taken against denoised frames.

    One thread at a time, and none while a run, a study or scoring is at work: they take what is
    kept, and what they denoise themselves is kept, too. What is stopped goes on later.

    Parameters
    ----------
    session
        Says whether a job runs.
    scorer
        Says against what scores are taken, and which frame is shown.
    begin
        Runs a job in a thread. Its reports go to :meth:`apply`; :meth:`ended` is called last.
    """

    changed = Signal()
    """Another number of frames is kept."""

    def __init__(self, session: Session, scorer: Scorer, begin: Callable[[FillJob], None]) -> None:
        self._session, self._scorer, self._begin = session, scorer, begin
        self._job: FillJob | None = None
        self._movie: Movie | None = None
        self._kept: int | None = None
        self._generation = 0
        self._paused = self._done = self._closed = False
        scorer.changed.connect(self._follow)
        session.busy_changed.connect(self._follow)
        session.viewer.layers.events.removed.connect(self._follow)
        self._follow()

    def close(self) -> None:
        """Stop, and let go; what is kept stays."""
        if self._closed:
            return
        self._closed = True
        self.changed.disconnect()
        self._scorer.changed.disconnect(self._follow, missing_ok=True)
        self._session.busy_changed.disconnect(self._follow, missing_ok=True)
        self._session.viewer.layers.events.removed.disconnect(self._follow)
        self.pause(True)

    def pause(self, paused: bool) -> None:
        """Stop as long as nobody looks."""
        self._paused = paused
        self._follow()

    @property
    def progress(self) -> tuple[int, int] | None:
        """Frames that are kept, and all there are; None where nothing is to be done (any more)."""
        if self._movie is None or self._kept is None or self._done:
            return None
        return self._kept, self._movie.shape[0]

    def apply(self, report: Filled) -> bool:
        """Take in how many frames are kept; False if it came too late and was dropped."""
        if self._job is None or report.generation != self._job.generation:
            return False
        self._kept = report.kept
        self.changed.emit()
        return True

    def ended(self, job: FillJob, error: TcsdlError | None = None) -> None:
        """Go on when the thread of ``job`` has ended: never again with what has failed."""
        if job is not self._job:
            return
        self._job = None
        if job.movie is self._movie and (error is not None or not job.stop.is_set()):
            self._done = True
            self.changed.emit()
        self._follow()

    def _wanted(self) -> Movie | None:
        """Movie whose denoised frames are asked for."""
        run = self._scorer.run
        if self._paused or run is None or not isinstance(run.job, ComparisonJob):
            return None
        own, key = run.settings.reference, self._scorer.reference
        asked = (own if key == OWN else key) == DENOISED
        there = run.source in self._session.viewer.layers
        kept_by_run = own == DENOISED and run.finished is not None
        return run.job.movie if asked and there and not kept_by_run else None

    def _follow(self, *_: object) -> None:
        movie, job = self._wanted(), self._job
        if movie is not self._movie:
            self._movie, self._kept, self._done = movie, None, False
            self.changed.emit()
        at_rest = not self._session.busy and self._scorer.progress is None
        if job is not None:
            job.look_at(self._scorer.frame)
            if job.movie is not movie or not at_rest:
                job.stop.set()  # ended() comes back here
        elif movie is not None and at_rest and not self._done:
            self._generation += 1
            self._job = FillJob(self._generation, movie, self._scorer.frame)
            self._begin(self._job)
