from __future__ import annotations

import gc
import shutil
from collections import namedtuple

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, OutputError
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.display.store import ResultStore, copy_compressed

DTYPES = {
    RECONSTRUCTION: np.dtype(np.float32),
    JPEG: np.dtype(np.uint8),
    MEASUREMENT: np.dtype(np.float32),
}


def test_stacks_begin_dark_and_live_on_the_disk(tmp_path):
    store = ResultStore((7, 4, 5), 3, DTYPES, tmp_path)
    assert store.stacks[RECONSTRUCTION].shape == (7, 4, 5)
    assert store.stacks[MEASUREMENT].shape == (3, 4, 5)
    assert not store.stacks[JPEG].any()
    assert {p.name for p in store.folder.path.iterdir()} == {
        "reconstruction.raw",
        "JPEG.raw",
        "measurement.raw",
    }


def test_integer_stacks_are_rounded_and_clipped(tmp_path):
    store = ResultStore((2, 1, 3), 2, DTYPES, tmp_path)
    store.write(JPEG, 1, np.array([[[-3.0, 1.6, 300.0]]]))
    assert store.stacks[JPEG][1].tolist() == [[0, 2, 255]]


def test_the_folder_stays_while_a_stack_is_shown_and_goes_with_it(tmp_path):
    store = ResultStore((2, 1, 3), 2, DTYPES, tmp_path)
    shown = store.stacks[JPEG]
    del store
    gc.collect()
    assert len(list(tmp_path.iterdir())) == 1
    del shown
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_writing_after_close_cancels(tmp_path):
    store = ResultStore((2, 1, 3), 2, DTYPES, tmp_path)
    store.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Cancelled):
        store.write(JPEG, 0, np.zeros((1, 1, 3)))


def test_a_disk_without_room_is_one_sentence(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 10**6))
    with pytest.raises(
        OutputError,
        match=r"^got 0\.0 GB free in .*, expected at least 0\.9 GB for the results of this movie; "
        r"free some space there, or set TMPDIR to a larger disk$",
    ):
        ResultStore((170, 1000, 1000), 10, DTYPES, tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- a copy for the user ------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "run" / "movie.tcs.zarr"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "c").write_bytes(b"measurements")
    return folder


def test_a_copy_is_whole_and_alone(source, tmp_path):
    target = tmp_path / "kept" / "mine.tcs.zarr"
    target.parent.mkdir()
    assert copy_compressed(source, target) == target
    assert (target / "0" / "c").read_bytes() == b"measurements"
    assert list(target.parent.iterdir()) == [target]


def test_a_copy_never_replaces_anything(source, tmp_path):
    target = tmp_path / "mine.tcs.zarr"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"mine\.tcs\.zarr, which exists already, expected a new"):
        copy_compressed(source, target)
    with pytest.raises(OutputError, match=r"none is no folder, expected an existing folder"):
        copy_compressed(source, tmp_path / "none" / "mine.tcs.zarr")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), shutil.Error("half")])
def test_a_copy_that_fails_half_way_leaves_nothing(source, tmp_path, monkeypatch, error):
    kept = tmp_path / "kept"
    kept.mkdir()

    def half(source, target):
        target.mkdir()
        (target / "0").write_bytes(b"half")
        raise error

    monkeypatch.setattr(shutil, "copytree", half)
    with pytest.raises(OutputError, match=r"^got (No space left on device|half) while writing"):
        copy_compressed(source, kept / "mine.tcs.zarr")
    assert list(kept.iterdir()) == []
