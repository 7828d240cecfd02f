"""The mean of the weights of runs that began alike: better than each where they agree.

``python -m napari_tcsdl.training.averaged OUT STATE STATE …`` writes a state from which weights are
exported or another run begins (Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482: runs
from the same weights stay in one valley of the loss, where the mean lies lower than its sides).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from .._validation import InputError, exit_code
from .objective import build_net
from .settings import TrainSettings
from .state import LOG, STATE, append_row, read_state, write_state
from .validation import fixed_batches, score


def average_states(out: Path, paths: list[Path], library: str | None = None) -> dict[str, float]:
    """Write the mean of the averaged weights of several runs, and return its scores.

    Parameters
    ----------
    out
        Folder for ``state.pt`` and a ``log.jsonl`` of one row. Steps and minutes are the sums.
    paths
        ``state.pt`` of each run; all else is as in the first.
    library
        Folder of rendered movies to validate on; None for that of the first run's settings.

    Raises
    ------
    InputError
        For fewer than two states, or of different networks.
    CorruptFileError
        If one is damaged.
    OutputError
        If nothing can be written.
    """
    if len(paths) < 2:
        raise InputError(f"got {len(paths)} state, expected at least two to average; name more")
    states = [read_state(path) for path in paths]
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
    state["runs"] = [
        {"seed": other["settings"]["seed"], "steps": other["step"], "minutes": other["minutes"]}
        for other in states
    ]
    state["step"] = sum(other["step"] for other in states)
    state["minutes"] = sum(other["minutes"] for other in states)
    settings = TrainSettings.from_json(state["settings"])
    settings = replace(settings, library=library or settings.library)
    net, objective = build_net(settings.decoder, settings.config)
    net.load_state_dict(state["average"])
    found = score(net.eval(), objective, fixed_batches(settings))
    scores = {name: round(value, 3) for name, value in found.items()}
    out.mkdir(parents=True, exist_ok=True)
    write_state(out / STATE, state)
    (out / LOG).unlink(missing_ok=True)
    append_row(out / LOG, {"step": state["step"], "minutes": state["minutes"], **scores})
    return scores


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
