"""Boxes side by side: napari's grid with labels and scale bars, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import LayerNameOverlay
from napari.layers import Layer

SPACING = 4
"""Gap between boxes [screen px]."""

FONT_SIZES = (7.0, 11.0)
"""Smallest and largest size of the labels [pt]; they follow the width of the boxes."""


class BoxLabel(LayerNameOverlay):
    """What is written into a layer's box: its name and its scores.

    Takes the place of the layer's name overlay. Without a visual of its own (``_qt.overlay``
    registers one) napari draws the layer's name.
    """

    text: str = ""


def label_of(layer: Layer) -> BoxLabel:
    """Return the label in the box of ``layer``, made on first use."""
    label = layer._overlays.get("layer_name")
    if not isinstance(label, BoxLabel):
        # napari offers no public way to put text of our own into a layer's box.
        label = BoxLabel()
        layer._overlays["layer_name"] = label
    return label


@dataclass(eq=False)
class Arrangement:
    """Grid of boxes for ``boxes``, everything else hidden; :meth:`restore` undoes it.

    Attributes
    ----------
    viewer
        The viewer.
    boxes
        Layers in the order of their boxes; those that are visible have one.
    """

    viewer: ViewerModel
    boxes: list[Layer]
    _before: dict[str, Any] = field(default_factory=dict)
    _hidden: list[Layer] = field(default_factory=list)
    _shape: tuple[int, int] = (-1, -1)
    _filled: bool = False

    def apply(self) -> None:
        """Switch to the boxes, remembering how the viewer was."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """Do what :meth:`apply` does, part by part: each is painted for the first time alone."""
        grid, bar = self.viewer.canvas.grid, self.viewer.canvas.overlays.scale_bar
        self._before = {
            "grid": {name: getattr(grid, name) for name in ("enabled", "shape", "stride")}
            | {"spacing": grid.spacing},
            "bar": {name: getattr(bar, name) for name in ("visible", "gridded")},
        }
        # Before the grid: napari then makes one bar for each box as it fills, and moves none.
        bar.gridded = True
        bar.visible = True
        yield
        for layer in self.viewer.layers:
            if layer not in self.boxes and layer.visible:
                layer.visible = False
                self._hidden.append(layer)
        for layer in self.boxes[:1]:
            layer.visible = True  # before the grid: without one that shows, it has one box
        yield
        grid.stride, grid.spacing = 1, SPACING
        self._set_shape()
        grid.enabled = True
        self.viewer.canvas.events.size.connect(self._on_resize)
        grid.events.enabled.connect(self._on_resize)
        self.viewer.reset_view(layers=list(self.boxes))
        yield
        for layer in self.boxes:
            if not layer.visible:
                layer.visible = True
                yield
            label_of(layer).visible = True
            layer.events.visible.connect(self._on_resize)
            yield
        self._filled = True

    def show(self, layer: Layer, visible: bool = True) -> None:
        """Give ``layer`` a box, or take it away."""
        if layer not in self.boxes:
            self.boxes.append(layer)
            layer.events.visible.connect(self._on_resize)
        label_of(layer).visible = visible
        layer.visible = visible

    def restore(self) -> None:
        """Bring the viewer back to how it was; what the user has changed since stays changed."""
        if not self._before:
            return
        grid, bar = self.viewer.canvas.grid, self.viewer.canvas.overlays.scale_bar
        self.viewer.canvas.events.size.disconnect(self._on_resize)
        grid.events.enabled.disconnect(self._on_resize)
        for name, value in self._before["grid"].items():
            setattr(grid, name, value)
        for name, value in self._before["bar"].items():
            setattr(bar, name, value)
        for layer in self.boxes:
            layer.events.visible.disconnect(self._on_resize)
            label_of(layer).visible = False
        for layer in self._hidden:
            if layer in self.viewer.layers:
                layer.visible = True
        self._before = {}
        self._filled = False
        self._hidden = []
        if len(self.viewer.layers):
            self.viewer.reset_view()

    def _on_resize(self) -> None:
        """Follow the window's shape, unless the user has chosen a shape of grid himself.

        Without a grid (two layers are compared in one place) the view is not ours to reset.
        """
        grid = self.viewer.canvas.grid
        if grid.enabled and grid.shape == self._shape and self._set_shape():
            there = [layer for layer in self.boxes if layer in self.viewer.layers]
            self.viewer.reset_view(layers=there)

    def _set_shape(self) -> bool:
        # Before the boxes are filled none is visible yet: all will be.
        there = [layer for layer in self.boxes if layer in self.viewer.layers]
        shown = [layer for layer in there if layer.visible] if self._filled else there
        if not shown:
            return False
        first = shown[0]
        height, width = first.extent.world[1][-2:] - first.extent.world[0][-2:]
        canvas = self.viewer.canvas.size
        shape = best_grid(len(shown), (height, width), canvas)
        size = float(np.clip(canvas[1] / shape[1] / 40, *FONT_SIZES))
        for layer in self.boxes:
            label_of(layer).font_size = size
        changed = shape != self._shape
        self._shape = shape
        self.viewer.canvas.grid.shape = shape
        return changed


def best_grid(
    count: int, image: tuple[float, float], canvas: tuple[float, float]
) -> tuple[int, int]:
    """Rows and columns in which ``count`` images (height, width) appear largest.

    A single row is preferred where it loses little: what lies side by side is compared best.
    """
    shapes = [(rows, -(-count // rows)) for rows in range(1, count + 1)]
    shapes = [(rows, columns) for rows, columns in shapes if (rows - 1) * columns < count]

    def zoom(shape: tuple[int, int]) -> float:
        fits = min(
            canvas[0] / shape[0] / max(image[0], 1e-12),
            canvas[1] / shape[1] / max(image[1], 1e-12),
        )
        return fits * (1.15 if shape[0] == 1 else 1.0)

    return max(shapes, key=zoom)
