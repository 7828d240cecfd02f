"""One number for the stated deviation of a run, from movies that were held out from it.

``python -m napari_tcsdl.training.calibrated OUT STATE`` writes a state whose deviation holds 68 %
of the truth of such movies. Frames stay as they were, but for what the last step deals out by it.

What a network learns of its own errors is of movies that it was trained on, in small crops; on
others errors are larger (H. Papadopoulos et al., "Inductive confidence machines for regression",
ECML 2002, doi 10.1007/3-540-36755-1_29: intervals are set on examples that were kept aside).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from .._validation import InputError, OutputError, exit_code
from .batches import Batch, make_batch
from .objective import OBJECTIVES, ONE_SIGMA, load_fitting
from .settings import TrainSettings
from .sources import held_out_scenes
from .state import LOG, STATE, append_row, make_folder, read_state, write_state
from .validation import SEED, fixed_batches, score

BATCHES = 48
"""Of held-out movies, which the number is taken from."""

_CROP, _PIXELS, _FRAMES = 128, 600_000, 30  # of these batches: larger than those of training
_BIAS = "deviation.tell.bias"  # is added to the log of the deviation, the same everywhere
_PICKED = 4000  # pixels of each movie: all movies count alike
_SMALLEST = 1e-9  # of an error: the log of nothing is not a number


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes
    ----------
    added
        To the log of the deviation.
    inside
        Share of the truth within one deviation before that, mean over movies.
    movies
        That were looked at.
    """

    added: float
    inside: float
    movies: int


def find_calibration(net: nn.Module, batches: Iterable[Batch], seed: int) -> Calibration:
    """Find what to add to the log of the deviation of a network of the decoder ``unfolding``.

    Parameters
    ----------
    net
        On the device of the batches.
    batches
        Of movies that it was not trained on. Those that do not tell how long their structure lasts
        are passed over: every file that is encoded today tells it.
    seed
        Decides which pixels are looked at.

    Raises
    ------
    InputError
        If there is no movie.
    """
    generator = torch.Generator().manual_seed(seed)
    found = [logs for batch in batches for logs in _beyond(net, batch, generator)]
    if not found:
        raise InputError(
            "got no movie that tells how long its structure lasts, expected some to calibrate on; "
            "ask for more batches"
        )
    logs = torch.stack(found)
    inside = float((logs <= 0).float().mean())
    added = float(logs.double().flatten().sort().values[int(ONE_SIGMA * logs.numel())])
    return Calibration(added, inside, len(found))


def calibrated_state(
    out: Path, path: Path, library: str | None = None, batches: int = BATCHES
) -> Calibration:
    """Write a state with the deviation calibrated, and a ``log.jsonl`` with its scores.

    Parameters
    ----------
    out
        Folder without a run.
    path
        ``state.pt`` of a run, or of the mean of some.
    library
        Folder of rendered movies, those held out from which are looked at; None for that of the
        run's settings. Without any they are procedural.
    batches
        To look at.

    Raises
    ------
    InputError
        If the network tells no deviation that can be corrected, or is of another version.
    CorruptFileError
        If the state is damaged.
    OutputError
        If the folder holds a run already, or nothing can be written there.
    """
    if (out / STATE).exists():
        raise OutputError(
            f"got {out}, which holds a training run already, expected a folder without one; choose "
            "another, or remove it"
        )
    state = read_state(path)
    settings = TrainSettings.of_run(state["settings"])
    settings = replace(settings, library=library or settings.library)
    tensors = state["average"]
    if _BIAS not in tensors:
        raise InputError(
            f"got {path} of a network whose deviation has no correction, expected one of decoder "
            "'unfolding' with deviation_width > 0; train such a one"
        )
    make_folder(out)  # before what takes minutes
    net = load_fitting(settings.decoder, settings.config, tensors)
    found = find_calibration(net, _held_out(settings, batches), SEED)
    state["average"] = {**tensors, _BIAS: tensors[_BIAS] + found.added}
    state["calibration"] = asdict(found)
    net = load_fitting(settings.decoder, settings.config, state["average"])
    scores = score(net, OBJECTIVES[settings.decoder], fixed_batches(settings))
    write_state(out / STATE, state)
    (out / LOG).unlink(missing_ok=True)
    rounded = {name: round(value, 3) for name, value in scores.items()}
    append_row(out / LOG, {"step": state["step"], "minutes": state["minutes"], **rounded})
    return found


def _held_out(settings: TrainSettings, count: int) -> Iterator[Batch]:
    """Batches of movies that are held out, of each source in turn; not those of validation."""
    sources = list(held_out_scenes(settings.library, settings.held_out or []).values())
    larger = replace(
        settings.batch,
        crop=_CROP, pixels=_PIXELS, core_frames=_FRAMES, short_ends=0.0, bernoulli=0.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(SEED - 1)
    for index in range(count):
        yield make_batch(sources[index % len(sources)], larger, generator)


@torch.inference_mode()
def _beyond(net: nn.Module, batch: Batch, generator: torch.Generator) -> list[Tensor]:
    """Log of error over deviation at some pixels of each movie that tells how long it lasts."""
    answer = OBJECTIVES["unfolding"].answer(net, batch)
    assert answer.log_sigma is not None
    error = (answer.frames - batch.truth).abs().clamp(min=_SMALLEST)
    logs = (error.log() - answer.log_sigma)[:, batch.core].flatten(1).cpu()
    picks = torch.randint(logs.shape[1], (_PICKED,), generator=generator)
    told = batch.coded.persistence
    if told is None:
        return []
    return [movie[picks] for movie, tells in zip(logs, told.any(1), strict=True) if tells]


def main(arguments: list[str]) -> int:
    """Calibrate; 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m napari_tcsdl.training.calibrated")
    parser.add_argument("out", type=Path, help="folder for state.pt and its scores")
    parser.add_argument("state", type=Path, help="state.pt of a run, or of the mean of some")
    parser.add_argument("--library", help="folder of movies, if not where the run had it")
    parser.add_argument("--batches", type=int, default=BATCHES, help="of held-out movies")
    chosen = parser.parse_args(arguments)
    return exit_code(lambda: _calibrate(chosen))


def _calibrate(chosen: argparse.Namespace) -> None:
    found = calibrated_state(chosen.out, chosen.state, chosen.library, chosen.batches)
    print(
        f"{chosen.out / STATE}: deviation × {math.exp(found.added):.3f}; before, it held "
        f"{found.inside:.1%} of {found.movies} held-out movies"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
