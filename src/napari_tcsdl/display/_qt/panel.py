"""What the panels of all steps have in common: a scrolling column, one job, the shared session."""

from __future__ import annotations

import time
from functools import partial

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..._validation import TcsdlError
from ..job import Job, Report
from ..session import Session
from .controls import scrolled
from .lifetime import Leaving, Links, when_destroyed
from .run_box import RunBox, progress_text
from .worker import Threads, Turns, Worker

WIDTH = 430
JOIN_SECONDS = 1.0
"""Longest wait for a thread when the panel closes; a step that takes longer ends on its own."""
CANCEL_MS = 800
"""Longest wait for a cancelled run; a step that takes longer ends in the background."""


class Panel(Leaving):
    """One step: its controls, Run and Cancel, results; scrolls on small screens.

    It joins the session of its viewer, and leaves it when it closes.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    run_text, run_tip
        Of the button that begins the step.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, run_text: str, run_tip: str) -> None:
        super().__init__()
        self.session = Session.of(napari_viewer)
        self.viewer = self.session.viewer  # not the proxy that plugins are handed
        self.threads, self.links = Threads(), Links()
        self.worker: Worker | None = None
        self.box = RunBox(run_text, run_tip)
        self.run_button, self.cancel_button = self.box.run_button, self.box.cancel_button
        self.bar, self.status, self.error = self.box.bar, self.box.status, self.box.error
        self._user = object()
        self._begun: float | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._stop_waiting)
        self.session.join(self._user, Turns(self).later)
        self.links.connect(self.session.busy_changed, self.follow)
        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        # Qt may destroy the panel without a close event: nothing here may refer to self.
        when_destroyed(self, partial(_let_go, self.session, self._user, self.threads, self.links))
        self.setMinimumWidth(WIDTH)

    def lay_out(self, *widgets: QWidget) -> None:
        """Put ``widgets`` below each other."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(10)
        for widget in widgets:
            column.addWidget(widget)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(content))

    # --- what each step does its own way ------------------------------------------------------

    def follow(self) -> None:
        """Show what can be done now; called when the input or the session has changed."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin the step."""
        raise NotImplementedError

    def on_report(self, report: Report) -> None:
        """Take what the job tells."""
        raise NotImplementedError

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Return the share that is done and the words for how the job ended."""
        raise NotImplementedError

    # --- one job ------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether this panel's job runs."""
        return self.worker is not None

    def begin(self, job: Job, text: str) -> None:
        """Run ``job`` in a thread; ``text`` is shown until its progress is known."""
        self._begun = None
        self.box.show_busy(text)
        self.worker = Worker(job, self)
        self.worker.reported.connect(self.on_report)
        self.worker.progressed.connect(self._on_progress)
        self.worker.failed.connect(self._on_failed)
        self.worker.ended.connect(self._on_ended)
        self.session.begin_job(self._user)
        self.follow()
        self.threads.begin(self.worker)

    def cancel(self) -> None:
        """Stop the job; what is done stays."""
        if self.worker is not None:
            self.worker.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("stopping…")
            self.wait_a_little()

    def wait_a_little(self) -> None:
        """Give a job that was stopped some time to end, and no more."""
        self._patience.start(CANCEL_MS)

    def show_error(self, error: object) -> None:
        """Show one sentence in place."""
        self.box.show_error(error)

    def _stop_waiting(self) -> None:
        if self.worker is not None and self.worker.job.stop.is_set():
            self._on_ended(self.worker, "cancelled")

    def _on_progress(self, worker: Worker, fraction: float) -> None:
        if worker is not self.worker or worker.job.stop.is_set():
            return
        now = time.monotonic()
        if fraction <= 0 or self._begun is None:
            self._begun = now
            return
        elapsed = max(now - self._begun, 1e-3)
        self.box.show_progress(fraction, self.progress_words(worker, fraction, elapsed))

    def progress_words(self, worker: Worker, fraction: float, elapsed: float) -> str:
        """Say how far the job is, ``elapsed`` seconds after its begin."""
        return progress_text(fraction, worker.job.n_frames, elapsed)

    def _on_failed(self, worker: Worker, error: TcsdlError) -> None:
        if worker is self.worker:
            self.on_failure(error)

    def on_failure(self, error: TcsdlError) -> None:
        """Show why the job has ended; a step that knows a remedy offers it."""
        self.show_error(error)

    def _on_ended(self, worker: Worker, outcome: str) -> None:
        self.threads.forget_ended()
        if worker is not self.worker:
            return
        self.worker = None
        self._patience.stop()
        self.box.show_idle(*self.outcome_text(worker, outcome))
        self.session.end_job(self._user)
        self.follow()

    # --- close --------------------------------------------------------------------------------

    def leave(self) -> None:
        """Stop the job, end all threads, and leave the session."""
        self._patience.stop()
        self.let_go()
        self.links.cut()
        self.worker = None  # what it still tells comes too late
        self.threads.cancel()
        self.session.leave(self._user)
        self.threads.join(JOIN_SECONDS)

    def let_go(self) -> None:
        """End what the step itself has begun; its links are cut after this."""


def _let_go(session: Session, user: object, threads: Threads, links: Links) -> None:
    # The canvas may have gone before the panel: its view is left as it is.
    links.cut()
    threads.cancel()
    session.leave(user, restore=False)
    threads.join(JOIN_SECONDS)
