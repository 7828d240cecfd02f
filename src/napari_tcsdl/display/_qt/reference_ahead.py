"""A quiet line beside the choice of the reference: how much of it is denoised already."""

from __future__ import annotations

from typing import Any

from ..._validation import TcsdlError
from ..reference_filling import FillJob, ReferenceFiller
from ..scorer import Scorer
from ..session import Session
from .controls import QuietLabel
from .lifetime import weakly
from .worker import Threads, Worker

TIP = (
    "Frames are denoised one by one while nothing else is at work, the one that is shown first. "
    "They are kept in your cache folder: later runs of this movie need not wait for them."
)


class ReferenceAhead(QuietLabel):
    """Denoises in a thread of its own, and says how far it is; hidden where nothing is to do.

    Parameters
    ----------
    session, scorer
        Say what is asked for.
    threads
        Of the dock, which joins them when it goes.
    """

    def __init__(self, session: Session, scorer: Scorer, threads: Threads) -> None:
        super().__init__()
        self.setWordWrap(False)
        self.setToolTip(TIP)
        self._threads = threads
        self._failure: TcsdlError | None = None
        self.filler = ReferenceFiller(session, scorer, weakly(self._begin))
        self.filler.changed.connect(self._show)
        self._show()

    def _begin(self, job: FillJob) -> None:
        worker = Worker(job, self)
        worker.reported.connect(self._on_report)
        worker.failed.connect(self._on_failed)
        worker.ended.connect(self._on_ended)
        self._failure = None
        self._threads.begin(worker)

    def _on_report(self, report: Any) -> None:
        self.filler.apply(report)

    def _on_failed(self, _: Worker, error: TcsdlError) -> None:
        self._failure = error  # whoever needs the frame says so

    def _on_ended(self, worker: Worker, _: str) -> None:
        self._threads.forget_ended()
        assert isinstance(worker.job, FillJob)  # _begin() makes no other
        self.filler.ended(worker.job, self._failure)

    def _show(self) -> None:
        progress = self.filler.progress
        self.setVisible(progress is not None)
        if progress is not None:
            self.setText(f"denoised {progress[0]} of {progress[1]} frames")
