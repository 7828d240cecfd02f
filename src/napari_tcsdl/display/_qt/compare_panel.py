"""The step "Compare": compress, reconstruct, and see it beside its rivals."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtWidgets import QFileDialog

from ..._words import human_bytes
from ..file_layers import SUFFIX
from ..run import compressed_file
from ..store import ResultStore, copy_compressed
from .controls import button, rule
from .docks import load_ahead
from .estimate import Estimate
from .form import SettingsForm
from .mode_bar import GRID
from .overlay import GlyphLoader
from .presets_row import PresetsRow
from .results import ResultsPanel
from .run_panel import RunPanel
from .view_box import ViewBox
from .worker import Worker


class ComparePanel(RunPanel):
    """Compress a movie, reconstruct it, and compare it with its rivals.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(
            napari_viewer,
            SettingsForm(),
            "Run",
            "Compress, reconstruct and compare the movie. The layers of the last run are replaced.",
        )
        self._glyphs: GlyphLoader | None = None
        self._hidden = False
        session = self.session
        self.estimate = Estimate(self.threads, self, lambda: session.busy)
        self.presets = PresetsRow(self.session)
        self.results = ResultsPanel()
        self.view = ViewBox(self.viewer, self.session, self.links)
        self.save_button = button(
            "Save compressed file…", "Copy the .tcs.zarr file of this run to a place you choose."
        )
        self.lay_out(
            self.form,
            self.presets,
            self.estimate,
            self.box,
            rule(),
            self.view,
            self.results,
            self.save_button,
        )
        self.save_button.clicked.connect(self._ask_where_to_save)
        self.presets.failed.connect(self.show_error)
        self.presets.said.connect(self._on_said)
        self.view.failed.connect(self.show_error)
        self.inputs.opened.connect(self.to_grid)  # before the boxes are left
        self.links.connect(self.controller.changed, self._show_results)
        self.wire()
        self._show_results()

    def follow(self) -> None:
        """Enable what can be used now, and say what it would cost."""
        super().follow()
        self.run_button.setText("Reconstruct" if self.file else "Run")
        self.presets.follow(self.inputs.layer, self.form.truth.layer(), running=self.session.busy)
        self.estimate.ask(None if self.file else self.inputs.layer, self.session.settings)

    # --- run ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Run what the form says."""
        judged = self.form.settings().deviation == "judged"
        more = ", judging the uncertainty" if judged else ""
        self.begin_run(self.form.truth.layer(), f"reading the movie, measuring its noise{more}…")

    def to_grid(self) -> None:
        """Leave swipe and blink, which would otherwise bring their own grid back afterwards."""
        self.view.modes.set_mode(GRID)

    def prepare(self) -> None:
        """Make room for the results of a run."""
        self.results.table.forget()
        self._show_results()
        self.view.begin()

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Count the frames that are done, beside the final results."""
        self._show_results()
        return super().outcome_text(worker, outcome)

    def _on_abandoned(self) -> None:
        super()._on_abandoned()
        self._show_results()

    def _on_said(self, sentence: str) -> None:
        self.box.hide_error()
        self.status.setText(sentence)

    # --- results ------------------------------------------------------------------------------

    def _show_results(self) -> None:
        if self._hidden:
            return  # shown when the panel is
        controller, run = self.controller, self.controller.run
        finished = run.finished if run is not None else None
        compared = run is None or run.compares
        self.results.table.show_scores(controller.current_scores(), controller.mean_scores())
        self.results.table.setVisible(compared)
        self.results.show_bytes(
            finished.raw_bytes if finished else None, finished.real_bytes if finished else None
        )
        self.save_button.setEnabled(finished is not None and compared)
        self.results.caption.setText(self._caption())
        self.view.follow_boxes()

    def _caption(self) -> str:
        run = self.controller.run
        if run is None:
            return "Scores and real bytes appear here while a movie is compared."
        if compressed_file(run.source) is not None:
            return "A compressed file holds no raw frames to compare with."
        # Two lines whatever the frame: what is below must not jump while the slider moves.
        return (
            f"frame {self.controller.frame} of the run with B = {run.compression_ratio}\n"
            f"{run.board.basis.text}"
        )

    def _ask_where_to_save(self) -> None:
        run = self.controller.run
        if run is not None:
            proposal = f"{Path(run.source.name).stem}{SUFFIX}"
            path, _ = QFileDialog.getSaveFileName(
                self,
                "Save compressed file",
                proposal,
                f"Compressed movie (*{SUFFIX})",
                # A file that exists is refused: asking here would promise to replace it.
                options=QFileDialog.Option.DontConfirmOverwrite,
            )
            if path:
                self.save(path)

    def save(self, path: str | Path) -> None:
        """Copy the compressed file of this run to ``path``; nothing is ever replaced."""
        run = self.controller.run
        if run is None or run.finished is None:
            return
        self.box.hide_error()
        target = Path(path)
        if not target.name.endswith(SUFFIX):
            target = target.with_name(target.name + SUFFIX)
        # With the store: its folder goes when nobody holds it, as another run would let it.
        copy = partial(_copy, run.store, run.finished.path, target)
        self.threads.call(copy, self._on_saved, self.show_error, self)

    def _on_saved(self, saved: tuple[Path, int]) -> None:
        target, size = saved
        self.status.setText(f"saved {target.name}, {human_bytes(size)}")

    # --- close --------------------------------------------------------------------------------

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Prepare the labels once the panel is in its window; show what has changed meanwhile."""
        super().showEvent(event)  # type: ignore[arg-type]
        if self._hidden:
            self._hidden = False
            self._show_results()
        if self._glyphs is None:
            self._glyphs = GlyphLoader(self)
            self.threads.call(load_ahead, _ignore, _ignore, self)

    def hideEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Nobody looks: nothing is shown."""
        super().hideEvent(event)  # type: ignore[arg-type]
        self._hidden = True

    def let_go(self) -> None:
        """Bring the grid back, end an export, and estimate nothing more."""
        super().let_go()
        self.view.let_go()
        self.estimate.let_go()


def _ignore(_: object) -> None:
    """Hear that the docks are loaded, or could not be: who opens one is told."""


def _copy(store: ResultStore | None, source: Path, target: Path) -> tuple[Path, int]:
    """Copy, and weigh the copy: on a slow disk both take their time."""
    copy_compressed(source, target)
    return target, sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
