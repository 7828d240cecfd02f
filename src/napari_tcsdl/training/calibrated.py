"""One number for the stated deviation of a run, from movies that were held out from it.

``python -m napari_tcsdl.training.calibrated OUT STATE`` writes a state whose deviation holds 68 %
of the truth of such movies. Frames stay as they were, but for what the last step deals out by it.

What a network learns of its own errors is of movies that it was trained on, in small crops; on
others errors are larger (H. Papadopoulos et al., "Inductive confidence machines for regression",
ECML 2002, doi 10.1007/3-540-36755-1_29: intervals are set on examples that were kept aside). Files
of the library are held out one by one: others may show the same specimen from elsewhere.
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
from .validation import SEED, at_library, fixed_batches, score

BATCHES = 96
"""Of held-out movies, which the number is taken from; most hold a single movie."""

_CROP, _PIXELS, _FRAMES = 128, 600_000, 30  # of these batches: larger than those of training
_BIAS = "deviation.tell.bias"  # is added to the log of the deviation, the same everywhere
_PICKED = 4000  # pixels, of each movie as many: large movies must not decide
_SMALLEST = 1e-9  # of an error: the log of nothing is not a number


@dataclass(frozen=True)
class Coverage:
    """How much of the truth lies within one stated deviation.

    Attributes
    ----------
    inside
        Share of it, mean over movies.
    error
        Standard error of that, from the scatter of movies.
    movies
        That were looked at.
    beyond
        What the log of the deviation lacks, for 68.27 % to lie within.
    """

    inside: float
    error: float
    movies: int
    beyond: float


def measure_coverage(net: nn.Module, batches: Iterable[Batch], seed: int) -> Coverage:
    """Measure the deviation of a network of the decoder ``unfolding``.

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
    shares = (logs <= 0).double().mean(1)
    error = float(shares.std()) / math.sqrt(len(shares)) if len(shares) > 1 else math.inf
    beyond = float(logs.double().flatten().sort().values[int(ONE_SIGMA * logs.numel())])
    return Coverage(float(shares.mean()), error, len(shares), beyond)


def calibrated_state(
    out: Path, path: Path, library: str | None = None, n_batches: int = BATCHES
) -> tuple[Coverage, Coverage]:
    """Write a state with the deviation calibrated, and a ``log.jsonl`` with its scores.

    Parameters
    ----------
    out
        Folder without a run.
    path
        ``state.pt`` of a run, or of the mean of some.
    library
        Folder of rendered movies, of which those held out are looked at; None for that of the
        run's settings. Without any, movies are procedural.
    n_batches
        To look at.

    Returns
    -------
    tuple of Coverage
        Before and after. Validation, whose scores are logged, is on other crops of these movies.

    Raises
    ------
    InputError
        If there is no such state, library or held-out file, or no movie that tells how long its
        structure lasts; if the network has no deviation that can be corrected, was calibrated
        already, or is of another version.
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
    settings = at_library(TrainSettings.of_run(state["settings"]), library)
    tensors = state["average"]
    if _BIAS not in tensors or "calibration" in state:
        lack = "was calibrated already" if _BIAS in tensors else "has no deviation to correct"
        raise InputError(
            f"got {path} of a network that {lack}, expected one as it was trained, of decoder "
            "'unfolding' with deviation_width > 0; name another"
        )
    net = load_fitting(settings.decoder, settings.config, tensors)
    before = measure_coverage(net, _held_out(settings, n_batches), SEED)
    state["average"] = {**tensors, _BIAS: tensors[_BIAS] + before.beyond}
    net = load_fitting(settings.decoder, settings.config, state["average"])
    after = measure_coverage(net, _held_out(settings, n_batches), SEED)
    state["calibration"] = {
        "added": before.beyond, "before": asdict(before), "after": asdict(after)
    }  # fmt: skip
    scores = score(net, OBJECTIVES[settings.decoder], fixed_batches(settings))
    make_folder(out)
    write_state(out / STATE, state)
    (out / LOG).unlink(missing_ok=True)
    rounded = {name: round(value, 3) for name, value in scores.items()}
    append_row(out / LOG, {"step": state["step"], "minutes": state["minutes"], **rounded})
    return before, after


def _held_out(settings: TrainSettings, count: int) -> Iterator[Batch]:
    """Batches of held-out movies, of the library where there is one; the same at each call.

    Procedural movies are all of the kind that was trained on: of these nothing is held out.
    """
    sources = held_out_scenes(settings.library, settings.held_out or [])
    movies = sources.get("library", sources["procedural"])
    larger = replace(
        settings.batch,
        crop=_CROP, pixels=_PIXELS, core_frames=_FRAMES, short_ends=0.0, bernoulli=0.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(SEED - 1)
    for _ in range(count):
        yield make_batch(movies, larger, generator)


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
    before, after = calibrated_state(chosen.out, chosen.state, chosen.library, chosen.batches)
    print(
        f"{chosen.out / STATE}: deviation × {math.exp(before.beyond):.3f}; of {before.movies} "
        f"held-out movies it holds {before.inside:.3f} → {after.inside:.3f} ± {after.error:.3f}"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
