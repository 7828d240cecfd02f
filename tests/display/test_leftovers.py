"""What a killed process leaves beside a file: gone at the next run, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from look_helpers import names_in

from napari_tcsdl.display import leftovers
from napari_tcsdl.display.leftovers import clean_up, partial_name
from napari_tcsdl.display.store import whole_folder

WRITE = """
import sys, time
from pathlib import Path
from napari_tcsdl.display.store import whole_folder
with whole_folder(Path(sys.argv[1])) as partial:
    partial.mkdir()
    (partial / "c").write_bytes(b"half a movie")
    print(partial.name, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is at work in ``tmp_path``, and the name of what it has begun."""
    command = [sys.executable, "-W", "ignore", "-c", WRITE, str(tmp_path / "a.tcs.zarr")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    name = process.stdout.readline().strip()
    yield process, name
    process.kill()
    process.communicate()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_what_a_killed_process_has_left_goes_at_the_next_run_and_not_before(writer, tmp_path):
    process, name = writer
    assert names_in(tmp_path) == [name]
    assert name.startswith(".")
    assert name.endswith(".partial.a.tcs.zarr")
    with whole_folder(tmp_path / "b.tcs.zarr") as partial:
        partial.mkdir()
    assert names_in(tmp_path) == [name, "b.tcs.zarr"], "it is still at work"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names_in(tmp_path) == [name, "b.tcs.zarr"], "nobody could clean up"
    with whole_folder(tmp_path / "c.tcs.zarr") as partial:
        partial.mkdir()
        assert name not in names_in(tmp_path)
    assert names_in(tmp_path) == ["b.tcs.zarr", "c.tcs.zarr"]


@pytest.fixture
def dead(monkeypatch):
    """Every process but this one has ended."""
    monkeypatch.setattr(leftovers.psutil, "pid_exists", lambda pid: pid == os.getpid())


def as_of(process: int, name: str = "movie.tcs.zarr") -> str:
    """Name that another process would have given."""
    return partial_name(name).replace(f"-{os.getpid()}-", f"-{process}-")


def test_only_folders_of_ours_go(tmp_path, dead):
    stale, own = as_of(99), partial_name("movie.tcs.zarr")
    folders = [
        stale,
        own,
        "movie.tcs.zarr",
        ".movie.tcs.zarr",
        f"{stale[1:]}",
        f".{'0' * 32}.partial.tcs.zarr",
        ".napari-tcsdl-99.partial.movie.tcs.zarr",
    ]
    for name in folders:
        (tmp_path / name).mkdir()
        (tmp_path / name / "c").write_text("data")
    file, link = as_of(99, "file"), as_of(99, "link")
    (tmp_path / file).write_text("data")
    (tmp_path / link).symlink_to(tmp_path / "movie.tcs.zarr")
    assert clean_up(tmp_path) == [stale]
    assert names_in(tmp_path) == sorted([*folders[1:], file, link])
    assert all((tmp_path / name / "c").read_text() == "data" for name in folders[1:])


def test_what_another_machine_is_at_work_on_stays(tmp_path, dead, monkeypatch):
    elsewhere = as_of(99)
    (tmp_path / elsewhere).mkdir()
    for machine in ("other", "another"):
        leftovers._place.cache_clear()
        monkeypatch.setattr(leftovers.platform, "node", lambda machine=machine: machine)
        assert clean_up(tmp_path) == []
    monkeypatch.undo()
    leftovers._place.cache_clear()
    assert names_in(tmp_path) == [elsewhere]


def test_a_place_that_cannot_be_listed_is_passed_over(tmp_path):
    assert clean_up(tmp_path / "nowhere") == []


def test_what_cannot_be_removed_is_not_said_to_be_gone(tmp_path, dead, monkeypatch):
    stale = as_of(99)
    (tmp_path / stale).mkdir()
    monkeypatch.setattr(leftovers.shutil, "rmtree", lambda path, ignore_errors: None)
    assert clean_up(tmp_path) == []


def test_no_two_names_are_the_same_and_this_process_lives(tmp_path):
    names = {partial_name("movie.tcs.zarr") for _ in range(3)}
    for name in names:
        (tmp_path / name).mkdir()
    begun = time.monotonic()
    assert clean_up(tmp_path) == []
    assert time.monotonic() - begun < 5
    assert set(names_in(tmp_path)) == names
    assert len(names) == 3
