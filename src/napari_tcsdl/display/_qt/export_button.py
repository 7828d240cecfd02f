"""The button "Export": what is shown, as a figure, a movie or a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..._validation import TcsdlError
from ..export_job import ClipJob, Exported, ExportJob, FigureJob, ScoresJob
from ..run import Run
from ..snapshot import view_of
from .export_menu import CLIP, FIGURE, SCORES, ExportMenu, file_of, suffixes_of
from .lifetime import when_destroyed
from .run_box import BAR_STEPS, BAR_STYLE
from .worker import Threads, Worker

JOIN_SECONDS = 1.0
# Readable in the dark and in the light theme: the words keep the theme's colour.
ERROR_STYLE = """
#export_error {
    background: rgba(200, 60, 40, 60); border-left: 3px solid #d9573f; padding: 6px 8px;
}
"""


class ExportButton(QWidget):
    """A menu button; below it, while it works and after, a bar and a sentence.

    Parameters
    ----------
    viewer
        Whose view is exported.
    session
        What has a ``controller`` (or the controller itself), whose run gives the labels and the
        scores; without it layers are called by their names, and there is no table.
    """

    said = Signal(str)
    """The sentence at the end of an export, good or bad."""

    def __init__(
        self, viewer: ViewerModel, session: Any = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._controller = getattr(session, "controller", session)
        self.threads = Threads()
        self.worker: Worker | None = None
        self._exports = 0
        self._folder = ""
        self.button = QPushButton("Export")
        self.button.setToolTip("Write what is shown into a file: a figure, a movie, or the scores")
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.bar.setStyleSheet(BAR_STYLE)
        self.bar.setToolTip("Share of the export that is done")
        self.status, self.error = QLabel(), QLabel()
        self.error.setObjectName("export_error")
        self.error.setStyleSheet(ERROR_STYLE)
        self._fill_menu()
        self._lay_out()
        # Qt may destroy the widget without a close event: nothing here may refer to self.
        when_destroyed(self, partial(_let_go, self.threads))

    # --- built --------------------------------------------------------------------------------

    def _fill_menu(self) -> None:
        self.menu = ExportMenu(self.button)
        self.button.setMenu(self.menu)
        for action, call in (
            (self.menu.figure, self.ask_figure),
            (self.menu.clip, self.ask_clip),
            (self.menu.scores, self.ask_scores),
            (self.menu.cancel, self.cancel),
        ):
            action.triggered.connect(call)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.button, self.bar, self.status, self.error):
            layout.addWidget(widget)
        for label in (self.status, self.error):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.bar, self.status, self.error):
            widget.hide()

    # --- asked --------------------------------------------------------------------------------

    def ask_figure(self) -> None:
        """Ask for a name, and write the view as a figure."""
        self._ask("Export figure", "view", FIGURE, self.export_figure)

    def ask_clip(self) -> None:
        """Ask for a name, and write the movie side by side."""
        self._ask("Export movie", "movie", CLIP, self.export_clip)

    def ask_scores(self) -> None:
        """Ask for a name, and write the table of scores."""
        self._ask("Export scores", "scores", SCORES, self.export_scores)

    def export_figure(self, path: Path, *, replace: bool = False) -> None:
        """Write the view as it is now as PNG or PDF."""
        spectra = self.menu.spectra.isChecked()
        self._begin(
            lambda n: FigureJob(
                n, path, replace, view=view_of(self.viewer, self._run), spectra=spectra
            )
        )

    def export_clip(self, path: Path, *, replace: bool = False) -> None:
        """Write all frames of what is shown as MP4 or GIF."""
        rate = self.menu.rate
        self._begin(
            lambda n: ClipJob(
                n, path, replace, view=view_of(self.viewer, self._run), frame_rate=rate
            )
        )

    def export_scores(self, path: Path, *, replace: bool = False) -> None:
        """Write the scores of all frames that are done as CSV: those shown, and the run's own."""
        table = self._run.board.table() if self._run is not None else None
        self._begin(lambda n: ScoresJob(n, path, replace, table=table))

    @property
    def _run(self) -> Run | None:
        return getattr(self._controller, "run", None)

    def _ask(self, title: str, kind: str, filters: str, export: Callable[..., None]) -> None:
        if self.worker is not None:
            return
        proposal = str(Path(self._folder, f"{self._stem()}_{kind}{suffixes_of(filters)[0]}"))
        # Qt asks before it returns the name of a file that exists.
        name, chosen = QFileDialog.getSaveFileName(self, title, proposal, filters)
        if name:
            path, replace = file_of(name, chosen, filters)
            self._folder = str(path.parent)
            export(path, replace=replace)

    def _stem(self) -> str:
        run = self._run
        layers = self.viewer.layers
        shown = [layer.name for layer in layers if layer.visible] or ["view"]
        name = Path(run.source.name if run is not None else shown[0]).stem
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip("_") or "view"

    # --- work ---------------------------------------------------------------------------------

    def _begin(self, make: Callable[[int], ExportJob]) -> None:
        if self.worker is not None:
            return
        self._exports += 1
        try:
            job = make(self._exports)
        except TcsdlError as error:
            self._show(error=str(error))
            return
        self.worker = Worker(job, self)
        self.worker.reported.connect(self._on_report)
        self.worker.progressed.connect(self._on_progress)
        self.worker.failed.connect(self._on_failed)
        self.worker.ended.connect(self._on_ended)
        self._show(status=f"writing {job.path.name}…")
        self._show_busy(True)
        self.threads.begin(self.worker)

    def cancel(self) -> None:
        """Stop the export; nothing of it is left."""
        if self.worker is not None:
            self.worker.cancel()
            self.menu.cancel.setEnabled(False)
            self.status.setText("stopping…")

    def _on_progress(self, worker: Worker, fraction: float) -> None:
        if worker is self.worker and not worker.job.stop.is_set():
            self.bar.setValue(round(BAR_STEPS * fraction))
            self.button.setText(f"Exporting… {100 * fraction:.0f} %")

    def _on_report(self, report: Exported) -> None:
        if report.generation == self._exports:
            self._show(status=report.sentence)
            self.said.emit(report.sentence)

    def _on_failed(self, worker: Worker, error: TcsdlError) -> None:
        if worker is self.worker:
            self._show(error=str(error))

    def _on_ended(self, worker: Worker, outcome: str) -> None:
        self.threads.forget_ended()
        if worker is not self.worker:
            return
        self.worker = None
        self._show_busy(False)
        if outcome == "cancelled":
            self._show(status="cancelled, nothing was written")
            self.said.emit(self.status.text())

    def _show(self, status: str = "", error: str = "") -> None:
        for label, text in ((self.status, status), (self.error, error)):
            label.setText(text)
            label.setVisible(bool(text))
        if error:
            self.said.emit(error)

    def _show_busy(self, busy: bool) -> None:
        self.bar.setValue(0)
        self.bar.setVisible(busy)
        self.button.setText("Exporting…" if busy else "Export")
        self.menu.set_busy(busy)

    def shut_down(self) -> None:
        """Stop and wait for the thread; called by the dock that holds the button."""
        _let_go(self.threads)


def _let_go(threads: Threads, *_: object) -> None:
    threads.cancel()
    threads.join(JOIN_SECONDS)
