"""Pixel size and frame time of TIFF stacks: ImageJ's, OME's, and plain resolution."""

import pytest
import tifffile

from napari_tcsdl._validation import InputError
from napari_tcsdl.io import open_movie


def write_imagej(path, frames, *, x=(39, 10), y=None, encoding="latin-1", **metadata):
    """As ImageJ does, which writes µ and Å in Latin-1 or escaped."""
    lines = ["ImageJ=1.54f", f"images={len(frames)}", f"frames={len(frames)}", "hyperstack=true"]
    lines += [f"{key}={value}" for key, value in metadata.items()]
    tifffile.imwrite(
        path,
        frames,
        description=("\n".join(lines) + "\n").encode(encoding),
        metadata=None,
        resolution=(x, y or x),
        photometric="minisblack",
    )
    return path


@pytest.mark.parametrize(
    ("unit", "angstrom"),
    [
        ("nm", 10), ("Å", 1), ("angstrom", 1), ("pm", 0.01), ("µm", 1e4), ("um", 1e4),
        ("\u03bcm", 1e4), (r"\u00B5m", 1e4), ("micron", 1e4), ("mm", 1e7), ("cm", 1e8),
    ],
)  # fmt: skip
def test_imagej_pixel_size(tmp_path, movie_frames, unit, angstrom):
    encoding = "utf-8" if unit == "\u03bcm" else "latin-1"
    path = write_imagej(
        tmp_path / "movie.tif", movie_frames, encoding=encoding, unit=unit, finterval=0.25
    )
    movie = open_movie(path)
    assert movie.pixel_size == pytest.approx(angstrom / 3.9)
    assert movie.frame_time == 0.25


@pytest.mark.parametrize("unit", [None, "pixel", "furlong"])
def test_unknown_imagej_unit_is_no_calibration(tmp_path, movie_frames, unit):
    metadata = {} if unit is None else {"unit": unit}
    movie = open_movie(write_imagej(tmp_path / "movie.tif", movie_frames, **metadata))
    assert movie.pixel_size is None
    assert movie.frame_time is None


@pytest.mark.parametrize("unit", ["inch", "in"])
def test_dots_per_inch_are_no_calibration(tmp_path, movie_frames, unit):
    path = write_imagej(tmp_path / "movie.tif", movie_frames, x=(72, 1), unit=unit)
    assert open_movie(path).pixel_size is None


@pytest.mark.parametrize(
    ("metadata", "seconds"),
    [
        ({"finterval": 40, "tunit": "ms"}, 0.04),
        ({"finterval": 0.1, "fps": 7}, 0.1),
        ({"fps": 25}, 0.04),
        ({"finterval": 0}, None),
    ],
)
def test_imagej_frame_time(tmp_path, movie_frames, metadata, seconds):
    movie = open_movie(write_imagej(tmp_path / "movie.tif", movie_frames, **metadata))
    assert movie.frame_time == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("size_unit", "angstrom", "time_unit", "seconds"),
    [("nm", 10, "s", 1), ("Å", 1, "ms", 1e-3), ("pm", 0.01, "min", 60), (None, 1e4, None, 1)],
)
def test_ome_calibration(tmp_path, movie_frames, size_unit, angstrom, time_unit, seconds):
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "TimeIncrement": 2.0}
    if size_unit:
        metadata |= {"PhysicalSizeXUnit": size_unit, "PhysicalSizeYUnit": size_unit}
    if time_unit:
        metadata["TimeIncrementUnit"] = time_unit
    path = tmp_path / "movie.ome.tif"
    tifffile.imwrite(path, movie_frames, metadata=metadata)
    movie = open_movie(path)
    assert movie.pixel_size == pytest.approx(0.5 * angstrom)
    assert movie.frame_time == pytest.approx(2 * seconds)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((72, 72), "INCH", None),
        ((28.35, 28.35), "CENTIMETER", None),
        ((4e7, 4e7), "CENTIMETER", 2.5),
        ((4e7, 4e7), "NONE", None),
    ],
)
def test_plain_resolution_counts_only_where_it_is_a_microscopes(
    tmp_path, movie_frames, resolution, unit, expected
):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, resolution=resolution, resolutionunit=unit, metadata=None)
    found = open_movie(path).pixel_size
    assert found == (None if expected is None else pytest.approx(expected))


def test_pixels_that_are_not_square_are_refused(tmp_path, movie_frames):
    path = write_imagej(tmp_path / "movie.tif", movie_frames, x=(4, 1), y=(5, 1), unit="nm")
    with pytest.raises(InputError, match=r"pixels of 2\.5 × 2 Å .*expected square pixels"):
        open_movie(path)
