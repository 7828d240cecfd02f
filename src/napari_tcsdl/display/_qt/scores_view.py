"""Plots, legend and progress of the scores, laid out; filled by ``scores_dock``."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSize, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from ..layers import calibration_of_layer, title_of
from ..run import Run
from .score_controls import BOTH, PSNR, SSIM, ScoreProgress
from .score_legend import ScoreLegend
from .score_plot import ScorePlot

MARGIN = 12
WIDE = 780
"""[px] From which on the legend stands beside the plots, if they are not taller than wide."""


class ScoresView(QWidget):
    """One plot a score; the legend beside them, or below where the window is narrow.

    Signals
    -------
    frame_asked : int
        The user wants to see this frame.
    """

    frame_asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.legend, self.progress = ScoreLegend(), ScoreProgress()
        self.plots = {PSNR: ScorePlot("PSNR (dB)", 2), SSIM: ScorePlot("SSIM", 3)}
        self._run: Run | None = None
        plots, side = QVBoxLayout(), QVBoxLayout()
        plots.setSpacing(0)
        for plot in self.plots.values():
            plots.addWidget(plot, 1)
            plot.frame_asked.connect(self._on_asked)
            # pyqtgraph's own link goes by places on the screen, and one plot may be hidden.
            plot.getViewBox().sigXRangeChanged.connect(self._on_zoom)
        side.addWidget(self.legend, 1)
        side.addWidget(self.progress)
        self._sides = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._sides.setContentsMargins(4, 0, 4, 4)
        self._sides.setSpacing(6)
        self._sides.addLayout(plots, 1)
        self._sides.addLayout(side)
        self.legend.toggled.connect(self.draw)
        self.show_view(PSNR)

    def show_run(self, run: Run) -> None:
        """Draw the scores of ``run``."""
        self._run = run
        self.draw()

    def draw(self) -> None:
        """Draw what has come since."""
        run = self._run
        if run is None:
            return
        board = run.board
        self.legend.show_means(board.codecs, board.means())
        series = {codec: board.series(codec) for codec in board.codecs}
        names = {codec: title_of(codec) for codec in series}
        frame_time = calibration_of_layer(run.source).frame_time
        for name, plot in self.plots.items():
            curves = {
                codec: (found.frames, found.psnr if name == PSNR else found.ssim)
                for codec, found in series.items()
            }
            plot.show_extent(run.job.n_frames, run.compression_ratio, frame_time)
            plot.show_curves(curves, names, self.legend.hidden)

    def forget(self) -> None:
        """Let go of the run."""
        self._run = None

    def show_frame(self, frame: int) -> None:
        """Move the markers."""
        for plot in self.plots.values():
            plot.show_frame(frame)

    def show_view(self, view: str) -> None:
        """Show PSNR, SSIM or both."""
        shown = [name for name in self.plots if view in (name, BOTH)]
        for name, plot in self.plots.items():
            plot.setVisible(name in shown)
            plot.show_axis(name == shown[-1])

    def show_theme(self, name: str) -> None:
        """Take the colours of napari's theme ``name``."""
        for plot in self.plots.values():
            plot.show_theme(name)
        self.legend.show_theme(name)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Let it become as narrow as the legend: it then goes below the plots."""
        least = super().minimumSizeHint()
        side = max(self.legend.minimumSizeHint().width(), self.progress.minimumSizeHint().width())
        return QSize(min(least.width(), side + MARGIN), least.height())

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Put the legend where there is room for it."""
        super().resizeEvent(event)
        directions = QBoxLayout.Direction
        wide = self.width() >= max(WIDE, self.height())
        self._sides.setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        policy = self.progress.sizePolicy()
        if policy.retainSizeWhenHidden() != wide:  # in a narrow dock the plot needs that room
            policy.setRetainSizeWhenHidden(wide)
            self.progress.setSizePolicy(policy)

    def _on_zoom(self, _: Any, shown: tuple[float, float]) -> None:
        for plot in self.plots.values():
            plot.setXRange(*shown, padding=0)

    def _on_asked(self, frame: int) -> None:
        self.show_frame(frame)
        self.frame_asked.emit(frame)
