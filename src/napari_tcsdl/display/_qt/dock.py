"""The dock "Compress and reconstruct": wires form, worker, controller and results."""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..._validation import OutputError, TcsdlError
from .. import layers as L
from ..controller import Controller, compressed_file
from ..job import Finished, Report
from .form import SettingsForm, duration
from .overlay import register_labels
from .results import ResultsPanel, readable_bytes
from .worker import Task, Worker

SUFFIX = ".tcs.zarr"
JOIN_SECONDS = 5.0


class CompressDock(QWidget):
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
        self.controller = Controller(napari_viewer)
        self.worker: Worker | None = None
        self._threads: list[Worker | Task] = []
        self._calibrated: set[int] = set()
        self._started = 0.0
        self._closed = False
        self._build()
        self._connect()
        self._load_devices()
        self._on_layers()

    # --- build --------------------------------------------------------------------------------

    def _build(self) -> None:
        self.form = SettingsForm()
        self.run_button = QPushButton("Run")
        self.run_button.setToolTip(
            "Compress, reconstruct and compare the movie. The layers of the last run are replaced."
        )
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop within a second; frames that are done stay.")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setToolTip("Share of the movie that is done")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.error = QLabel()
        self.error.setObjectName("error")
        self.error.setWordWrap(True)
        self.error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.error.setStyleSheet(
            "#error { color: #ffb4a8; background: rgba(200, 60, 40, 45); border-radius: 4px; "
            "padding: 8px; }"
        )
        self.error.hide()
        self.results = ResultsPanel()
        self.save_button = QPushButton("Save compressed file…")
        self.save_button.setToolTip("Copy the .tcs.zarr file of this run to a place you choose.")

        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(10)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        column.addWidget(self.form)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.status)
        column.addWidget(self.error)
        column.addWidget(rule())
        column.addWidget(self.results)
        column.addWidget(self.save_button)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.setMinimumWidth(430)
        self._show_idle("")

    def _connect(self) -> None:
        events = self.viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self._on_layers)
        self.form.edited.connect(self._on_edited)
        self.form.layer.currentIndexChanged.connect(self._on_input)
        self.run_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.controller.changed.connect(self._show_results)
        self.controller.abandoned.connect(self._on_abandoned)
        # The dock may be destroyed without a close event: nothing here may refer to self.
        self.destroyed.connect(partial(_let_go, self.controller, self._threads))

    # --- devices ------------------------------------------------------------------------------

    def _load_devices(self) -> None:
        """Ask torch for its devices in a thread: importing it takes seconds."""
        self._task(_devices_and_decoders, self._show_devices)

    def _show_devices(self, found: tuple[dict[str, str], dict[str, str]]) -> None:
        devices, decoders = found
        self.form.show_devices(devices)
        self.form.show_decoders(decoders)

    def _task(self, call: Any, done: Any) -> None:  # noqa: ANN401 - any call and its receiver
        task = Task(call, self)
        task.done.connect(done)
        task.failed.connect(self._show_error)
        self._threads.append(task)
        task.start()

    # --- input --------------------------------------------------------------------------------

    def _on_layers(self) -> None:
        for layer in self.viewer.layers:
            layer.events.name.connect(self._on_layers)
        ours = self.controller.run.added if self.controller.run else []
        offered = [layer for layer in self.viewer.layers if layer not in ours]
        self.form.layer.offer(offered)
        self.form.truth.offer(offered)
        self._on_edited()

    def _on_input(self) -> None:
        """Give a newly chosen layer the calibration of its file, if it has none itself."""
        layer = self.form.layer.layer()
        if layer is not None and id(layer) not in self._calibrated:
            self._calibrated.add(id(layer))
            if layer.source.path and compressed_file(layer) is None:
                self._task(
                    partial(L.calibration_of_file, layer), partial(self._calibrate, layer)
                )

    def _calibrate(self, layer: Any, calibration: L.Calibration) -> None:  # noqa: ANN401
        if layer in self.viewer.layers and calibration != L.Calibration():
            L.calibrate(layer, calibration)
            self.viewer.reset_view()
            self._on_edited()

    def _on_edited(self) -> None:
        layer = self.form.layer.layer()
        file = compressed_file(layer)
        ready = True
        if layer is None:
            self.form.describe_nothing("Open a movie: File ▸ Open, or drop it into the window.")
            ready = False
        elif file is not None:
            self.form.describe_file(file, L.calibration_of_layer(layer))
        else:
            try:
                movie = L.movie_from_layer(layer)
            except TcsdlError as error:
                self.form.describe_nothing(str(error))
                ready = False
            else:
                self.form.describe(movie.shape, movie.dtype, L.calibration_of_layer(layer))
        running = self.worker is not None
        self.form.lock(running=running, file=file is not None)
        self.run_button.setText("Reconstruct" if file is not None else "Run")
        self.run_button.setEnabled(ready and not running)

    # --- run ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Run what the form says."""
        if self.worker is not None:
            return
        self.error.hide()
        layer = self.form.layer.layer()
        try:
            settings = self.form.settings()
            if layer is not None:
                L.calibrate(layer, L.calibration_of_layer(layer))
            job = self.controller.start(layer, settings, self.form.truth.layer())
        except TcsdlError as error:
            self._show_error(error)
            return
        self.results.table.forget()
        self._show_results()
        self.worker = Worker(job, self)
        self.worker.reported.connect(self._on_report)
        self.worker.progressed.connect(self._on_progress)
        self.worker.failed.connect(self._show_error)
        self.worker.ended.connect(self._on_ended)
        self._threads.append(self.worker)
        self._started = 0.0
        self.bar.setRange(0, 0)
        self.status.setText("reading the movie, measuring its noise…")
        self.cancel_button.setEnabled(True)
        self._on_edited()
        self.worker.start()

    def cancel(self) -> None:
        """Stop the run."""
        if self.worker is not None:
            self.controller.cancel()
            self.cancel_button.setEnabled(False)
            self.status.setText("stopping…")

    def _on_report(self, report: Report) -> None:
        if self.controller.apply(report) and isinstance(report, Finished):
            self.bar.setValue(1000)

    def _on_progress(self, fraction: float) -> None:
        if self.worker is None or self.worker.job.stop.is_set():
            return
        now = time.monotonic()
        if self._started == 0.0 or fraction <= 0:
            self._started = now
            return
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * fraction))
        total, elapsed = self.worker.job.n_frames, max(now - self._started, 1e-3)
        rate = fraction * total / elapsed
        left = (1 - fraction) / fraction * elapsed
        self.status.setText(
            f"{fraction * total:.0f} of {total} frames,  {rate:.2g} frames/s,  "
            f"{duration(round(left) or 1)} left"
        )

    def _on_ended(self, outcome: str) -> None:
        run, worker = self.controller.run, self.worker
        done = run.frames_done if run is not None else 0
        total = worker.job.n_frames if worker is not None else 0
        self.worker = None
        self._threads[:] = [thread for thread in self._threads if not thread.wait(0)]
        text = {
            "finished": f"done: {done} of {total} frames",
            "cancelled": f"cancelled: {done} of {total} frames are done",
            "failed": f"stopped: {done} of {total} frames are done",
        }[outcome]
        self._show_idle(text)
        self._show_results()
        self._on_edited()

    def _on_abandoned(self) -> None:
        if self.worker is not None:
            self._show_error(
                TcsdlError(
                    "got the result layers deleted while they were computed, expected them to "
                    "stay until the end; press Run to begin again"
                )
            )
        self._show_results()

    # --- show ---------------------------------------------------------------------------------

    def _show_idle(self, status: str) -> None:
        value = self.bar.value() if self.bar.maximum() else 0
        self.bar.setRange(0, 1000)
        self.bar.setValue(max(0, value))
        self.status.setText(status)
        self.cancel_button.setEnabled(False)

    def _show_error(self, error: Any) -> None:  # noqa: ANN401 - from a Qt signal
        self.error.setText(str(error))
        self.error.show()

    def _show_results(self) -> None:
        controller, run = self.controller, self.controller.run
        means = controller.mean_scores()
        self.results.table.show_scores(controller.current_scores(), means)
        finished = run.finished if run is not None else None
        raw = means["raw"][2] if finished is not None and "raw" in means else None
        self.results.show_bytes(raw, finished.real_bytes if finished is not None else None)
        self.results.caption.setText(self._caption())
        self.save_button.setEnabled(finished is not None and bool(means))

    def _caption(self) -> str:
        run = self.controller.run
        if run is None:
            return "Scores and real bytes appear here while a movie is compared."
        against = {"denoised": "denoised raw frames", "raw": "raw frames", "truth": "truth"}
        return (
            f"frame {self.controller.frame}, against {against[run.settings.reference]}"
            f"  (B = {run.settings.compression_ratio})"
        )

    # --- save ---------------------------------------------------------------------------------

    def _ask_where_to_save(self) -> None:
        run = self.controller.run
        if run is None or run.finished is None:
            return
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
        self._task(partial(_copy, run.finished.path, target), self._on_saved)

    def _on_saved(self, target: Path) -> None:
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        self.status.setText(f"saved {target.name}, {readable_bytes(size)}")

    # --- close --------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Let go of the viewer when napari takes the dock away, which sends no close event."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shut_down()
        return super().event(event)

    def closeEvent(self, event: Any) -> None:  # noqa: ANN401, N802, D102 - Qt's name
        self.shut_down()
        super().closeEvent(event)

    def shut_down(self) -> None:
        """Stop the run, end all threads, and bring the view back to how it was."""
        if self._closed:
            return
        self._closed = True
        events = self.viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.disconnect(self._on_layers)
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._on_layers)
        self.controller.changed.disconnect(self._show_results)
        self.controller.abandoned.disconnect(self._on_abandoned)
        _let_go(self.controller, self._threads)


def _let_go(controller: Controller, threads: list[Worker | Task], *_: object) -> None:
    controller.close()
    for thread in threads:
        thread.wait(JOIN_SECONDS)
    threads.clear()


def _devices_and_decoders() -> tuple[dict[str, str], dict[str, str]]:
    from ..._device import available_devices, choose_device
    from ..job import decoders

    best = choose_device("auto")
    devices = {"auto": f"auto ({best.label})"}
    devices |= {str(choice.device): choice.label for choice in available_devices()}
    return devices, {name: L.title_of(name) for name in decoders()}


def _copy(source: Path, target: Path) -> Path:
    if target.exists():
        raise OutputError(
            f"got output {target}, which exists already, expected a new name; choose another name"
        )
    try:
        shutil.copytree(source, target)
    except OSError as error:
        raise OutputError(
            f"got {error.strerror or error} while writing {target}, expected a folder that can be "
            "written; choose another place"
        ) from error
    return target


def rule() -> QFrame:
    """A thin horizontal line."""
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setStyleSheet("color: rgba(128, 128, 128, 90);")
    return line
