"""MRC stacks: every mode, calibration, and a sentence for each bad file."""

import os

import mrcfile
import numpy as np
import pytest

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.io import open_movie


def write_mrc(path, frames, *, voxel=(2.5, 2.5, 1.0), volume=False):
    with mrcfile.new(path) as file:
        file.set_data(frames)
        if volume:
            file.set_volume()
        else:
            file.set_image_stack()
        if voxel is not None:
            file.voxel_size = voxel
    return path


def patch(path, offset, layout, *values):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(np.array(values, layout).tobytes())


@pytest.mark.parametrize("volume", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "uint16", "float16"])
def test_frames_of_every_mode(tmp_path, dtype, volume):
    frames = np.random.default_rng(0).integers(0, 120, (5, 9, 14)).astype(dtype)
    frames[:, 0, 0] = 1
    movie = open_movie(write_mrc(tmp_path / "movie.mrc", frames, volume=volume))
    assert movie.shape == (5, 9, 14)
    assert movie.pixel_size == pytest.approx(2.5)
    assert movie.frame_time is None
    np.testing.assert_array_equal(movie.read(0, 5), frames)
    np.testing.assert_array_equal(movie.read(3, 4), frames[3:4])


@pytest.mark.parametrize("suffix", [".mrcs", ".st", ".MRC"])
def test_other_suffixes(tmp_path, movie_frames, suffix):
    path = tmp_path / "movie.mrc"
    write_mrc(path, movie_frames)
    path = path.rename(path.with_suffix(suffix))
    np.testing.assert_array_equal(open_movie(path).read(0, 7), movie_frames)


def test_big_endian_arrives_in_native_order(tmp_path, movie_frames):
    path = write_mrc(tmp_path / "movie.mrc", movie_frames.astype(">u2"))
    frames = open_movie(path).read(0, 7)
    assert frames.dtype.isnative
    np.testing.assert_array_equal(frames, movie_frames)


def test_extended_header_is_skipped(tmp_path, movie_frames):
    path = tmp_path / "movie.mrc"
    with mrcfile.new(path) as file:
        file.set_data(movie_frames)
        file.set_image_stack()
        file.set_extended_header(np.zeros(768, "V1"))
    np.testing.assert_array_equal(open_movie(path).read(6, 7), movie_frames[6:])


def test_unsigned_bytes_that_imod_marks(tmp_path):
    frames = np.full((3, 9, 14), 200, np.uint8)
    path = write_mrc(tmp_path / "movie.mrc", frames.view(np.int8))
    with pytest.raises(InputError, match=r"frame 0 holds negative values"):
        open_movie(path).read(0, 3)
    patch(path, 152, "<i4", 1146047817, 0)
    np.testing.assert_array_equal(open_movie(path).read(0, 3), frames)


def test_file_from_before_the_map_stamp(tmp_path, movie_frames):
    path = write_mrc(tmp_path / "movie.mrc", movie_frames)
    patch(path, 208, "S4", b"\0\0\0\0")
    np.testing.assert_array_equal(open_movie(path).read(0, 7), movie_frames)


def test_voxel_size_of_zero_is_unknown(tmp_path, movie_frames):
    movie = open_movie(write_mrc(tmp_path / "movie.mrc", movie_frames, voxel=None))
    assert movie.pixel_size is None


def test_pixels_that_are_not_square_are_refused(tmp_path, movie_frames):
    path = write_mrc(tmp_path / "movie.mrc", movie_frames, voxel=(2.0, 3.0, 1.0))
    with pytest.raises(InputError, match=r"pixels of 2 × 3 Å .*expected square pixels"):
        open_movie(path)


@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_file_that_was_cut_short_is_found(tmp_path, movie_frames, part):
    path = write_mrc(tmp_path / "movie.mrc", movie_frames)
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(CorruptFileError, match=r"movie\.mrc: file is cut short.* frame [36], exp"):
        open_movie(path)


@pytest.mark.parametrize("content", [b"short", b"not an image" * 400])
def test_what_is_no_mrc_is_refused(tmp_path, content):
    path = tmp_path / "movie.mrc"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"without a valid MRC header, expected an MRC"):
        open_movie(path)


def test_modes_that_hold_no_movie(tmp_path):
    path = write_mrc(tmp_path / "movie.mrc", np.ones((3, 9, 14), np.complex64))
    with pytest.raises(InputError, match=r"got MRC mode 4, expected one of 0 \(int8\)"):
        open_movie(path)


@pytest.mark.parametrize("shape", [(9, 14), (1, 9, 14)])
def test_one_frame(tmp_path, shape):
    path = tmp_path / "movie.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.ones(shape, np.float32))
    with pytest.raises(InputError, match=r"got 1 frame of 9 × 14, expected a movie"):
        open_movie(path)


def test_zero_bytes_and_missing(tmp_path):
    (tmp_path / "movie.mrc").touch()
    with pytest.raises(InputError, match=r"which is empty \(0 bytes\)"):
        open_movie(tmp_path / "movie.mrc")
    with pytest.raises(InputError, match=r"which does not exist"):
        open_movie(tmp_path / "none.mrc")


def test_no_read_permission(tmp_path, movie_frames, unprivileged):
    path = write_mrc(tmp_path / "movie.mrc", movie_frames)
    path.chmod(0)
    with unprivileged(), pytest.raises(InputError, match=r"which may not be read, expected read"):
        open_movie(path)
