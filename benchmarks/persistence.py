"""How well raw frames tell how long structure lasts, against the noise-free truth.

    python benchmarks/persistence.py FOLDER

FOLDER holds movies NAME.tif and their truth NAME_truth.tif (T, H, W). Each row gives the covariance
[detector units²] of the detail of frames 1, 2, 4, 8 and 16 apart, over the frame and over its quiet
quarter, from the raw frames as the encoder takes it and from the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_tcsdl.io import open_movie
from napari_tcsdl.persistence import LAGS, persistence_of


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    heads = [f"{lag}" for lag in LAGS]
    print(f"| movie | frames | where | {' | '.join(heads)} | error |")
    print("|---" * (len(LAGS) + 4) + "|")
    for truth in sorted(folder.glob("*_truth.tif")):
        name = truth.stem.removesuffix("_truth")
        for kind, path in (("raw", folder / f"{name}.tif"), ("truth", truth)):
            found = persistence_of(open_movie(path))
            if found is None:
                raise SystemExit(
                    f"got {path}, in which every run of frames holds one with NaN or infinity, "
                    "expected finite values; leave that movie out"
                )
            for where, values in (("whole", found.whole), ("quiet", found.quiet)):
                numbers = " | ".join(f"{value:.3g}" for value in values)
                print(f"| {name} | {kind} | {where} | {numbers} | {found.error:.2g} |")


if __name__ == "__main__":
    main()
