"""One study in a viewer: curves while it goes on, a point that is chosen, its frames. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from .._validation import InputError, check_compression_ratio
from ..settings import Settings
from .job import Report
from .layers import Geometry, contrast_limits, movie_from_layer
from .rivals_boxes import RivalBoxes, Shown
from .rivals_job import LinedUp, Look, RivalMeasured, RivalsJob, Studied, Wish
from .rivals_text import Choice, current_choice, point_name, scores_line
from .run import compressed_file
from .sentences import one_sentence

if TYPE_CHECKING:  # codecs and zarr take a second to load
    from ..rivals import RatePoint, Rival, Study


@dataclass(frozen=True, eq=False)
class Made:
    """Layers to be, of the study ``generation``, and a contrast in which counts can be seen."""

    generation: int
    shown: list[Shown]
    limits: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Request:
    """Points whose frames are to be shown; :meth:`make` is called in a thread."""

    generation: int
    job: RivalsJob
    points: tuple[tuple[Rival, RatePoint], ...]

    def make(self) -> Made:
        """Open what is needed; nothing is decoded yet.

        Raises
        ------
        TcsdlError
            If the compressed file cannot be read or written.
        """
        with one_sentence():
            from .rivals_stack import frames_of

            made = []
            for rival, point in self.points:
                facts = {"codec": point.codec, "point": point.to_json()}
                facts["settings"] = self.job.settings.to_json()
                name = point_name(rival, point)
                name = f"reconstruction, {name}" if rival.kind == "ours" else name
                scores = scores_line(point, self.job.movie.nbytes)
                frames = frames_of(self.job, point)
                made.append(Shown((rival.name, point.quality), name, scores, frames, facts))
            middle = self.job.n_frames // 2
            sample = self.job.movie.read(middle, middle + 1)
            return Made(self.generation, made, contrast_limits(sample))


class RivalsController:
    """Owns one study at a time, the point of it that is chosen, and the boxes that show frames.

    Reports of a study that was cancelled or replaced are dropped.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    make_room
        Is called before boxes are shown: whoever else shows some takes them away.
    later
        Calls what it is given in a later turn of the window, after a paint; at once by default.

    Attributes
    ----------
    looks
        Who takes part, in their order.
    rivals
        What is measured, by name.
    study
        All of it, once it is done.
    chosen
        Rival and point that are chosen; the point is None where only a name is.
    """

    changed = Signal()
    """Something was measured, or a new study has begun."""
    selected = Signal()
    """Another rival or point is chosen."""
    shown = Signal()
    """Boxes have come or gone."""
    abandoned = Signal()
    """The movie was deleted while it was studied, which was stopped."""

    def __init__(
        self,
        viewer: ViewerModel,
        make_room: Callable[[], None] = lambda: None,
        later: Callable[[Callable[[], None]], None] = lambda call: call(),
    ) -> None:
        self.viewer = viewer
        self.boxes = RivalBoxes(viewer, make_room, later)
        self.generation = 0
        self.job: RivalsJob | None = None
        self.looks: tuple[Look, ...] = ()
        self.rivals: dict[str, Rival] = {}
        self.study: Study | None = None
        self.chosen: tuple[str, RatePoint | None] | None = None
        self._source: Layer | None = None
        self._geometry: Geometry | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    # --- start, stop --------------------------------------------------------------------------

    def start(
        self, layer: Layer | None, settings: Settings, wish: Wish, truth: Layer | None = None
    ) -> RivalsJob:
        """Check the input, drop the last study, and return the job to be run in a thread.

        Raises
        ------
        InputError
            If ``layer`` is no movie, is shorter than B, or nothing is to be compared. The last
            study stays then.
        """
        job = self._job(layer, settings, wish, truth)
        assert layer is not None  # else it was refused
        self.stop()
        self.boxes.clear()
        self.generation, self.job = job.generation, job
        self.looks, self.rivals, self.study, self.chosen = (), {}, None, None
        self._source, self._geometry = layer, Geometry.of(layer)
        self.changed.emit()
        self.selected.emit()
        self.shown.emit()
        return job

    def _job(
        self, layer: Layer | None, settings: Settings, wish: Wish, truth: Layer | None
    ) -> RivalsJob:
        if compressed_file(layer) is not None:
            raise InputError(
                f"{layer.name if layer else ''}: got a compressed file, which holds no raw frames, "
                "expected a raw movie to compare with rivals; open the movie that was compressed"
            )
        movie = movie_from_layer(layer)
        for ratio in (settings.compression_ratio, *wish.ratios):
            check_compression_ratio(ratio, movie.shape[0])
        if not wish.rivals:
            raise InputError("got no rival to compare with, expected at least one; tick some")
        clean = None
        if settings.reference == "truth":
            if truth is None:
                raise InputError(
                    "got reference 'truth' without a truth layer, expected a noise-free movie of "
                    "the same shape; choose its layer, or another reference"
                )
            clean = movie_from_layer(truth)
        return RivalsJob(self.generation + 1, movie, settings, wish, clean)

    def stop(self) -> None:
        """End the study; what is measured stays, reports still to come are dropped."""
        if self.job is not None:
            self.job.stop.set()

    def close(self, *, restore: bool = True) -> None:
        """Let go of the viewer; layers stay, hidden.

        The view goes back to how it was, unless its window is gone (``restore=False``).
        """
        self.stop()
        self.boxes.close(restore=restore)
        self.generation += 1  # frames that are still being prepared come too late
        self.viewer.layers.events.removed.disconnect(self._on_removed)

    def _on_removed(self, event: Any) -> None:
        gone = event.value
        if self.boxes.forget(gone):
            self.shown.emit()
        if gone is not self._source:
            return
        self._source = None
        if self.running:
            self.stop()
            self.abandoned.emit()

    # --- reports ------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether reports are still to come."""
        return self.job is not None and self.study is None and not self.job.stop.is_set()

    @property
    def raw_bytes(self) -> int:
        """Of the movie's pixels; 0 without a study."""
        return self.job.movie.nbytes if self.job is not None else 0

    @property
    def judged(self) -> bool:
        """Whether any rival has a score by held-out electrons."""
        return any(rival.held_out is not None for rival in self.rivals.values())

    def apply(self, report: Report) -> bool:
        """Take in what a job has reported; False if it came too late and was dropped."""
        if not self.running or report.generation != self.generation:
            return False
        if isinstance(report, LinedUp):
            self.looks = report.looks
        elif isinstance(report, RivalMeasured):
            self.rivals[report.rival.name] = report.rival
        elif isinstance(report, Studied):
            self.study = report.study
            self.rivals = {rival.name: rival for rival in report.study.rivals}
        self.changed.emit()
        return True

    def at_work(self) -> list[str]:
        """Labels of those that are measured just now: processes take them in their order."""
        job = self.job
        if job is None or not any(look.name in self.rivals for look in self.looks if look.ours):
            return []
        waiting = [look.label for look in self.looks if look.name not in self.rivals]
        return waiting[: job.processes]

    # --- what is chosen -----------------------------------------------------------------------

    def budgets(self) -> dict[str, int]:
        """Bytes that rivals are compared at, by what they are called in the plot."""
        if self.job is None:
            return {}
        ratio = self.job.settings.compression_ratio
        found = {f"raw/{ratio}": self.raw_bytes // ratio}
        own = self.rivals.get(self.job.settings.decoder)
        for point in own.points if own is not None else ():
            if point.quality == ratio:
                found["our bytes"] = point.n_bytes
        return found

    def choice(self, settings: Settings) -> Choice | None:
        """Where ``settings`` stand in the study; None before anything of ours is measured."""
        return current_choice(self.rivals, settings)

    def select(self, name: str, point: RatePoint | None = None) -> None:
        """Choose a rival, and one of its points."""
        if (name, point) != self.chosen:
            self.chosen = (name, point)
            self.selected.emit()

    def chosen_point(self) -> tuple[Rival, RatePoint] | None:
        """Return what is chosen, if it is a point."""
        if self.chosen is None or self.chosen[1] is None or self.chosen[0] not in self.rivals:
            return None
        return self.rivals[self.chosen[0]], self.chosen[1]

    def ask(self) -> Request | None:
        """Prepare the frames of the chosen point, and those of ours beside it; None if none is."""
        chosen = self.chosen_point()
        if chosen is None or self.job is None:
            return None
        own = self.rivals[self.job.settings.decoder]  # the first that is measured
        ratio = self.job.settings.compression_ratio
        points = [(own, point) for point in own.points if point.quality == ratio]
        points += [chosen] if chosen not in points else []
        missing = [pair for pair in points if (pair[0].name, pair[1].quality) not in self._keys]
        return Request(self.generation, self.job, tuple(missing))

    @property
    def _keys(self) -> list[tuple[str, float | None]]:
        return list(self.boxes.layers)

    def show(self, made: Made) -> bool:
        """Put what was prepared into boxes; False if it came too late and was dropped."""
        late = made.generation != self.generation
        if late or self._geometry is None or self._source is None:
            return False
        self.boxes.show(self._source, self._geometry, made.shown, made.limits)
        self.shown.emit()
        return True

    def leave_boxes(self) -> None:
        """Make room for others: the layers stay in the list, hidden."""
        self.boxes.restore()
        self.shown.emit()

    def clear_boxes(self) -> None:
        """Take the frames of rivals away, and bring the view back."""
        self.boxes.clear()
        self.shown.emit()
