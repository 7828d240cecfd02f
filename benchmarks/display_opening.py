"""Opening and running, for ``display.py``: a movie of 20 GB, and the pauses of the window."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from display_window import MS, B, Meter, add_movie, lattice_movie, new_viewer, row, spin, spin_until

OPEN_MS, CANCEL_MS = 1000.0, 1000.0
MOST_READS = 2
TICK_MS = 20
MEASURE_SECONDS = 60.0


def opening():
    """Open a lazy movie of 20 GB, a file with a hole: reader, workbench, and the first seconds."""
    viewer, application = new_viewer()
    spin(application, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.mrc"
        write_sparse_movie(path)
        rows = open_movie_of(viewer, application, path)
    viewer.close()
    return rows


def write_sparse_movie(path, n_frames=1200, side=4096):
    """Write the header and the ends; what lies between takes no room on the disk."""
    import mrcfile

    with mrcfile.new(path) as file:
        file.set_data(np.zeros((1, 16, 16), np.int8))
        file.header.nx = file.header.mx = file.header.ny = file.header.my = side
        file.header.nz = file.header.mz = n_frames
        file.voxel_size = 0.2
        header = file.header.tobytes()
    path.write_bytes(header)
    os.truncate(path, 1024 + n_frames * side**2)


def open_movie_of(viewer, application, path):
    """Open it twice: the first time modules are imported on the way."""
    taken, reads = [], count_reads()
    for _ in range(2):
        reads.clear()
        clock = [time.thread_time()]
        from napari.layers import Layer

        from napari_tcsdl.display._qt.workbench import Workbench
        from napari_tcsdl.display.contributions import read_layers

        clock.append(time.thread_time())
        (entry,) = read_layers(path)
        clock.append(time.thread_time())
        viewer.add_layer(Layer.create(*entry))
        clock.append(time.thread_time())
        workbench = Workbench(viewer)
        clock.append(time.thread_time())
        viewer.window.add_dock_widget(workbench, name="Workbench", area="right")
        clock.append(time.thread_time())
        first, later = longest_gap(application, 0.9), longest_gap(application, 4.0)
        taken.append((np.diff(clock), len(reads), (first[0], first[1], later[0], later[1])))
        viewer.window.remove_dock_widget(workbench)
        workbench.deleteLater()
        viewer.layers.clear()
        spin(application, 0.5)
    (first, n_reads, gap), (again, _, quiet) = taken
    return [
        row("20 GB: imports of our modules", first[0] * MS, "ms"),
        row("20 GB: reader, with its imports", first[1] * MS, "ms"),
        row("20 GB: workbench, with its imports", first[3] * MS, "ms"),
        row("20 GB: ours together", (first[0] + first[1] + first[3]) * MS, "ms", OPEN_MS),
        row("20 GB: … once all is imported", (again[0] + again[1] + again[3]) * MS, "ms"),
        row("20 GB: napari adds layer and dock", (first[2] + first[4]) * MS, "ms"),
        row("20 GB: frames read until all is shown", n_reads, "", MOST_READS),
        row("20 GB: longest pause of the first 0.9 s, wall clock", gap[0] * MS, "ms"),
        row("20 GB: … CPU time of the window's thread in such a pause", gap[1] * MS, "ms"),
        row("20 GB: longest pause after that, wall clock (torch loads)", gap[2] * MS, "ms"),
        row("20 GB: … CPU time of the window's thread", gap[3] * MS, "ms"),
        row("20 GB: the same the second time (torch is there): first", quiet[0] * MS, "ms"),
        row("20 GB: … after that", quiet[2] * MS, "ms"),
    ]


def count_reads():
    """Return a list that grows by one for each read from a file."""
    from napari_tcsdl.io._common import ContiguousFrames

    read, reads = ContiguousFrames.__getitem__, []

    def counted(self, key):
        reads.append(key)
        return read(self, key)

    ContiguousFrames.__getitem__ = counted
    return reads


def longest_gap(application, seconds, until=lambda: False):
    """Largest time [s] between two ticks of a timer: wall clock, CPU time of this thread."""
    from qtpy.QtCore import Qt, QTimer

    ticks = [(time.perf_counter(), time.thread_time())]
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: ticks.append((time.perf_counter(), time.thread_time())))
    timer.start(TICK_MS)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not until():
        application.processEvents()
        time.sleep(0.001)
    timer.stop()
    ticks.append((time.perf_counter(), time.thread_time()))
    gaps = np.diff(ticks, axis=0)
    return float(gaps[:, 0].max()), float(gaps[:, 1].max())


def run():
    """Watch a real run of GAP-TV in its thread: pauses of the window, how soon it cancels."""
    meter = Meter()
    meter.install()
    from napari_tcsdl.display._qt.workbench import Workbench

    viewer, application = new_viewer()
    add_movie(viewer, lattice_movie(24, 512))
    workbench = Workbench(viewer)
    viewer.window.add_dock_widget(workbench, name="Workbench", area="right")
    spin(application, 3)
    spin_until(application, lambda: not workbench.compare.estimate._working)  # it tries the decoder
    quiet, _ = longest_gap(application, 4.0)
    panel = workbench.compare
    panel.form.ratio.setValue(B)
    for combo, name in ((panel.form.reference, "raw"), (panel.form.decoder, "gap_tv")):
        combo.setCurrentIndex(combo.findData(name))
    meter.reset()
    panel.start()
    done = lambda: panel.controller.run.frames_done >= 3 * B  # noqa: E731
    gap, busy = longest_gap(application, MEASURE_SECONDS, done)
    frames = panel.controller.run.frames_done
    spent, where = meter.longest
    panel.cancel()
    cancelled = spin_until(application, lambda: panel.worker is None)
    viewer.close()
    spin_until(application, ended, 20)
    return [
        row(f"run: frames done while it was watched (docks open: {docks_open(meter)})", frames),
        row("run: longest pause of the window, wall clock", gap * MS, "ms"),
        row("run: … with nothing going on", quiet * MS, "ms"),
        row("run: most CPU time between two ticks, napari in it", busy * MS, "ms"),
        row(f"run: longest of our callbacks ({where})", spent * MS, "ms"),
        row("run: Cancel answers, wall clock", cancelled * MS, "ms", CANCEL_MS),
    ]


def docks_open(meter):
    """Whether the run has opened the docks below."""
    return "yes" if meter.calls["FftDock.showEvent"] else "no"


def ended():
    """Whether all our threads are done."""
    from napari_tcsdl.display._qt.worker import THREAD_NAME

    return all(thread.name != THREAD_NAME for thread in threading.enumerate())
