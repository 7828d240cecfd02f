"""Fine-tuning on a movie, away from the viewer: called in a thread, it reports as it learns."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import Cancelled
from ..movie import FrameSource, Movie
from ..settings import Settings
from .job import Reporter
from .layers import contrast_limits
from .sentences import one_sentence
from .training_files import check_free, free_path, start_of
from .training_reports import Begun, Learned, Learning, Pictured

if TYPE_CHECKING:  # torch takes seconds to load
    from ..reconstruction import Checkpoint
    from ..training.finetune import FinetuneSettings, Tuned
    from ..training.loop import Moment

STEPS = 10**6
"""More than there is time for: the minutes end a run, or a lack of gain does."""
LOOKS = 20
"""Looks at the held-out frames within the minutes, at least."""
PATIENCE = 8
"""Looks without gain after which a run ends early."""
REPORT_SECONDS = 0.5
"""Least time between two reports: the window is painted anew at each."""
CPU_PIXELS = 110_000
"""Of a batch on a CPU: more and smaller steps within the minutes."""
PICTURE_PIXELS = 6_000_000
"""Of the frames that are decoded before and after: some ten seconds on one core."""
_SIDE_STEP = 8  # [px] of a part that is cut out


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """Fine-tune the decoder of ``settings`` on ``movie``, for its B.

    Attributes
    ----------
    target
        NAME.safetensors to be written; nothing that exists is replaced.
    minutes
        How long at most.
    enough
        Set it to stop learning and keep the best so far.
    stop
        Set it to end everything: nothing is kept that is not written yet.
    """

    generation: int
    movie: Movie
    settings: Settings
    target: Path
    minutes: float
    enough: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.movie.shape[0]

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Learn, keep the best, and decode held-out frames with both; see :class:`.job.Job`.

        ``progress`` is told of the decoding; of learning, :class:`Learning` tells.
        """
        with one_sentence():
            # Imported here, in the thread: torch takes seconds to load.
            from .._device import choose_device
            from ..training.finetune import finetune

            check_free(self.target)
            start, origin = start_of(self.settings)
            device = choose_device(self.settings.device)
            report(Begun(self.generation, device.label))
            follower = _Follower(self, report)
            movie = replace(self.movie, source=_Asked(self.movie.source, follower.ask))
            how = self._how(on_cpu=device.device.type == "cpu")
            tuned = finetune(movie, start, how, device.device, follower)
            follower.tell()
            # Also where the panel was closed meanwhile: what was learned must not be lost.
            learned = self._keep(tuned, follower, origin)
            if self.stop.is_set():
                raise Cancelled
            report(learned)
            del tuned  # two networks, on the device
            if learned.path is not None:
                report(self._pictures(learned, progress))

    def _how(self, *, on_cpu: bool) -> FinetuneSettings:
        """Batches of the run's own B and masks; looks often enough to be watched."""
        from ..training.batches import BatchSettings
        from ..training.finetune import FinetuneSettings

        ratio = self.settings.compression_ratio
        kinds = {"bernoulli": 1.0, "balanced": 0.0}
        batch = BatchSettings(ratios=(ratio, ratio), bernoulli=kinds[self.settings.masks])
        batch = replace(batch, pixels=CPU_PIXELS) if on_cpu else batch
        return FinetuneSettings(
            steps=STEPS,
            minutes=self.minutes,
            patience=PATIENCE,
            check_minutes=self.minutes / LOOKS,
            batch=batch,
        )

    def _keep(self, tuned: Tuned, follower: _Follower, origin: str) -> Learned:
        """Write the weights if they are better."""
        if self.enough.is_set():
            ended = "stopped by you"
        elif follower.progress >= 1:
            ended = "the time is up"
        else:
            ended = f"the last {PATIENCE} looks brought no gain"
        path = _save(self.target, tuned.checkpoint) if tuned.improved else None
        return Learned(
            self.generation,
            tuned.improved,
            tuned.errors,
            tuned.decibels if tuned.improved else None,
            follower.step,
            follower.kept_step,
            tuned.held_out,
            path,
            origin,
            ended,
        )

    def _pictures(self, learned: Learned, progress: Callable[[float], None]) -> Pictured:
        """Compress a part of the held-out frames as a run would, and decode it twice."""
        from ..pipeline import compress, reconstruct

        first, count, rows, columns = part_to_show(
            self.movie.shape, learned.held_out, self.settings.compression_ratio
        )
        frames = self.movie.read(first, first + count)[:, rows, columns]
        stacks = []
        with tempfile.TemporaryDirectory(prefix="napari-tcsdl-") as folder:
            movie = replace(self.movie, source=np.ascontiguousarray(frames))
            stated = replace(self.settings, deviation="stated")  # frames alone are compared
            compressed = compress(movie, Path(folder) / "part.tcs.zarr", stated)
            for turn, weights in enumerate((self.settings.weights, str(learned.path))):

                def told(fraction: float, turn: int = turn) -> None:
                    if self.stop.is_set():
                        raise Cancelled
                    progress((turn + fraction) / 2)

                told(0.0)
                settings = replace(self.settings, weights=weights)
                blocks = reconstruct(compressed, settings, progress=told)
                stacks.append(np.concatenate([block.frames for block in blocks]))
        before, after = stacks
        limits = contrast_limits(before, margin=0.05)
        return Pictured(self.generation, before, after, first, rows.start, columns.start, limits)


