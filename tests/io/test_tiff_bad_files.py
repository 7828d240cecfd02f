"""TIFF files that are no movie, damaged or cut short: a sentence for each."""

import contextlib
import os

import numpy as np
import pytest
import tifffile
from tiff_helpers import COMPRESSIONS, overwrite_bytes

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.io import open_movie


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((30, 40), {}, r"got one image of 30 × 40, expected a movie \(T, H, W\)"),
        ((1, 30, 40), {}, r"got 1 frame of 30 × 40, expected a movie of at least 2 frames"),
        ((30, 40, 3), {"photometric": "rgb"}, r"RGB colour .*expected a grey movie"),
        ((5, 30, 40, 3), {"photometric": "rgb"}, r"RGB colour .*expected a grey movie"),
        ((5, 3, 30, 40), {"photometric": "rgb"}, r"RGB colour .*expected a grey movie"),
        (
            (5, 6, 30, 40), {"photometric": "minisblack"},
            r"got 4 axes \(5 × 6 × 30 × 40\), expected a movie",
        ),
    ],
)  # fmt: skip
def test_what_is_no_movie_is_refused(tmp_path, shape, options, sentence):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.ones(shape, np.uint8), **options)
    with pytest.raises(InputError, match=sentence):
        open_movie(path)


@pytest.mark.parametrize("dtype", [np.int32, np.complex64])
def test_pixels_that_no_detector_writes_are_refused(tmp_path, dtype):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, np.ones((4, 30, 40), dtype), photometric="minisblack")
    with pytest.raises(InputError, match=r"got pixels of type .*expected uint8, uint16 or float32"):
        open_movie(path)


@pytest.mark.parametrize("odd", [1, 3])
def test_pages_of_two_sizes_are_refused(tmp_path, odd):
    path = tmp_path / "movie.tif"
    with tifffile.TiffWriter(path) as tif:
        for k in range(5):
            tif.write(np.ones((30, 40 + (k == odd)), np.uint8), metadata=None, contiguous=False)
    with pytest.raises(InputError, match=rf"30 × 40 but (page|frame) {odd} is 30 × 41, expected"):
        open_movie(path).read(0, 5)


@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_found(tmp_path, movie_frames, kind, compression, part):
    path = tmp_path / ("movie.ome.tif" if kind == "ome" else "movie.tif")
    tifffile.imwrite(
        path, movie_frames, compression=compression, imagej=kind == "imagej",
        metadata=None if kind == "plain" else {"axes": "TYX"},
    )  # fmt: skip
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(CorruptFileError, match=r"movie.*tif: .*(cut short|cannot be read as TIFF)"):
        open_movie(path).read(0, 7)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_fewer_frames_than_the_description_says(tmp_path, movie_frames, compression):
    path = tmp_path / "movie.tif"
    description = b"ImageJ=1.54f\nimages=9\nframes=9\nhyperstack=true\n"
    with tifffile.TiffWriter(path) as tif:
        for k, frame in enumerate(movie_frames):
            tif.write(
                frame, compression=compression, metadata=None, contiguous=False,
                description=description if k == 0 else None,
            )  # fmt: skip
    with pytest.raises(CorruptFileError, match=r"(expected 9|cut short)"):
        open_movie(path).read(0, 9)


@pytest.mark.parametrize("content", [b"II*", b"\x00" * 4000, b"not an image" * 100])
def test_what_is_no_tiff_is_refused(tmp_path, content):
    path = tmp_path / "movie.tif"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"do not begin as a TIFF does, expected a TIFF"):
        open_movie(path)


def test_damaged_bytes_anywhere_never_give_a_traceback(tmp_path, movie_frames):
    path = tmp_path / "movie.tif"
    rng = np.random.default_rng(3)
    for compression in (None, "zlib"):
        tifffile.imwrite(path, movie_frames[:3, :8, :8], compression=compression, imagej=True)
        good = path.read_bytes()
        for position in rng.choice(len(good), 60, replace=False):
            path.write_bytes(good)
            overwrite_bytes(path, int(position), bytes([good[position] ^ 0xFF]))
            with contextlib.suppress(InputError, CorruptFileError):
                open_movie(path).read(0, 3)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.tif, which does not exist, expected"):
        open_movie(tmp_path / "none.tif")


def test_file_of_zero_bytes(tmp_path):
    (tmp_path / "movie.tif").touch()
    with pytest.raises(InputError, match=r"which is empty \(0 bytes\), expected a movie"):
        open_movie(tmp_path / "movie.tif")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_no_read_permission(tmp_path, folder, movie_frames, unprivileged, what):
    path = folder if what == "folder" else folder / "movie.tif"
    tifffile.imwrite(folder / "movie.tif", movie_frames)
    path.chmod(0)
    try:
        with (
            unprivileged(),
            pytest.raises(InputError, match=r"which may not be read, expected read permission"),
        ):
            open_movie(path)
    finally:
        path.chmod(0o700)
