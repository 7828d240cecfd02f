"""Frames of a study's points as boxes beside the movie: raw, our reconstruction, rivals. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer

from .arrangement import Arrangement, label_of
from .contrast import ContrastLink
from .layers import Geometry, LayerTuple, result_layer

RIVAL = "rival"
"""Role of the layers."""

Key = tuple[str, float | None]
"""Name of a rival and its quality."""

Limits = tuple[float, float]

_END = object()


def _is_untouched(source: Layer) -> bool:
    """Whether its contrast is still what napari began with."""
    return bool(tuple(source.contrast_limits) == tuple(source.contrast_limits_range))


@dataclass(frozen=True, eq=False)
class Shown:
    """A layer to be: frames of one point.

    Attributes
    ----------
    key
        Which point.
    name
        Of the layer.
    scores
        Second line of the label in its box.
    frames
        (T, H, W), decoded as they are looked at.
    facts
        Kept with the layer, as JSON.
    """

    key: Key
    name: str
    scores: str
    frames: Any
    facts: dict[str, Any]

    def layer(self, geometry: Geometry, limits: Limits) -> LayerTuple:
        """Return the layer, where its movie lies and with its contrast."""
        data, kwargs, kind = result_layer(RIVAL, self.frames, geometry, limits, self.facts)
        return data, kwargs | {"name": self.name, "visible": False}, kind


class RivalBoxes:
    """Puts points side by side, with one contrast, and the view back to how it was.

    Parameters
    ----------
    viewer
        The viewer.
    make_room
        Is called before boxes are shown: whoever else shows some takes them away.
    later
        Calls what it is given in a later turn of the window, after a paint.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        make_room: Callable[[], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.viewer = viewer
        self._make_room, self._later = make_room, later
        self.layers: dict[Key, Layer] = {}
        self._contrast = ContrastLink()
        self._arrangement: Arrangement | None = None
        self._before: tuple[Layer, Limits] | None = None

    @property
    def shown(self) -> bool:
        """Whether boxes are side by side."""
        return self._arrangement is not None

    def show(self, source: Layer, geometry: Geometry, wanted: list[Shown], limits: Limits) -> None:
        """Give each of ``wanted`` a box beside ``source``; those that have one keep it.

        ``limits`` are the contrast while that of ``source`` is not chosen: napari begins with all
        that a pixel type holds, in which few counts are black.
        """
        if self._arrangement is None and _is_untouched(source):
            self._before = (source, tuple(source.contrast_limits))
            source.contrast_limits = limits
        point = self.viewer.dims.point
        for each in wanted:
            if each.key not in self.layers:
                layer = Layer.create(*each.layer(geometry, tuple(source.contrast_limits)))
                label = label_of(layer)
                label.text = f"{each.name}\n{each.scores}"
                label.visible = True  # before it is drawn: what stands in for a frame puts it back
                self.layers[each.key] = self.viewer.add_layer(layer)
        self.viewer.dims.point = point  # else the slider goes to the middle of a first layer
        self._arrange(source)
        there = [source] if source in self.viewer.layers else []
        self._contrast.set_layers([*there, *self.layers.values()])

    def _arrange(self, source: Layer) -> None:
        if self._arrangement is not None:
            for layer in self.layers.values():
                self._arrangement.show(layer)
            return
        self._make_room()
        boxes = list(self.layers.values())
        if source in self.viewer.layers:
            label_of(source).text = "raw"
            boxes.insert(0, source)
        self._arrangement = Arrangement(self.viewer, boxes)
        self._advance(self._arrangement.steps(), self._arrangement)

    def _advance(self, steps: Iterator[None], arrangement: Arrangement) -> None:
        """Fill one box in each turn of the window."""
        if self._arrangement is arrangement and next(steps, _END) is not _END:
            self._later(partial(self._advance, steps, arrangement))

    def forget(self, layer: Layer) -> bool:
        """Let go of a layer that was deleted; False if it was none of ours."""
        gone = [key for key, own in self.layers.items() if own is layer]
        for key in gone:
            del self.layers[key]
        if gone:
            kept = [own for own in self._contrast.layers if own is not layer]
            self._contrast.set_layers(kept)
            if not self.layers:
                self.restore()
        return bool(gone)

    def restore(self) -> None:
        """Bring the view back to how it was; the layers stay in the list, hidden."""
        arrangement, self._arrangement = self._arrangement, None
        if arrangement is not None:
            arrangement.restore()
            for layer in self.layers.values():
                layer.visible = False  # else they would cover the movie
        before, self._before = self._before, None
        if before is not None:
            before[0].contrast_limits = before[1]

    def clear(self) -> None:
        """Take the layers away, and bring the view back."""
        self.restore()
        layers, self.layers = list(self.layers.values()), {}
        self._contrast.close()
        for layer in layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def close(self, *, restore: bool) -> None:
        """Let go; the layers stay. ``restore=False`` where the window is gone."""
        if restore:
            self.restore()
        self._arrangement = None
        self._contrast.close()
