"""One run in a viewer: results appear as they arrive, scores follow the slider. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from .._validation import InputError, check_compression_ratio
from ..settings import Settings
from .arrangement import Arrangement, label_of
from .job import BlockReady, ComparisonJob, Finished, Job, Prepared, ReconstructionJob, Report
from .layers import KEY, Geometry, LayerTuple, add_scores, movie_from_layer
from .roles import DEFAULT_ROLES, JPEG, MEASUREMENT, RECONSTRUCTION, ROLES, in_order
from .run import Run, compressed_file

_END = object()


Later = Callable[[Callable[[], None]], None]
"""Calls what it is given in a later turn of the window."""


def at_once(call: Callable[[], None]) -> None:
    """Call ``call`` now: where there is no window to keep alive."""
    call()


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
        self.later = later
        self.run: Run | None = None
        self.generation = 0
        self.wanted = set(DEFAULT_ROLES)
        self._arrangement: Arrangement | None = None
        viewer.dims.events.point.connect(self._on_slider)
        viewer.dims.events.range.connect(self._trim_slider)
        viewer.layers.events.removed.connect(self._on_removed)

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

    def clear(self) -> None:
        """Stop the run and take its layers away."""
        self.cancel()
        run, self.run = self.run, None
        self._restore_view()
        for layer in run.added if run else []:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def close(self, *, restore: bool = True) -> None:
        """Stop and let go of the viewer; layers stay.

        The view goes back to how it was, unless its window is gone (``restore=False``).
        """
        self.cancel()
        self.run = None
        if restore:
            self._restore_view()
        self.viewer.dims.events.point.disconnect(self._on_slider)
        self.viewer.dims.events.range.disconnect(self._trim_slider)
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def leave_boxes(self) -> None:
        """Make room for another movie: the results stay in the list of layers, hidden."""
        if self._arrangement is not None:
            self._restore_view()
            for layer in self.run.added if self.run is not None else []:
                layer.visible = False

    def _restore_view(self) -> None:
        if self._arrangement is not None:
            self._arrangement.restore()
            self._arrangement = None

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
            self._advance(self._show_layers(run, report), run, report)
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
        self._update_labels()
        self.changed.emit()

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
            self.later(partial(self._advance, steps, run, report))
        elif self.run is run:
            self._tell()

    def _show_layers(self, run: Run, report: Prepared) -> Iterator[None]:
        """Add the layers one by one, still hidden, then fill the boxes one by one."""
        run.store = report.store
        limits = report.limits or tuple(run.source.contrast_limits)
        for entry in run.first_layers(in_order(self.wanted), limits):
            self._add(run, entry)
            yield
        self._trim_slider()
        self._update_labels()
        boxes = [layer for layer in self.viewer.layers if layer in run.layers.values()]
        self._arrangement = Arrangement(self.viewer, boxes)
        yield from self._arrangement.steps()

    def _add(self, run: Run, entry: LayerTuple) -> Layer:
        """Add a layer, hidden, where its box belongs; the slider stays where it is."""
        data, kwargs, kind = entry
        layer = Layer.create(data, kwargs | {"visible": False}, kind)
        role = kwargs["metadata"][KEY]["role"]
        run.layers[role] = layer
        run.added.append(layer)
        order = in_order(list(run.layers))
        behind = [run.layers[other] for other in order[order.index(role) + 1 :]]
        places = [self.viewer.layers.index(other) for other in behind if other in run.added]
        point = self.viewer.dims.point
        self.viewer.layers.insert(min(places, default=len(self.viewer.layers)), layer)
        self.viewer.dims.point = point
        return layer

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
        (self.wanted.add if visible else self.wanted.discard)(role)
        run, arrangement = self.run, self._arrangement
        if run is None or arrangement is None:
            return
        layer = run.layers.get(role)
        if layer is None and visible and role in run.roles():
            limits = tuple(run.layers[RECONSTRUCTION].contrast_limits)
            layer = self._add(run, run.layer(role, limits))
            self._trim_slider()
        if layer is not None:
            arrangement.show(layer, visible)
        self._tell()

    def _show_block(self, run: Run, report: BlockReady) -> None:
        run.scores += report.scores
        run.by_frame.update({(score.codec, score.frame): score for score in report.scores})
        run.qualities[report.index] = report.qualities
        run.frames_done += report.n_frames
        shown = report.first_frame <= self.frame < report.first_frame + report.n_frames
        for layer in run.added:
            codec = layer.metadata[KEY]["codec"]
            add_scores(layer, report.scores, report.descriptions.get(codec, ""))
            like_frames = ROLES[layer.metadata[KEY]["role"]].like_frames
            if report.index == 0 and report.limits is not None and like_frames:
                layer.contrast_limits = report.limits
            if shown and layer in self.viewer.layers:
                layer.refresh(extent=False)

    # --- what is shown now --------------------------------------------------------------------

    @property
    def _time_axis(self) -> int:
        return self.viewer.dims.ndim - 3

    @property
    def frame(self) -> int:
        """Frame of the movie that the slider shows."""
        if self.run is None:
            return 0
        geometry, units = self.run.geometry, self.viewer.dims.units
        point = self.viewer.dims.point[self._time_axis]
        if units is not None:
            shown, own = units[self._time_axis], geometry.units[0]
            if shown != own and shown.is_compatible_with(own):
                point = (point * shown).to(own).magnitude
        index = round((point - geometry.translate[0]) / geometry.scale[0])
        return min(max(index, 0), self.run.job.n_frames - 1)

    def current_scores(self) -> dict[str, Any]:
        """Scores of the frame that is shown, by codec; empty until they are computed."""
        if self.run is None:
            return {}
        codecs = dict.fromkeys(score.codec for score in self.run.scores)
        found = {codec: self.run.by_frame.get((codec, self.frame)) for codec in codecs}
        return {codec: score for codec, score in found.items() if score is not None}

    def mean_scores(self) -> dict[str, tuple[float, float, int]]:
        """Mean (PSNR [dB], SSIM) and summed real bytes of each codec over the frames done."""
        return self.run.means() if self.run is not None else {}

    def _on_slider(self) -> None:
        if self.run is not None:
            self._tell()

    def _update_labels(self) -> None:
        run = self.run
        if run is None:
            return
        for role, layer in run.layers.items():
            label_of(layer).text = "\n".join(run.label(role, self.frame))

    def _trim_slider(self) -> None:
        """End the slider with the movie: a last, shorter block's measurement reaches beyond it."""
        run = self.run
        if run is None or MEASUREMENT not in run.layers or len(run.layers) < 2:
            return
        axis = self._time_axis
        others = [
            layer
            for layer in self.viewer.layers
            if layer is not run.layers[MEASUREMENT] and layer.ndim == self.viewer.dims.ndim
        ]
        start, stop, step = self.viewer.dims.range[axis]
        first = min((layer.extent.world[0][axis] for layer in others), default=start)
        last = max((layer.extent.world[1][axis] for layer in others), default=stop)
        if stop > last + step / 2 or start < first - step / 2:
            self.viewer.dims.set_range(axis, (first, last, step))

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
