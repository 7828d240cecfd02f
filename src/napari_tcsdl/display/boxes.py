"""The layers of one run as boxes of napari's grid: where they stand, which show, what they say."""

from __future__ import annotations

from collections.abc import Iterator

from napari.components import ViewerModel
from napari.layers import Layer

from .arrangement import Arrangement, label_of
from .job import BlockReady, Prepared
from .layers import KEY, LayerTuple, add_scores
from .roles import DEFAULT_ROLES, MEASUREMENT, ROLES, in_order
from .run import Run
from .world import NOT_NOW, show_in_time


class Boxes:
    """Puts the layers of a run into ``viewer``.

    Attributes
    ----------
    wanted
        Roles that are shown as soon as there is something to show of them.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.wanted = set(DEFAULT_ROLES)
        self._arrangement: Arrangement | None = None

    @property
    def arranged(self) -> bool:
        """Whether boxes are shown, which can be added to."""
        return self._arrangement is not None

    @property
    def time_axis(self) -> int:
        """Axis of the viewer along which frames lie."""
        return int(self.viewer.dims.ndim) - 3

    def show(self, run: Run, report: Prepared) -> Iterator[None]:
        """Add the layers one by one, still hidden, then fill the boxes one by one."""
        run.store = report.store
        limits = report.limits or tuple(run.source.contrast_limits)
        for entry in run.first_layers(in_order(self.wanted), limits):
            self._add(run, entry)
            yield
        self.trim_slider(run)
        boxes = [layer for layer in self.viewer.layers if layer in run.layers.values()]
        for layer in boxes[:1]:
            show_in_time(self.viewer, layer)  # a part of a movie, and the slider beyond it
        self.label(run)
        yield
        self._arrangement = Arrangement(self.viewer, boxes)
        yield from self._arrangement.steps()

    def show_role(self, run: Run | None, role: str, visible: bool) -> bool:
        """Show or hide the box of ``role``, now and in later runs; False where there is none."""
        (self.wanted.add if visible else self.wanted.discard)(role)
        arrangement = self._arrangement
        if run is None or arrangement is None:
            return False
        layer = run.layers.get(role)
        if layer is None and visible and role in run.roles():
            like = [shown for name, shown in run.layers.items() if ROLES[name].like_frames]
            limits = tuple(like[0].contrast_limits if like else run.source.contrast_limits)
            layer = self._add(run, run.layer(role, limits))
            self.trim_slider(run)
        if layer is not None:
            arrangement.show(layer, visible)
        return True

    def show_block(self, run: Run, report: BlockReady) -> None:
        """Keep the scores of a block with its layers; draw them again if it is shown."""
        shown = report.first_frame <= self.frame(run) < report.first_frame + report.n_frames
        for layer in run.added:
            codec = layer.metadata[KEY]["codec"]
            add_scores(layer, report.scores, report.descriptions.get(codec, ""))
            like_frames = ROLES[layer.metadata[KEY]["role"]].like_frames
            if report.index == 0 and report.limits is not None and like_frames:
                layer.contrast_limits = report.limits
            if shown and layer in self.viewer.layers:
                layer.refresh(extent=False)

    def label(self, run: Run) -> None:
        """Write names and the scores of the frame that is shown into the boxes."""
        frame = self.frame(run)
        seen = frame == self._index(run)
        for role, layer in run.layers.items():
            lines = run.label(role, frame) if seen else (run.title(role), NOT_NOW)
            label_of(layer).text = "\n".join(lines)

    def restore(self) -> bool:
        """Bring the view back to how it was; False if it was never changed."""
        arrangement, self._arrangement = self._arrangement, None
        if arrangement is None:
            return False
        arrangement.restore()
        return True

    # --- slider -------------------------------------------------------------------------------

    def frame(self, run: Run) -> int:
        """Frame of the movie that the slider shows; the nearest, where it stands beyond it."""
        return min(max(self._index(run), 0), run.job.n_frames - 1)

    def _index(self, run: Run) -> int:
        """Where the slider stands, in frames of the movie; another layer may be longer."""
        point = self.viewer.dims.point[self.time_axis] * self._own_units(run)
        return round((point - run.geometry.translate[0]) / run.geometry.scale[0])

    def show_frame(self, run: Run, index: int) -> None:
        """Move the slider to frame ``index``, or to the nearest that there is."""
        index = min(max(index, 0), run.job.n_frames - 1)
        point = run.geometry.translate[0] + index * run.geometry.scale[0]
        self.viewer.dims.set_point(self.time_axis, point / self._own_units(run))

    def _own_units(self, run: Run) -> float:
        """Time units of the movie in one of the viewer's."""
        units = self.viewer.dims.units
        shown = units[self.time_axis] if units is not None else None
        own = run.geometry.units[0]
        if shown is None or shown == own or not shown.is_compatible_with(own):
            return 1.0
        return float((1 * shown).to(own).magnitude)

    def trim_slider(self, run: Run | None) -> None:
        """End the slider with the movie: a last, shorter block's measurement reaches beyond it."""
        if run is None or MEASUREMENT not in run.layers or len(run.layers) < 2:
            return
        axis = self.time_axis
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
