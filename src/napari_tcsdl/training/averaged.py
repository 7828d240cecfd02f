"""The mean of the weights of runs that began alike: better than each where they agree.

``python -m napari_tcsdl.training.averaged OUT STATE STATE …`` writes a state from which weights are
exported or another run begins (Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482: runs
from the same weights stay in one valley of the loss, where the mean lies lower than its sides).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from .._validation import InputError, OutputError, exit_code
from .objective import OBJECTIVES, load_fitting
from .settings import TrainSettings
from .state import LOG, STATE, append_row, make_folder, read_start, read_state, write_state
from .validation import at_library, fixed_batches, score

_NO_RECIPE = {"batch", "library", "held_out", "start", "steps", "minutes"}  # or told one by one


def average_states(out: Path, paths: list[Path], library: str | None = None) -> dict[str, float]:
    """Write the mean of the averaged weights of several runs, and return its scores.

    Parameters
    ----------
    out
        Folder without a run, for ``state.pt`` and a ``log.jsonl`` of one row. Steps and minutes are
        the sums.
    paths
        ``state.pt`` of each run, of all but the first also NAME.safetensors, such as what they
        began with; all else is as in the first.
    library
        Folder of rendered movies to validate on; None for that of the first run's settings.

    Raises
    ------
    InputError
        For fewer than two states, of different networks or of another version's.
    CorruptFileError
        If one is damaged.
    OutputError
        If the folder holds a run already, or nothing can be written there.
    """
    if len(paths) < 2:
        raise InputError(f"got {len(paths)} state, expected at least two to average; name more")
    if (out / STATE).exists():
        raise OutputError(
            f"got {out}, which holds a training run already, expected a folder without one; choose "
            "another, or remove it"
        )
    states = [read_state(paths[0]), *(read_start(path) for path in paths[1:])]
    state, first = dict(states[0]), states[0]["average"]
    for path, other in zip(paths, states, strict=True):
        shapes = {name: tensor.shape for name, tensor in other["average"].items()}
        if shapes != {name: tensor.shape for name, tensor in first.items()}:
            raise InputError(
                f"got {path} of another network than {paths[0]}, expected runs of one; average "
                "runs that began with the same weights"
            )
    state["average"] = {
        name: torch.stack([other["average"][name].float() for other in states]).mean(0)
        for name in first
    }
    state["runs"] = [_run(other, states[0]) for other in states]
    state["step"] = sum(other["step"] for other in states)
    state["minutes"] = sum(other["minutes"] for other in states)
    settings = at_library(TrainSettings.of_run(state["settings"]), library)
    net = load_fitting(settings.decoder, settings.config, state["average"])
    make_folder(out)  # before the scores, which take minutes
    found = score(net, OBJECTIVES[settings.decoder], fixed_batches(settings))
    scores = {name: round(value, 3) for name, value in found.items()}
    write_state(out / STATE, state)
    (out / LOG).unlink(missing_ok=True)
    append_row(out / LOG, {"step": state["step"], "minutes": state["minutes"], **scores})
    return scores


def _run(state: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Tell a run by its length, its seed, and what else was not as in the first."""
    told: dict[str, Any] = {"steps": state["step"], "minutes": round(state["minutes"], 2)}
    if "runs" in state:  # a mean itself
        told["runs"] = state["runs"]
    mine, its = (_flat(one["settings"]) for one in (state, first))
    return told | {name: mine[name] for name in mine if name == "seed" or mine[name] != its[name]}


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Every setting by its full name."""
    values = TrainSettings.of_run(settings).to_json()
    batch = {f"batch.{name}": value for name, value in values["batch"].items()}
    return {k: v for k, v in values.items() if k not in _NO_RECIPE} | batch


def main(arguments: list[str]) -> int:
    """Average; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.training.averaged")
    parser.add_argument("out", type=Path, help="folder for state.pt and its scores")
    parser.add_argument("states", type=Path, nargs="+", help="state.pt of each run")
    parser.add_argument("--library", help="folder of movies, if not where the runs had it")
    chosen = parser.parse_args(arguments)
    return exit_code(lambda: _average(chosen))


def _average(chosen: argparse.Namespace) -> None:
    scores = average_states(chosen.out, chosen.states, chosen.library)
    print(f"{chosen.out / STATE}: mean of {len(chosen.states)} runs, {scores}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
