"""A compressed file's frames, decoded as they are looked at: at once a stand-in, then the frame."""

from __future__ import annotations

import gc
import shutil
import threading
import time
import weakref

import numpy as np
import pytest
from decoding_helpers import GAP_TV, WAIT, threads, wait_until
from napari.layers import Layer

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.display import background as background_module
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.display.decoded import DecodedStack
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.settings import Settings

# --- one frame --------------------------------------------------------------------------------


def test_a_stand_in_at_once_then_the_frame(make_stack, compressed):
    stack, told = make_stack(), []
    stack.ready.connect(lambda first, last: told.append((first, last)))
    assert (stack.shape, stack.dtype) == ((9, 48, 40), np.float32)
    begun = time.monotonic()
    np.testing.assert_array_equal(stack[5], -2.0)
    assert time.monotonic() - begun < 0.5, "no decoding in the caller's thread"
    assert not stack.shows_decoded
    assert stack.stand_in_text() == "decoding…\nmeasurement of frames 4 to 7"
    wait_until(lambda: told)
    assert told == [(4, 7)]
    assert stack.is_decoded(5)
    assert not stack.is_decoded(3)
    expected = list(reconstruct(compressed, GAP_TV))[1].frames
    np.testing.assert_array_equal(stack[5], expected[1])
    assert stack.shows_decoded
    assert stack.stand_in_text() == ""


def test_the_slider_of_a_layer_asks_for_one_frame_and_nothing_is_read_besides(make_stack, gate):
    stack = make_stack()
    Layer.create(stack, {"contrast_limits": (0, 1), "rgb": False}, "image")
    wait_until(lambda: gate.order)
    gate.opened.set()
    wait_until(lambda: not threads())
    assert gate.order == [0], "napari shows frame 0 of a new layer"


def test_the_frame_shown_is_told_only_when_that_changes(make_stack):
    stack, told = make_stack(), []
    stack.decoded(0)
    stack.shown.connect(lambda index, decoded: told.append((index, decoded)))
    for index in (0, 1, 2):
        stack.frame(index)
    stack.frame(8)
    assert told == [(0, True), (8, False)]


def test_the_latest_is_decoded_first_and_old_requests_are_dropped(make_stack, gate, monkeypatch):
    monkeypatch.setattr(background_module, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(background_module, "WAITING_BLOCKS", 1)
    stack = make_stack()
    stack.frame(0)
    wait_until(lambda: gate.order == [0])
    stack.frame(4)
    stack.frame(8)
    gate.opened.set()
    wait_until(lambda: not threads())
    assert gate.order == [0, 2]
    assert not stack.is_decoded(4)


def test_a_slider_that_is_dragged_decodes_what_it_rests_on(make_stack, gate, monkeypatch):
    monkeypatch.setattr(background_module, "SETTLE_SECONDS", 0.3)
    stack = make_stack()
    for index in (0, 4, 8):
        stack.frame(index)
        time.sleep(0.02)
    wait_until(lambda: gate.order)
    assert gate.order == [2]
    gate.opened.set()


def test_a_block_that_waits_or_is_under_way_is_not_asked_for_twice(make_stack, gate):
    stack = make_stack()
    for _ in range(3):
        stack.frame(0)
    wait_until(lambda: gate.order)
    stack.frame(1)
    gate.opened.set()
    wait_until(lambda: not threads())
    assert gate.order in ([0], [0, 0]), "asked again before its group is known, at most once"
    assert stack.is_decoded(0)


def test_a_whole_group_is_ready_at_once(make_stack, learned):
    stack, told = make_stack(Settings(compression_ratio=4, decoder="learned", device="cpu")), []
    stack.ready.connect(lambda first, last: told.append((first, last)))
    stack.frame(6)
    wait_until(lambda: told and not threads())
    assert told == [(0, 7)], "8 frames a group: two blocks"
    assert len(learned[0].groups) == 1
    stack.frame(8)
    wait_until(lambda: len(told) == 2)
    assert told[1] == (8, 8)


# --- several frames ---------------------------------------------------------------------------


def in_a_thread(call):
    """Return what ``call`` returns in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join(WAIT)
    return found[0]


@pytest.mark.parametrize("key", [slice(3, 6), slice(7, 8), [0, 8], slice(None)])
def test_in_a_thread_slices_are_never_stand_ins(make_stack, compressed, key):
    stack = make_stack()
    expected = np.concatenate([block.frames for block in reconstruct(compressed, GAP_TV)])
    np.testing.assert_array_equal(in_a_thread(lambda: stack[key]), expected[key])


def test_a_movie_of_decoded_frames_is_read_in_a_thread(make_stack, compressed):
    movie = Movie(make_stack(), name="decoded")
    expected = np.concatenate([block.frames for block in reconstruct(compressed, GAP_TV)])
    np.testing.assert_array_equal(in_a_thread(lambda: movie.read(2, 7)), expected[2:7])


def test_the_thread_of_the_window_never_waits(make_stack, gate):
    stack = make_stack()
    np.testing.assert_array_equal(stack[8:9], -3.0)
    with pytest.raises(InputError, match="got a request for 9 frames at once, of which 9 are not"):
        np.asarray(stack)
    gate.opened.set()
    whole = in_a_thread(lambda: np.asarray(stack))
    np.testing.assert_array_equal(stack[:], whole)
    assert whole.min() >= 0, "no stand-in among them"


def test_whoever_waits_is_told_when_it_is_stopped(make_stack, gate):
    stack, raised = make_stack(), []

    def wait():
        try:
            stack.decoded(0)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: gate.order)
    stack.close()
    thread.join(WAIT)
    gate.opened.set()
    assert raised


# --- threads and files end --------------------------------------------------------------------


def test_no_thread_is_left_when_nothing_is_to_be_done(make_stack):
    stack = make_stack()
    assert not threads()
    stack.decoded(0)
    wait_until(lambda: not threads())


def test_the_thread_and_the_files_end_with_the_layer(make_stack, compressed, gate):
    shape = (compressed.n_measurements, *compressed.frame_shape)
    stack = DecodedStack(
        compressed, GAP_TV, LazyStack(shape, np.dtype(np.float32), lambda _: np.zeros((48, 40)))
    )
    gate.opened.set()
    stack.decoded(0)
    folder = stack._background._files._folder.path
    assert folder.exists()
    gate.opened.clear()
    stack.frame(4)
    wait_until(lambda: gate.order == [0, 1])
    gone = weakref.ref(stack)
    del stack
    gc.collect()
    assert gone() is None, "the thread does not keep the layer's data"
    gate.opened.set()
    wait_until(lambda: not threads())
    gc.collect()
    assert not folder.exists()


def test_python_ends_while_a_block_is_decoded(compressed_path):
    import subprocess
    import sys

    code = (
        "import numpy as np, time\n"
        "from napari_tcsdl.display.contributions import read_layers\n"
        f"layers = read_layers({str(compressed_path)!r}, decoded=True)\n"
        "layers[1][0].frame(0)\n"
        "time.sleep(0.5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


# --- as it is opened --------------------------------------------------------------------------


def test_a_long_file_opens_without_being_decoded(tmp_path, movie, gate):
    path = tmp_path / "long.tcs.zarr"
    compress(movie, path, Settings(compression_ratio=2, mask_tile=16))
    measurements, frames = read_layers(path, decoded=True)
    assert not gate.order
    assert not threads()
    assert frames[0].shape == (9, 48, 40)
    assert measurements[1]["name"] == "long"
    assert frames[1]["name"] == "long reconstruction (unfolding network)"
    shutil.rmtree(path)
