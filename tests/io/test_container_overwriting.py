"""The compressed file: outputs that exist are kept, and replaced only when asked."""

import contextlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import zarr
from container_helpers import HEADER, KILLED, Stop, assert_same, fail_after, write

from napari_tcsdl._validation import OutputError
from napari_tcsdl.io import CompressedWriter, _replace, is_compressed, open_compressed, validate


def test_existing_output_is_refused(written, masks, measurements):
    with pytest.raises(OutputError, match=r"movie\.tcs\.zarr, which exists already.*--overwrite"):
        CompressedWriter(written, masks, HEADER)
    assert_same(open_compressed(written), measurements)


def test_overwriting_swaps_on_closing(written, masks, measurements):
    other = [replace(measurements[0], values=measurements[0].values + 1)]
    with CompressedWriter(written, masks, HEADER, overwrite=True) as writer:
        writer.append(other[0])
        assert_same(open_compressed(written), measurements)
        assert_same(open_compressed(writer.path), other)
    assert writer.path == written
    assert_same(open_compressed(written), other)
    assert list(written.parent.iterdir()) == [written]


def test_old_file_survives_a_failed_overwrite_and_so_does_the_new_part(
    written, masks, measurements
):
    for _ in range(2):  # the second finds the first's remains
        writer = CompressedWriter(written, masks, HEADER, overwrite=True)
        fail_after(writer, measurements[0])
        assert_same(open_compressed(written), measurements)
        assert_same(open_compressed(writer.path), measurements[:1])
        assert is_compressed(writer.path)


def test_a_file_that_is_called_partial_is_not_touched(written, masks, measurements, tmp_path):
    other = write(tmp_path / "movie.partial.tcs.zarr", masks, measurements[:2])
    write(written, masks, measurements[:1], overwrite=True)
    assert_same(open_compressed(other), measurements[:2])
    assert_same(open_compressed(written), measurements[:1])


def test_what_a_killed_overwrite_leaves_opens_and_stays(written, masks, measurements):
    command = [sys.executable, "-c", KILLED, written, "overwrite"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    left = Path(run.stdout.readline().strip())
    run.stdout.readline()  # one measurement is acknowledged
    run.kill()
    run.stdout.read()
    run.stdout.close()
    run.wait()
    assert left.parent == written.parent
    assert_same(open_compressed(written), measurements)
    kept = open_compressed(left).n_measurements
    assert kept >= 1
    write(written, masks, measurements[:1], overwrite=True)
    assert open_compressed(left).n_measurements == kept
    assert validate(left) == []


def test_two_overwrites_at_once_lose_nothing(written, masks, measurements):
    first = CompressedWriter(written, masks, HEADER, overwrite=True)
    second = CompressedWriter(written, masks, HEADER, overwrite=True)
    assert first.path != second.path
    first.append(measurements[0])
    for y in measurements[:2]:
        second.append(y)
    first.close()
    assert_same(open_compressed(written), measurements[:1])
    with pytest.raises(OutputError, match=r"was changed while its replacement was written, exp"):
        second.close()
    assert_same(open_compressed(written), measurements[:1])
    assert_same(open_compressed(second.path), measurements[:2])


def test_an_empty_writer_removes_nothing_of_another(path, masks, measurements):
    with contextlib.suppress(RuntimeError), CompressedWriter(path, masks, HEADER):
        write(path, masks, measurements[:1], overwrite=True)
        raise RuntimeError
    assert_same(open_compressed(path), measurements[:1])


def test_an_overwritten_file_that_was_moved_away(written, masks, measurements, tmp_path):
    with CompressedWriter(written, masks, HEADER, overwrite=True) as writer:
        writer.append(measurements[0])
        moved = written.rename(tmp_path / "moved.tcs.zarr")
    assert_same(open_compressed(written), measurements[:1])
    assert_same(open_compressed(moved), measurements)


@pytest.fixture
def killed_renaming(monkeypatch):
    """Let the process seem to end right after the first rename of a replacement."""

    def stopping(path, target, real=Path.rename):
        if stopping.stopped:
            raise Stop
        stopping.stopped = True
        real(path, target)
        raise Stop

    def arm():
        stopping.stopped = False
        monkeypatch.setattr(Path, "rename", stopping)

    yield arm
    monkeypatch.undo()


def test_there_is_no_moment_without_a_file(written, masks, measurements, killed_renaming):
    for side in ("a", "b"):
        (written.parent / side).touch()
    if not _replace._exchange(written.parent / "a", written.parent / "b"):
        pytest.skip("this file system cannot exchange names")
    writer = CompressedWriter(written, masks, HEADER, overwrite=True)
    writer.append(measurements[0])
    killed_renaming()
    with pytest.raises(Stop):
        writer.close()
    assert_same(open_compressed(written), measurements[:1])


def test_where_names_cannot_be_exchanged(
    written, masks, measurements, killed_renaming, monkeypatch
):
    monkeypatch.setattr(_replace, "_exchange", lambda a, b: False)
    write(written, masks, measurements[:2], overwrite=True)
    assert_same(open_compressed(written), measurements[:2])
    assert list(written.parent.iterdir()) == [written]
    writer = CompressedWriter(written, masks, HEADER, overwrite=True)
    writer.append(measurements[0])
    killed_renaming()
    with pytest.raises(Stop):
        writer.close()
    (old,) = written.parent.glob(".movie.*.old.tcs.zarr")
    assert_same(open_compressed(old), measurements[:2])
    assert_same(open_compressed(writer.path), measurements[:1])


@pytest.mark.parametrize("what", ["folder", "file", "other zarr"])
def test_what_is_no_compressed_movie_is_never_replaced(masks, tmp_path, what):
    precious = tmp_path / "other.tcs.zarr"
    if what == "file":
        precious.write_text("precious")
    elif what == "other zarr":
        zarr.create_group(precious, zarr_format=3)
    else:
        precious.mkdir()
        (precious / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match=r"exists and is no compressed movie, expected a new"):
        CompressedWriter(precious, masks, HEADER, overwrite=True)
    assert precious.is_file() or list(precious.iterdir())


def test_name_must_end_as_the_format_does(tmp_path, masks):
    with pytest.raises(OutputError, match=r"got output x\.zarr, expected a name .*x\.tcs\.zarr"):
        CompressedWriter(tmp_path / "x.zarr", masks, HEADER)


def test_missing_folder(tmp_path, masks):
    with pytest.raises(OutputError, match=r"none is no folder, expected an existing folder"):
        CompressedWriter(tmp_path / "none" / "x.tcs.zarr", masks, HEADER)


def test_folder_without_write_permission(tmp_path, path, masks, unprivileged):
    tmp_path.chmod(0o500)
    try:
        with unprivileged(), pytest.raises(OutputError, match=r"cannot be written: Permission"):
            CompressedWriter(path, masks, HEADER)
    finally:
        tmp_path.chmod(0o700)
