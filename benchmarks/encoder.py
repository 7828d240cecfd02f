"""Speed of the encoder on one core, against the memory it reads from and against JPEG.

    python benchmarks/encoder.py [--frames 30] [--size 2048] [--rounds 15]

Everything runs in one process pinned to one core, in interleaved rounds; each ratio is taken
within a round and the table gives medians over the rounds. Times are the process's own (all
tasks run on one thread): on an idle core that is the wall clock, and on a shared one it leaves out
the waiting, which long tasks suffer more than short ones. GB/s always counts bytes of raw frames.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np

from napari_tcsdl.encoder import Encoder, encode
from napari_tcsdl.masks import Masks

MIN_READ_SHARE = 0.35
MIN_TIMES_JPEG = 15.0
MIN_U16_SHARE_OF_U8 = 0.5


@dataclass(frozen=True)
class Task:
    """Something to time: its name, pixel type and bytes of raw frames per run."""

    name: str
    pixels: str
    n_bytes: int
    run: Callable[[], object]

    @property
    def key(self):
        """Key of the rates."""
        return self.name, self.pixels


def lattice_movie(n_frames, size):
    """Drifting lattice at 20 e/px with shot noise, uint8: content that JPEG is used on."""
    rng = np.random.default_rng(2026)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    frames = np.empty((n_frames, size, size), dtype=np.uint8)
    for t in range(n_frames):
        fringes = np.cos(0.55 * (x + 0.3 * t)) + np.cos(0.3 * x + 0.46 * (y - 0.2 * t))
        frames[t] = np.minimum(rng.poisson(20 + 6 * fringes) * 5, 255)
    return frames


def naive(frames, opened):
    """Σ_b C_b · X_b as one writes it first, with numpy, frame by frame."""
    sums = np.zeros(frames.shape[1:], dtype=np.uint16)
    for frame, mask in zip(frames, opened, strict=True):
        sums += frame * mask
    return sums


def stream(frames, encoder, group):
    """One whole block through an encoder that lives as long as the acquisition."""
    for first in range(0, len(frames), group):
        done = encoder.add(frames[first : first + group])
    return done


def tasks_of(frames, masks):
    """Every measured task; encoders of all pixel types, baselines on the same bytes."""
    tasks = []
    for dtype in (np.uint8, np.uint16, np.float32):
        movie = frames if dtype is np.uint8 else frames.astype(dtype)
        words, target = movie.reshape(-1).view(np.uint64), np.empty_like(movie)
        encoder = Encoder(masks, frames.shape[1:], dtype)
        runs = {
            "read: numpy sum of 64-bit words": lambda w=words: np.sum(w),
            "read: numpy maximum of bytes": lambda w=words: np.max(w.view(np.uint8)),
            "memcpy": lambda m=movie, t=target: np.copyto(t, m),
            "encode": lambda m=movie: encode(m, masks),
            "Encoder, groups of 8": lambda m=movie, e=encoder: stream(m, e, 8),
            "Encoder, one by one": lambda m=movie, e=encoder: stream(m, e, 1),
        }
        name = np.dtype(dtype).name
        tasks += [Task(key, name, movie.nbytes, run) for key, run in runs.items()]
    opened = masks.unpack(frames.shape[1:])

    def jpeg():
        return [imagecodecs.jpeg8_encode(frame, level=10) for frame in frames]

    tasks.append(Task("naive numpy", "uint8", frames.nbytes, lambda: naive(frames, opened)))
    tasks.append(Task("libjpeg-turbo, quality 10", "uint8", frames.nbytes, jpeg))
    return tasks


def measure(tasks, rounds):
    """Rates [GB/s], one array over the rounds for each task; the first round only warms up."""
    rates = {task.key: [] for task in tasks}
    for turn in range(rounds + 1):
        for task in tasks:
            start = time.process_time()
            task.run()
            if turn:
                rates[task.key].append(task.n_bytes / (time.process_time() - start) / 1e9)
    return {key: np.array(values) for key, values in rates.items()}


def read_rate(rates, pixels):
    """Read bandwidth of each round: the faster of the reading methods."""
    reads = [values for (name, of), values in rates.items() if of == pixels and "read" in name]
    return np.max(reads, axis=0)


def print_table(rates):
    jpeg = rates["libjpeg-turbo, quality 10", "uint8"]
    print("| task | pixels | GB/s | share of read | share of memcpy | × JPEG |")
    print("|---|---|---:|---:|---:|---:|")
    for (name, pixels), values in rates.items():
        read, copy = read_rate(rates, pixels), rates["memcpy", pixels]
        print(
            f"| {name} | {pixels} | {np.median(values):.2f} | {np.median(values / read):.0%} "
            f"| {np.median(values / copy):.0%} | {np.median(values / jpeg):.1f} |"
        )


def judge(rates):
    """Print PASS or FAIL for each target; return whether all passed."""
    u8, u16 = (
        float(np.median(rates["encode", pixels] / read_rate(rates, pixels)))
        for pixels in ("uint8", "uint16")
    )
    times = float(np.median(rates["encode", "uint8"] / rates["libjpeg-turbo, quality 10", "uint8"]))
    verdicts = [
        (u8 >= MIN_READ_SHARE, f"uint8 reaches {u8:.0%} of read bandwidth (≥ 35 %)"),
        (times >= MIN_TIMES_JPEG, f"uint8 is {times:.1f} × libjpeg-turbo at quality 10 (≥ 15)"),
        (
            u16 >= MIN_U16_SHARE_OF_U8 * u8,
            f"uint16 reaches {u16:.0%} of read bandwidth (≥ half of uint8's {u8:.0%})",
        ),
    ]
    for passed, text in verdicts:
        print(f"{'PASS' if passed else 'FAIL'}: {text}")
    return all(passed for passed, _ in verdicts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    frames = lattice_movie(options.frames, options.size)
    masks = Masks.create(options.frames)
    np.testing.assert_array_equal(
        encode(frames, masks), naive(frames, masks.unpack(frames.shape[1:]))
    )
    rates = measure(tasks_of(frames, masks), options.rounds)
    print(
        f"{options.frames} frames of {options.size} × {options.size}, one core of "
        f"{platform.machine()}, load {os.getloadavg()[0]:.1f}, "
        f"{imagecodecs.jpeg8_version()}, medians of {options.rounds} rounds\n"
    )
    print_table(rates)
    print()
    sys.exit(0 if judge(rates) else 1)


if __name__ == "__main__":
    main()
