"""Folders of TIFF frames: their order, their name, and a sentence for frames that do not fit."""

import numpy as np
import pytest
import tifffile

from napari_tcsdl._validation import InputError
from napari_tcsdl.io import open_movie


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_folder_in_natural_order(folder, movie_frames, compression):
    for number, frame in zip((1, 2, 3, 9, 10, 11, 100), movie_frames, strict=True):
        tifffile.imwrite(
            folder / f"Frame{number}.TIF", frame, compression=compression,
            resolution=(4e7, 4e7), resolutionunit="CENTIMETER",
        )  # fmt: skip
    (folder / "notes.txt").write_text("not a frame")
    movie = open_movie(folder)
    assert (movie.name, movie.shape) == ("frames", (7, 40, 56))
    assert movie.pixel_size == pytest.approx(2.5)
    np.testing.assert_array_equal(movie.read(0, 7), movie_frames)
    np.testing.assert_array_equal(movie.read(5, 6), movie_frames[5:6])


def test_folder_of_stacks(folder, movie_frames):
    grey = {"photometric": "minisblack"}
    tifffile.imwrite(folder / "a2.tif", movie_frames[:4], compression="zlib", **grey)
    tifffile.imwrite(folder / "a10.tif", movie_frames[4:5], **grey)
    tifffile.imwrite(folder / "a11.tif", movie_frames[5:], **grey)
    np.testing.assert_array_equal(open_movie(folder).read(2, 7), movie_frames[2:])


def test_folder_with_frames_of_two_sizes_names_both(folder):
    tifffile.imwrite(folder / "f1.tif", np.ones((30, 40), np.uint8))
    tifffile.imwrite(folder / "f2.tif", np.ones((30, 41), np.uint8))
    with pytest.raises(InputError, match=r"f1\.tif is 30 × 40 but f2\.tif is 30 × 41, expected"):
        open_movie(folder)


def test_folder_with_two_pixel_types_names_both(folder):
    tifffile.imwrite(folder / "f1.tif", np.ones((30, 40), np.uint8))
    tifffile.imwrite(folder / "f2.tif", np.ones((30, 40), np.uint16))
    with pytest.raises(InputError, match=r"f1\.tif has uint8 pixels but f2\.tif has uint16"):
        open_movie(folder)


def test_folder_without_frames(folder):
    with pytest.raises(InputError, match=r"frames without TIFF files, expected frames .*\.tif"):
        open_movie(folder)


@pytest.mark.parametrize("path", [".", "../movie", "sub/.."])
def test_a_folder_has_a_name_however_it_is_called(tmp_path, monkeypatch, path):
    folder = tmp_path / "movie"
    (folder / "sub").mkdir(parents=True)
    for k in range(2):
        tifffile.imwrite(folder / f"f{k}.tif", np.ones((30, 40), np.uint8))
    monkeypatch.chdir(folder)
    assert open_movie(path).name == "movie"


def test_folder_with_an_empty_file_names_it(folder):
    tifffile.imwrite(folder / "f1.tif", np.ones((30, 40), np.uint8))
    (folder / "f2.tif").touch()
    with pytest.raises(InputError, match=r"f2\.tif, which is empty \(0 bytes\), expected"):
        open_movie(folder)
