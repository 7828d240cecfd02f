"""Processes for jobs: CPU time and memory of one encoder are its own, and a crash ends one job.

The other side is :mod:`._job_server`. Jobs and results lie, pickled, in a folder that only this
user can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[float], None]

POLL_SECONDS = 0.1
"""[s] How often whoever waits may stop the work."""

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Job(Protocol):
    """Work for another process: a picklable object."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def run(self, progress: Progress) -> Any:
        """Do the work and return a picklable result."""
        ...


@dataclass(frozen=True)
class Failure:
    """A job whose process ended before it had a result."""

    reason: str


def run_jobs(
    jobs: Sequence[Job],
    on_done: Callable[[int, Any], None],
    progress: Progress,
    *,
    processes: int,
    fresh: bool = False,
) -> None:
    """Run jobs, several at a time, each in another process.

    Parameters
    ----------
    jobs
        What to do.
    on_done
        Called in this thread with the index of a job and its result, or a :class:`Failure`.
    progress
        Called in this thread with a fraction 0 … 1, often; what it raises ends all processes.
    processes
        How many at a time; 0 runs the jobs in this thread.
    fresh
        Start a process for each job, so that nothing is left in memory from the one before.
    """
    if processes == 0:
        for index, job in enumerate(jobs):
            on_done(index, job.run(_part_of(progress, index, len(jobs))))
        return
    with tempfile.TemporaryDirectory(prefix="tcsdl-jobs-") as folder:
        pool = _Pool(jobs, Path(folder), fresh)
        try:
            pool.start(min(processes, len(jobs)))
            pool.follow(on_done, progress)
        finally:
            pool.stop()


def _part_of(progress: Progress, index: int, count: int) -> Progress:
    return lambda fraction: progress((index + fraction) / count)


class _Pool:
    """Threads that each talk to one process at a time, and a queue of what these say."""

    def __init__(self, jobs: Sequence[Job], folder: Path, fresh: bool) -> None:
        self._jobs, self._folder, self._fresh = jobs, folder, fresh
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(len(jobs)):
            self._waiting.put(index)
        self._events: queue.SimpleQueue[tuple[int, float | None, Any]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._running: set[_Process] = set()
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def follow(self, on_done: Callable[[int, Any], None], progress: Progress) -> None:
        """Pass on what happens until all jobs are done."""
        fractions = [0.0] * len(self._jobs)
        open_jobs = len(self._jobs)
        while open_jobs:
            with contextlib.suppress(queue.Empty):
                index, fraction, result = self._events.get(timeout=POLL_SECONDS)
                fractions[index] = 1.0 if fraction is None else fraction
                if fraction is None:
                    open_jobs -= 1
                    on_done(index, result)
            progress(sum(fractions) / len(fractions))

    def stop(self) -> None:
        """End processes and threads; the jobs of those that still ran are lost."""
        self._stopped.set()
        with self._lock:
            for process in self._running:
                process.kill()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        process: _Process | None = None
        while not self._stopped.is_set():
            try:
                index = self._waiting.get_nowait()
            except queue.Empty:
                break
            try:
                if process is None:
                    process = self._new_process()
                result = process.run(self._jobs[index], partial(self._tell, index))
            except Exception as error:  # whoever waits must hear of it
                result = Failure(" ".join(str(error).split()))
            if self._fresh or isinstance(result, Failure):
                self._end(process)
                process = None
            self._events.put((index, None, result))
        self._end(process)

    def _tell(self, index: int, fraction: float) -> None:
        self._events.put((index, fraction, None))

    def _new_process(self) -> _Process:
        process = _Process(self._folder)
        with self._lock:
            self._running.add(process)
            if self._stopped.is_set():  # stopped while it started
                process.kill()
        return process

    def _end(self, process: _Process | None) -> None:
        if process is not None:
            with self._lock:
                self._running.discard(process)
            process.close()


class _Process:
    """One process that does one job after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._complaints = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the process
        environment = dict(os.environ) | dict.fromkeys(_ONE_THREAD, "1")
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_tcsdl._job_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def run(self, job: Job, tell: Progress) -> Any:
        """Return what came of ``job``."""
        task = self._folder / f"{id(job)}.job"
        with task.open("wb") as file:
            pickle.dump(job, file)
        sender, receiver = self._process.stdin, self._process.stdout
        assert sender is not None
        assert receiver is not None
        try:
            print(task, file=sender, flush=True)
            for line in receiver:
                said = json.loads(line)
                if "result" in said:
                    return self._take(Path(said["result"]))
                tell(said["progress"])
        except BrokenPipeError:
            pass
        return Failure(self._last_words())

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Let it end; it has nothing to do any more."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._complaints.close()

    def _take(self, path: Path) -> Any:
        result = pickle.loads(path.read_bytes())
        path.unlink()
        return result

    def _last_words(self) -> str:
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        return f"its process ended with exit code {code}{last}"
