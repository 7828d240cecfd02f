"""Scores taken anew, away from the viewer: for a region, or against another reference. No Qt."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._validation import Cancelled
from ..movie import Movie
from .job import Report, Reporter
from .lazy import LazyStack
from .region import Region
from .sentences import one_sentence

if TYPE_CHECKING:
    from ..comparison import FrameScores
    from ..reference import Reference

REPORT_SECONDS = 0.1
"""Least time between two reports, after the first: the window draws its curves at each."""

Step = Callable[[], None]
"""Called between two parts of the work; raises Cancelled to stop it."""


@dataclass(frozen=True, eq=False)
class Rescored(Report):
    """Rows for the region and the reference of one :class:`RescoreJob`, whole frames at a time."""

    rows: tuple[FrameScores, ...]


# --- what scores are taken against ------------------------------------------------------------


class Target(Protocol):
    """Reference frames, with one data range for all of them."""

    def data_range(self, step: Step) -> float:
        """Span of the signal over whole frames, also where a region is scored; measured once."""
        ...

    def frame(self, index: int, region: Region | None, step: Step) -> NDArray[Any]:
        """Return frame ``index`` (H, W), or its ``region``."""
        ...


class StackTarget:
    """Frames that exist: raw frames, the truth, another layer, the reference of the run.

    Parameters
    ----------
    movie
        The frames.
    data_range
        Where it is known; else it is measured on ``movie``.
    """

    def __init__(self, movie: Movie, data_range: float | None = None) -> None:
        self.movie = movie
        self._range = data_range

    def data_range(self, step: Step) -> float:
        """See :class:`Target`."""
        if self._range is None:
            from .. import metrics

            step()
            self._range = metrics.data_range_of(self.movie.sample())
        return self._range

    def frame(self, index: int, region: Region | None, step: Step) -> NDArray[Any]:
        """See :class:`Target`."""
        step()
        return crop(self.movie.source, index, region)


class DenoisedTarget:
    """Raw frames, denoised when they are needed."""

    def __init__(self, movie: Movie) -> None:
        self.movie = movie
        self._reference: Reference | None = None
        self._whole = LazyStack(movie.shape, np.dtype(np.float32), self._denoise_whole)

    def data_range(self, step: Step) -> float:
        """See :class:`Target`."""
        return self._prepared(step).data_range

    def frame(self, index: int, region: Region | None, step: Step) -> NDArray[Any]:
        """See :class:`Target`."""
        step()
        reference = self._prepared(step)
        if region is None or not reference.has_cheap(region.slices):
            whole = self._whole.frame(index)  # kept, here and with the movie
            return whole if region is None else whole[region.slices]
        raw = self.movie.read(index, index + 1)[0]
        return reference.part(raw, index, region.slices, step)

    def _denoise_whole(self, index: int) -> NDArray[np.float32]:
        assert self._reference is not None  # frame() prepares it
        return self._reference.frames(self.movie.read(index, index + 1), index)[0]

    def _prepared(self, step: Step) -> Reference:
        self._reference = self._reference or denoised_reference(self.movie, step)
        return self._reference


def denoised_reference(movie: Movie, step: Step) -> Reference:
    """Measure the noise of ``movie`` and the range of its denoised frames, or find what is kept."""
    # Imported here, in the thread: numba and scikit-image take their time to load.
    from ..encoding import measure_statistics
    from ..reference import make_reference

    step()
    return make_reference(movie, "denoised", measure_statistics(movie), None, lambda _: step())


def crop(stack: Any, index: int, region: Region | None) -> NDArray[Any]:
    """Frame ``index`` of ``stack`` (T, H, W), or its ``region``."""
    frame = np.asarray(stack[index : index + 1])[0]
    return frame if region is None else frame[region.slices]


# --- the work ---------------------------------------------------------------------------------


@dataclass(eq=False)
class RescoreJob:
    """Scores frames in a thread until none is left that was asked for.

    Attributes
    ----------
    generation
        Of the region and reference; what comes late from another is dropped.
    target
        What to score against.
    stacks
        (T, H, W) of each codec.
    region
        What to score, or None for whole frames.
    frames
        Indices, in the order in which they are scored.
    """

    generation: int
    target: Target
    stacks: dict[str, Any]
    region: Region | None
    frames: Sequence[int]
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._left = list(self.frames)
        self._known = set(self._left)

    @property
    def n_frames(self) -> int:
        """Frames that were asked for so far."""
        return len(self._known)

    def feed(self, frames: Iterable[int]) -> None:
        """Ask for more frames."""
        with self._lock:
            new = [frame for frame in frames if frame not in self._known]
            self._left += new
            self._known.update(new)

    def has_done(self, frames: Iterable[int]) -> bool:
        """Whether any of ``frames`` is among those that were scored, or begun."""
        with self._lock:
            return any(frame in self._known and frame not in self._left for frame in frames)

    def prefer(self, order: Callable[[int], Any]) -> None:
        """Go on in the order of ``order`` (frame → rank): what is shown now comes first."""
        with self._lock:
            self._left.sort(key=order)

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Score frame by frame.

        Raises
        ------
        Cancelled
            If ``stop`` was set.
        TcsdlError
            For everything else that can go wrong, as one sentence.
        """
        with one_sentence():
            data_range = self.target.data_range(self._step)
            rows: list[FrameScores] = []
            last = -math.inf
            for done, frame in enumerate(iter(self._next, None), start=1):
                rows += self._score(frame, data_range)
                if time.monotonic() - last >= REPORT_SECONDS or not self._left:
                    report(Rescored(self.generation, tuple(rows)))
                    rows, last = [], time.monotonic()
                progress(done / self.n_frames)

    def _next(self) -> int | None:
        self._step()
        with self._lock:
            return self._left.pop(0) if self._left else None

    def _step(self) -> None:
        if self.stop.is_set():
            raise Cancelled

    def _score(self, frame: int, data_range: float) -> list[FrameScores]:
        # Imported here, in the thread: scikit-image takes its time to load.
        from .. import metrics
        from ..comparison import FrameScores

        reference = self.target.frame(frame, self.region, self._step)
        rows = []
        for codec, stack in self.stacks.items():
            self._step()
            image = crop(stack, frame, self.region)
            psnr = metrics.psnr(image, reference, data_range=data_range)
            ssim = metrics.ssim(image, reference, data_range=data_range)
            rows.append(FrameScores(codec, frame, psnr, ssim, bytes=0))
        return rows
