"""The averaged weights of a run as a checkpoint that decoders load, with all that made them.

``python -m napari_tcsdl.training.export STATE WEIGHTS`` does so for the state of any run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from .._validation import exit_code
from ..reconstruction.checkpoint import Checkpoint, save_checkpoint
from .library import census
from .objective import full_config, load_fitting
from .settings import TrainSettings
from .state import FACTS, LOG, read_log, read_state

NORMALISATION = (
    "frames and Y / (sum of C) less the mean of the latter over the movie, divided by its standard "
    "deviation over the movie [detector units]"
)

_SERVED = (2, 50)  # B that a decoder without any size tied to B serves, trained for 4 … 40
_TRAINED = (4, 40)


def checkpoint_of(state_path: Path, *, commit: str, library: str | None = None) -> Checkpoint:
    """Return the averaged weights of a run, float32, and what they are.

    Parameters
    ----------
    state_path
        ``state.pt`` of the run; the scores are those of the last row of ``log.jsonl`` beside it.
    commit
        Of the code that trained it, as ``git describe`` says it, or a version.
    library
        Folder of rendered movies that it was trained with; None for that of its settings.

    Raises
    ------
    InputError
        If there is no such state, or its network is not that of this version.
    CorruptFileError
        If state or log is damaged.
    """
    state = read_state(state_path)
    settings = TrainSettings.of_run(state["settings"])
    settings = replace(settings, library=library or settings.library)
    config = full_config(settings.decoder, settings.config)
    load_fitting(settings.decoder, config, state["average"])
    tensors = {
        name: tensor.float().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in state["average"].items()
    }
    about = {
        "decoder": settings.decoder,
        "mask_kinds": settings.batch.mask_kinds,
        "compression_ratios": served_ratios(settings),
        "normalisation": NORMALISATION,
        "training_data": _training_data(settings),
        "seed": settings.seed,
        "commit": commit,
        "scores": _scores(state_path.with_name(LOG), state["step"]),
        "steps": state["step"],
        "minutes": round(state["minutes"], 2),
        "torch": str(torch.__version__),
        "settings": _without_paths(settings),
    }
    if "runs" in state:  # the mean of several
        about["mean_of_runs"] = state["runs"]
    return Checkpoint(config, tensors, about)


def export_state(
    state_path: Path, weights: Path, *, commit: str, library: str | None = None
) -> Checkpoint:
    """Write :func:`checkpoint_of` as ``weights`` (NAME.safetensors), its JSON beside it.

    Raises
    ------
    InputError, CorruptFileError
        As :func:`checkpoint_of`.
    OutputError
        If it cannot be written.
    """
    checkpoint = checkpoint_of(state_path, commit=commit, library=library)
    save_checkpoint(weights, checkpoint)
    return checkpoint


def served_ratios(settings: TrainSettings) -> list[int]:
    """[least B, largest B] that weights of such a run are good for.

    Nothing in our own decoder is tied to B; trained for 4 … 40 it was tested from 2 to 50. Other
    ranges and the paper's network serve what they were trained for.
    """
    if settings.decoder == "unfolding" and tuple(settings.batch.ratios) == _TRAINED:
        return list(_SERVED)
    return list(settings.batch.ratios)


def describe_commit() -> str:
    """``git describe`` where the package lies in its repository, else its version."""
    root = Path(__file__).parents[3]
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return f"v{__version__}"
        return found.stdout.strip()
    return f"v{__version__}"


def _without_paths(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings with names in place of paths, which say nothing elsewhere."""
    named = settings.to_json()
    for key in ("library", "start"):
        if named[key] is not None:
            named[key] = Path(named[key]).name
    return named


def _training_data(settings: TrainSettings) -> dict[str, Any]:
    """Say what was trained on: procedural movies, and the library's with their number."""
    about: dict[str, Any] = {
        "procedural": "napari_tcsdl.simulate.procedural, drawn anew at every step",
        "trained_ratios": list(settings.batch.ratios),
    }
    if settings.library is not None:
        folder = Path(settings.library)
        counts: dict[str, Any] = {"folder": folder.name, "share": settings.library_share}
        if folder.is_dir():
            counts["movies"], counts["movies_held_out"] = census(folder)
        about["library"] = counts
    return about


def _scores(log: Path, step: int) -> dict[str, float]:
    """PSNR [dB] by name of the validation batch, at the last validation up to ``step``."""
    rows = [row for row in read_log(log) if row["step"] <= step] if log.exists() else []
    return {k: v for k, v in rows[-1].items() if k not in FACTS} if rows else {}


def main(arguments: list[str]) -> int:
    """Export; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.training.export")
    parser.add_argument("state", type=Path, help="state.pt of a run")
    parser.add_argument("weights", type=Path, help="NAME.safetensors")
    parser.add_argument("--commit", help="of the code that trained it")
    parser.add_argument("--library", help="folder it was trained with, if its settings lack it")
    chosen = parser.parse_args(arguments)
    return exit_code(lambda: _export(chosen))


def _export(chosen: argparse.Namespace) -> None:
    commit = chosen.commit or describe_commit()
    checkpoint = export_state(chosen.state, chosen.weights, commit=commit, library=chosen.library)
    print(f"{chosen.weights}: {checkpoint.about['steps']} steps, {checkpoint.about['scores']}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
