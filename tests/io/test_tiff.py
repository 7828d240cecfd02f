"""TIFF stacks: the frames of every kind and compression, read only when asked for."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tiff_helpers import COMPRESSIONS, overwrite_bytes

from napari_tcsdl._validation import CorruptFileError
from napari_tcsdl.io import open_movie


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", ["imagej", "ome", "plain"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_frames_survive_every_compression_and_kind(tmp_path, kind, compression, dtype):
    frames = np.random.default_rng(0).integers(1, 200, (5, 33, 20)).astype(dtype)
    path = tmp_path / ("movie.ome.tif" if kind == "ome" else "movie.tif")
    tifffile.imwrite(
        path,
        frames,
        imagej=kind == "imagej",
        ome=kind == "ome",
        compression=compression,
        photometric="minisblack",
        metadata=None if kind == "plain" else {"axes": "TYX"},
    )
    movie = open_movie(path)
    assert movie.shape == (5, 33, 20)
    assert movie.name == path.name
    assert movie.read(0, 5).dtype == dtype
    np.testing.assert_array_equal(movie.read(0, 5), frames)
    np.testing.assert_array_equal(movie.read(3, 5), frames[3:])


@pytest.mark.parametrize("layout", [{"rowsperstrip": 7}, {"tile": (16, 32)}])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_strips_and_tiles(tmp_path, movie_frames, layout, compression):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(
        path, movie_frames, compression=compression, photometric="minisblack", **layout
    )
    np.testing.assert_array_equal(open_movie(path).read(2, 6), movie_frames[2:6])


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_big_endian_arrives_in_native_order(tmp_path, movie_frames, compression):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, byteorder=">", compression=compression)
    frames = open_movie(path).read(0, 7)
    assert frames.dtype.isnative
    np.testing.assert_array_equal(frames, movie_frames)


def test_bigtiff(tmp_path, movie_frames):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, bigtiff=True, compression="zlib")
    np.testing.assert_array_equal(open_movie(path).read(0, 7), movie_frames)


@pytest.mark.parametrize("axes", ["ZYX", "CYX"])
def test_time_stored_as_another_axis(tmp_path, movie_frames, axes):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, imagej=True, metadata={"axes": axes})
    np.testing.assert_array_equal(open_movie(path).read(0, 7), movie_frames)


def write_ome_pair(folder, frames):
    """One movie in two files, as OME allows: each page says in which file it lies."""
    names = {0: "a.ome.tif", 1: "b.ome.tif"}
    data = "".join(
        f'<TiffData FirstT="{k}" IFD="{k // 2}" PlaneCount="1">'
        f'<UUID FileName="{names[k % 2]}">urn:uuid:0000000{k % 2}</UUID></TiffData>'
        for k in range(4)
    )
    for k, name in names.items():
        xml = (
            f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:0000000{k}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="56" SizeY="40" SizeZ="1" SizeC="1" '
            f'SizeT="4"><Channel ID="Channel:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(
            folder / name, frames[k:4:2], description=xml, metadata=None, compression="zlib"
        )
    return folder / names[0]


def test_ome_movie_in_several_files(tmp_path, movie_frames):
    path = write_ome_pair(tmp_path, movie_frames)
    np.testing.assert_array_equal(open_movie(path).read(0, 4), movie_frames[:4])


def test_ome_movie_that_lacks_one_of_its_files(tmp_path, movie_frames):
    path = write_ome_pair(tmp_path, movie_frames)
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(CorruptFileError, match=r"got 2 frames, expected 4 .*all files"):
        open_movie(path)


def test_frames_are_decoded_only_when_asked_for(tmp_path, movie_frames):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[3].dataoffsets[0]
    overwrite_bytes(path, offset, bytes(50))
    movie = open_movie(path)
    np.testing.assert_array_equal(movie.read(0, 3), movie_frames[:3])
    np.testing.assert_array_equal(movie.read(4, 7), movie_frames[4:])
    with pytest.raises(CorruptFileError, match=r"movie\.tif: frame 3 cannot be decoded .*copy"):
        movie.read(0, 7)


def test_imagej_stack_above_4_gib_with_a_single_directory(tmp_path):
    path = tmp_path / "large.tif"
    n_frames, side = 133, 4096
    tifffile.imwrite(  # sparse: takes no room on the disk
        path, None, shape=(n_frames, side, side), dtype=np.uint16, imagej=True, truncate=True,
        byteorder=">",
    )  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        offset = tif.series[0].dataoffset
    if path.stat().st_blocks * 512 > 2**30:
        pytest.skip("this file system has no sparse files")
    last = offset + (n_frames - 1) * side * side * 2
    assert last > 2**32
    overwrite_bytes(path, last, np.full(side, 7, ">u2").tobytes())
    movie = open_movie(path)
    assert movie.shape == (n_frames, side, side)
    frame = movie.read(n_frames - 1, n_frames)
    assert frame.sum(dtype=int) == 7 * side


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_two_threads_may_read(tmp_path, movie_frames, compression):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, compression=compression)
    movie = open_movie(path)
    wrong = []

    def read():
        for k in list(range(7)) * 5:
            if not np.array_equal(movie.read(k, k + 1)[0], movie_frames[k]):
                wrong.append(k)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts handles through /proc")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_no_file_stays_open(tmp_path, movie_frames, compression):
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, movie_frames, compression=compression)
    movie = open_movie(path)
    movie.read(0, 7)
    targets = []
    for handle in Path("/proc/self/fd").iterdir():
        if handle.is_symlink():
            targets.append(os.readlink(handle))
    assert str(path) not in targets
