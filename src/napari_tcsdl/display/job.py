"""What a run computes, away from the viewer: called in a thread, it reports as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._validation import Cancelled
from ..movie import Movie
from ..settings import Settings
from .layers import contrast_limits
from .roles import (
    BINNING,
    CONSISTENCY,
    JPEG,
    JPEG_RAW_OVER_B,
    MEASUREMENT,
    RECONSTRUCTION,
    REFERENCE,
    UNCERTAINTY,
)
from .sentences import one_sentence
from .store import ResultStore

if TYPE_CHECKING:
    from ..comparison import BlockResult
    from ..decoding import ReconstructedBlock

SHOW_SECONDS = 20.0
"""Longest wait for the window to show the layers of a run."""
CONTRAST_MARGIN = 0.25
"""All boxes share the contrast of the reference, widened so that noise is not clipped."""

_JPEGS = {JPEG: "jpeg_same_bytes", JPEG_RAW_OVER_B: "jpeg_raw_over_B"}
_MAPS: dict[str, np.dtype[Any]] = {
    UNCERTAINTY: np.dtype(np.float32),
    CONSISTENCY: np.dtype(np.float16),
}


# --- reports ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Report:
    """Anything that a job tells; ``generation`` says which run it belongs to."""

    generation: int


@dataclass(frozen=True, eq=False)
class Prepared(Report):
    """The input is good and the result stacks exist, still dark.

    ``limits`` are the contrast to begin with, or None for that of the input. ``shown`` is set
    once their layers are there: the work begins after that, as both at once would make the
    window stutter.
    """

    store: ResultStore
    limits: tuple[float, float] | None = None
    shown: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, eq=False)
class BlockReady(Report):
    """Frames ``first_frame`` … ``first_frame + n_frames − 1`` are in the stacks.

    ``descriptions`` says, for each codec, its encoder, version and flags; ``limits`` is the
    contrast of the reference frames, or None where there is none; ``qualities`` are JPEG's, by
    role; ``data_range`` is that of the scores [detector units].
    """

    index: int
    first_frame: int
    n_frames: int
    scores: tuple[Any, ...] = ()
    descriptions: dict[str, str] = field(default_factory=dict)
    limits: tuple[float, float] | None = None
    qualities: dict[str, float | None] = field(default_factory=dict)
    data_range: float | None = None


@dataclass(frozen=True, eq=False)
class Finished(Report):
    """All blocks are done.

    ``real_bytes`` are those of the compressed file at ``path``, by part, with the total;
    ``raw_bytes`` those of the movie's pixels.
    """

    raw_bytes: int
    real_bytes: dict[str, int]
    path: Path


Reporter = Callable[[Report], None]


class Job(Protocol):
    """One run, to be called once in any thread; setting ``stop`` ends it at the next step."""

    @property
    def generation(self) -> int:
        """Number of the run."""
        ...

    @property
    def stop(self) -> threading.Event:
        """Set it to end the run."""
        ...

    @property
    def n_frames(self) -> int:
        """Frames that the run will produce."""
        ...

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Do the work.

        Raises
        ------
        Cancelled
            If ``stop`` was set.
        TcsdlError
            For everything else that can go wrong, as one sentence.
        """
        ...


Dtypes = dict[str, np.dtype[Any]]


def kept_stacks(dtype: np.dtype[Any], settings: Settings) -> tuple[Dtypes, Dtypes]:
    """Pixel types of the stacks that a comparison keeps to be shown, and of those it would like.

    Parameters
    ----------
    dtype
        Of the movie.
    settings
        Of the run.
    """
    real = np.dtype(np.float32)
    extras = {BINNING: real, JPEG_RAW_OVER_B: dtype, **_MAPS}
    if settings.reference != "raw":
        extras[REFERENCE] = real
    return {RECONSTRUCTION: real, JPEG: dtype, MEASUREMENT: real}, extras


