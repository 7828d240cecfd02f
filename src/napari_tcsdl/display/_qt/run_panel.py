"""A step whose run the controller shows in the viewer: what Compare and Reconstruct share."""

from __future__ import annotations

from dataclasses import replace

from napari.layers import Layer

from ..._validation import DeviceError, TcsdlError
from ..job import Report
from .form_panel import FormPanel
from .overlay import register_labels
from .software_gl import spare_programs
from .worker import Worker

ABANDONED = (
    "got the result layers deleted while they were computed, expected them to stay until the end; "
    "press Run to begin again"
)


class RunPanel(FormPanel):
    """A panel that starts runs of the session's controller; see :class:`FormPanel`."""

    def wire(self) -> None:
        """Follow the session, the viewer and the run."""
        register_labels()
        spare_programs()
        self.links.connect(self.controller.abandoned, self._on_abandoned)
        super().wire()

    def to_grid(self) -> None:
        """Leave any other mode of comparing: the boxes of the last run are about to go."""

    def prepare(self) -> None:
        """Make room for the results of a run that is about to begin."""

    def begin_run(self, truth: Layer | None, text: str) -> None:
        """Run what is chosen; ``text`` is shown until its progress is known."""
        if self.session.busy:
            return
        self.box.hide_error()
        self.to_grid()
        try:
            job = self.controller.start(self.inputs.layer, self.session.settings, truth)
        except TcsdlError as error:
            self.show_error(error)
            return
        self.prepare()
        self.begin(job, text)

    def cancel(self) -> None:
        """Stop the run; frames that are done stay."""
        if self.running:
            self.controller.stop()
        super().cancel()

    def on_report(self, report: Report) -> None:
        """Show what the run tells."""
        self.controller.apply(report)

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Count the frames that are done: the share, and in words."""
        run, total = self.controller.run, worker.job.n_frames
        done = run.frames_done if run is not None else 0
        return done / total, f"{outcome}: {done} of {total} frames are done"

    def on_failure(self, error: TcsdlError) -> None:
        """Show why the run has ended; offer the CPU where another device is the trouble."""
        super().on_failure(error)
        self.controller.stop()
        if isinstance(error, DeviceError) and not self.form.on_cpu():
            tip = "Begin again on the CPU, which is slower and has more memory."
            self.box.offer("Run on the CPU", tip, self._run_on_cpu)

    def _run_on_cpu(self) -> None:
        self.session.settings = replace(self.session.settings, device="cpu")
        self.start()

    def _on_abandoned(self) -> None:
        if self.running:
            self.wait_a_little()
            self.show_error(ABANDONED)
