"""How much of the truth lies within the stated deviation, of whole movies held out from training.

    python benchmarks/calibration.py LIBRARY [--weights FILE] [--part I/N]

LIBRARY is a folder that runs/unfolding_cpu.sh renders. Of each file that no run was trained on, the
first half (at least B frames) is recorded by one of four detectors at one of three B, in turn,
encoded and decoded as a user's movie is. Prints the share of each with the deviation as the decoder
states it, and as raw pixels that no mask opened judge it (compress --deviation judged), then their
means, the standard errors and the scatter of single movies: that is how far any one may be off.
0.683 is right.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from quality import decoded

from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings
from napari_tcsdl.simulate.detectors import Detector, expose
from napari_tcsdl.training.sources import held_out_names

RATIOS = (10, 20, 30)
_CHARGE = {"gain_spread": 0.3, "mtf": (0.085, 0.0), "read_noise": 2.0}
DETECTORS = (
    Detector("counting", 20.0),
    Detector("integrating", 8.0, gain=13.0, **_CHARGE),
    Detector("counting", 2.0),
    Detector("integrating", 12.0, gain=30.0, pedestal=100.0, **_CHARGE),
)


def shares_within(
    scene: torch.Tensor, detector: Detector, settings: Settings, seed: int
) -> tuple[float, float]:
    """Record, encode and decode frames (T, H, W); share of the truth within one deviation.

    As the decoder states it, and as it was judged.
    """
    values, truth = expose(scene, detector, torch.Generator().manual_seed(seed))
    movie = Movie(values.numpy().astype(np.uint16), "held out", None, None)
    with tempfile.TemporaryDirectory() as work:
        file = compress(movie, Path(work) / "movie.tcs.zarr", settings)
        estimate = decoded(file, settings)
    assert estimate.uncertainty is not None
    judged = file.header.deviation
    deviations = np.abs(estimate.frames - truth.numpy()) / estimate.uncertainty
    factor = 1.0 if judged is None else judged.factor
    return float((deviations * factor <= 1).mean()), float((deviations <= 1).mean())


def main() -> None:
    """Print one line a movie."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=Path)
    parser.add_argument("--weights", help="instead of those that come with the package")
    parser.add_argument("--part", default="1/1", help="every N-th movie, from the I-th on")
    options = parser.parse_args()
    first, step = map(int, options.part.split("/"))
    shares = []
    for index, name in list(enumerate(held_out_names(str(options.library))))[first - 1 :: step]:
        turn = index // 2
        ratio, detector = RATIOS[turn % len(RATIOS)], DETECTORS[turn % len(DETECTORS)]
        scene = torch.from_numpy(np.load(options.library / name).astype(np.float32)).clamp(min=0)
        n_frames = max(len(scene) // 2, ratio)
        settings = Settings(
            compression_ratio=ratio, device="cpu", weights=options.weights, deviation="judged"
        )
        cut = scene[: n_frames - n_frames % ratio]
        shares.append(shares_within(cut, detector, settings, index))
        stated, judged = shares[-1]
        dose = f"{detector.kind} {detector.dose:g} e"
        print(f"{name:24} {dose:18} B = {ratio}  {stated:.3f}  {judged:.3f}", flush=True)
    for what, found in zip(("stated", "judged"), np.array(shares).T, strict=True):
        mean, scatter = found.mean(), found.std(ddof=1)
        error = scatter / len(found) ** 0.5
        print(f"{what}, {len(found)} movies: {mean:.3f} ± {error:.3f}, single ones ± {scatter:.3f}")


if __name__ == "__main__":
    main()
