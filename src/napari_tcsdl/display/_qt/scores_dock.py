"""The dock "Scores": wires plots, legend and controls to the scorer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QLabel, QStackedWidget, QVBoxLayout

from ..._validation import TcsdlError
from .. import score_text
from ..layers import calibration_of_layer
from ..reference_filling import ReferenceFiller
from ..rescoring import RescoreJob
from ..roles import RECONSTRUCTION
from ..score_text import NO_RUN, frames_text, save_text, summary_text, why_no_scores
from ..scorer import Scorer
from ..session import Session
from .clipboard import copy
from .controls import layer_events, scrolled
from .lifetime import Leaving, weakly, when_destroyed
from .reference_ahead import ReferenceAhead
from .roi_visual import register_roi
from .run_box import ERROR_STYLE
from .score_controls import ScoreControls
from .scores_view import ScoresView
from .worker import Threads, Worker

NO_RAW, STOPPED, WAITING = score_text.NO_RAW, score_text.STOPPED, score_text.WAITING
JOIN_SECONDS = 1.0
"""Longest wait for a thread when the dock closes; a step that takes longer ends on its own."""
DRAW_MS, ROI_MS, SLIDER_MS = 60, 120, 15
"""Least time between two drawings of the curves, two regions, and two steps of the slider."""
SIZE = (600, 270)
"""[px] Width and height that the dock asks for."""


class ScoresDock(Leaving):
    """PSNR and SSIM over the frames, for each codec, with a marker on the frame that is shown.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the dock.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        register_roi()
        self.viewer = napari_viewer
        self.session = Session.of(napari_viewer)
        self.threads = Threads()
        self.controls, self.view = ScoreControls(), ScoresView()
        self.empty, self.error = QLabel(NO_RUN), QLabel()
        self._user = object()
        self._drawn: tuple[Any, ...] = ()
        self._asked = 0
        self._failure: TcsdlError | None = None
        self._hidden = False
        self._draw_timer = self._timer(DRAW_MS, self._draw)
        self._slider_timer = self._timer(SLIDER_MS, self._move_slider)
        self._roi_timer = self._timer(ROI_MS, self._take_region)
        self.session.join(self._user)
        begin, throttle = weakly(self._begin), weakly(self._throttle_region)
        self.scorer = Scorer(self.session.controller, self.session.roi, begin, throttle)
        self.ahead = ReferenceAhead(self.session, self.scorer, self.threads)
        self.controls.beside_reference.addWidget(self.ahead)
        self._lay_out()
        self._connect()
        self._on_theme()
        self._on_layers()
        self._draw()

    def _timer(self, milliseconds: int, call: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(call)
        return timer

    def _lay_out(self) -> None:
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.error.setObjectName("error")
        self.error.setStyleSheet(ERROR_STYLE)
        self.error.setWordWrap(True)
        self.error.hide()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(scrolled(self.view))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.controls)
        layout.addWidget(self.error)
        layout.addWidget(self.pages, 1)

    def _connect(self) -> None:
        scorer, controls = self.scorer, self.controls
        scorer.changed.connect(self._on_changed)
        scorer.failed.connect(self._show_error)
        controls.view_changed.connect(self.view.show_view)
        controls.reference_chosen.connect(self._choose_reference)
        controls.region_button.clicked.connect(self._on_region_button)
        self.view.progress.stop_button.clicked.connect(scorer.cancel)
        controls.copy_button.clicked.connect(self.copy)
        controls.export_button.clicked.connect(self._ask_where_to_export)
        self.view.frame_asked.connect(self._on_frame_asked)
        self.viewer.events.theme.connect(self._on_theme)
        for event in layer_events(self.viewer):
            event.connect(self._on_layers)
        # Qt may destroy the dock without a close event: nothing here may refer to self.
        held = (self.session, self._user, self.scorer, self.ahead.filler, self.threads)
        when_destroyed(self, partial(_let_go, *held))

    # --- scoring ------------------------------------------------------------------------------

    def _begin(self, job: RescoreJob) -> None:
        worker = Worker(job, self)
        worker.reported.connect(self._on_report)
        worker.failed.connect(self._on_failed)
        worker.ended.connect(self._on_ended)
        self._failure = None
        self.threads.begin(worker)

    def _on_report(self, report: Any) -> None:
        self.scorer.apply(report)

    def _on_failed(self, _: Worker, error: TcsdlError) -> None:
        self._failure = error

    def _on_ended(self, worker: Worker, _: str) -> None:
        self.threads.forget_ended()
        if not self._closed:
            assert isinstance(worker.job, RescoreJob)  # _begin() makes no other
            self.scorer.ended(worker.job, self._failure)

    def _choose_reference(self, key: Any) -> None:
        self.error.hide()
        self.scorer.choose(key)

    def _throttle_region(self, _: Any) -> None:
        if not self._roi_timer.isActive():
            self._roi_timer.start()

    def _take_region(self) -> None:
        self.error.hide()
        self.scorer.refresh()

    def _on_region_button(self) -> None:
        run = self.scorer.run
        if self.session.roi.square is not None:
            self.session.roi.clear()
            self._roi_timer.stop()
            self._take_region()  # at once: there is nothing to compute
        elif run is not None:
            self.session.roi.draw(run.layers.get(RECONSTRUCTION, run.source))

    # --- what is shown ------------------------------------------------------------------------

    def _on_changed(self) -> None:
        if self._hidden:
            return  # drawn when it is shown again
        if not self._slider_timer.isActive():  # else it is about to follow the marker
            self.view.show_frame(self.scorer.frame)
        if self._state() != self._drawn and not self._draw_timer.isActive():
            self._draw_timer.start()

    def _state(self) -> tuple[Any, ...]:
        scorer = self.scorer
        stopped = scorer.run is not None and scorer.run.job.stop.is_set()
        version = scorer.board.version if scorer.board is not None else -1
        return scorer.run, version, scorer.progress, scorer.region, scorer.reference, stopped

    def _draw(self) -> None:
        if self._closed:
            return
        self._drawn = self._state()
        scorer, board, run = self.scorer, self.scorer.board, self.scorer.run
        self.controls.offer(scorer.references(), scorer.reference)
        self.view.progress.show_progress(scorer.progress)
        filled = board is not None and board.n_frames > 0
        for widget in (self.controls.copy_button, self.controls.export_button):
            widget.setEnabled(filled)
        self.controls.region_button.setEnabled(filled or self.session.roi.square is not None)
        self.pages.setCurrentIndex(int(filled))
        drawn = self.session.roi.square is not None
        self.controls.show_field(board.basis.field if board is not None else "", drawn)
        if run is None or board is None or not filled:
            self.view.forget()
            self.empty.setText(why_no_scores(run))
            return
        self.view.show_run(run)
        self.view.show_frame(scorer.frame)

    def _on_layers(self) -> None:
        for event in layer_events(self.viewer):
            event.connect(self._on_layers)  # names of new layers; the others stay as they are
        self.controls.offer(self.scorer.references(), self.scorer.reference)

    def _on_theme(self) -> None:
        self.view.show_theme(self.viewer.theme)

    def _show_error(self, error: object) -> None:
        self.error.setText(str(error))
        self.error.show()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for room in which curves can be told apart."""
        return QSize(*SIZE)

    # --- the slider ---------------------------------------------------------------------------

    def _on_frame_asked(self, frame: int) -> None:
        """Move the slider soon: the marker must not wait for napari to draw."""
        self._asked = frame
        if not self._slider_timer.isActive():
            self._slider_timer.start()

    def _move_slider(self) -> None:
        self.scorer.show_frame(self._asked)

    # --- what goes out ------------------------------------------------------------------------

    def copy(self) -> None:
        """Copy the means."""
        if self.scorer.board is not None:
            copy(summary_text(self.scorer.board))

    def _ask_where_to_export(self) -> None:
        run = self.scorer.run
        if run is not None:
            proposal = f"{Path(run.source.name).stem}_scores.csv"
            path, _ = QFileDialog.getSaveFileName(
                self, "Export scores", proposal, "Comma-separated values (*.csv)"
            )
            if path:
                self.export(path)

    def export(self, path: str | Path) -> None:
        """Write the scores of every frame to ``path``."""
        run, board = self.scorer.run, self.scorer.board
        if run is None or board is None:
            return
        self.error.hide()
        target = Path(path)
        target = target if target.suffix else target.with_suffix(".csv")
        text = frames_text(board, calibration_of_layer(run.source).frame_time)
        self.threads.call(partial(save_text, text, target), lambda _: None, self._show_error, self)

    # --- show, hide, close --------------------------------------------------------------------

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Draw what has changed meanwhile."""
        super().showEvent(event)
        if self._hidden:
            self._hidden = False
            self.ahead.filler.pause(False)
            self._draw()

    def hideEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Nobody looks: nothing is drawn."""
        super().hideEvent(event)
        self._hidden = True
        self.ahead.filler.pause(True)
        self._draw_timer.stop()

    def leave(self) -> None:
        """Stop scoring, end the thread, and leave the session."""
        for timer in (self._draw_timer, self._slider_timer, self._roi_timer):
            timer.stop()
        self.viewer.events.theme.disconnect(self._on_theme)
        for event in layer_events(self.viewer):
            event.disconnect(self._on_layers)
        self.ahead.filler.close()
        self.scorer.close()
        self.session.leave(self._user)
        self.threads.join(JOIN_SECONDS)


def _let_go(
    session: Session, user: object, scorer: Scorer, filler: ReferenceFiller, threads: Threads
) -> None:
    # The canvas may have gone before the dock: its view is left as it is.
    filler.close()
    scorer.close(restore=False)
    session.leave(user, restore=False)
    threads.join(JOIN_SECONDS)