# --- jobs -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ComparisonJob:
    """Compress, reconstruct and compare ``movie``."""

    generation: int
    movie: Movie
    settings: Settings
    truth: Movie | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.movie.shape[0]

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Compare block by block; see :class:`Job`."""
        with one_sentence():
            step = stoppable(self.stop, progress)
            middle = self.n_frames // 2
            limits = contrast_limits(self.movie.read(middle, middle + 1))
            wanted, extras = kept_stacks(self.movie.dtype, self.settings)
            ratio = self.settings.compression_ratio
            store = ResultStore(self.movie.shape, ratio, wanted, extras=extras)
            _announce(Prepared(self.generation, store, limits), report, self.stop)
            step(0.0)
            self._blocks(store, report, step)

    def _blocks(self, store: ResultStore, report: Reporter, step: Callable[[float], None]) -> None:
        # Imported here, in the thread: numba, zarr and torch take seconds to load.
        from ..comparison import compare
        from ..io import open_compressed

        path = store.compressed_path
        comparison = compare(self.movie, path, self.settings, truth=self.truth, progress=step)
        step(0.0)
        for block in comparison.run(step):
            self._write(store, block, path)
            report(
                BlockReady(
                    self.generation,
                    block.index,
                    block.first_frame,
                    block.n_frames,
                    block.scores,
                    {codec.codec: codec.description for codec in block.codecs},
                    contrast_limits(block.reference, margin=CONTRAST_MARGIN),
                    {role: block.codec(codec).quality for role, codec in _JPEGS.items()},
                    comparison.reference.data_range,
                )
            )
        real_bytes = dict(open_compressed(path).bytes_on_disk())
        report(Finished(self.generation, self.movie.nbytes, real_bytes, path))

    def _write(self, store: ResultStore, block: BlockResult, path: Path) -> None:
        """Keep what there is to see of a block."""
        from ..decoding import ReconstructedBlock

        first, frames = block.first_frame, block.frames(self.settings.decoder)
        store.write(RECONSTRUCTION, first, frames)
        for role, codec in (_JPEGS | {BINNING: "binning"}).items():
            store.write(role, first, block.frames(codec))
        store.write(REFERENCE, first, block.reference)
        store.write(MEASUREMENT, block.index, block.measurement[None])
        _write_maps(store, path, block.index, ReconstructedBlock(first, frames, block.uncertainty))


@dataclass(frozen=True, eq=False)
class ReconstructionJob:
    """Reconstruct a compressed file; there is nothing to compare it with."""

    generation: int
    path: Path
    n_frames: int
    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Reconstruct block by block; see :class:`Job`."""
        with one_sentence():
            from ..io import open_compressed
            from ..pipeline import reconstruct

            step = stoppable(self.stop, progress)
            compressed = open_compressed(self.path)
            blocks = reconstruct(compressed, self.settings, progress=step)
            height, width = compressed.measurement(0).values.shape
            store = ResultStore(
                (self.n_frames, height, width),
                compressed.masks.compression_ratio,
                {RECONSTRUCTION: np.dtype(np.float32)},
                extras=_MAPS,
            )
            _announce(Prepared(self.generation, store), report, self.stop)
            step(0.0)
            for index, block in enumerate(blocks):
                store.write(RECONSTRUCTION, block.first_frame, block.frames)
                _write_maps(store, self.path, index, block)
                count = len(block.frames)
                report(BlockReady(self.generation, index, block.first_frame, count))
            pixels = self.n_frames * height * width
            raw_bytes = pixels * np.dtype(compressed.header.dtype).itemsize
            real_bytes = dict(compressed.bytes_on_disk())
            report(Finished(self.generation, raw_bytes, real_bytes, self.path))


def _write_maps(store: ResultStore, path: Path, index: int, block: ReconstructedBlock) -> None:
    """Keep what the decoder does not know, and where it contradicts the measurement."""
    from ..io import open_compressed
    from ..pipeline import consistency_map

    if block.uncertainty is not None:
        store.write(UNCERTAINTY, block.first_frame, block.uncertainty)
    compressed = open_compressed(path)
    if compressed.header.noise is not None:
        store.write(CONSISTENCY, index, consistency_map(compressed, index, block.frames)[None])


def _announce(prepared: Prepared, report: Reporter, stop: threading.Event) -> None:
    report(prepared)
    for _ in range(round(SHOW_SECONDS / 0.1)):
        # In short steps: a window that closes meanwhile waits for this thread.
        if prepared.shown.wait(0.1) or stop.is_set():
            break


def stoppable(stop: threading.Event, progress: Callable[[float], None]) -> Callable[[float], None]:
    """Return a progress that ends the work by ``Cancelled`` once ``stop`` is set."""

    def step(fraction: float) -> None:
        if stop.is_set():
            raise Cancelled
        progress(fraction)

    return step
