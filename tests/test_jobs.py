"""Jobs in processes of their own: results, crashes, stopping, nothing left behind."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_tcsdl._jobs import Failure, run_jobs
from napari_tcsdl._validation import Cancelled


@dataclass(frozen=True)
class Say:
    word: str
    name: str = "say"

    def run(self, progress):
        progress(0.25)
        return self.word, os.getpid()


@dataclass(frozen=True)
class Print(Say):
    """Libraries print what they like."""

    def run(self, progress):
        print("not an answer")
        os.write(1, b"nor is this\n")
        return super().run(progress)


@dataclass(frozen=True)
class Exit(Say):
    def run(self, progress):
        os.write(2, b"segmentation fault in libworse\n")
        os._exit(7)


@dataclass(frozen=True)
class Raise(Say):
    def run(self, progress):
        raise KeyError("no such thing")


@dataclass(frozen=True)
class Wait(Say):
    def run(self, progress):
        Path(self.word).write_text(str(os.getpid()))
        progress(0.5)
        time.sleep(60)


def run(jobs, *, processes=1, fresh=False, progress=lambda fraction: None):
    results = {}
    run_jobs(jobs, results.__setitem__, progress, processes=processes, fresh=fresh)
    return [results[index] for index in range(len(jobs))]


def test_results_come_back_with_progress_whatever_is_printed():
    fractions = []
    results = run([Say("a"), Print("b"), Say("c")], progress=fractions.append)
    assert [word for word, _ in results] == ["a", "b", "c"]
    pids = {pid for _, pid in results}
    assert len(pids) == 1  # one process did them all
    assert os.getpid() not in pids
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_crash_ends_its_job_only():
    before, crash, error, after = run([Say("a"), Exit("b"), Raise("c"), Say("d")], processes=1)
    assert before[0] == "a"
    assert crash == Failure("its process ended with exit code 7: segmentation fault in libworse")
    assert error == Failure("its process ended with exit code 1: KeyError: 'no such thing'")
    assert after[0] == "d"


def test_fresh_processes_are_not_used_twice():
    results = run([Say("a"), Say("b")], fresh=True)
    assert len({pid for _, pid in results}) == 2


def test_without_processes_all_is_done_here():
    fractions = []
    results = run([Say("a"), Say("b")], processes=0, progress=fractions.append)
    assert results == [("a", os.getpid()), ("b", os.getpid())]
    assert fractions == [0.125, 0.625]


def test_stopping_ends_the_processes(tmp_path):
    note = tmp_path / "pid"

    def stop(fraction):
        if note.exists() and note.read_text():
            raise Cancelled

    start = time.perf_counter()
    with pytest.raises(Cancelled):
        run([Wait(str(note)), Say("never")], progress=stop)
    assert time.perf_counter() - start < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
