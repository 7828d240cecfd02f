"""Decoded blocks on the disk: bounded, and read while others are written."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_tcsdl.display import block_files
from napari_tcsdl.display.block_files import BlockFiles


def test_blocks_on_the_disk_are_bounded_the_oldest_go(monkeypatch):
    monkeypatch.setattr(block_files, "LIMIT_BYTES", 4 * 3 * (2 * 5 * 4))
    files = BlockFiles((5, 4))
    frames = np.arange(2 * 5 * 4, dtype=np.float32).reshape(2, 5, 4)
    for block in range(3):
        files.write({block: frames + block})
    np.testing.assert_array_equal(files.read(0, 1), frames[1])  # used: 1 is the oldest now
    files.write({3: frames})
    assert [block in files for block in range(4)] == [True, False, True, True]
    assert files.read(1, 0) is None
    assert files.nbytes == 4 * frames.size * 3
    assert len(list(files._folder.path.iterdir())) == len(files) == 3


def test_blocks_that_were_decoded_together_stay_together(monkeypatch):
    monkeypatch.setattr(block_files, "LIMIT_BYTES", 1)
    files = BlockFiles((5, 4))
    frames = np.ones((2, 5, 4), np.float32)
    files.write({0: frames, 1: frames})
    assert 0 in files
    assert 1 in files
    files.write({2: frames})
    assert len(files) == 1


def test_frames_that_left_the_cache_are_decoded_again(make_stack, monkeypatch):
    monkeypatch.setattr(block_files, "LIMIT_BYTES", 1)
    monkeypatch.setattr("napari_tcsdl.display.lazy.CACHE_BYTES", 0)
    stack = make_stack()
    first = stack.decoded(0)
    for index in (4, 8, 5):
        stack.decoded(index)
    assert not stack.is_decoded(0)
    np.testing.assert_array_equal(stack.decoded(0), first)


# --- read while others are written --------------------------------------------------------------

FRAMES = np.arange(2 * 5 * 4, dtype=np.float32).reshape(2, 5, 4)


class Slow:
    """Frames that take their time to be written: until ``go`` is set."""

    size = FRAMES.size

    def __init__(self, go: threading.Event, frames=FRAMES) -> None:
        self.go, self.frames, self.begun = go, frames, threading.Event()

    def __array__(self, dtype=None, copy=None):
        self.begun.set()
        assert self.go.wait(30)
        return self.frames.astype(dtype)


@pytest.fixture
def go():
    event = threading.Event()
    yield event
    event.set()


def writing(files, blocks) -> threading.Thread:
    thread = threading.Thread(target=files.write, args=(blocks,), daemon=True)
    thread.start()
    return thread


def read_soon(files, block):
    """Frame 1 of ``block``, as long as reading does not wait for anything."""
    found = []
    reader = threading.Thread(target=lambda: found.append(files.read(block, 1)), daemon=True)
    reader.start()
    reader.join(5)
    assert not reader.is_alive(), "reading waits for the disk"
    return found[0]


def test_reading_does_not_wait_for_a_write(go):
    files = BlockFiles((5, 4))
    files.write({0: FRAMES})
    slow = Slow(go)
    thread = writing(files, {1: slow})
    assert slow.begun.wait(5)
    np.testing.assert_array_equal(read_soon(files, 0), FRAMES[1])
    assert read_soon(files, 1) is None, "not before it is whole"
    assert 1 not in files
    go.set()
    thread.join(5)
    np.testing.assert_array_equal(read_soon(files, 1), FRAMES[1])


def test_reading_does_not_wait_while_the_free_disk_is_measured(go, monkeypatch):
    files, begun = BlockFiles((5, 4)), threading.Event()
    files.write({0: FRAMES})
    usage = block_files.shutil.disk_usage

    def slowly(path):
        begun.set()
        assert go.wait(30)
        return usage(path)

    monkeypatch.setattr(block_files.shutil, "disk_usage", slowly)
    thread = writing(files, {1: FRAMES})
    assert begun.wait(5)
    np.testing.assert_array_equal(read_soon(files, 0), FRAMES[1])
    go.set()
    thread.join(5)
    assert 1 in files


def test_a_block_that_is_written_again_is_whole_all_the_time(go):
    files = BlockFiles((5, 4))
    files.write({0: FRAMES})
    slow = Slow(go, FRAMES + 1)
    thread = writing(files, {0: slow})
    assert slow.begun.wait(5)
    np.testing.assert_array_equal(read_soon(files, 0), FRAMES[1])
    go.set()
    thread.join(5)
    np.testing.assert_array_equal(read_soon(files, 0), FRAMES[1] + 1)
    assert len(list(files._folder.path.iterdir())) == len(files) == 1
    assert files.nbytes == 4 * FRAMES.size


def test_of_a_write_that_fails_nothing_is_left(monkeypatch):
    class Broken(Slow):
        def __array__(self, dtype=None, copy=None):
            raise OSError(28, "No space left on device")

    files = BlockFiles((5, 4))
    files.write({0: FRAMES})
    with pytest.raises(OSError, match="No space left"):
        files.write({1: FRAMES, 2: Broken(threading.Event())})
    assert [block in files for block in range(3)] == [True, False, False]
    assert len(list(files._folder.path.iterdir())) == 1


def test_a_block_that_makes_room_while_it_is_read_is_not_there(go, monkeypatch):
    """Between the look into the table and the look at the disk."""
    files = BlockFiles((5, 4))
    files.write({0: FRAMES})
    fromfile = np.fromfile

    def late(path, *args, **kwargs):
        path.unlink()
        return fromfile(path, *args, **kwargs)

    monkeypatch.setattr(block_files.np, "fromfile", late)
    assert files.read(0, 1) is None
