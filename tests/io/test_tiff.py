"""TIFF stacks and folders: frames, calibration, laziness, and a sentence for each bad file."""

import contextlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.io import open_movie

COMPRESSIONS = [None, "lzw", "zlib", "zstd"]


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


def overwrite_bytes(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


# --- frames -------------------------------------------------------------------------------------


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


# --- calibration --------------------------------------------------------------------------------


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


# --- folders ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    return path


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


# --- bad files ----------------------------------------------------------------------------------


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
