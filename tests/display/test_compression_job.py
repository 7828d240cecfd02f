"""A file of the user's appears when it is complete, and nothing is ever replaced."""

from __future__ import annotations

import errno
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from look_helpers import names_in

from napari_tcsdl import pipeline
from napari_tcsdl._validation import Cancelled, OutputError, TcsdlError
from napari_tcsdl.display.compression_job import Compressed, CompressionJob
from napari_tcsdl.io import open_compressed, validate
from napari_tcsdl.settings import Settings

SETTINGS = Settings(compression_ratio=4, mask_tile=16)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "lattice.tcs.zarr"


class Source:
    """Frames that call ``on_read`` before each read."""

    def __init__(self, frames, on_read):
        self.frames, self.on_read = frames, on_read
        self.shape, self.dtype = frames.shape, frames.dtype

    def __getitem__(self, key):
        self.on_read(key)
        return self.frames[key]


def test_what_became_of_a_judgement_is_reported(movie, target):
    reports = []
    judged = replace(SETTINGS, deviation="judged", device="cpu")
    CompressionJob(3, movie, target, judged).run(reports.append, lambda fraction: None)
    found = open_compressed(target).header.deviation
    assert reports[0].deviation == f"uncertainty {found.words()}, judged by raw pixels"


def test_the_file_is_complete_and_alone(movie, target):
    reports, fractions = [], []
    job = CompressionJob(3, movie, target, SETTINGS)
    assert job.n_frames == 9
    job.run(reports.append, fractions.append)
    assert names_in(target.parent) == [target.name]
    assert validate(target) == []
    compressed = open_compressed(target)
    assert compressed.frames_valid == 9
    (report,) = reports
    assert isinstance(report, Compressed)
    assert report.generation == 3
    assert report.raw_bytes == 9 * 48 * 40
    assert report.real_bytes == compressed.bytes_on_disk()
    assert report.path == target
    assert report.seconds > 0
    assert report.deviation is None
    assert fractions[0] == 0.0
    assert fractions[-1] == 1.0
    np.testing.assert_array_equal(np.diff(fractions) > 0, True)


def test_a_file_that_is_there_stays(movie, target):
    CompressionJob(1, movie, target, SETTINGS).run(lambda _: None, lambda _: None)
    before = target.stat().st_mtime_ns
    with pytest.raises(OutputError, match=r"which exists already, expected a new name; choose"):
        CompressionJob(2, movie, target, SETTINGS).run(pytest.fail, lambda _: None)
    assert target.stat().st_mtime_ns == before
    assert names_in(target.parent) == [target.name]


def test_cancel_leaves_nothing(movie, target):
    job = CompressionJob(1, movie, target, SETTINGS)

    def stop(fraction):
        if fraction > 0.4:
            job.stop.set()

    with pytest.raises(Cancelled):
        job.run(pytest.fail, stop)
    assert names_in(target.parent) == []


def test_a_cancel_after_the_last_step_leaves_nothing_either(movie, target, monkeypatch):
    job, compress = CompressionJob(1, movie, target, SETTINGS), pipeline.compress

    def stopped_at_the_end(*args, **kwargs):
        written = compress(*args, **kwargs)
        job.stop.set()
        return written

    monkeypatch.setattr(pipeline, "compress", stopped_at_the_end)
    with pytest.raises(Cancelled):
        job.run(pytest.fail, lambda _: None)
    assert names_in(target.parent) == []


def test_an_error_in_the_middle_leaves_nothing(movie, frames, target):
    def broken(key):
        if key.start == 4 and key.stop - key.start == 4:
            raise ValueError("the disk has a scratch")

    movie = replace(movie, source=Source(frames, broken))
    with pytest.raises(TcsdlError, match=r"^got ValueError \(the disk has a scratch\), expected"):
        CompressionJob(1, movie, target, SETTINGS).run(pytest.fail, lambda _: None)
    assert names_in(target.parent) == []


def test_a_folder_that_is_not_there(movie, target):
    path = target.parent / "none" / target.name
    with pytest.raises(OutputError, match=r"is no folder, expected an existing folder; create"):
        CompressionJob(1, movie, path, SETTINGS).run(pytest.fail, lambda _: None)


def test_a_full_disk_at_the_very_end(movie, target, monkeypatch):
    rename = Path.rename

    def full(self, to):
        if to == target:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OutputError, match=rf"^got No space left on device while writing {target}"):
        CompressionJob(1, movie, target, SETTINGS).run(pytest.fail, lambda _: None)
    assert names_in(target.parent) == []


def test_the_writer_complains_of_the_name_that_was_asked_for(movie, target, monkeypatch):
    def refuse(movie, path, *args, **kwargs):
        raise OutputError(f"got no permission to write {path}, expected some")

    monkeypatch.setattr(pipeline, "compress", refuse)
    with pytest.raises(OutputError, match=rf"to write {target}, expected"):
        CompressionJob(1, movie, target, SETTINGS).run(pytest.fail, lambda _: None)


def test_a_stopped_run_that_is_still_at_work_does_not_touch_the_next(movie, frames, target):
    """The window gives a run that was stopped 0.8 s, and lets the user begin another."""
    reached, go, ended = threading.Event(), threading.Event(), []

    def slow(_):
        reached.set()
        assert go.wait(10)

    old = CompressionJob(1, replace(movie, source=Source(frames, slow)), target, SETTINGS)

    def run_old():
        with pytest.raises(Cancelled):
            old.run(pytest.fail, lambda _: None)
        ended.append(True)

    thread = threading.Thread(target=run_old)
    thread.start()
    assert reached.wait(10)
    old.stop.set()
    CompressionJob(2, movie, target, SETTINGS).run(lambda _: None, lambda _: None)
    go.set()
    thread.join(10)
    assert ended
    assert validate(target) == []
    assert names_in(target.parent) == [target.name]
