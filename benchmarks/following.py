"""How well raw frames tell where the specimen is, and what frames have in common there.

    python benchmarks/following.py FOLDER

FOLDER holds movies NAME.tif and their noise-free truth NAME_truth.tif (T, H, W). Each row gives how
far the specimen goes over the movie as the truth shows it, whether the encoder follows it, the
error of a step from frame to frame as raw frames tell it (median and 90 % of both directions [px]),
and the correlation of the truth's detail 1, 4 and 8 frames apart, pixel by pixel and where the
specimen went, in whole pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_tcsdl.drift import in_common, is_worth_following, positions_of
from napari_tcsdl.io import open_movie
from napari_tcsdl.persistence import detail_of

LAGS = (1, 4, 8)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    heads = [f"{how} {lag}" for how in ("still", "followed") for lag in LAGS]
    print(f"| movie | goes (y, x) [px] | followed? | median, 90 % | {' | '.join(heads)} |")
    print("|---" * (4 + len(heads)) + "|")
    for path in sorted(folder.glob("*_truth.tif")):
        name = path.stem.removesuffix("_truth")
        truth = open_movie(path)
        frames, raw = truth.read(0, truth.shape[0]), open_movie(folder / f"{name}.tif")
        true, told = positions_of(frames), positions_of(raw.read(0, raw.shape[0]))
        off = np.abs(np.diff(told - true, axis=0))
        detail = detail_of(frames)
        power = float(np.square(detail).mean())
        found = np.transpose([in_common(detail, true, lag) for lag in LAGS]).ravel() / power
        followed = "yes" if is_worth_following(raw.read(0, min(raw.shape[0], 48))) else "no"
        y, x = true[-1]
        print(
            f"| {name} | {y:.1f}, {x:.1f} | {followed} | "
            f"{np.median(off):.2f}, {np.quantile(off, 0.9):.2f} | "
            f"{' | '.join(f'{value:.2f}' for value in found)} |"
        )


if __name__ == "__main__":
    main()
