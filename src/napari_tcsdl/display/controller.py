"""One run in a viewer: results appear as they arrive, scores follow the slider. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from .._validation import InputError, check_compression_ratio
from ..settings import Settings
from .boxes import Boxes
from .job import BlockReady, ComparisonJob, Finished, Job, Prepared, ReconstructionJob, Report
from .layers import Geometry, movie_from_layer
from .roles import JPEG, RECONSTRUCTION, in_order
from .run import Run, compressed_file
from .turns import Later, NextTurn, at_once

_END = object()


class Controller:
    """Owns one run at a time and the layers that show it.

    Every report carries the generation of its run: what comes late from a run that was
    cancelled or replaced is dropped.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    later
        Calls what it is given in a later turn of the window, after a paint; at once by default.
    """

    changed = Signal()
    """Scores, labels or real bytes have changed."""
    abandoned = Signal()
    """The user has deleted the results of a run; it was stopped."""

    def __init__(self, viewer: ViewerModel, later: Later = at_once) -> None:
        self.viewer = viewer
        self._turn = NextTurn(later)
        self._appearing: Prepared | None = None
        self.run: Run | None = None
        self.generation = 0
        self._boxes = Boxes(viewer)
        viewer.dims.events.point.connect(self._on_slider)
        viewer.dims.events.range.connect(self._trim_slider)
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def later(self) -> Later:
        """Calls what it is given in a later turn of the window; another may take its place."""
        return self._turn.later

    @later.setter
    def later(self, later: Later) -> None:
        self._turn.later = later

    # --- start, stop --------------------------------------------------------------------------

    def start(self, layer: Layer | None, settings: Settings, truth: Layer | None = None) -> Job:
        """Check the input, drop the last run, and return the job to be run in a thread.

        Parameters
        ----------
        layer
            A movie, or a measurement that was opened from a ``.tcs.zarr`` file.
        settings
            What to do.
        truth
            Noise-free movie, for the reference 'truth'.

        Raises
        ------
        InputError
            If ``layer`` is no movie, or B does not suit it. The last run stays then.
        """
        generation = self.generation + 1
        file = compressed_file(layer)
        job: Job
        if layer is not None and file is not None:
            geometry = Geometry.of(layer).frames(file["compression_ratio"])
            job = ReconstructionJob(generation, Path(file["path"]), file["n_frames"], settings)
        else:
            job = self._comparison(generation, layer, settings, truth)
            assert layer is not None  # else it was refused
            geometry = Geometry.of(layer)
        self.clear()
        self.generation = generation
        self.run = Run(job, settings, layer, geometry)
        self.run.board.changed.connect(self._tell)
        return job

    @staticmethod
    def _comparison(
        generation: int, layer: Layer | None, settings: Settings, truth: Layer | None
    ) -> ComparisonJob:
        movie = movie_from_layer(layer)
        check_compression_ratio(settings.compression_ratio, movie.shape[0])
        if settings.reference != "truth":
            return ComparisonJob(generation, movie, settings)
        if truth is None:
            raise InputError(
                "got reference 'truth' without a truth layer, expected a noise-free movie of the "
                "same shape; choose its layer, or another reference"
            )
        return ComparisonJob(generation, movie, settings, movie_from_layer(truth))

    def cancel(self) -> None:
        """Stop the run. Frames that are done stay; reports still to come are dropped."""
        if self.run is not None:
            self.run.job.stop.set()

    @property
    def arranged(self) -> bool:
        """Whether the boxes of a run are shown."""
        return self._boxes.arranged

    def stop(self) -> None:
        """Stop the run, and say in its boxes that nothing more will come."""
        self.cancel()
        self._tell()

    def clear(self) -> None:
        """Stop the run and take its layers away."""
        self.cancel()
        self._drop_turn()
        run, self.run = self.run, None
        self._boxes.restore()
        if run is None:
            return
        run.board.changed.disconnect(self._tell)
        for layer in run.added:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self.changed.emit()

    def rest(self, *, restore: bool = True) -> None:
        """Stop, as nobody is left to run anything; what is done can still be looked at.

        The view goes back to how it was, unless its window is gone (``restore=False``).
        """
        self.cancel()
        self._drop_turn()
        if restore:
            self.leave_boxes()
        self.changed.emit()

    def close(self, *, restore: bool = True) -> None:
        """Stop and let go of the viewer; layers stay, hidden.

        The view goes back to how it was, unless its window is gone (``restore=False``).
        """
        self.cancel()
        self._drop_turn()
        if restore:
            self.leave_boxes()
        self.run = None
        self.viewer.dims.events.point.disconnect(self._on_slider)
        self.viewer.dims.events.range.disconnect(self._trim_slider)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def leave_boxes(self) -> None:
        """Make room for another movie: the results stay in the list of layers, hidden."""
        if self._boxes.restore():
            for layer in self.run.added if self.run is not None else []:
                layer.visible = False

    # --- reports ------------------------------------------------------------------------------

    def apply(self, report: Report) -> bool:
        """Show what a job has reported; False if it came too late and was dropped."""
        run = self.run
        late = run is None or run.job.stop.is_set() or report.generation != self.generation
        if isinstance(report, Prepared):
            if run is None or late:
                report.store.close()
                report.shown.set()
                return False
            self._appearing = report
            self._advance(self._boxes.show(run, report), run, report)
            return True
        if run is None or late:
            return False
        if isinstance(report, BlockReady):
            self._show_block(run, report)
        elif isinstance(report, Finished):
            run.finished = report
            self._tell()
        return True

    def _tell(self) -> None:
        if self.run is not None:
            self._boxes.label(self.run)
        self.changed.emit()

    def _show_block(self, run: Run, report: BlockReady) -> None:
        run.qualities[report.index] = report.qualities
        run.frames_done += report.n_frames
        run.data_range = report.data_range
        self._boxes.show_block(run, report)
        run.board.add(report.scores)  # which tells of it

    def _advance(self, steps: Iterator[None], run: Run, report: Prepared) -> None:
        """Take one of ``steps`` in each turn of the window; the job waits for the last."""
        more = False
        try:
            if self.run is run:
                more = next(steps, _END) is not _END
        finally:
            if not more:
                report.shown.set()
        if more:
            self._turn.ask(partial(self._advance, steps, run, report))
        elif self.run is run:
            self._tell()

    def _drop_turn(self) -> None:
        """Show no more layers of the run that are still to appear; its job waits no longer."""
        self._turn.drop()
        if self._appearing is not None:
            self._appearing.shown.set()
            self._appearing = None

    # --- boxes --------------------------------------------------------------------------------

    def roles(self) -> list[str]:
        """List what the run can show, in the order of the boxes."""
        return self.run.roles() if self.run is not None else []

    def shown_roles(self) -> list[str]:
        """List what is shown now."""
        layers = self.run.layers if self.run is not None else {}
        return in_order([role for role, layer in layers.items() if layer.visible])

    def show_role(self, role: str, visible: bool = True) -> None:
        """Show or hide the box of ``role``, now and in later runs.

        A role that this run has nothing of is remembered for the next.
        """
        if self._boxes.show_role(self.run, role, visible):
            self._tell()

    @property
    def wanted(self) -> set[str]:
        """Roles that a run begins with."""
        return self._boxes.wanted

    # --- what is shown now --------------------------------------------------------------------

    @property
    def frame(self) -> int:
        """Frame of the movie that the slider shows."""
        return self._boxes.frame(self.run) if self.run is not None else 0

    def show_frame(self, index: int) -> None:
        """Move the slider to frame ``index`` of the movie, or to the nearest that there is."""
        if self.run is not None:
            self._boxes.show_frame(self.run, index)

    def current_scores(self) -> dict[str, Any]:
        """Scores of the frame that is shown, by codec; empty until they are computed."""
        return dict(self.run.board.at(self.frame)) if self.run is not None else {}

    def mean_scores(self) -> dict[str, tuple[float, float, int]]:
        """Mean (PSNR [dB], SSIM) and summed real bytes of each codec over the frames done."""
        means = self.run.board.means() if self.run is not None else {}
        return {codec: (mean.psnr, mean.ssim, mean.bytes) for codec, mean in means.items()}

    def _on_slider(self) -> None:
        if self.run is not None:
            self._tell()

    def _trim_slider(self) -> None:
        self._boxes.trim_slider(self.run)

    def _on_removed(self, event: Any) -> None:
        run = self.run
        if run is None:
            return
        ours = event.value in run.added
        run.layers = {role: layer for role, layer in run.layers.items() if layer is not event.value}
        run.added = [layer for layer in run.added if layer is not event.value]
        if ours and not {RECONSTRUCTION, JPEG} & set(run.layers):
            self.clear()
            self.abandoned.emit()
