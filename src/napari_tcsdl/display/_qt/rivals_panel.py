"""The step "Rivals": what every codec makes of this movie at real bytes, and where we stand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QFileDialog

from ..._validation import TcsdlError
from ..job import Report
from ..rivals_controller import RivalsController
from ..rivals_job import find_rivals, save_report
from ..rivals_text import HELD_OUT, held_out_rows, point_text, table_rows
from .controls import Fold, duration, rule
from .form import SettingsForm
from .form_panel import FormPanel
from .lifetime import when_destroyed
from .overlay import register_labels
from .rivals_frames import RivalFrames
from .rivals_options import RivalOptions, StudyPresets
from .rivals_results import UNCHOSEN, RivalsResults
from .rivals_style import is_dark
from .rivals_table import COLUMNS, TIPS, UNSEEN_COLUMNS, UNSEEN_TIPS
from .software_gl import spare_programs
from .worker import Turns, Worker

if TYPE_CHECKING:  # codecs and zarr take a second to load
    from ...rivals import RatePoint

ROWS = ("layer", "ratio", "decoder", "reference", "truth")
MORE = (
    *("masks", "device", "seed", "exposures", "mask_tile", "companding", "entropy"),
    *("weights", "decode_tile"),
)
RUN_TIP = (
    "Compress the movie into a temporary file, decode it, and measure every rival at real bytes. "
    "This takes minutes; curves appear as each is done."
)
FIRST = "compressing, making the reference, decoding our frames…"
COSTING = "measuring what encoding costs"
JUDGING = "judging by held-out electrons"
ABANDONED = (
    "got the movie's layer deleted while it was studied, expected it to stay until the end; open "
    "the movie again, and press Run"
)


class RivalsPanel(FormPanel):
    """Compare a movie with every rival at real bytes.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(napari_viewer, SettingsForm(ROWS, MORE), "Run", RUN_TIP)
        register_labels()
        spare_programs()
        self.rivals = RivalsController(self.viewer, self.controller.leave_boxes, Turns(self).later)
        self.options = RivalOptions()
        self.presets = StudyPresets(self.session, self.options)
        self.results = RivalsResults(self.viewer.theme)
        self.frames = RivalFrames(self.rivals, self.threads, self)
        self._asked = False
        self.fold = Fold("rivals", "Which rivals are compared with", self.options)
        self.lay_out(self.form, self.fold, self.presets, self.box, rule(), self.results)
        self._connect()
        self.wire()
        self._show()
        self._show_chosen()

    def _connect(self) -> None:
        results, plot = self.results, self.results.plot
        plot.words = self._point_text
        plot.chosen.connect(self.rivals.select)
        results.table.chosen.connect(self.rivals.select)
        results.score.currentIndexChanged.connect(self._show)
        results.purpose.currentIndexChanged.connect(self._show)
        results.show_button.clicked.connect(self.box.hide_error)
        results.show_button.clicked.connect(self.frames.show)
        self.frames.failed.connect(self.show_error)
        self.frames.changed.connect(self._on_boxes)
        results.back_button.clicked.connect(self.rivals.clear_boxes)
        results.save_button.clicked.connect(self._ask_where_to_save)
        self.options.edited.connect(self._on_options)
        self.presets.failed.connect(self.show_error)
        self.presets.said.connect(self._on_said)
        for signal, method in (
            (self.rivals.changed, self._show),
            (self.rivals.selected, self._show_chosen),
            (self.rivals.shown, self._on_boxes),
            (self.rivals.abandoned, self._on_abandoned),
            (self.session.settings_changed, self._show_choice),
            (self.session.busy_changed, self._on_busy),
            (self.viewer.events.theme, self._recolour),
        ):
            self.links.connect(signal, method)
        # The canvas may have gone before the panel: its view is left as it is.
        when_destroyed(self, partial(_let_go, self.rivals))

    # --- what is compared ---------------------------------------------------------------------

    def follow(self) -> None:
        """Enable what can be used now."""
        super().follow()
        self.options.setEnabled(not self.session.busy)
        self.presets.follow(self.inputs.layer, self.form.truth.layer(), running=self.session.busy)
        if self.file:
            self.run_button.setEnabled(False)
            self.form.hint.setText("It holds no raw frames: open the movie that was compressed.")

    def showEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Look for codecs when the panel is first looked at: they take a second to load."""
        super().showEvent(event)  # type: ignore[arg-type]
        if not self._asked:
            self._asked = True
            self._on_options()
            self.threads.call(find_rivals, self.options.picker.offer, self.show_error, self)

    def _on_options(self) -> None:
        self.box.hide_error()
        self.fold.head.setText(f"rivals: {self.options.summary()}")

    def _on_said(self, sentence: str) -> None:
        self.box.hide_error()
        self.status.setText(sentence)

    # --- run ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Study what is chosen."""
        if self.session.busy:
            return
        self.box.hide_error()
        truth = self.form.truth.layer()
        try:
            job = self.rivals.start(
                self.inputs.layer, self.session.settings, self.options.wish(), truth
            )
        except TcsdlError as error:
            self.show_error(error)
            return
        self.begin(job, FIRST)

    def on_failure(self, error: TcsdlError) -> None:
        """Show why the study has ended."""
        self.rivals.stop()
        super().on_failure(error)

    def cancel(self) -> None:
        """Stop the study; what is measured stays."""
        self.rivals.stop()
        super().cancel()

    def on_report(self, report: Report) -> None:
        """Show what the study tells."""
        self.rivals.apply(report)

    def progress_words(self, worker: Worker, fraction: float, elapsed: float) -> str:
        """Say how many are done, what is measured now, and how long it may take."""
        done, total = len(self.rivals.rivals), len(self.rivals.looks)
        names = self.rivals.at_work()
        job = self.rivals.job
        last = [] if job is None else [COSTING] * job.wish.cost + [JUDGING] * job.wish.held_out
        after = ", then ".join(last)
        what = f"measuring {', '.join(names)}" if names else after if done else FIRST
        left = duration(round((1 - fraction) / fraction * elapsed) or 1)
        return f"{done} of {total} are done,  about {left} left\n{what}"

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Count what is measured."""
        controller = self.rivals
        done, total = len(controller.rivals), len(controller.looks)
        if controller.study is not None:
            return 1.0, f"finished in {duration(round(controller.study.seconds) or 1)}"
        return done / max(total, 1), f"{outcome}: {done} of {total} are measured"

    def _on_abandoned(self) -> None:
        if self.running:
            self.wait_a_little()
            self.show_error(ABANDONED)

    def _on_busy(self) -> None:
        if self.session.busy and not self.running:
            self.rivals.leave_boxes()  # another job is about to show its own

    # --- what is shown ------------------------------------------------------------------------

    def _show(self) -> None:
        """Bring curves, verdict and table up to date."""
        controller, results = self.rivals, self.results
        there = bool(controller.rivals)
        results.nothing.setVisible(not there)
        results.content.setVisible(there)
        results.save_button.setEnabled(controller.study is not None)
        results.show_verdict(controller.study.verdict if controller.study is not None else ())
        results.offer_held_out(controller.judged)
        results.plot.axis.raw_bytes = controller.raw_bytes
        results.plot.show_score(results.score.currentData())
        results.plot.show_rivals(controller.looks, controller.rivals, controller.budgets())
        self._show_table()
        self._show_choice()
        self._show_chosen()

    def _show_table(self) -> None:
        controller, table = self.rivals, self.results.table
        looks = {look.name: look for look in controller.looks}
        measured = [controller.rivals[name] for name in looks if name in controller.rivals]
        purpose, study = self.results.purpose.currentData(), controller.study
        if purpose == HELD_OUT and study is not None and study.held_out is not None:
            table.head(UNSEEN_COLUMNS, UNSEEN_TIPS)
            rows = held_out_rows(measured, study.held_out, controller.raw_bytes)
        else:
            table.head(COLUMNS, TIPS)
            rows = table_rows(measured, purpose, controller.raw_bytes)
        table.show_rows(rows, looks, dark=is_dark(get_theme(self.viewer.theme)))

    def _show_choice(self) -> None:
        self.results.plot.show_choice(self.rivals.choice(self.session.settings))

    def _show_chosen(self) -> None:
        chosen = self.rivals.chosen
        self.results.plot.highlight(chosen)
        self.results.table.select(chosen[0] if chosen is not None else None)
        pair = self.rivals.chosen_point()
        text = self._point_text(pair[0].name, pair[1]) if pair is not None else UNCHOSEN
        if chosen is not None and pair is None and chosen[0] in self.rivals.rivals:
            rival = self.rivals.rivals[chosen[0]]
            text = f"{rival.label}: {rival.absent or 'over budget; choose a point of its curve'}"
        self.results.detail.setText(text)
        self._on_boxes()

    def _point_text(self, name: str, point: RatePoint) -> str:
        return point_text(self.rivals.rivals[name], point, self.rivals.raw_bytes)

    def _on_boxes(self) -> None:
        ready = self.rivals.chosen_point() is not None and not self.frames.preparing
        self.results.show_button.setEnabled(ready)
        self.results.back_button.setEnabled(bool(self.rivals.boxes.layers))

    def _recolour(self) -> None:
        self.results.plot.set_theme(self.viewer.theme)
        self._show()

    # --- report -------------------------------------------------------------------------------

    def _ask_where_to_save(self) -> None:
        study = self.rivals.study
        if study is not None:
            path, _ = QFileDialog.getSaveFileName(
                self,
                "Save report into a new folder",
                f"{Path(study.movie['name']).stem}_rivals",
                "Folder (*)",
                # A folder that exists is refused: asking here would promise to replace it.
                options=QFileDialog.Option.DontConfirmOverwrite,
            )
            if path:
                self.save(path)

    def save(self, path: str | Path) -> None:
        """Write the study into a new folder; nothing is ever replaced."""
        study = self.rivals.study
        if study is None:
            return
        self.box.hide_error()
        self.results.save_button.setEnabled(False)
        self.status.setText("writing the report…")
        call = partial(save_report, study, Path(path))
        self.threads.call(call, self._on_saved, self._on_unsaved, self)

    def _on_saved(self, page: Path) -> None:
        self.results.save_button.setEnabled(self.rivals.study is not None)
        self.status.setText(f"saved {page.parent.name}: open {page.name} in a browser")

    def _on_unsaved(self, error: TcsdlError) -> None:
        self.results.save_button.setEnabled(self.rivals.study is not None)
        self.status.setText("")
        self.show_error(error)

    # --- close --------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Drop what is still being prepared, and bring the view back."""
        super().let_go()
        self.frames.close()
        self.rivals.close()


def _let_go(rivals: RivalsController) -> None:
    rivals.close(restore=False)
