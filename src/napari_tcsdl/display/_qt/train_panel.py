"""The Train step: fine-tune the decoder on this movie, watch it, keep the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import napari
from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]

from ..._validation import TcsdlError
from ...settings import Settings
from ..job import Report
from ..session import Session
from ..training_controller import TrainingController
from ..training_files import find_trainable, with_suffix
from .controls import duration, layer_events
from .lifetime import Links, when_destroyed
from .overlay import register_labels
from .software_gl import spare_programs
from .train_layout import SKIP, STOP, TrainLayout
from .worker import Threads, Turns, Worker

JOIN_SECONDS = 1.0
"""Longest wait for a thread when the dock closes; a step that takes longer ends on its own."""
PATIENCE_MS = 800
"""Longest wait for a run that was stopped before its first step; it ends in the background."""
NOTHING_YET = "stopped before the first step: nothing was learned"


class TrainPanel(TrainLayout):
    """Fine-tune the decoder on a movie of the viewer.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the dock.
    session
        What all widgets of the viewer share: its input and its settings are followed. By default
        that of the viewer.

    Signals
    -------
    weights_ready : str
        Path of the new weights, NAME.safetensors, when the user wants them used. The settings of
        the session name them then.
    """

    weights_ready = Signal(str)

    def __init__(self, napari_viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__(napari_viewer.theme)
        register_labels()
        spare_programs()
        self.viewer = napari_viewer
        self.session = session or Session.of(napari_viewer)
        self._member = object()  # stands for this panel, also after Qt has deleted it
        self.session.join(self._member)
        self.controller = TrainingController(
            napari_viewer, self.session.controller.leave_boxes, Turns(self).later
        )
        self.threads = Threads()
        self.worker: Worker | None = None
        self._stale = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self.links = Links()
        self._connect()
        self.show_progress(0.0, "")
        self.threads.call(find_trainable, self._on_decoders, self.show_error, self)
        self.follow()
        self._take_layer()
        self._take_settings()

    def _connect(self) -> None:
        self.form.edited.connect(self._on_edited)
        self.form.layer.activated.connect(self._on_choice)
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.use_button.clicked.connect(self.use_weights)
        self.pair_button.toggled.connect(self.controller.show_pair)
        self._patience.timeout.connect(self._stop_waiting)
        for signal, method in (
            (self.controller.changed, self._show),
            (self.session.settings_changed, self._take_settings),
            (self.session.layer_changed, self._take_layer),
            (self.session.busy_changed, self._on_busy),
            (self.viewer.events.theme, self._recolour),
        ):
            self.links.connect(signal, method)
        # Qt may destroy the dock without a close event: nothing here may refer to self.
        leave = partial(self.session.leave, self._member, restore=False)
        when_destroyed(self, partial(_let_go, self.links, self.controller, self.threads, leave))

    # --- input --------------------------------------------------------------------------------

    def follow(self) -> None:
        """Offer the layers that are there now, and whenever they have changed."""
        for event in layer_events(self.viewer):
            self.links.connect(
                event, self.follow
            )  # names of new layers; the others stay as they are
        ours = list(self.controller.layers.values())
        self.form.layer.offer([layer for layer in self.viewer.layers if layer not in ours])
        self._on_edited()

    @property
    def settings(self) -> Settings:
        """Those of the session, with the B and the decoder of this form."""
        shared, decoder = self.session.settings, self.form.decoder.currentData()
        weights = shared.weights if decoder == shared.decoder else None
        return replace(
            shared, compression_ratio=self.form.ratio.value(), decoder=decoder, weights=weights
        )

    def _take_settings(self) -> None:
        if self.worker is None:
            self.form.take(self.session.settings)

    def _take_layer(self) -> None:
        if self.session.layer is not None:
            self.form.layer.choose(self.session.layer)

    def _on_choice(self) -> None:
        # What the user chooses here is the input of the other steps, too.
        self.session.layer = self.form.layer.layer()

    def _on_decoders(self, decoders: dict[str, str]) -> None:
        self.form.offer_decoders(decoders)
        self._take_settings()

    def _on_busy(self) -> None:
        if self.session.busy and self.worker is None:
            self.controller.show_pair(False)  # another job is about to show its boxes
            self._show()
        self._on_edited()

    def _on_edited(self) -> None:
        running = self.worker is not None
        usable = self.form.describe(self.settings, proposed=not running)
        self.form.lock(running=running)
        self.start_button.setEnabled(usable and not running and not self.session.busy)

    # --- run ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Learn what the form says."""
        if self.worker is not None or self.session.busy or self.form.path is None:
            return
        self.error.hide()
        target, minutes = with_suffix(self.form.path), self.form.minutes.value()
        try:
            job = self.controller.start(self.form.layer.layer(), self.settings, target, minutes)
        except TcsdlError as error:
            self.show_error(error)
            return
        self.show_progress(0.0, "loading the weights…")
        self.show_stop(STOP, enabled=True)
        self.worker = Worker(job, self)
        self.worker.reported.connect(self._on_report)
        self.worker.progressed.connect(self._on_decoded)
        self.worker.failed.connect(self._on_failed)
        self.worker.ended.connect(self._on_ended)
        self.session.begin_job(self._member)
        self._on_edited()
        self.threads.begin(self.worker)

    def stop(self) -> None:
        """Stop learning and keep the best; or leave out the pictures that come after it."""
        if self.worker is None:
            return
        self.controller.stop()
        self._show_state()
        if self.controller.curves.step == 0:
            self._patience.start(PATIENCE_MS)

    def _stop_waiting(self) -> None:
        """End a run that has learned nothing yet, and whose first look takes long."""
        if self.worker is not None and self.controller.curves.step == 0:
            self.worker.job.stop.set()
            self._on_ended(self.worker, "cancelled")

    def _on_report(self, report: Report) -> None:
        if self.worker is not None:
            self.controller.apply(report)

    def _on_decoded(self, worker: Worker, fraction: float) -> None:
        if worker is self.worker and self.controller.learned is not None:
            self.show_progress(fraction, "decoding held-out frames, before and after…")

    def _on_failed(self, worker: Worker, error: TcsdlError) -> None:
        if worker is self.worker:
            self.show_error(error)

    def _on_ended(self, worker: Worker, outcome: str) -> None:
        self.threads.forget_ended()
        if worker is not self.worker:
            return
        self.worker = None
        self._patience.stop()
        self.session.end_job(self._member)
        learned = self.controller.learned
        silent = learned is not None or outcome == "failed"
        self.show_progress(1.0 if learned is not None else 0.0, "" if silent else NOTHING_YET)
        self.show_stop(STOP, enabled=False)
        if learned is not None and learned.path is not None:
            self.form.forget_path()
        self.controller.leave()
        self._show()
        self._on_edited()

    # --- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        """Bring curves and texts up to date; a hidden panel does no work."""
        self._stale = not self.isVisible()
        controller, learned = self.controller, self.controller.learned
        if self.worker is not None:
            self._show_state()
        self.result.setText(learned.sentence() if learned is not None else "")
        self.use_button.setEnabled(learned is not None and learned.path is not None)
        self.pair_button.setEnabled(bool(controller.layers))
        self.pair_button.blockSignals(True)
        self.pair_button.setChecked(controller.pair_shown)
        self.pair_button.blockSignals(False)
        if not self._stale:
            self.plot.show_curves(controller.curves)

    def _show_state(self) -> None:
        """Say what is going on, and what can be stopped."""
        controller, job, latest = self.controller, self.controller.job, self.controller.latest
        if job is None:
            return
        if controller.learned is not None:
            self.show_stop(SKIP, enabled=not job.stop.is_set())
        elif job.enough.is_set():
            self.show_stop(STOP, enabled=False)
            self.status.setText("stopping…")
        elif latest is not None:
            left = duration(max(1, round(60 * latest.minutes_left)))
            self.show_progress(latest.progress, f"{controller.curves.sentence()}\n{left} left")
        elif controller.begun is not None:
            text = f"measuring noise, first look at held-out frames\n{controller.begun.device}"
            self.show_progress(0.0, text)

    def _recolour(self) -> None:
        self.plot.set_theme(self.viewer.theme)

    def use_weights(self) -> None:
        """Let the next runs decode with the new weights."""
        learned = self.controller.learned
        if learned is None or learned.path is None:
            return
        path, shared = str(learned.path), self.session.settings
        self.session.settings = replace(shared, decoder=self.controller.decoder, weights=path)
        self.weights_ready.emit(path)
        self.status.setText("the next runs decode with these weights")

    # --- close --------------------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw what has come while the panel was hidden."""
        super().showEvent(event)
        if self._stale:
            self._show()

    def leave(self) -> None:
        """End the run and all threads, and bring the view back to how it was."""
        self._patience.stop()
        self.links.cut()
        self.worker = None
        self.controller.close()
        self.session.leave(self._member)
        self.threads.join(JOIN_SECONDS)


def _let_go(
    links: Links, controller: TrainingController, threads: Threads, leave: Callable[[], None]
) -> None:
    links.cut()
    # The canvas may have gone before the dock: its view is left as it is.
    controller.close(restore=False)
    threads.cancel()
    leave()
    threads.join(JOIN_SECONDS)
