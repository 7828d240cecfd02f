"""Reconstructions as ImageJ TIFF: calibrated, complete, or not there at all."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.io import open_movie, save_tiff, tiff_write

SHAPE = (7, 12, 20)


@pytest.fixture
def frames():
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


def blocks(frames, size=3):
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


@pytest.mark.parametrize(("pixel_size", "frame_time"), [(2.564, 0.04), (None, None), (1e-2, 2.0)])
def test_frames_and_calibration_come_back(tmp_path, frames, pixel_size, frame_time):
    path = save_tiff(
        tmp_path / "rec.tif",
        blocks(frames),
        shape=SHAPE,
        pixel_size=pixel_size,
        frame_time=frame_time,
    )
    movie = open_movie(path)
    np.testing.assert_array_equal(movie.read(0, 7), frames)
    assert movie.frame_time == frame_time
    assert movie.pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, 1e-6))


def test_it_is_an_imagej_stack_in_nanometres(tmp_path, frames):
    save_tiff(tmp_path / "rec.tif", blocks(frames), shape=SHAPE, pixel_size=5.0, frame_time=0.5)
    with tifffile.TiffFile(tmp_path / "rec.tif") as tif:
        assert tif.is_imagej
        assert len(tif.pages) == 7
        assert (tif.imagej_metadata["unit"], tif.imagej_metadata["finterval"]) == ("nm", 0.5)
        assert tif.imagej_metadata["frames"] == 7


def test_large_stacks_have_one_directory_and_open_again(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(tiff_write, "LARGEST_CLASSIC", 1000)
    save_tiff(tmp_path / "rec.tif", blocks(frames), shape=SHAPE, pixel_size=5.0)
    with tifffile.TiffFile(tmp_path / "rec.tif") as tif:
        assert len(tif.pages) == 1
    movie = open_movie(tmp_path / "rec.tif")
    np.testing.assert_array_equal(movie.read(0, 7), frames)
    assert movie.pixel_size == pytest.approx(5.0)


def test_existing_output_is_kept_unless_told_otherwise(tmp_path, frames):
    path = tmp_path / "rec.tif"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"rec\.tif, which exists already.*--overwrite"):
        save_tiff(path, blocks(frames), shape=SHAPE)
    assert path.read_bytes() == b"precious"
    save_tiff(path, blocks(frames), shape=SHAPE, overwrite=True)
    np.testing.assert_array_equal(open_movie(path).read(0, 7), frames)


def test_interrupted_run_leaves_the_old_file_and_nothing_else(tmp_path, frames):
    path = tmp_path / "rec.tif"
    path.write_bytes(b"precious")

    def interrupted():
        yield frames[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_tiff(path, interrupted(), shape=SHAPE, overwrite=True)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys, numpy as np
from napari_tcsdl.io import save_tiff
def blocks():
    yield np.ones((5, 64, 64), np.float32)
    os.kill(os.getpid(), signal.SIGKILL)
save_tiff(sys.argv[1], blocks(), shape=(7, 64, 64))
"""


def test_what_a_killed_run_left_is_removed_but_not_what_another_writes(tmp_path, frames):
    path = tmp_path / "rec.tif"
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    (stale,) = tmp_path.iterdir()
    assert stale.name != "rec.tif"
    running = blocks(frames)
    first = next(running)

    def interleaved():
        yield first
        save_tiff(path, blocks(frames + 1), shape=SHAPE)
        np.testing.assert_array_equal(open_movie(path).read(0, 7), frames + 1)
        yield from running

    save_tiff(path, interleaved(), shape=SHAPE)
    np.testing.assert_array_equal(open_movie(path).read(0, 7), frames)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("n_frames", "sentence"),
    [(6, r"got 6 frames, expected 7"), (8, r"got a block \(2, 12, 20\) after 6 frames, expected")],
)
def test_wrong_number_of_frames(tmp_path, n_frames, sentence):
    frames = np.ones((n_frames, 12, 20), np.float32)
    with pytest.raises(InputError, match=sentence):
        save_tiff(tmp_path / "rec.tif", blocks(frames), shape=SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_full_disk(tmp_path, file_size_limit):
    frames = np.ones((7, 100, 200), np.float32)
    with (
        file_size_limit(200_000),
        pytest.raises(OutputError, match=r"rec\.tif: the disk is full .*free space"),
    ):
        save_tiff(tmp_path / "rec.tif", blocks(frames), shape=frames.shape)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path, frames):
    with pytest.raises(OutputError, match=r"none is no folder, expected an existing folder"):
        save_tiff(tmp_path / "none" / "rec.tif", blocks(frames), shape=SHAPE)


def test_folder_without_write_permission(tmp_path, frames, unprivileged):
    tmp_path.chmod(0o500)
    try:
        with unprivileged(), pytest.raises(OutputError, match=r"cannot be written: Permission"):
            save_tiff(tmp_path / "rec.tif", blocks(frames), shape=SHAPE)
    finally:
        tmp_path.chmod(0o700)