def part_to_show(
    shape: tuple[int, int, int], held_out: range, compression_ratio: int
) -> tuple[int, int, slice, slice]:
    """Choose what is decoded before and after: whole blocks of whole frames, if they fit.

    Returns
    -------
    tuple
        First frame, number of frames, rows, columns: else of one block, its middle.
    """
    _, height, width = shape
    ratio = min(compression_ratio, len(held_out))
    blocks = min(len(held_out) // ratio, PICTURE_PIXELS // (ratio * height * width))
    if blocks >= 1:
        return held_out.start, blocks * ratio, slice(0, height), slice(0, width)
    side = int(math.sqrt(PICTURE_PIXELS / ratio))
    # A side that is short leaves more room for the other.
    tall = min(height, max(side, PICTURE_PIXELS // (ratio * min(width, side))))
    wide = min(width, PICTURE_PIXELS // (ratio * tall))
    tall, wide = (max(_SIDE_STEP, length // _SIDE_STEP * _SIDE_STEP) for length in (tall, wide))
    top, left = (height - tall) // 2, (width - wide) // 2
    return held_out.start, ratio, slice(top, top + tall), slice(left, left + wide)


class _Asked:
    """Frames of a movie; whether to go on is asked before each reading."""

    def __init__(self, source: FrameSource, ask: Callable[[], None]) -> None:
        self.source, self.ask = source, ask
        self.shape, self.dtype = source.shape, source.dtype

    def __getitem__(self, key: slice) -> Any:
        self.ask()
        return self.source[key]


class _Follower:
    """Watches a run: collects its steps, reports them now and then, and ends it."""

    def __init__(self, job: TrainingJob, report: Reporter) -> None:
        self.job, self.report = job, report
        self.step, self.kept_step, self.progress = 0, 0, 0.0
        self._moment: Moment | None = None
        self._losses: list[tuple[int, float, str]] = []
        self._told = -math.inf

    def __call__(self, moment: Moment) -> None:
        if moment.step > self.step:
            self._losses.append((moment.step, moment.loss, moment.source))
        self.step, self.progress, self._moment = moment.step, moment.progress, moment
        if moment.scores["held_out_error"] == moment.scores["least_error"]:
            self.kept_step = int(moment.scores["step"])
        quiet = time.monotonic() - self._told
        if quiet >= (REPORT_SECONDS if self._losses else 2 * REPORT_SECONDS):
            self.tell()
        self.ask()

    def ask(self) -> None:
        """End the run if that is wanted."""
        if self.job.enough.is_set() or self.job.stop.is_set():
            raise Cancelled

    def tell(self) -> None:
        """Report what is new."""
        moment, losses = self._moment, tuple(self._losses)
        if moment is None:
            return
        self._told, self._losses = time.monotonic(), []
        scores = moment.scores
        look = int(scores["step"]), scores["held_out_error"], scores["least_error"]
        self.report(
            Learning(self.job.generation, losses, look, moment.progress, moment.minutes_left)
        )


def _save(target: Path, checkpoint: Checkpoint) -> Path:
    """Write weights; under another name if there are some of this name by now."""
    from ..reconstruction import save_checkpoint

    path = free_path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, checkpoint)
    return path
