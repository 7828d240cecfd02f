"""Exports, to be run in a thread: a figure, a movie side by side, the table of scores. No Qt.

Each writes under a temporary name and renames at the end: a cancelled or failed export leaves
nothing behind and damages nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._validation import Cancelled, InputError
from .job import Report, Reporter
from .score_text import table_text
from .scoreboard import ScoreTable
from .sentences import one_sentence
from .snapshot import View

FRAME_RATE = 10.0
"""[frames/s]"""

Step = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Exported(Report):
    """The file is there; ``sentence`` says what it holds."""

    path: Path
    sentence: str


@dataclass(frozen=True, eq=False)
class ExportJob:
    """What all exports share; see :class:`~napari_tcsdl.display.job.Job`.

    Attributes
    ----------
    generation
        Number of the export.
    path
        File to write; its name says the format.
    replace
        Whether the user has agreed to replace a file of that name.
    """

    generation: int
    path: Path
    replace: bool = False
    stop: threading.Event = field(default_factory=threading.Event, kw_only=True)

    @property
    def n_frames(self) -> int:
        """Frames that are drawn."""
        return 1

    def run(self, report: Reporter, progress: Step) -> None:
        """Write the file and report :class:`Exported`.

        Raises
        ------
        Cancelled
            If ``stop`` was set.
        TcsdlError
            For everything else that can go wrong, as one sentence.
        """

        def step(fraction: float) -> None:
            if self.stop.is_set():
                raise Cancelled
            progress(fraction)

        with one_sentence():
            step(0.0)
            sentence = self.write(step)
            progress(1.0)
            report(Exported(self.generation, self.path, sentence))

    def write(self, step: Step) -> str:
        """Write the file; return a sentence about it."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class FigureJob(ExportJob):
    """The view as it is shown → PNG or PDF, ``spectra`` below the images where wanted."""

    view: View = field(kw_only=True)
    spectra: bool = field(default=False, kw_only=True)

    def write(self, step: Step) -> str:
        """Write the figure."""
        # Imported here, in the thread: matplotlib takes a second to load.
        from ..view_figure import check_figure, save_view_figure

        check_figure(self.path)
        pictures = self.view.pictures()
        step(0.3)
        save_view_figure(
            pictures,
            self.path,
            caption=self.view.clock.words(self.view.frame) if self.view.clock.count > 1 else "",
            columns=self.view.columns,
            spectra=self.spectra,
            replace=self.replace,
        )
        return f"wrote {self.path.name}, {len(pictures)} {_boxes(len(pictures))}"


@dataclass(frozen=True, eq=False)
class ClipJob(ExportJob):
    """All frames of the movie with the boxes side by side → MP4 or GIF.

    Raises
    ------
    InputError
        If the view holds no movie.
    """

    view: View = field(kw_only=True)
    frame_rate: float = field(default=FRAME_RATE, kw_only=True)

    def __post_init__(self) -> None:
        if self.view.clock.count < 2:
            raise InputError(
                "got a view of single images, expected a movie of at least 2 frames; export a "
                "figure instead"
            )

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.view.clock.count

    def write(self, step: Step) -> str:
        """Render and write frame by frame."""
        from .._clip_frame import palette_of
        from ..movie_clip import check_clip, write_clip

        check_clip(self.path, self.frame_rate)
        colours = palette_of(self.view.pictures()) if self.path.suffix.lower() == ".gif" else None
        count = write_clip(
            self._frames(step),
            self.path,
            frame_rate=self.frame_rate,
            palette=colours,
            replace=self.replace,
        )
        return f"wrote {self.path.name}, {count} frames at {self.frame_rate:g} frames/s"

    def _frames(self, step: Step) -> Iterator[NDArray[np.uint8]]:
        from .._clip_frame import FrameRenderer

        renderer: FrameRenderer | None = None
        for frame in range(self.n_frames):
            step(frame / self.n_frames)
            pictures = self.view.pictures(frame)
            renderer = renderer or FrameRenderer(pictures, self.view.columns)
            yield renderer.draw(pictures, self.view.clock.words(frame))


@dataclass(frozen=True, eq=False)
class ScoresJob(ExportJob):
    """The table of scores → CSV: what is shown and what it was taken over and against.

    The columns of the command line come first, the run's own scores last.

    Raises
    ------
    InputError
        If there are no scores yet.
    """

    table: ScoreTable | None = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.table is None or not self.table.rows:
            raise InputError(
                "got no scores, expected a comparison with frames that are done; press Run, and "
                "wait for its first block"
            )

    def write(self, step: Step) -> str:
        """Write the table."""
        from .._whole_file import whole_file

        assert self.table is not None  # else it was refused
        text = table_text(self.table)
        step(0.5)
        with whole_file(self.path, replace=self.replace) as partial:
            # newline: the same bytes on every system, as the command line's reader expects.
            partial.write_text(text, encoding="utf-8", newline="")
        return f"wrote {self.path.name}, {len(self.table.rows)} rows: {self.table.basis.text}"


def _boxes(count: int) -> str:
    return "box" if count == 1 else "boxes"
