"""The mouse on a ROI: corners resize it, its outline and centre move it. No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from napari.components import ViewerModel

REACH = 8
"""[screen px] From a line within which it is taken hold of."""

Square = tuple[float, float, float, float]


class HasSquare(Protocol):
    """What is dragged."""

    viewer: ViewerModel
    square: Square | None

    def move_to(self, centre: tuple[float, float], side: float) -> None:
        """Place the square."""


def grip_at(square: Square, position: tuple[float, float], reach: float) -> str | None:
    """Return what lies within ``reach`` of ``position``: 'corner', 'move' or None.

    Parameters
    ----------
    square
        (top, left, bottom, right).
    position
        (y, x), in the same unit.
    reach
        In that unit too; less inside a small square, so that its middle stays free.
    """
    top, left, bottom, right = square
    y, x = position
    reach = min(reach, (bottom - top) / 4)
    rows = min(abs(y - top), abs(y - bottom)) <= reach
    columns = min(abs(x - left), abs(x - right)) <= reach
    if rows and columns:
        return "corner"
    on_row = rows and left <= x <= right
    on_column = columns and top <= y <= bottom
    centre = max(abs(y - (top + bottom) / 2), abs(x - (left + right) / 2)) <= reach
    return "move" if on_row or on_column or centre else None


class RoiDrag:
    """Mouse callbacks of one ROI, in every box alike."""

    def __init__(self, roi: HasSquare) -> None:
        self._roi = roi
        self._pointing = False
        roi.viewer.mouse_drag_callbacks.append(self._on_drag)
        roi.viewer.mouse_move_callbacks.append(self._on_move)

    def close(self) -> None:
        """Let go of the mouse."""
        viewer = self._roi.viewer
        self._point(False)
        for callbacks, ours in (
            (viewer.mouse_drag_callbacks, self._on_drag),
            (viewer.mouse_move_callbacks, self._on_move),
        ):
            if ours in callbacks:
                callbacks.remove(ours)

    def _grip(self, event: Any) -> str | None:
        viewer, square = self._roi.viewer, self._roi.square
        active = viewer.layers.selection.active
        busy = getattr(active, "mode", "pan_zoom") != "pan_zoom"  # another tool is in hand
        if square is None or busy or viewer.dims.ndisplay != 2:
            return None
        return grip_at(square, tuple(event.position[-2:]), REACH / viewer.scene.camera.zoom)

    def _on_move(self, _: ViewerModel, event: Any) -> None:
        self._point(self._grip(event) is not None)

    def _point(self, pointing: bool) -> None:
        """Show by the cursor that there is something to take hold of."""
        if pointing != self._pointing:
            self._pointing = pointing
            self._roi.viewer.cursor.style = "pointing" if pointing else "standard"

    def _on_drag(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        grip, square = self._grip(event), self._roi.square
        if grip is None or square is None:
            return
        centre = np.array([square[0] + square[2], square[1] + square[3]]) / 2
        side = square[2] - square[0]
        begun = np.array(event.position[-2:])
        away = np.where(begun < centre, -1.0, 1.0)  # of the corner that is held
        anchor = centre - away * side / 2
        camera = viewer.scene.camera
        pan, camera.mouse_pan = camera.mouse_pan, False  # the canvas must stay where it is
        try:
            yield
            while event.type == "mouse_move":
                now = np.array(event.position[-2:])
                if grip == "move":
                    self._place(centre + now - begun, side)
                else:
                    wider = max(float(((now - anchor) * away).max()), 0.0)
                    self._place(anchor + away * wider / 2, wider)
                yield
        finally:
            camera.mouse_pan = pan

    def _place(self, centre: Any, side: float) -> None:
        self._roi.move_to((float(centre[0]), float(centre[1])), float(side))
