"""Physics in TIFF tags: pixel size and frame time as ImageJ, OME and plain TIFF write them."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import tifffile

from ._common import ANGSTROM, SECONDS, Calibration, convert, square_pixel

RESOLUTION_UNITS = {2: "inch", 3: "cm"}
LARGEST_PLAUSIBLE = 1e4
"""[Å px⁻¹] Dots per inch or cm that mean pixels above 1 µm are a printer's default (72 dpi), not
a microscope's calibration."""


def calibration_of(tif: tifffile.TiffFile, name: str) -> Calibration:
    """Pixel size [Å px⁻¹] and frame time [s] of an open TIFF, None where it does not say.

    Raises
    ------
    InputError
        If pixels are not square.
    """
    if tif.is_ome:
        found = _from_ome(tif.ome_metadata or "", name)
        if found is not None:
            return found
    x, y = (_resolution(tif.pages.first, tag) for tag in ("XResolution", "YResolution"))
    if tif.is_imagej:
        metadata: dict[str, Any] = tif.imagej_metadata or {}
        return Calibration(
            _imagej_pixel_size(metadata, x, y, name),
            _imagej_frame_time(metadata),
        )
    return Calibration(_plain_pixel_size(tif.pages.first, x, y, name))


def _from_ome(xml: str, name: str) -> Calibration | None:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None
    x, y = (
        convert(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"),
                ANGSTROM)
        for axis in "XY"
    )  # fmt: skip
    frame_time = convert(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"), SECONDS)
    return Calibration(square_pixel(x, y, name), frame_time)


def _imagej_pixel_size(
    metadata: dict[str, Any], x: float | None, y: float | None, name: str
) -> float | None:
    unit = metadata.get("unit")
    y_unit = metadata.get("yunit", unit)
    found = square_pixel(convert(x, unit, ANGSTROM), convert(y, y_unit, ANGSTROM), name)
    # ImageJ takes over a scanner's or printer's dots per inch as if it were a calibration.
    if found is not None and str(unit).startswith("in") and found > LARGEST_PLAUSIBLE:
        return None
    return found


def _imagej_frame_time(metadata: dict[str, Any]) -> float | None:
    interval = convert(metadata.get("finterval"), metadata.get("tunit", "s"), SECONDS)
    if interval is not None:
        return interval
    rate = convert(metadata.get("fps"), "s", SECONDS)
    return None if rate is None else 1 / rate


def _plain_pixel_size(
    page: tifffile.TiffPage, x: float | None, y: float | None, name: str
) -> float | None:
    tag = page.tags.get("ResolutionUnit")
    unit = RESOLUTION_UNITS.get(int(tag.value)) if tag is not None else None
    sizes = [convert(value, unit, ANGSTROM) for value in (x, y)]
    if any(size is None or size > LARGEST_PLAUSIBLE for size in sizes):
        return None
    return square_pixel(sizes[0], sizes[1], name)


def _resolution(page: tifffile.TiffPage, tag_name: str) -> float | None:
    """Length of a pixel in the file's unit: the tag holds pixels per unit, as a fraction."""
    tag = page.tags.get(tag_name)
    if tag is None:
        return None
    numerator, denominator = tag.value
    return denominator / numerator if numerator else None
