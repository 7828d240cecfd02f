from __future__ import annotations

import gc
import shutil
from collections import namedtuple

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, OutputError
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.display.store import ResultStore

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
