"""One fine-tuning run in a viewer: curves while it learns, before and after when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from .._validation import InputError
from ..movie import Movie
from ..settings import Settings
from .arrangement import Arrangement, label_of
from .job import Report
from .layers import KEY, Geometry, movie_from_layer, result_layer
from .run import compressed_file
from .training_files import check_free
from .training_job import TrainingJob
from .training_reports import Begun, Curves, Learned, Learning, Pictured

BEFORE, AFTER = "before", "after"
RECORDED = (None, "movie", "raw")
"""Roles of layers that hold what a detector gave."""
_END = object()
LEAST_SIDE = 16
"""[px] The correlation of the noise is measured on such frames at least."""


def movie_to_learn_from(layer: Layer | None, compression_ratio: int) -> Movie:
    """Make a movie of ``layer``, as far as can be seen without reading it.

    Raises
    ------
    InputError
        If it cannot be learned from: it is no movie, holds no raw frames, or is too small.
    """
    if compressed_file(layer) is not None:
        raise InputError(
            f"{layer.name if layer else ''}: got a compressed file, which holds no raw frames, "
            "expected a raw movie to learn from; open the movie that was compressed"
        )
    movie = movie_from_layer(layer)
    assert layer is not None  # else it was refused
    role = layer.metadata.get(KEY, {}).get("role")
    if role not in RECORDED:
        raise InputError(
            f"{layer.name}: got the result of a run ({role}), expected raw frames, whose noise can "
            "be dealt out to two halves; choose the movie as recorded"
        )
    n_frames, height, width = movie.shape
    least = max(4, 2 * compression_ratio)
    if n_frames < least or min(height, width) < LEAST_SIDE:
        raise InputError(
            f"{movie.name}: got {n_frames} frames of {height} × {width}, expected at least {least} "
            f"of {LEAST_SIDE} × {LEAST_SIDE}, B to learn from and B to judge by; choose a smaller "
            "B or a longer movie"
        )
    return movie


class TrainingController:
    """Owns one run at a time, its curves, and the layers that show what it changed.

    Reports of a run that was left or replaced are dropped.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    make_room
        Is called before boxes are shown: whoever else shows some takes them away.
    later
        Calls what it is given in a later turn of the window, after a paint; at once by default.
    """

    changed = Signal()
    """Curves, outcome or layers have changed."""

    def __init__(
        self,
        viewer: ViewerModel,
        make_room: Callable[[], None] = lambda: None,
        later: Callable[[Callable[[], None]], None] = lambda call: call(),
    ) -> None:
        self.viewer = viewer
        self._make_room, self._later = make_room, later
        self.generation = 0
        self.job: TrainingJob | None = None
        self.begun: Begun | None = None
        self.latest: Learning | None = None
        self.learned: Learned | None = None
        self.curves = Curves()
        self.decoder = Settings.decoder
        self.layers: dict[str, Layer] = {}
        self._source: Layer | None = None
        self._geometry: Geometry | None = None
        self._arrangement: Arrangement | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    # --- start, stop --------------------------------------------------------------------------

    def start(
        self, layer: Layer | None, settings: Settings, target: Path, minutes: float
    ) -> TrainingJob:
        """Check the input, drop the last run, and return the job to be run in a thread.

        Raises
        ------
        InputError
            If ``layer`` cannot be learned from. The last run stays then.
        OutputError
            If ``target`` exists or cannot be written.
        """
        movie = movie_to_learn_from(layer, settings.compression_ratio)
        check_free(target)
        self.leave()
        self.clear_layers()
        self.generation += 1
        self.begun = self.latest = self.learned = None
        self.curves, self.decoder = Curves(), settings.decoder
        self._source, self._geometry = layer, Geometry.of(layer) if layer else None
        self.job = TrainingJob(self.generation, movie, settings, target, minutes)
        self.changed.emit()
        return self.job

    def stop(self) -> None:
        """Stop learning and keep the best; once that is done, leave the pictures out."""
        if self.job is None:
            return
        if self.learned is not None:
            self.job.stop.set()
        self.job.enough.set()

    def leave(self) -> None:
        """End the run, whatever it does; reports still to come are dropped."""
        if self.job is not None:
            self.job.enough.set()
            self.job.stop.set()
        self.job = None

    def close(self, *, restore: bool = True) -> None:
        """Leave the run and the viewer; layers stay.

        The view goes back to how it was, unless its window is gone (``restore=False``).
        """
        self.leave()
        if restore:
            self.show_pair(False)
        self._arrangement = None
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    # --- reports ------------------------------------------------------------------------------

    def apply(self, report: Report) -> bool:
        """Take in what a job has reported; False if it came too late and was dropped."""
        if self.job is None or report.generation != self.generation:
            return False
        if isinstance(report, Begun):
            self.begun = report
        elif isinstance(report, Learning):
            self.latest = report
            self.curves.add(report)
        elif isinstance(report, Learned):
            self.learned = report
        elif isinstance(report, Pictured):
            self._show(report)
        self.changed.emit()
        return True

    def _show(self, pictures: Pictured) -> None:
        assert self._geometry is not None  # of the job whose report this is
        assert self.job is not None
        shift = (pictures.first_frame, pictures.top, pictures.left)
        geometry = self._geometry
        place = zip(geometry.translate, geometry.scale, shift, strict=True)
        geometry = replace(geometry, translate=tuple(t + s * n for t, s, n in place))
        facts = {"settings": self.job.settings.to_json()}
        for role, frames in ((BEFORE, pictures.before), (AFTER, pictures.after)):
            data, kwargs, kind = result_layer(role, frames, geometry, pictures.limits, facts)
            layer = Layer.create(data, kwargs | {"visible": False}, kind)
            self.layers[role] = layer
            self.viewer.add_layer(layer)
        self.show_pair(True)
        axis = self.viewer.dims.ndim - 3
        middle = geometry.translate[0] + geometry.scale[0] * (len(pictures.before) // 2)
        self.viewer.dims.set_point(axis, middle)

    # --- before and after ---------------------------------------------------------------------

    @property
    def pair_shown(self) -> bool:
        """Whether raw, before and after are side by side."""
        return self._arrangement is not None

    def show_pair(self, shown: bool) -> None:
        """Put raw, before and after into boxes side by side, or bring the view back."""
        if not shown:
            arrangement, self._arrangement = self._arrangement, None
            if arrangement is not None:
                arrangement.restore()
                for layer in self.layers.values():
                    layer.visible = False  # else they would cover the movie
            return
        if self._arrangement is not None or not self.layers:
            return
        self._make_room()
        there = self._source is not None and self._source in self.viewer.layers
        boxes = [self._source, *self.layers.values()] if there else list(self.layers.values())
        self._write_labels()
        self._arrangement = Arrangement(self.viewer, boxes)
        self._advance(self._arrangement.steps(), self._arrangement)

    def _advance(self, steps: Iterator[None], arrangement: Arrangement) -> None:
        """Fill one box in each turn of the window."""
        if self._arrangement is not arrangement:
            return
        if next(steps, _END) is not _END:
            self._later(partial(self._advance, steps, arrangement))
        else:
            self.viewer.reset_view(layers=list(self.layers.values()))

    def _write_labels(self) -> None:
        learned = self.learned
        gain = learned.decibels if learned is not None else None
        after = "tuned on this movie" + (f", {gain:+.2f} dB" if gain is not None else "")
        start = (learned.start if learned is not None else "the start").removeprefix("the ")
        texts = {BEFORE: f"before\n{start}", AFTER: f"after\n{after}"}
        for role, layer in self.layers.items():
            label_of(layer).text = texts[role]
        if self._source is not None:
            label_of(self._source).text = "raw"

    def clear_layers(self) -> None:
        """Take the layers of the last run away, and bring the view back."""
        self.show_pair(False)
        layers, self.layers = list(self.layers.values()), {}
        for layer in layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _on_removed(self, event: object) -> None:
        gone = getattr(event, "value", None)
        if gone not in self.layers.values():
            return
        self.layers = {role: layer for role, layer in self.layers.items() if layer is not gone}
        if not self.layers:
            self.show_pair(False)
        self.changed.emit()
