"""GAP-TV on the grey benchmark videos of snapshot compressive imaging.

    python benchmarks/sci_videos.py FOLDER [MASK.mat]

FOLDER holds ``*_cacti.mat`` (public repository ucaswangls/cacti, test_datasets/simulation); the
mask is ``MASK.mat``, or the one inside the videos' files. First 8 frames, B = 8. Prints one table.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import scipy.io
import torch

from napari_tcsdl.measurement import Phi
from napari_tcsdl.metrics import psnr, ssim
from napari_tcsdl.reconstruction import BlockContext, GapTV

B = 8
WHITE = 255.0  # the videos are 8-bit
REFERENCE = {"runner": 29.86, "drop": 34.92, "traffic": 20.70}
"""PSNR [dB] of the reference implementation (weight 0.1, 5 inner steps, 40 iterations,
accelerated), typed from its published run."""


def decode(frames, masks):
    """Measure and decode (B, H, W) frames; return the frames and the seconds it took."""
    phi = Phi(torch.from_numpy(masks.astype(np.float32)))
    measurement = phi(torch.from_numpy(frames.astype(np.float32)))
    start = time.perf_counter()
    decoded = GapTV()(measurement, phi, BlockContext((0.0, WHITE)), lambda fraction: None)
    return decoded.numpy(), time.perf_counter() - start


def load(path, key):
    """Frames (B, H, W) of a MATLAB array (H, W, T)."""
    return np.moveaxis(scipy.io.loadmat(path)[key], -1, 0)[:B]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("mask", type=Path, nargs="?")
    arguments = parser.parse_args()
    print("| video | PSNR [dB] | SSIM | reference PSNR [dB], published run | time [s] |")
    print("|---|---|---|---|---|")
    rows = []
    for path in sorted(arguments.folder.glob("*_cacti.mat")):
        if path.stat().st_size == 0:
            continue
        frames = load(path, "orig")
        decoded, seconds = decode(frames, load(arguments.mask or path, "mask"))
        pairs = list(zip(decoded, frames.astype(np.float32), strict=True))
        scores = [np.mean([f(a, b, data_range=WHITE) for a, b in pairs]) for f in (psnr, ssim)]
        known = [v for k, v in REFERENCE.items() if path.name.startswith(k)]
        rows.append((*scores, *(known or [np.nan])))
        reference = f"{known[0]:.2f}" if known else "–"
        name = path.stem.removesuffix("_cacti")
        print(f"| {name} | {scores[0]:.2f} | {scores[1]:.3f} | {reference} | {seconds:.1f} |")
    mean = np.mean(rows, axis=0)
    reference = "–" if np.isnan(mean[2]) else f"{mean[2]:.2f}"
    print(f"| mean of {len(rows)} | {mean[0]:.2f} | {mean[1]:.3f} | {reference} | |")


if __name__ == "__main__":
    main()
