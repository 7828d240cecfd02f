"""``state.pt``: all that a run needs to go on, and ``log.jsonl``: what it has reported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .._validation import CorruptFileError, InputError, OutputError, is_whole
from ..reconstruction.checkpoint import load_checkpoint

STATE, LOG, SETTINGS = "state.pt", "log.jsonl", "settings.json"
"""Files in the folder of a run."""

FACTS = ("step", "minutes", "loss", "rate", "bad_batches")
"""What a row of the log says of the training; all else in it are scores."""

_ENTRIES = ("settings", "net", "average", "optimiser", "generator", "step", "minutes")


@dataclass(frozen=True)
class Saving:
    """When the state of a run is saved, but at its end.

    Attributes
    ----------
    minutes
        Minutes between two validations, each of which is followed by saving; 0 for every step.
    steps
        Saved after every so many steps of the run, too, without a validation; None for not.

    Raises
    ------
    InputError
        For numbers that are no such times.
    """

    minutes: float = 5.0
    steps: int | None = None

    def __post_init__(self) -> None:
        if not self.minutes >= 0:  # NaN is refused, too
            raise InputError(
                f"got save_every = {self.minutes:g}, expected minutes of 0 or more; give for "
                "example 5"
            )
        if self.steps is not None and not (is_whole(self.steps) and self.steps >= 1):
            raise InputError(
                f"got save_steps = {self.steps}, expected a whole number of steps of at least 1; "
                "give for example 500, or leave it out"
            )

    def due(self, step: int) -> bool:
        """Whether ``step``, counted from the beginning of the run, is one to save after."""
        return self.steps is not None and step % self.steps == 0


def make_folder(out: Path) -> None:
    """Make the folder of a run, where it is not there yet.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"got '{error.strerror}' for {out}, expected a folder that can be written; choose "
            "another place"
        ) from error


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state; an interrupted write leaves the one before.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        torch.save(state, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as the latter
        raise OutputError(
            f"got '{error}' while writing {path}, expected a folder with room for the weights; "
            "free some space or choose another place"
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read a state that :func:`write_state` wrote, on whichever device; its tensors on the CPU.

    Raises
    ------
    InputError
        If there is none.
    CorruptFileError
        If it is damaged, or something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(
            f"got no {path}, expected the state of a training run; check the path"
        ) from error
    except Exception as error:  # what torch raises depends on what is wrong with the file
        raise CorruptFileError(
            f"got {path}, which cannot be read ({type(error).__name__}), expected the state of a "
            "training run; restore it from a copy, or train anew"
        ) from error
    if not isinstance(state, dict) or any(entry not in state for entry in _ENTRIES):
        raise CorruptFileError(
            f"got {path}, which is no state of a training run, expected one with "
            f"{', '.join(_ENTRIES)}; check the path"
        )
    return state


def read_start(path: Path) -> dict[str, Any]:
    """Read what another run begins with: a state, or the weights of a finished one.

    Raises
    ------
    InputError, CorruptFileError
        As :func:`read_state` and :func:`~napari_tcsdl.reconstruction.checkpoint.load_checkpoint`.
    """
    if path.suffix != ".safetensors":
        return read_state(path)
    checkpoint = load_checkpoint(path)
    settings = checkpoint.about.get("settings")
    if not isinstance(settings, dict):
        raise InputError(
            f"got weights {path} without the settings of their training, expected those that "
            "train wrote; start from a state.pt, or train anew"
        )
    about = checkpoint.about
    state = {
        "settings": settings,
        "average": dict(checkpoint.state),
        "step": about.get("steps", 0),  # weights of elsewhere need not tell
        "minutes": about.get("minutes", 0.0),
    }
    return state | ({"runs": about["mean_of_runs"]} if "mean_of_runs" in about else {})


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a run's log, in order of steps.

    Where a run was killed between a row and the next saved state, the rows that it wrote again
    after it went on take the place of the first ones.

    Raises
    ------
    InputError
        If there is no log.
    CorruptFileError
        If a line of it is no row; a last line that was cut short is passed over.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"got no {path} ({error.strerror}), expected the log of a training run; check the path"
        ) from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            step = int(row["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise CorruptFileError(
                f"got {path}, whose line {number} is damaged, expected one JSON object a line; "
                "remove that line"
            ) from error
        while rows and rows[-1]["step"] >= step:
            rows.pop()
        rows.append(row)
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to the log.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise OutputError(
            f"got '{error.strerror}' while writing {path}, expected a folder that can be written; "
            "free some space or choose another place"
        ) from error
