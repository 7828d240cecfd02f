"""Which file is opened by what."""

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.io import FORMATS, CompressedWriter, Header, is_compressed, open_movie
from napari_tcsdl.masks import Masks


def test_each_suffix_belongs_to_one_format():
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert {".tif", ".tiff", ".mrc", "/"} <= set(suffixes)


def test_unknown_suffix_lists_what_is_supported(tmp_path):
    path = tmp_path / "movie.avi"
    path.write_bytes(b"RIFF")
    with pytest.raises(
        InputError, match=r"movie\.avi, .*expected TIFF.*\.tif.*MRC.*\.mrc.*\*\.tcs\.zarr"
    ):
        open_movie(path)


def test_missing_path_is_missing_whatever_its_suffix(tmp_path):
    for name in ("none.avi", "none.tif", "none.tcs.zarr", "none"):
        with pytest.raises(InputError, match=rf"{name}, which does not exist, expected"):
            open_movie(tmp_path / name)


def test_a_compressed_movie_is_to_be_reconstructed(tmp_path):
    path = tmp_path / "movie.tcs.zarr"
    header = Header(shape=(4, 8, 8), dtype="uint8", value_range=(0.0, 1.0))
    CompressedWriter(path, Masks.create(2, tile=(8, 8)), header).close()
    with pytest.raises(InputError, match=r"is a compressed movie, .*reconstruct it instead"):
        open_movie(path)
    assert is_compressed(path)
    assert is_compressed(path.rename(tmp_path / "renamed"))
    assert not is_compressed(tmp_path)
    np.testing.assert_array_equal(is_compressed(tmp_path / "none.tif"), False)
