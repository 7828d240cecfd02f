"""The step "Compress": a movie becomes a .tcs.zarr file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from qtpy.QtWidgets import QFileDialog

from ..._validation import TcsdlError, check_compression_ratio
from ..._words import human_bytes
from ..compression_job import Compressed, CompressionJob
from ..contributions import read_layers
from ..file_layers import SUFFIX
from ..job import Report
from ..layers import movie_from_layer
from .controls import duration, rule
from .form import SettingsForm
from .form_panel import FormPanel
from .results import BytesTable
from .words import JUDGED
from .worker import Worker

ROWS = ("layer", "ratio", "masks")
MORE = ("seed", "exposures", "mask_tile", "companding", "entropy", "deviation", *JUDGED)
WHAT = (
    "Writes the measurements of the movie into a .tcs.zarr file: what a detector would store. The "
    "movie itself stays as it is."
)


class CompressPanel(FormPanel):
    """Compress a movie into a file of your own.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        form = SettingsForm(ROWS, MORE)
        super().__init__(napari_viewer, form, "Compress…", f"{WHAT} You are asked for its name.")
        self.bytes = BytesTable()
        self._said, self._generation = "", 0
        self.lay_out(self.form, self.box, rule(), self.bytes)
        self.wire()

    def follow(self) -> None:
        """Enable what can be used now."""
        super().follow()
        if self.file and not self.session.busy:
            self.run_button.setEnabled(False)
            self.form.hint.setText("It is compressed already: go on with Reconstruct.")

    def start(self) -> None:
        """Ask for a name, and compress into it."""
        name = self.inputs.layer.name if self.inputs.layer is not None else "movie"
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Compress into",
            f"{Path(name).stem}{SUFFIX}",
            f"Compressed movie (*{SUFFIX})",
            # A file that exists is refused: asking here would promise to replace it.
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.compress(path)

    def compress(self, path: str | Path) -> None:
        """Compress the chosen movie into ``path``; a file that is there is never replaced."""
        if self.session.busy:
            return
        self.box.hide_error()
        target = Path(path)
        if not target.name.endswith(SUFFIX):
            target = target.with_name(target.name + SUFFIX)
        settings = self.session.settings
        try:
            movie = movie_from_layer(self.inputs.layer)
            check_compression_ratio(settings.compression_ratio, movie.shape[0])
        except TcsdlError as error:
            self.show_error(error)
            return
        self._generation += 1
        self.bytes.show_bytes(None, None)
        job = CompressionJob(self._generation, movie, target, settings)
        self.begin(job, "measuring the noise…")

    def on_report(self, report: Report) -> None:
        """Show what the file weighs, and offer it for reconstruction."""
        late = not self.running or report.generation != self._generation
        if late or not isinstance(report, Compressed):
            return
        self.bytes.show_bytes(report.raw_bytes, report.real_bytes)
        rate = human_bytes(report.raw_bytes / max(report.seconds, 1e-9))
        # Most of the time of a judgement is that of decoding a sample: no rate of the encoder.
        what = report.deviation or f"{rate}/s of raw frames"
        self._said = f"{report.path.name}: {duration(report.seconds)}, {what}"
        self.threads.call(partial(read_layers, report.path), self.inputs.add, self.show_error, self)

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Say what was written; a file that was not completed is not there."""
        if outcome == "finished":
            return 1.0, self._said
        return 0.0, f"{outcome}: nothing was written"
