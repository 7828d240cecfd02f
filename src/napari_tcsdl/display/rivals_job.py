"""What the step "Rivals" computes, away from the viewer: a study, told rival by rival."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .._validation import InputError, OutputError
from ..movie import Movie
from ..settings import Settings
from .job import Report, Reporter, stoppable
from .sentences import one_sentence
from .store import TemporaryFolder

if TYPE_CHECKING:  # codecs and zarr take a second to load
    from ..rivals import Rival, Study

ALL = ("all",)
"""Every codec of the table, those that are missing listed as such."""


@dataclass(frozen=True)
class Offer:
    """A codec that can be compared with, or why not.

    Attributes
    ----------
    name, label
        Key of the codec; what people call it.
    kind
        What kinds of rivals are called, such as ``video``.
    missing
        Why it cannot be used here, in one sentence; None if it can.
    """

    name: str
    label: str
    kind: str
    missing: str | None


@dataclass(frozen=True)
class Look:
    """How a rival is drawn in plots, the same as in the report.

    Attributes
    ----------
    name, label
        Key of the rival; what people call it.
    colour
        ``#rrggbb``, for a light ground.
    symbol
        ``circle``, ``square``, ``triangle`` or ``diamond``.
    dash
        Lengths of dashes and gaps [px]; empty for a solid line.
    ours
        Whether it is a coded measurement.
    """

    name: str
    label: str
    colour: str
    symbol: str
    dash: tuple[float, ...]
    ours: bool


@dataclass(frozen=True)
class Wish:
    """What the user wants compared: a :class:`~napari_tcsdl.rivals.StudyOptions` to be.

    Attributes
    ----------
    rivals
        Names of codecs, or :data:`ALL`.
    ratios
        Further B for our own curve.
    cost
        Whether the cost of encoders is measured.
    held_out, split_seed
        Whether rivals are also judged by electrons that they never saw; of the split.
    """

    rivals: tuple[str, ...] = ALL
    ratios: tuple[int, ...] = ()
    cost: bool = True
    held_out: bool = False
    split_seed: int = 0


def ratios_of(text: str) -> tuple[int, ...]:
    """Read further B, such as ``5, 20, 40``.

    Raises
    ------
    InputError
        For anything but whole numbers of at least 2.
    """
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() and int(word) >= 2 for word in words):
        raise InputError(
            f"got further B {text!r}, expected whole numbers of at least 2, such as 5, 20; mend "
            "them, or leave them out"
        )
    return tuple(map(int, words))


# --- reports ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinedUp(Report):
    """Who takes part, in the order in which they are measured: ours first."""

    looks: tuple[Look, ...]


@dataclass(frozen=True, eq=False)
class RivalMeasured(Report):
    """One rival is done, but for its cost."""

    rival: Rival


@dataclass(frozen=True, eq=False)
class Studied(Report):
    """All is done."""

    study: Study


# --- work -------------------------------------------------------------------------------------


def find_rivals() -> tuple[Offer, ...]:
    """List all codecs in the order of their table; loads those that are installed."""
    from ..codecs import CODECS
    from ..rival_report.words import KINDS

    return tuple(
        Offer(codec.name, codec.label, KINDS[codec.kind], codec.missing())
        for codec in CODECS.values()
    )


def free_processes() -> int:
    """How many rivals are measured at a time: one core is left to the window."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(4, cores - 1))


def _own_folder() -> TemporaryFolder:
    return TemporaryFolder(Path(tempfile.gettempdir()))


@dataclass(frozen=True, eq=False)
class RivalsJob:
    """Compare ``movie`` with its rivals; see :class:`~napari_tcsdl.display.job.Job`.

    The compressed file of the study lies in a folder that lives as long as this job or frames
    that are shown of it.
    """

    generation: int
    movie: Movie
    settings: Settings
    wish: Wish
    truth: Movie | None = None
    processes: int = field(default_factory=free_processes)
    folder: TemporaryFolder = field(default_factory=_own_folder)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.movie.shape[0]

    @property
    def path(self) -> Path:
        """The compressed file at the B of the settings."""
        return self.folder.path / "movie.tcs.zarr"

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Report who takes part, each rival as it is done, and the study."""
        with one_sentence():
            from ..rivals import StudyOptions, study

            step = stoppable(self.stop, progress)
            step(0.0)
            wish = self.wish
            options = StudyOptions(**asdict(wish), processes=self.processes)
            report(LinedUp(self.generation, _looks(self.settings.decoder, options.codecs())))

            def on_rival(rival: Rival) -> None:
                report(RivalMeasured(self.generation, rival))

            found = study(
                self.movie,
                self.path,
                self.settings,
                options,
                truth=self.truth,
                progress=step,
                on_rival=on_rival,
            )
            report(Studied(self.generation, found))


def _looks(decoder: str, codecs: tuple[object, ...]) -> tuple[Look, ...]:
    """Draw each as the report will: colours go by the order of the table."""
    from ..rival_report.words import colours, dash, symbol
    from ..rivals import OURS, Rival

    bare = [Rival(decoder, decoder, OURS)]
    bare += [Rival(codec.name, codec.label, codec.kind) for codec in codecs]  # type: ignore[attr-defined]
    shades = colours(tuple(bare))
    return tuple(
        Look(
            rival.name,
            rival.label,
            shades[rival.name],
            symbol(rival),
            tuple(map(float, dash(rival).split())),
            rival.kind == OURS,
        )
        for rival in bare
    )


def save_report(study: Study, out: Path) -> Path:
    """Write the study as HTML, JSON, CSV and frames into a new folder, all or nothing.

    Raises
    ------
    OutputError
        If ``out`` is a file or holds something, or cannot be written.
    """
    from .._all_or_nothing import all_or_nothing
    from ..describe import write_text
    from ..rival_report import html_report
    from ..rivals.study_files import FILES, HELD_OUT, save_study

    with one_sentence():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise OutputError(
                f"got output {out}, which exists already, expected a new folder; choose another "
                "name"
            )
        try:
            unseen = () if study.held_out is None else (HELD_OUT,)
            with all_or_nothing(out, (REPORT, *FILES, *unseen)) as work:
                save_study(study, work)
                write_text(work / REPORT, html_report(study))
        except OSError as error:
            raise OutputError(
                f"got {error.strerror or error} while writing {out}, expected a folder with free "
                "space that can be written; choose another place"
            ) from error
    return out / REPORT


REPORT = "report.html"
"""Name of the page, as the command line gives it."""
