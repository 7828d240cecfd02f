"""Speed of the window: what our own part of each step of the slider costs, and what it leaves.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/display.py [--only NAME ...] [--run]

``--run`` prints the longest pauses of the window while a run goes on, with whose they are.

Every measurement runs in a process of its own, pinned to one core; its threads share that core, so
spectra that several cores would compute side by side are computed one after the other here: both
sums are given, with one spectrum and with all. Times are CPU times (on an idle core that is the
wall clock, and on a shared one it leaves out the waiting for others); where the wall clock is meant
it is said. "Ours" is everything that is called in ``napari_tcsdl.display``, with what that calls,
and the painting of our plots; napari's slicing and its painting are not. Medians over the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys

from display_opening import opening, run
from display_pauses import pauses
from display_scrub import fast, hidden, memory, scrub
from display_window import new_viewer

TASKS = {
    "scrub1024": lambda: scrub(1024),
    "scrub4096": lambda: scrub(4096),
    "fast": fast,
    "hidden": hidden,
    "memory": memory,
    "opening": opening,
    "run": run,
    "pauses": pauses,
}


def renderer():
    """Return what draws: the name that OpenGL gives itself."""
    from napari._vispy.utils import gl
    from vispy import gloo

    viewer, _ = new_viewer()
    with gl._opengl_context():
        name = gloo.gl.glGetParameter(gloo.gl.GL_RENDERER)
    viewer.close()
    return f"{name}, software GL" if "llvmpipe" in name or "softpipe" in name else name


def in_process(name):
    """Measure ``name`` in a fresh process; returns its rows."""
    done = subprocess.run(
        [sys.executable, __file__, "--inside", name], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def print_rows(rows):
    passed = True
    for entry in rows:
        limit, value = entry["limit"], entry["value"]
        verdict = ""
        if limit is not None:
            good = value <= limit
            passed &= good
            verdict = f"{'PASS' if good else 'FAIL'} (≤ {limit:g})"
        print(f"| {entry['text']} | {value:.4g} {entry['unit']} | {verdict} |", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--run", action="store_true", help="only the pauses during a run")
    parser.add_argument("--inside", choices=[*TASKS, "renderer"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        inside = {**TASKS, "renderer": renderer}[options.inside]()
        print(json.dumps(inside))
        sys.stdout.flush()
        os._exit(0)  # Qt and OpenGL do not always end in peace
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, pinned to one of them, "
        f"load {os.getloadavg()[0]:.1f}; {in_process('renderer')}\n"
    )
    print("| what | median | |\n|---|---:|---|")
    names = ["pauses"] if options.run else options.only
    passed = [print_rows(in_process(name)) for name in names]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
