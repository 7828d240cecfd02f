"""Which region and which reference the scores are for, and the job that takes them anew. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from napari.layers import Image, Layer
from psygnal import Signal

from .._validation import TcsdlError
from ..movie import Movie
from .controller import Controller
from .decoded import DecodedStack
from .job import ComparisonJob
from .layers import KEY, movie_from_layer
from .region import Region, Roi
from .rescoring import DenoisedTarget, Rescored, RescoreJob, StackTarget, Target
from .roles import RECONSTRUCTION, REFERENCE
from .run import REFERENCES, Run
from .scoreboard import Basis, ScoreBoard
from .turns import Later, at_once

OWN, RAW, DENOISED = "run", "raw", "denoised"
Key: TypeAlias = str | Layer
"""OWN, RAW, DENOISED, or the layer that holds the truth."""


class Scorer:
    """Scores of the run that is shown, for the region and the reference that are chosen.

    Parameters
    ----------
    controller
        Owns the run.
    roi
        The region of interest; without one whole frames are scored.
    begin
        Runs a job in a thread. Its reports go to :meth:`apply`; :meth:`ended` is called last.
    throttle
        Calls what it is given later, and once where it is given the same several times.
    """

    changed = Signal()
    """Scores, frame, basis or progress."""
    failed = Signal(object)
    """Why frames cannot be scored so; the run's own scores are shown again."""

    def __init__(
        self,
        controller: Controller,
        roi: Roi,
        begin: Callable[[RescoreJob], None],
        throttle: Later = at_once,
    ) -> None:
        self.controller, self.roi = controller, roi
        self.generation = 0
        self.reference: Key = OWN
        self._begin, self._throttle = begin, throttle
        self._run: Run | None = None
        self._job: RescoreJob | None = None
        self._active: tuple[Key, Region | None] = (OWN, None)
        self._targets: dict[Key, Target] = {}
        self._frame, self._frames_done = -1, 0
        self._closed = False
        controller.changed.connect(self._on_controller)
        controller.abandoned.connect(self._on_controller)
        roi.changed.connect(self._on_roi)
        controller.viewer.layers.events.removed.connect(self._on_removed)
        self._on_controller()

    def close(self, *, restore: bool = True) -> None:
        """Stop, let go, and return to the run's own scores, unless the window is gone."""
        if self._closed:
            return
        self._closed = True
        self.generation += 1
        self._stop()
        self.controller.changed.disconnect(self._on_controller)
        self.controller.abandoned.disconnect(self._on_controller)
        self.roi.changed.disconnect(self._on_roi)
        self.controller.viewer.layers.events.removed.disconnect(self._on_removed)
        self.changed.disconnect()
        self.failed.disconnect()
        if restore and self._run is not None:
            self._run.board.reset()
        self._run = self._job = None
        self._targets = {}  # denoised frames are large

    # --- what is shown ------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run that is shown."""
        return self._run

    @property
    def board(self) -> ScoreBoard | None:
        """Its scores; None where there is nothing to compare."""
        return self._run.board if self._run is not None and self._run.compares else None

    @property
    def frame(self) -> int:
        """Frame that the slider shows."""
        return self.controller.frame

    @property
    def region(self) -> Region | None:
        """Pixels of the frames that are scored; None for whole frames."""
        if self._run is None:
            return None
        return self.roi.region(self._run.layers.get(RECONSTRUCTION, self._run.source))

    @property
    def progress(self) -> tuple[int, int] | None:
        """Frames that are scored, and all that were asked for; None while nothing is at work."""
        if self._job is None or self._job.stop.is_set() or self.board is None:
            return None
        total = self.board.n_frames
        return total - len(self.board.missing()), total

    def references(self) -> dict[Key, str]:
        """List what scores can be taken against, each with what to call it."""
        run = self._run
        if run is None or not isinstance(run.job, ComparisonJob):
            return {OWN: "the run's reference"}
        own, movie = run.settings.reference, run.job.movie
        found: dict[Key, str] = {OWN: f"{run.reference_words} (of the run)"}
        found |= {key: REFERENCES[key] for key in (DENOISED, RAW) if key != own}
        taken = [run.source.data, run.job.truth.source if run.job.truth is not None else None]
        for layer in self.controller.viewer.layers:
            if isinstance(layer, Image) and layer not in run.added and _may_be_truth(layer):
                data = layer.data[0] if layer.multiscale else layer.data
                if data.shape == movie.shape and not any(data is other for other in taken):
                    found[layer] = f"truth: {layer.name}"
        return found

    # --- what is asked for --------------------------------------------------------------------

    def choose(self, reference: Key) -> None:
        """Take scores against ``reference`` from now on; one that is not offered is passed over."""
        if reference in self.references():
            self.reference = reference
            self.refresh()

    def show_frame(self, frame: int) -> None:
        """Move the slider."""
        self.controller.show_frame(frame)

    def cancel(self) -> None:
        """Stop taking scores anew; the frames that are done stay."""
        self._stop()
        if self.board is not None:
            self.board.stop()
        self.changed.emit()

    def refresh(self) -> None:
        """Begin anew if another region or another reference is wanted."""
        run, wanted = self._run, (self.reference, self.region)
        if run is None or not run.compares or run.store is None or wanted == self._active:
            return
        self._active = wanted
        self.generation += 1
        self._stop()
        if wanted == (OWN, None):
            run.board.reset()
        else:
            region = wanted[1].shape if wanted[1] is not None else None
            run.board.begin(Basis(self._words(run), region), run.scored_stacks())
            self._work()
        self.changed.emit()

    # --- the job ------------------------------------------------------------------------------

    def apply(self, report: Rescored) -> bool:
        """Take in what a job has scored; False if it came too late and was dropped."""
        if report.generation != self.generation or self.board is None:
            return False
        self.board.put(report.rows)
        return True

    def ended(self, job: RescoreJob, error: TcsdlError | None = None) -> None:
        """Go on when the thread of ``job`` has ended, with what was asked for meanwhile."""
        if job is not self._job:
            return
        self._job = None
        late = job.generation != self.generation
        if error is not None and not late and self.board is not None:
            self.board.reset()
            self.failed.emit(error)
        elif self.board is not None and job.has_done(self.board.missing()) and not late:
            self.board.stop()  # what cannot be had must not be asked for again and again
        self._work()
        self.changed.emit()

    def _work(self) -> None:
        """Score what is not scored yet: one thread at a time."""
        run, job = self._run, self._job
        if run is None or (job is not None and job.stop.is_set()):
            return  # ended() comes back here
        missing = sorted(run.board.missing(), key=self._rank)
        if job is not None:
            job.feed(missing)
        elif missing:
            reference, region = self._active
            try:
                target = self._target(run, reference)
            except TcsdlError as error:
                run.board.reset()
                self.failed.emit(error)
                return
            stacks = run.scored_stacks()
            self._job = RescoreJob(self.generation, target, stacks, region, missing)
            self._begin(self._job)

    def _rank(self, frame: int) -> tuple[bool, bool, int]:
        """Order of the work: the frame that is shown, its block, then the rest."""
        run, shown = self._run, self.frame
        ratio = run.compression_ratio if run is not None else 1
        return frame != shown, frame // ratio != shown // ratio, frame

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop.set()

    def _words(self, run: Run) -> str:
        if isinstance(self.reference, Layer):
            return f"the truth (layer {self.reference.name})"
        return run.reference_words if self.reference == OWN else REFERENCES[self.reference]

    def _target(self, run: Run, reference: Key) -> Target:
        """Return what to score against; kept, as its data range takes time to measure."""
        if reference not in self._targets:
            self._targets[reference] = _make_target(run, reference)
        return self._targets[reference]

    # --- what happens -------------------------------------------------------------------------

    def _on_controller(self) -> None:
        run = self.controller.run
        if run is not self._run:
            self._stop()
            self.generation += 1
            self._run, self._active, self._targets = run, (OWN, None), {}
            if self.reference not in self.references():
                self.reference = OWN
        if self._job is not None and self._frame != self.frame:
            self._job.prefer(self._rank)
        if run is not None and self._frames_done != run.frames_done:
            self._work()
        self._frame, self._frames_done = self.frame, run.frames_done if run is not None else 0
        self.refresh()
        self.changed.emit()

    def _on_roi(self) -> None:
        self._throttle(self.refresh)

    def _on_removed(self, event: Any) -> None:
        self._targets.pop(event.value, None)
        if self.reference is event.value:
            self.reference = OWN
            self.refresh()


def _make_target(run: Run, reference: Key) -> Target:
    assert isinstance(run.job, ComparisonJob)  # nothing else is compared
    movie, truth = run.job.movie, run.job.truth
    if isinstance(reference, Layer):
        return StackTarget(movie_from_layer(reference))
    kind = run.settings.reference if reference == OWN else reference
    if kind == RAW:
        frames = movie
    elif kind == "truth" and truth is not None:
        frames = truth
    elif reference == OWN and run.store is not None and REFERENCE in run.store.filled:
        frames = Movie(run.store.stacks[REFERENCE], name=REFERENCE)
    else:
        return DenoisedTarget(movie)
    # The run's own scores beside these must be of the same range.
    return StackTarget(frames, run.data_range if reference == OWN else None)


def _may_be_truth(layer: Image) -> bool:
    """Whether a layer could hold the truth: no colours, and nothing that a decoder has made."""
    role = layer.metadata.get(KEY, {}).get("role")
    return not layer.rgb and not isinstance(layer.data, DecodedStack) and role in (None, "movie")
