"""What the tests of the dock of scores share."""

from __future__ import annotations

from qtpy.QtCore import QPointF

WAIT = 60_000
NAMES = ["raw", "unfolding network", "binning", "JPEG, raw/B", "JPEG, same bytes"]


def mouse_place(plot, frame, share=0.5):
    """Where ``frame`` is in the widget, at ``share`` of the height of the plot."""
    low, high = plot.getViewBox().viewRange()[1]
    scene = plot.getViewBox().mapViewToScene(QPointF(frame, low + share * (high - low)))
    return plot.mapFromScene(scene)
