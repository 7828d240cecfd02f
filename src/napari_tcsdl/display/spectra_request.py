"""What is shown now, as crops to be read later in a thread. No Qt; nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pint
from napari.components import ViewerModel
from napari.layers import Image, Layer

from .layers import KEY
from .region import Roi, square_crop, visible_region
from .roles import RAW, REFERENCE, ROLES
from .spectra_compute import HALVES, PanelRequest, Reader
from .world import NOT_NOW, factor_of, frame_index, frame_shape, reader_of

MOST_PANELS = 9
ANGSTROM = pint.get_application_registry().Unit("angstrom")
NOT_SQUARE = 1e-3
"""Relative difference of the sides of a pixel, from which on it has no one size."""
OUTSIDE = "outside the field of view"


def images_shown(viewer: ViewerModel) -> list[Image]:
    """Image layers that are visible, in the order of their boxes.

    Neither colour pictures, nor maps such as the uncertainty: their spectra mean nothing.
    """
    shown = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image)
        and layer.visible
        and not layer.rgb
        and layer.ndim >= 2
        and _shows_frames(layer)
    ]
    return (shown[::-1] if viewer.canvas.grid.stride < 0 else shown)[:MOST_PANELS]


def _shows_frames(layer: Image) -> bool:
    role = ROLES.get(layer.metadata.get(KEY, {}).get("role", ""))
    return role is None or role.like_frames


def usual_reference(panels: Sequence[PanelRequest]) -> int:
    """Index of the panel in which spots are looked for: the reference, else raw, else the first."""
    roles = [panel.role for panel in panels]
    return next((roles.index(role) for role in (REFERENCE, RAW) if role in roles), 0)


def panel_of(viewer: ViewerModel, roi: Roi, layer: Image) -> PanelRequest:
    """Return the panel of ``layer``: the crop of the frame that the slider shows."""
    entry = layer.metadata.get(KEY)
    role = entry.get("role") or "" if isinstance(entry, dict) else ""
    panel = PanelRequest(layer.name, role, pixel_size=pixel_size_of(layer))
    region = roi.region(layer) or visible_region(layer, viewer)
    index = frame_index(viewer, layer)
    if index is None or not region:
        return replace(panel, sentence=NOT_NOW if index is None else OUTSIDE)
    crop = square_crop(region, frame=frame_shape(layer))
    return replace(
        panel,
        region=crop,
        read=reader_of(layer, index, crop.slices),
        read_halves=_reader_of_halves(layer, index, crop.slices),
    )


def pixel_size_of(layer: Layer) -> float | None:
    """Read the pixel size [Å px⁻¹] off a layer of any number of axes; None where it is unknown.

    Pixels that are not square count as unknown.
    """
    sizes = [
        abs(float(step)) * factor_of(unit, ANGSTROM)
        for step, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True)
        if unit.is_compatible_with(ANGSTROM)
    ]
    square = len(sizes) == 2 and abs(sizes[0] - sizes[1]) <= NOT_SQUARE * sizes[0]
    return sizes[0] if square else None


def _reader_of_halves(
    layer: Image, index: tuple[int, ...], slices: tuple[slice, slice]
) -> Reader | None:
    """Read a few frames around the one shown; None where there is but one."""
    if len(index) != 1:
        return None
    data: Any = layer.data[0] if layer.multiscale else layer.data
    first = max(0, min(index[0] - HALVES // 2, int(data.shape[0]) - HALVES))
    return reader_of(layer, (slice(first, first + HALVES),), slices)
