"""Denoised frames computed ahead: when, in which order, and when not."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from panel_helpers import WAIT
from rescoring_helpers import Bench, nothing, raw_frames, rivals_of

from napari_tcsdl import reference as reference_module
from napari_tcsdl._validation import Cancelled
from napari_tcsdl.display import reference_filling
from napari_tcsdl.display._qt.scores_dock import ScoresDock
from napari_tcsdl.display.reference_filling import FillJob, ReferenceFiller
from napari_tcsdl.display.rescoring import denoised_reference
from napari_tcsdl.display.scorer import DENOISED
from napari_tcsdl.movie import Movie


@pytest.fixture(autouse=True)
def little_is_known(monkeypatch):
    """The data range takes two frames of the movie, not all of them."""
    monkeypatch.setattr(reference_module, "_SAMPLED", 2 * 96 * 96)
    monkeypatch.setattr(reference_filling, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def bench(viewer):
    raw = raw_frames()
    return Bench(viewer, raw, rivals_of(raw), reference="denoised")


@pytest.fixture
def jobs():
    return []


@pytest.fixture
def filler(bench, jobs):
    made = ReferenceFiller(bench.session, bench.scorer, jobs.append)
    yield made
    made.close()


def fill(filler, job, stop_at=None):
    """Run ``job`` as its thread would; returns the numbers of frames that it told."""
    told = []

    def report(filled):
        told.append(filled.kept)
        filler.apply(filled)
        if filled.kept == stop_at:
            job.stop.set()

    with suppress(Cancelled):
        job.run(report, nothing)
    filler.ended(job)
    return told


# --- the job ----------------------------------------------------------------------------------


def test_it_begins_with_what_is_shown_and_goes_on_where_it_was_stopped():
    movie = Movie(raw_frames(), name="order")
    cache = denoised_reference(movie, nothing).cache
    assert [index for index in range(10) if cache.has(index)] == [0, 9]
    job = FillJob(1, movie, 4)
    told = []

    def report(filled):
        told.append(filled.kept)
        if len(told) == 3:
            job.look_at(7)
        if len(told) == 5:
            job.stop.set()

    with pytest.raises(Cancelled):
        job.run(report, nothing)
    assert told == [2, 3, 4, 5, 6]
    assert [index for index in range(10) if cache.has(index)] == [0, 3, 4, 6, 7, 9]
    FillJob(2, movie, 0).run(lambda filled: told.append(filled.kept), nothing)
    assert told[5:] == [6, 7, 8, 9, 10]


def test_it_waits_while_the_slider_moves(monkeypatch):
    monkeypatch.setattr(reference_filling, "SETTLE_SECONDS", 60.0)
    job = FillJob(1, Movie(raw_frames(), name="waits"), 4)
    job.look_at(5)
    ended = threading.Event()

    def run():
        with pytest.raises(Cancelled):
            job.run(lambda filled: pytest.fail("it did not wait"), nothing)
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert not ended.wait(0.3)
    job.stop.set()
    thread.join(10)
    assert ended.is_set()


# --- when -------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_leaves_its_frames_to_the_background(bench, filler, jobs):
    bench.session.busy = True
    bench.start(blocks=1)
    assert jobs == []
    bench.session.busy = False  # cancelled
    assert [job.movie for job in jobs] == [bench.job.movie]
    assert filler.progress is None
    assert fill(filler, jobs[0]) == list(range(2, 11))
    assert filler.progress is None
    assert len(jobs) == 1, "what is done is not begun again"


def test_it_gives_way_to_runs_and_scoring_and_goes_on_after_them(bench, filler, jobs):
    bench.start(blocks=1)
    told = []
    filler.changed.connect(lambda: told.append(filler.progress))
    fill(filler, jobs[0], stop_at=5)
    assert told[-1] == (5, 10)
    assert len(jobs) == 2
    bench.session.busy = True
    assert jobs[1].stop.is_set()
    fill(filler, jobs[1])
    assert len(jobs) == 2
    bench.draw()  # scores are taken anew
    bench.session.busy = False
    assert bench.scorer.progress is not None
    assert len(jobs) == 2
    bench.work()
    assert fill(filler, jobs[2])[-1] == 10
    assert told[-1] is None


def test_only_where_denoised_frames_are_asked_for(viewer, jobs):
    raw = raw_frames()
    bench = Bench(viewer, raw, rivals_of(raw), reference="raw").start()
    filler = ReferenceFiller(bench.session, bench.scorer, jobs.append)
    assert jobs == []
    bench.draw()
    bench.work()
    bench.scorer.choose(DENOISED)
    bench.work()
    assert len(jobs) == 1
    bench.scorer.choose("run")
    assert jobs[0].stop.is_set()
    filler.close()


@pytest.mark.parametrize("end", ["close", "layer", "hidden"])
def test_it_stops_when_the_dock_or_the_movie_goes(bench, filler, jobs, viewer, end):
    bench.start(blocks=1)
    if end == "layer":
        viewer.layers.remove(bench.layer)
    elif end == "hidden":
        filler.pause(True)
    else:
        filler.close()
    assert jobs[0].stop.is_set()
    fill(filler, jobs[0])
    assert len(jobs) == 1
    if end == "hidden":
        filler.pause(False)
        assert len(jobs) == 2


# --- in the dock ------------------------------------------------------------------------------


def test_the_dock_says_how_many_frames_are_denoised(bench, qtbot, viewer, monkeypatch):
    gate, seen = threading.Event(), []
    tell = FillJob._tell

    def held(job, report, kept):
        tell(job, report, kept)
        if kept == 4:
            while not gate.wait(0.01):
                job._step()

    monkeypatch.setattr(FillJob, "_tell", held)
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    dock.resize(900, 300)
    dock.show()
    assert not dock.ahead.isVisible()
    bench.start(blocks=1)
    qtbot.waitUntil(lambda: dock.ahead.text() == "denoised 4 of 10 frames", timeout=WAIT)
    assert dock.ahead.isVisible()
    assert dock.ahead.toolTip()
    gate.set()
    dock.ahead.filler.changed.connect(lambda: seen.append(dock.ahead.text()))
    qtbot.waitUntil(lambda: not dock.ahead.isVisible(), timeout=WAIT)
    assert seen[-2] == "denoised 10 of 10 frames"
    dock.shut_down()


def test_closing_the_dock_ends_the_thread(bench, qtbot, viewer, monkeypatch):
    begun = threading.Event()

    def run(job, report, progress):
        begun.set()
        job.stop.wait()
        raise Cancelled

    monkeypatch.setattr(FillJob, "run", run)
    dock = ScoresDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    bench.start(blocks=1)
    assert begun.wait(10)
    dock.close()  # that no thread is left is checked after every test
