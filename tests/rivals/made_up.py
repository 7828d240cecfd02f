"""Studies that nobody made, for what only reads them."""

from __future__ import annotations

import numpy as np

from napari_tcsdl.rivals import (
    BEST_BELOW,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    EncoderCost,
    RatePoint,
    Rival,
    Shown,
    Study,
)

BUDGETS = {RAW_OVER_B: 10_000, SAME_BYTES: 8_000, BEST_BELOW: 10_000}
N_FRAMES = 20


def point(codec, psnr, *purposes, n_bytes=8_000, ssim=0.5, wobble=0.0, seed=0) -> RatePoint:
    """A point whose frames scatter by ``wobble`` [dB] around ``psnr``."""
    scatter = np.random.default_rng(seed).normal(0, 1, N_FRAMES)
    wobbling = np.isfinite(psnr)
    frames = psnr + wobble * (scatter - scatter.mean())
    return RatePoint(
        codec=codec,
        quality=3.0,
        settings=f"{codec} 1.0, quality 3",
        n_bytes=n_bytes,
        psnr=psnr,
        psnr_sd=float(np.std(frames, ddof=1)) if wobbling else 0.0,
        ssim=ssim,
        encode_seconds=0.5,
        decode_seconds=0.25,
        purposes=purposes,
        psnr_frames=tuple(frames.tolist()),
        ssim_frames=(ssim,) * N_FRAMES,
    )


def rival(name, *points, kind="video", ratio=None, **more) -> Rival:
    cost = None if ratio is None else EncoderCost(0.001 * ratio, 65.0 / ratio, 10**6, ratio, name)
    return Rival(name, name.upper(), kind, points=points, cost=cost, **more)


def ours(psnr, *purposes, ratio=1.0, **more) -> Rival:
    served = purposes or (RAW_OVER_B, SAME_BYTES, BEST_BELOW)
    return rival("unfolding", point("unfolding", psnr, *served, **more), kind=OURS, ratio=ratio)


def study_of(*rivals, **more) -> Study:
    values = {
        "movie": {"name": "made up", "frames": N_FRAMES, "frame_shape": [64, 64], "bytes": 81_920},
        "settings": {"compression_ratio": 5},
        "reference": "truth: made up",
        "data_range": 100.0,
        "raw_bytes": 81_920,
        "file_bytes": {"measurements": 7_000, "masks": 900, "metadata": 100, "total": 8_000},
        "budgets": BUDGETS,
        "storage_ratios": {"as_stored": 10.24, "losslessly_coded": None},
        "rivals": rivals,
        "software": {"napari-tcsdl": "0"},
        "seconds": 1.5,
    }
    return Study(**(values | more))


def picture(codec, purpose="", frame=3) -> Shown:
    return Shown(codec, purpose, frame, np.arange(12, dtype=np.float32).reshape(3, 4))
