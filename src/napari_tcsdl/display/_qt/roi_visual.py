"""Draws the ROI: a thin square with handles, in place of napari's blue selection box."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.color import ColorValue

from ..region import RoiBox
from ..spectra_style import SELECTED


def register_roi() -> bool:
    """Teach napari's canvas to draw :class:`RoiBox` our way.

    Returns
    -------
    bool
        False where this napari is built differently; it then draws its own selection box.
    """
    try:
        from napari._vispy.overlays.interaction_box import VispySelectionBoxOverlay
        from napari._vispy.utils.visual import overlay_to_visual
    except ImportError:
        return False
    if RoiBox in overlay_to_visual:
        return True
    colour = tuple(ColorValue(SELECTED))

    class VispyRoiBox(VispySelectionBoxOverlay):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.node.set_gl_state("translucent", depth_test=False)

        def _on_bounds_change(self) -> None:
            (top, left), (bottom, right) = self.overlay.bounds
            corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
            middle = [(left + right) / 2, (top + bottom) / 2]
            self.node.line.set_data(
                pos=np.array([*corners, corners[0]]), connect="strip", color=colour, width=2
            )
            self.node.markers.set_data(
                pos=np.array([*corners, middle]),
                size=8,
                face_color=colour,
                edge_width=0,
                symbol=["square"] * 4 + ["cross"],
            )

    overlay_to_visual[RoiBox] = VispyRoiBox
    return True
