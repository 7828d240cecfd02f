"""Encoders leave the scheduling of this process alone: SVT-AV1 would make it real-time."""

import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from napari_tcsdl.codecs import _video_stream
from napari_tcsdl.codecs._scheduling import scheduling_kept
from napari_tcsdl.codecs.video import VIDEO_CODECS

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="threads are told apart by Linux's /proc"
)


def policies():
    found = set()
    for entry in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended since
            found.add(os.sched_getscheduler(int(entry.name)))
    return found


def test_what_is_done_within_is_undone_for_old_and_new_threads():
    usual = os.sched_getscheduler(0)
    quiet, started = threading.Event(), []

    def wait():
        quiet.wait(60)

    try:
        with scheduling_kept():
            # What a user without privileges may do, too.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            started.append(threading.Thread(target=wait))  # inherits it
            started[0].start()
            assert os.SCHED_BATCH in policies()
        assert os.sched_getscheduler(0) == usual
        assert os.sched_getscheduler(started[0].native_id) == usual
    finally:
        os.sched_setscheduler(0, usual, os.sched_param(0))
        quiet.set()
        started[0].join()


@pytest.mark.parametrize("codec", VIDEO_CODECS, ids=lambda codec: codec.name)
def test_no_thread_is_real_time_while_a_video_is_encoded(codec, tmp_path):
    if codec.missing():
        pytest.skip(codec.missing())
    frames = np.random.default_rng(0).poisson(20, (6, 96, 96)).astype(np.uint8)
    before, seen = policies(), set()

    def pieces():
        for frame in frames:
            seen.update(policies())
            yield frame

    quality = codec.qualities[len(codec.qualities) // 2]
    codec._write(pieces(), frames, quality, (0, 255), tmp_path / "movie")
    assert seen | policies() <= before


def test_it_is_kept_before_the_first_frame_is_taken(monkeypatch, tmp_path):
    codec = VIDEO_CODECS[0]
    if codec.missing():
        pytest.skip(codec.missing())
    order = []

    @contextmanager
    def noted():
        yield
        order.append("kept")

    def pieces():
        order.append("frame")
        yield np.zeros((96, 96), np.uint8)

    monkeypatch.setattr(_video_stream, "scheduling_kept", noted)
    like = np.zeros((1, 96, 96), np.uint8)
    codec._write(pieces(), like, codec.qualities[0], (0, 255), tmp_path / "movie")
    assert order == ["kept", "frame"]
