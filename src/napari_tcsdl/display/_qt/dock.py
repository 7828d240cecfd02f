"""The dock "Compress and reconstruct": wires panel, worker and controller."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QFileDialog

from ..._validation import TcsdlError
from ..controller import Controller
from ..job import Report, find_choices
from ..run import compressed_file
from ..store import copy_compressed
from .inputs import Inputs
from .overlay import GlyphLoader, register_labels
from .panel import Panel, progress_text
from .results import readable_bytes
from .worker import Threads, Turns, Worker

SUFFIX = ".tcs.zarr"
JOIN_SECONDS = 1.0
"""Longest wait for a thread when the dock closes; a step that takes longer ends on its own."""
CANCEL_MS = 800
"""Longest wait for a cancelled run; a step that takes longer ends in the background."""
ABANDONED = (
    "got the result layers deleted while they were computed, expected them to stay until the end; "
    "press Run to begin again"
)
REFERENCES = {"denoised": "denoised raw frames", "raw": "raw frames", "truth": "the truth"}


class CompressDock(Panel):
    """Compress a movie, reconstruct it, and compare it with its rivals.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the dock.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        register_labels()
        self.viewer = napari_viewer
        self.controller = Controller(napari_viewer, Turns(self).later)
        self.threads = Threads()
        self.inputs = Inputs(napari_viewer, self.form, self.threads, self._result_layers, self)
        self.worker: Worker | None = None
        self._begun: float | None = None
        self._closed = False
        self._glyphs: GlyphLoader | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._connect()
        self.show_idle(0.0, "")
        self.threads.call(find_choices, self.form.show_choices, self.show_error, self)
        self.inputs.follow()
        self._show_results()

    def _connect(self) -> None:
        self.form.edited.connect(self._on_edited)
        self.form.edited.connect(self.error.hide)
        self.form.open.chosen.connect(self.error.hide)
        self.inputs.changed.connect(self._on_edited)
        self.inputs.failed.connect(self.show_error)
        self.inputs.said.connect(self.status.setText)
        self.inputs.opened.connect(self.controller.leave_boxes)
        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self._patience.timeout.connect(self._stop_waiting)
        self.controller.changed.connect(self._show_results)
        self.controller.abandoned.connect(self._on_abandoned)
        # Qt may destroy the dock without a close event: nothing here may refer to self.
        self.destroyed.connect(partial(_let_go, self.controller, self.threads))

    def _result_layers(self) -> list[Layer]:
        return self.controller.run.added if self.controller.run is not None else []

    def _on_edited(self) -> None:
        running = self.worker is not None
        file = compressed_file(self.inputs.layer) is not None
        self.form.lock(running=running, file=file)
        self.run_button.setText("Reconstruct" if file else "Run")
        self.run_button.setEnabled(self.inputs.describe() and not running)

    # --- run ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Run what the form says."""
        if self.worker is not None:
            return
        self.error.hide()
        layer, truth = self.inputs.layer, self.form.truth.layer()
        try:
            job = self.controller.start(layer, self.form.settings(), truth)
        except TcsdlError as error:
            self.show_error(error)
            return
        self.results.table.forget()
        self._show_results()
        self._begun = None
        self.show_busy("reading the movie, measuring its noise…")
        self.worker = Worker(job, self)
        self.worker.reported.connect(self._on_report)
        self.worker.progressed.connect(self._on_progress)
        self.worker.failed.connect(self._on_failed)
        self.worker.ended.connect(self._on_ended)
        self._on_edited()
        self.threads.begin(self.worker)

    def cancel(self) -> None:
        """Stop the run; frames that are done stay."""
        if self.worker is not None:
            self.controller.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("stopping…")
            self._patience.start(CANCEL_MS)

    def _stop_waiting(self) -> None:
        if self.worker is not None and self.worker.job.stop.is_set():
            self._on_ended(self.worker, "cancelled")

    def _on_report(self, report: Report) -> None:
        self.controller.apply(report)

    def _on_progress(self, worker: Worker, fraction: float) -> None:
        if worker is not self.worker or worker.job.stop.is_set():
            return
        now = time.monotonic()
        if fraction <= 0 or self._begun is None:
            self._begun = now
            return
        elapsed = max(now - self._begun, 1e-3)
        self.show_progress(fraction, progress_text(fraction, worker.job.n_frames, elapsed))

    def _on_failed(self, worker: Worker, error: TcsdlError) -> None:
        if worker is self.worker:
            self.show_error(error)

    def _on_ended(self, worker: Worker, outcome: str) -> None:
        self.threads.forget_ended()
        if worker is not self.worker:
            return
        self.worker = None
        self._patience.stop()
        run, total = self.controller.run, worker.job.n_frames
        done = run.frames_done if run is not None else 0
        self.show_idle(done / total, f"{outcome}: {done} of {total} frames are done")
        self._show_results()
        self._on_edited()

    def _on_abandoned(self) -> None:
        if self.worker is not None:
            self._patience.start(CANCEL_MS)
            self.show_error(ABANDONED)
        self._show_results()

    # --- results ------------------------------------------------------------------------------

    def _show_results(self) -> None:
        controller, run = self.controller, self.controller.run
        finished = run.finished if run is not None else None
        compared = run is None or compressed_file(run.source) is None
        self.results.table.show_scores(controller.current_scores(), controller.mean_scores())
        self.results.table.setVisible(compared)
        self.results.show_bytes(
            finished.raw_bytes if finished else None, finished.real_bytes if finished else None
        )
        self.save_button.setEnabled(finished is not None and compared)
        self.results.caption.setText(self._caption())

    def _caption(self) -> str:
        run = self.controller.run
        if run is None:
            return "Scores and real bytes appear here while a movie is compared."
        if compressed_file(run.source) is not None:
            return "A compressed file holds no raw frames to compare with."
        return (
            f"frame {self.controller.frame}, against {REFERENCES[run.settings.reference]}"
            f"  (B = {run.compression_ratio})"
        )

    def _ask_where_to_save(self) -> None:
        run = self.controller.run
        if run is not None:
            proposal = f"{Path(run.source.name).stem}{SUFFIX}"
            path, _ = QFileDialog.getSaveFileName(
                self, "Save compressed file", proposal, f"Compressed movie (*{SUFFIX})"
            )
            if path:
                self.save(path)

    def save(self, path: str | Path) -> None:
        """Copy the compressed file of this run to ``path``; nothing is ever replaced."""
        run = self.controller.run
        if run is None or run.finished is None:
            return
        self.error.hide()
        target = Path(path)
        if not target.name.endswith(SUFFIX):
            target = target.with_name(target.name + SUFFIX)
        copy = partial(copy_compressed, run.finished.path, target)
        self.threads.call(copy, self._on_saved, self.show_error, self)

    def _on_saved(self, target: Path) -> None:
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        self.status.setText(f"saved {target.name}, {readable_bytes(size)}")

    # --- close --------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Prepare the labels once the dock is in its window."""
        super().showEvent(event)
        self._glyphs = self._glyphs or GlyphLoader(self)

    def event(self, event: QEvent | None) -> bool:
        """Let go of the viewer when napari takes the dock away, which sends no close event."""
        taken = event is not None and event.type() == QEvent.Type.ParentChange
        if taken and self.parent() is None:
            self.shut_down()
        return super().event(event)

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Let go of the viewer."""
        self.shut_down()
        super().closeEvent(event)

    def shut_down(self) -> None:
        """Stop the run, end all threads, and bring the view back to how it was."""
        if self._closed:
            return
        self._closed = True
        self.inputs.close()
        self.controller.changed.disconnect(self._show_results)
        self.controller.abandoned.disconnect(self._on_abandoned)
        self.controller.close()
        self.threads.join(JOIN_SECONDS)


def _let_go(controller: Controller, threads: Threads, *_: object) -> None:
    # The canvas may have gone before the dock: its view is left as it is.
    controller.close(restore=False)
    threads.join(JOIN_SECONDS)
