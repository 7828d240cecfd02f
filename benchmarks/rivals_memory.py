"""Memory of the whole study of rivals, from outside: it must not grow with the movie.

    python benchmarks/rivals_memory.py FRAMES [SIZE] [--with OPTIONS]

Writes a movie (uint8 TIFF: a lattice that drifts, under counting noise) to disk, page by page, and
runs the real command on it, `napari-tcsdl compare MOVIE --report OUT`, with `--rivals all` unless
OPTIONS name others. Every second it reads the memory of that process and of all that it starts from
/proc (Linux): the proportional set size (PSS), which counts a page that n processes share as 1/n of
it in each, so that the sum over processes is what they take together; and, as the kernel keeps it,
the highest resident set size (RSS) of each process, which misses nothing between two readings, but
counts shared pages in full. OPTIONS are further options of the command, such as "--decoder gap_tv".
CPU time is that of the command and all that it started.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

EVERY_SECONDS = 1.0
SAY_SECONDS = 60.0
DOSE = 20.0  # counts per pixel and frame
MB = 1e6


@dataclass
class Peaks:
    """Highest memory so far [bytes]: by process and of all together."""

    together: int = 0
    pss: dict[int, int] = field(default_factory=dict)
    rss: dict[int, int] = field(default_factory=dict)

    def read(self, parent: int) -> None:
        """Look at ``parent`` and all that it started."""
        total = 0
        for pid in tree_of(parent):
            total += (pss := kilobytes(pid, "smaps_rollup", "Pss"))
            self.pss[pid] = max(self.pss.get(pid, 0), pss)
            self.rss[pid] = max(self.rss.get(pid, 0), kilobytes(pid, "status", "VmHWM"))
        self.together = max(self.together, total)

    def table(self, parent: int) -> str:
        """Rows of the parent, of the largest other process, and of all."""
        workers = [pid for pid in self.pss if pid != parent]
        largest = max((self.pss[pid] for pid in workers), default=0)
        highest = max((self.rss[pid] for pid in workers), default=0)
        rows = (
            ("parent", self.pss.get(parent, 0), self.rss.get(parent, 0)),
            (f"largest of {len(workers)} workers", largest, highest),
            ("all together, at one time", self.together, None),
        )
        lines = ["| memory [MB] | peak PSS | peak RSS |", "|---|---|---|"]
        for name, pss, rss in rows:
            lines.append(
                f"| {name} | {pss / MB:.0f} | {'–' if rss is None else f'{rss / MB:.0f}'} |"
            )
        return "\n".join(lines)


def tree_of(parent: int) -> list[int]:
    """Return ``parent`` and all processes below it that are alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # What follows the name of the program, which may hold spaces and brackets.
                above = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
            children.setdefault(above, []).append(int(entry.name))
    found = [parent]
    for pid in found:  # grows on the way
        found += children.get(pid, [])
    return found


def kilobytes(pid: int, file: str, key: str) -> int:
    """Return a value of /proc [bytes]; 0 where the process has just ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)


def frames_of(n_frames: int, size: int) -> Iterator[np.ndarray]:
    """Yield frames (H, W) of a lattice that drifts by 0.3 px a frame, under counting noise."""
    rng = np.random.default_rng(2026)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    for t in range(n_frames):
        fringes = np.cos(0.55 * (x + 0.3 * t)) + np.cos(0.3 * x + 0.46 * (y - 0.2 * t))
        yield rng.poisson(DOSE * (1 + 0.3 * fringes)).clip(0, 255).astype(np.uint8)


def options_of(given: str) -> list[str]:
    """Split what was given; all rivals, where it names none."""
    options = shlex.split(given)
    named = any(option.partition("=")[0] == "--rivals" for option in options)
    return options if named else ["--rivals", "all", *options]


def main() -> None:
    """Make the movie, run the command, watch it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=int)
    parser.add_argument("size", type=int, nargs="?", default=128)
    parser.add_argument("--with", dest="options", default="", help="further options of compare")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rivals-memory-") as folder:
        movie, out = Path(folder) / "movie.tif", Path(folder) / "report"
        shape = (chosen.frames, chosen.size, chosen.size)
        tifffile.imwrite(movie, frames_of(*shape[:2]), shape=shape, dtype=np.uint8)
        options = options_of(chosen.options)
        command = [sys.executable, "-m", "napari_tcsdl", "compare", str(movie)]
        command += ["--report", str(out), *options]
        # A cache of its own: what an earlier run left there would spare work.
        own = dict(os.environ) | {"TMPDIR": folder, "XDG_CACHE_HOME": f"{folder}/cache"}
        start, peaks, said = time.monotonic(), Peaks(), 0
        with subprocess.Popen(command, env=own) as process:
            while process.poll() is None:
                peaks.read(process.pid)
                if (time.monotonic() - start) // SAY_SECONDS > said:
                    said += 1
                    words = f"{said * SAY_SECONDS:.0f} s: up to {peaks.together / MB:.0f} MB"
                    print(words, file=sys.stderr, flush=True)
                time.sleep(EVERY_SECONDS)
        if process.returncode:
            sys.exit(f"got exit code {process.returncode} of compare, expected 0; see above")
        raw = int(np.prod(shape))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"\n{chosen.frames} frames of {chosen.size}², compare {shlex.join(options)}: ", end=""
        )
        print(f"{time.monotonic() - start:.0f} s, {used.ru_utime + used.ru_stime:.0f} CPU-s")
        print(f"raw movie {raw / MB:.1f} MB, as float32 {4 * raw / MB:.1f} MB")
        print(f"report {sum(f.stat().st_size for f in out.glob('*.html')) / MB:.1f} MB\n")
        print(peaks.table(process.pid))


if __name__ == "__main__":
    main()
