"""What the spectra depend on: slider, camera, grid, ROI, and the layers. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer

from .region import Roi


class Follower:
    """Calls ``changed`` whenever the spectra of what is shown may be others.

    Parameters
    ----------
    viewer
        Any napari viewer model.
    roi
        A square that takes the place of the field of view while it is drawn.
    changed
        Called without arguments, often.
    """

    def __init__(self, viewer: ViewerModel, roi: Roi, changed: Callable[[], None]) -> None:
        self._viewer, self._roi, self._changed = viewer, roi, changed
        self._layers: list[Layer] = []
        for event in self._sources():
            event.connect(self._on_change)
        events = viewer.layers.events
        events.inserted.connect(self._follow_layers)
        events.removed.connect(self._follow_layers)
        roi.changed.connect(self._on_change)
        self._follow_layers()

    def _sources(self) -> list[Any]:
        viewer, layers = self._viewer, self._viewer.layers.events
        camera, canvas, dims = viewer.scene.camera.events, viewer.canvas, viewer.dims.events
        grid = canvas.grid.events
        return [
            *(dims.point, dims.ndisplay, dims.order),
            *(camera.zoom, camera.center, canvas.events.size),
            *(grid.enabled, grid.shape, grid.stride, grid.spacing),
            *(layers.inserted, layers.removed, layers.reordered),
        ]

    @staticmethod
    def _layer_sources(layer: Layer) -> list[Any]:
        events = layer.events  # no contrast: it changes no spectrum
        return [events.visible, events.set_data, events.name, events.scale, events.units]

    def _follow_layers(self) -> None:
        now = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        for layer in [layer for layer in self._layers if layer not in now]:
            for event in self._layer_sources(layer):
                event.disconnect(self._on_change)
        for layer in [layer for layer in now if layer not in self._layers]:
            for event in self._layer_sources(layer):
                event.connect(self._on_change)
        self._layers = now

    def _on_change(self) -> None:
        self._changed()

    def close(self) -> None:
        """Let go of the viewer, its layers and the ROI."""
        for event in [*self._sources(), *(e for x in self._layers for e in self._layer_sources(x))]:
            event.disconnect(self._on_change)
        self._layers = []
        events = self._viewer.layers.events
        events.inserted.disconnect(self._follow_layers)
        events.removed.disconnect(self._follow_layers)
        self._roi.changed.disconnect(self._on_change)
