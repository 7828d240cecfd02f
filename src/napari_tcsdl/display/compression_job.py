"""Compress a movie into a file of the user's: what a run of the step "Compress" does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .._validation import Cancelled
from ..movie import Movie
from ..settings import Settings
from .job import Finished, Reporter, stoppable
from .sentences import one_sentence
from .store import whole_folder


@dataclass(frozen=True, eq=False)
class Compressed(Finished):
    """The file is complete; ``seconds`` is what it took.

    ``deviation`` says how the uncertainty was judged; None where it was not to be.
    """

    seconds: float = 0.0
    deviation: str | None = None


@dataclass(frozen=True, eq=False)
class CompressionJob:
    """Compress ``movie`` into ``path``, which appears when it is complete and not before."""

    generation: int
    movie: Movie
    path: Path
    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def n_frames(self) -> int:
        """Frames of the movie."""
        return self.movie.shape[0]

    def run(self, report: Reporter, progress: Callable[[float], None]) -> None:
        """Compress block by block; see :class:`~napari_tcsdl.display.job.Job`.

        Raises
        ------
        OutputError
            If ``path`` exists, which is never replaced, or cannot be written.
        """
        with one_sentence():
            from ..deviation import uncertainty_words
            from ..pipeline import compress

            step = stoppable(self.stop, progress)
            step(0.0)
            began = time.monotonic()
            with whole_folder(self.path) as partial:
                written = compress(self.movie, partial, self.settings, progress=step)
                sizes = dict(written.bytes_on_disk())
                if self.stop.is_set():  # since the last step: nothing may appear any more
                    raise Cancelled
            seconds = time.monotonic() - began
            asked = self.settings.deviation == "judged"
            said = uncertainty_words(written.header.deviation) if asked else None
            raw = self.movie.nbytes
            report(Compressed(self.generation, raw, sizes, self.path, seconds, said))
