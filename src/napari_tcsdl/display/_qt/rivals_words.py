"""Words in the plot of rivals, where there is room for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF

from ..free_place import along, free_place
from ..rivals_spots import Spot

RING = "○ "
"""Before the words: they may stand a little off the ring that they are about."""
RING_PX = 11.0
"""Radius of the ring, with its line."""
GAP = 3
"""[px] Around the numbers of a point."""


def put_beside(
    label: pg.TextItem, box: pg.ViewBox, ring: Spot, spots: Sequence[Spot], lines: Iterable[object]
) -> None:
    """Put ``label`` as near to ``ring`` as there is room between curves, lines and their words.

    Parameters
    ----------
    label
        The words, already set.
    box
        Of the plot.
    ring
        What they are about.
    spots
        Points of all curves, those of one curve beside each other.
    lines
        The dashed lines (``pg.InfiniteLine``), with their labels.
    """
    ground, size = box.sceneBoundingRect(), label.textItem.boundingRect()
    taken = [along(_inside(box, own)) for own in _curves(spots)]
    for line in lines:
        taken += [along(part) for part in _of_line(box, line)]
    near = _inside(box, [ring])
    angles = np.linspace(0, 2 * np.pi, 32)[:, None]
    taken.append(near + RING_PX * np.hstack([np.cos(angles), np.sin(angles)]))
    left, top = free_place(
        (size.width(), size.height()),
        (ground.width(), ground.height()),
        (float(near[0, 0]), float(near[0, 1])),
        np.concatenate(taken),
    )
    label.setAnchor((0, 0))
    label.setPos(box.mapSceneToView(QPointF(ground.left() + left, ground.top() + top)))


def _curves(spots: Sequence[Spot]) -> list[list[Spot]]:
    names = dict.fromkeys(spot.name for spot in spots)
    return [[spot for spot in spots if spot.name == name] for name in names]


def _inside(box: pg.ViewBox, spots: Sequence[Spot]) -> NDArray[np.float64]:
    """(n, 2) places [px] from the upper left corner of the plot."""
    ground = box.sceneBoundingRect()
    places = [box.mapViewToScene(QPointF(spot.x, spot.y)) for spot in spots]
    return np.array([(place.x() - ground.left(), place.y() - ground.top()) for place in places])


def _of_line(box: pg.ViewBox, line: pg.InfiniteLine) -> list[NDArray[np.float64]]:
    """Return a dashed line from top to bottom, and the rows of its words."""
    ground, words = box.sceneBoundingRect(), line.label
    x = box.mapViewToScene(QPointF(line.value(), 0)).x() - ground.left()
    size: QRectF = words.textItem.boundingRect()
    middle = (1 - words.orthoPos) * ground.height()
    left = x - size.width() * words.anchors[0][0]
    rows = np.arange(middle - size.height() / 2, middle + size.height() / 2, 3.0)
    parts = [np.array([(left, row), (left + size.width(), row)]) for row in rows]
    return [np.array([(x, 0.0), (x, ground.height())]), *parts]


def put_over(label: pg.TextItem, box: pg.ViewBox, spot: Spot, size: float) -> None:
    """Put ``label`` above or below ``spot``, which is ``size`` [px] wide, within both sides."""
    words = label.textItem.boundingRect()
    ground, place = box.sceneBoundingRect(), box.mapViewToScene(QPointF(spot.x, spot.y))
    last = ground.right() - words.width() - GAP
    left = max(ground.left() + GAP, min(place.x() - words.width() / 2, last))
    gap = (GAP + size) / words.height()
    above = place.y() > ground.center().y()
    label.setAnchor(((place.x() - left) / words.width(), 1 + gap if above else -gap))
    label.setPos(spot.x, spot.y)
