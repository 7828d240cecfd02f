"""Scrubbing, for ``display.py``: what a step costs, throttle, hidden docks, memory."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import numpy as np
from display_window import MS, Meter, Stage, row, spin, spin_until

from napari_tcsdl.display._qt import latest

LIMITS = {1024: 40.0, 4096: 150.0}
"""[ms] By the side of the frames."""
N_FRAMES = {1024: 24, 4096: 8}
FLAT_MB = 20.0
DRAG_MS = 20
ALONE_S = 0.3
"""[s] Between two steps that are not of one drag."""


def scrub(side, steps=24):
    """Our share of a step over four layers, with all docks open."""
    usual, latest.LONE = latest.LONE, math.inf  # a busy machine must not decide about drafts
    meter = Meter()
    meter.install()
    stage = Stage(N_FRAMES[side], side)
    cpu, drafts, taken = count_threads(), [], []
    stage.fft.controller.drafted.connect(lambda: drafts.append(1))
    for k in range(steps + 2):
        taken.append(one_step(stage, meter, cpu, (3 * k + 1) % N_FRAMES[side]))
    rate, latest.LONE = len(drafts) / len(taken), usual
    rows = rows_of_steps(stage, side, taken[2:], rate) + drag(stage, meter, side, cpu)
    stage.close()
    return rows


def one_step(stage, meter, cpu, frame):
    """Move the slider, and wait until all is exact."""
    meter.reset()
    cpu.clear()
    before = stage.fft.controller.generation
    thread, start = time.thread_time(), time.perf_counter()
    stage.viewer.dims.set_current_step(0, frame)
    spin_until(stage.application, lambda: stage.answered)
    wall = time.perf_counter() - start
    stage.settle(ALONE_S)
    return {
        "wall": wall,
        "thread": time.thread_time() - thread,
        "ours": meter.ours,
        "spectra": sum(cpu),
        "parts": dict(meter.cpu),
        "requests": stage.fft.controller.generation - before,
    }


def rows_of_steps(stage, side, taken, drafts):
    """Medians over the steps."""

    def median(name):
        return float(np.median([step[name] for step in taken]))

    compute, alone = compute_times(stage)
    window, exact = median("ours") * MS, median("spectra") * MS
    rows = [row(f"{side}²: our callbacks in the window's thread", window, "ms", LIMITS[side])]
    for name in sorted({name for step in taken for name in step["parts"]}):
        part = np.median([step["parts"].get(name, 0.0) for step in taken]) * MS
        rows.append(row(f"{side}²: … {name}", part, "ms"))
    region = stage.fft.controller.shown.panels[0].request.region.shape
    share = 100 * np.median([step["ours"] / step["thread"] for step in taken])
    rows += [
        row(f"{side}²: four spectra of {region[0]} × {region[1]} px, on one core", compute, "ms"),
        row(f"{side}²: … one of them alone (each has its thread)", alone, "ms"),
        row(f"{side}²: a step on its own: spectra, drafts with them, all threads", exact, "ms"),
        row(f"{side}²: … drafts a step", drafts),
        row(f"{side}²: … ours until all is exact, spectra on two cores",
            window + exact / 2, "ms", LIMITS[side]),
        row(f"{side}²: … ours until all is exact, all on one core", window + exact, "ms"),
        row(f"{side}²: … wall clock, with napari and 30 ms throttle", median("wall") * MS, "ms"),
        row(f"{side}²: all that the window's thread does, napari in it",
            median("thread") * MS, "ms"),
        row(f"{side}²: … ours / all", share, "%"),
        row(f"{side}²: requests for spectra in a step", median("requests")),
    ]  # fmt: skip
    return rows


def drag(stage, meter, side, cpu, seconds=12.0):
    """Drag the slider without a rest: it moves whenever the window is ready for it."""
    from qtpy.QtCore import QTimer

    steps, drafts = [], []
    cpu.clear()
    controller, mouse = stage.fft.controller, QTimer()

    def move():
        steps.append(len(steps))
        stage.viewer.dims.set_current_step(0, (5 * len(steps) + 2) % N_FRAMES[side])

    mouse.timeout.connect(move)
    controller.drafted.connect(lambda: drafts.append(controller.draft.generation))
    before = controller.generation
    meter.reset()
    mouse.start(DRAG_MS)
    spin(stage.application, seconds)
    mouse.stop()
    requests, ours, spectra = controller.generation - before, meter.ours * MS, sum(cpu) * MS
    start = time.perf_counter()
    spin_until(stage.application, lambda: stage.answered)
    rest = time.perf_counter() - start
    return [
        row(f"{side}²: a drag of {seconds:.0f} s: steps of the slider", len(steps)),
        row(f"{side}²: … drafts of the spectra that were shown", len(drafts)),
        row(f"{side}²: … a step: our callbacks in the window's thread", ours / len(steps), "ms"),
        row(f"{side}²: … a step: spectra, all threads", spectra / max(1, requests), "ms"),
        row(f"{side}²: … a step: ours together, all on one core",
            ours / len(steps) + spectra / max(1, requests), "ms", LIMITS[side]),
        row(f"{side}²: from the last step to what is exact, wall clock", rest * MS, "ms"),
    ]  # fmt: skip


def count_threads():
    """Return a list that grows by the CPU time of each piece of work on a spectrum."""
    from napari_tcsdl.display import spectra_compute

    taken = []
    for name in ("_read", "_transform", "_measure"):
        function = getattr(spectra_compute, name)

        def timed(*args, _function=function, **kwargs):
            start = time.thread_time()
            try:
                return _function(*args, **kwargs)
            finally:
                taken.append(time.thread_time() - start)

        setattr(spectra_compute, name, timed)
    return taken


def compute_times(stage, rounds=9):
    """CPU time [ms] of the spectra that are shown, and of one of them."""
    from dataclasses import replace

    from napari_tcsdl.display.spectra_compute import Request, compute

    shown = stage.fft.controller.shown
    request = Request(0, tuple(panel.request for panel in shown.panels), 0, shown.spots)
    times = []
    for one in (request, replace(request, panels=request.panels[:1])):
        taken = []
        for _ in range(rounds):
            start = time.process_time()
            compute(one)
            taken.append(time.process_time() - start)
        times.append(float(np.median(taken)) * MS)
    return times


def fast():
    """Throttle and late answers: the slider is dragged through 60 frames without a pause."""
    stage = Stage(N_FRAMES[1024], 1024)
    counts = dict.fromkeys(("stale", "posts", "answers", "dropped"), 0)
    controller, latest = stage.fft.controller, stage.fft.latest
    post, answer = latest.post, controller.answer
    controller.stale.connect(lambda: counts.__setitem__("stale", counts["stale"] + 1))

    def counted_post(request):
        counts["posts"] += 1
        post(request)

    def counted_answer(found):
        counts["answers"] += 1
        counts["dropped"] += not answer(found)

    controller._compute = counted_post
    latest.answered.disconnect(controller.answer)
    latest.answered.connect(counted_answer)
    for k in range(60):
        stage.viewer.dims.set_current_step(0, k % N_FRAMES[1024])
        if k % 4 == 3:  # the mouse is heard more often than napari paints
            stage.application.processEvents()
    stage.settle(0.5)
    newest = controller.shown.generation == controller.generation
    stage.close()
    return [
        row("fast scrub: steps of the slider", 60),
        row("fast scrub: changes that were told", counts["stale"]),
        row("fast scrub: requests after the throttle", counts["posts"], "", 60),
        row("fast scrub: computed (others were replaced before they began)", counts["answers"]),
        row("fast scrub: … of them too late, dropped", counts["dropped"]),
        row("fast scrub: is the last answer that to the last request", int(newest)),
    ]


def hidden():
    """Count calls of our code in ten steps while its docks are hidden, and their CPU time."""
    meter = Meter()
    meter.install()
    stage = Stage(N_FRAMES[1024], 1024)
    rows = []
    docks = {"FFT": stage.fft, "Scores": stage.scores, "Workbench": stage.workbench}
    for name, dock in docks.items():
        dock.parent().hide()
        stage.settle()
        meter.reset()
        for k in range(10):
            stage.viewer.dims.set_current_step(0, 2 * k % N_FRAMES[1024])
            spin(stage.application, 0.1)
        calls = sum(count for call, count in meter.calls.items() if works(name, call))
        rows.append(row(f"{name} hidden, 10 steps: calls that work for it", calls, "", 0.5))
    rows.append(row("all hidden: ours a step (labels in the boxes)", meter.ours / 10 * MS, "ms"))
    stage.close()
    return rows


WORK = {
    "FFT": ("SpectraController.refresh", "SpectraController.answer", "SpectraView.", "SpotTable."),
    "Scores": ("ScorePlot.", "ScoresView.", "ScoreLegend.", "ScoresDock._draw", "FrameAxis."),
    "Workbench": ("ScoreTable.", "BytesTable.", "ModeBar.", "ResultsPanel."),
}


def works(name, call):
    """Whether a call does work for the dock ``name``."""
    return call.startswith(WORK[name])


def memory(steps=500):
    """Resident memory over many steps."""
    stage = Stage(24, 512)
    values = []
    for k in range(steps + 100):
        stage.viewer.dims.set_current_step(0, k % 24)
        stage.application.processEvents()
        if k % 10 == 0:
            stage.settle(0.02)
        if k in (0, 99, 99 + steps // 2, 99 + steps):
            stage.settle()
            values.append(resident())
    stage.close()
    start, warm, middle, end = values
    return [
        row("resident memory before", start, "MB"),
        row("… after 100 steps", warm, "MB"),
        row(f"… after {steps // 2} more", middle, "MB"),
        row(f"… after {steps} more", end, "MB"),
        row(f"growth over the {steps} steps", end - warm, "MB", FLAT_MB),
    ]


def resident():
    """Resident memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
