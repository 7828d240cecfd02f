"""Pauses of the window during a run, for ``display.py --run``: how long, whose, and where.

A timer of 20 ms beats in the window's thread. When it is late, the stacks of all threads are
written by a thread that needs no interpreter (``faulthandler``), so that a thread which holds the
interpreter is seen too. Of each pause it is told what the window's thread did in it: computed,
waited for a core (others use the machine), or waited for the interpreter or a lock.
"""

from __future__ import annotations

import faulthandler
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from display_window import MS, B, add_movie, lattice_movie, new_viewer, row, spin, spin_until

BEAT_MS = 20
LATE = 0.1
"""[s] A pause from here on is looked at."""
SHOWN = 8
WATCH_SECONDS = 120.0
OWNERS = (
    ("napari_tcsdl", "ours"),
    ("vispy", "GL"),
    ("pyqtgraph", "pyqtgraph"),
    ("napari", "napari"),
)
_FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')


class Heart:
    """Beats in the window's thread, and remembers when it did not."""

    def __init__(self):
        from qtpy.QtCore import Qt, QTimer

        self.pauses, self.began = [], time.perf_counter()
        self._file = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as it beats
        self._main, self._seen = threading.get_ident(), 0
        self._task = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._last = self._now()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        self._arm()

    def _arm(self):
        faulthandler.dump_traceback_later(LATE, repeat=True, file=self._file)

    def _now(self):
        """Wall clock, CPU time, and time without a core [s]."""
        queued = int(self._task.read_text().split()[1]) / 1e9 if self._task.exists() else 0.0
        return time.perf_counter(), time.thread_time(), queued

    def _beat(self):
        now = self._now()
        wall, cpu, queued = (new - old for new, old in zip(now, self._last, strict=True))
        if wall > LATE:
            faulthandler.cancel_dump_traceback_later()
            self._file.seek(self._seen)
            text = self._file.read()
            self._seen += len(text.encode())
            self.pauses.append(Pause(now[0] - self.began, wall, cpu, queued, text, self._main))
        self._arm()
        self._last = self._now()

    def stop(self):
        """Beat no more; returns the pauses, the longest first."""
        self._timer.stop()
        faulthandler.cancel_dump_traceback_later()
        return sorted(self.pauses, key=lambda pause: -pause.wall)


class Pause:
    """One pause: ``wall`` [s] = ``cpu`` + ``queued`` for a core + ``blocked``."""

    def __init__(self, at, wall, cpu, queued, text, main):
        self.at, self.wall, self.cpu, self.queued = at, wall, cpu, queued
        self.blocked = max(0.0, wall - cpu - queued)
        self.inside, self.others = Counter(), Counter()
        for dump in text.split("Timeout (")[1:]:
            for stack in re.split(r"\n(?=(?:Current t|T)hread )", dump)[1:]:
                frames = _FRAME.findall(stack)
                if not frames:
                    continue
                mine = re.search(rf"0x0*{main:x}\b", stack.split("\n")[0]) is not None
                (self.inside if mine else self.others)[told(frames)] += 1

    @property
    def where(self):
        """What the window's thread was at most often."""
        return self.inside.most_common(1)[0][0] if self.inside else "? (between two beats)"

    @property
    def beside(self):
        """What the other threads were at, without those that wait."""
        idle = ("wait", "_worker", "select", "poll", "accept", "recv", "sleep")
        busy = [at for at, _ in self.others.most_common() if not at.split("(")[0].endswith(idle)]
        return "; ".join(busy[:3])

    def text(self):
        """One line of the table."""
        beside = f"; beside it: {self.beside}" if self.blocked > 0.3 * self.wall else ""
        return (
            f"{self.at:6.1f} s: {self.wall * MS:5.0f} ms = {self.cpu * MS:.0f} computing + "
            f"{self.queued * MS:.0f} without a core + {self.blocked * MS:.0f} waiting: "
            f"{self.where}{beside}"
        )


def told(frames):
    """Say whose the innermost frame is that is somebody's, and which of ours led to it."""
    named = [(owner_of(file), Path(file).stem, line, name) for file, line, name in frames]
    importing = any("importlib" in file for file, _, _ in frames)
    inner = next((entry for entry in named if entry[0]), named[0])
    text = f"[{inner[0] or 'Python'}] {named[0][3]} ({named[0][1]}:{named[0][2]})"
    if inner is not named[0]:
        text += f" ← {inner[3]} ({inner[1]}:{inner[2]})"
    ours = next((entry for entry in named if entry[0] == "ours"), None)
    if ours is not None and inner[0] != "ours":
        text += f" ← ours: {ours[3]} ({ours[1]}:{ours[2]})"
    return f"import: {text}" if importing else text


def owner_of(file):
    """Whose a file is; empty for Python's own and what has no name here."""
    parts = Path(file).parts
    return next((owner for name, owner in OWNERS if name in parts), "")


def pauses():
    """Run GAP-TV from the workbench in a real window, from its opening on."""
    from napari_tcsdl.display._qt.workbench import Workbench

    viewer, application = new_viewer()
    add_movie(viewer, lattice_movie(24, 512))
    spin(application, 1)
    heart = Heart()
    workbench = Workbench(viewer)
    viewer.window.add_dock_widget(workbench, name="Workbench", area="right")
    spin(application, 3)
    spin_until(application, lambda: not workbench.compare.estimate._working)
    opened = heart.stop()
    panel = workbench.compare
    panel.form.ratio.setValue(B)
    for combo, name in ((panel.form.reference, "raw"), (panel.form.decoder, "gap_tv")):
        combo.setCurrentIndex(combo.findData(name))
    heart = Heart()
    panel.start()
    end = time.perf_counter() + WATCH_SECONDS
    over = lambda: not panel.running or time.perf_counter() > end  # noqa: E731
    taken = spin_until(application, over, 2 * WATCH_SECONDS)
    spin(application, 2)
    ran = heart.stop()
    words = panel.status.text()
    panel.cancel()
    spin_until(application, lambda: not panel.running)
    viewer.close()
    spin(application, 0.5)
    return [
        *_rows("opening", opened),
        row(f"run: {words}", taken, "s"),
        *_rows("run", ran),
    ]


def _rows(name, found):
    return [
        row(f"{name}: longest pause", max((p.wall for p in found), default=0.0) * MS, "ms"),
        row(f"{name}: … of its computing", max((p.cpu for p in found), default=0.0) * MS, "ms"),
        row(f"{name}: pauses over {LATE * MS:.0f} ms", len(found)),
        row(f"{name}: … over 200 ms", sum(pause.wall > 0.2 for pause in found)),
        *(row(f"{name}: {pause.text()}", pause.wall * MS, "ms") for pause in found[:SHOWN]),
    ]
