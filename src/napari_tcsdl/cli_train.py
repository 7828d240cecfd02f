"""``napari-tcsdl train``: teach a decoder, or fine-tune it on a movie of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ._cli_common import interruptible
from ._validation import Cancelled, InputError

if TYPE_CHECKING:  # torch takes seconds to load; --help needs none of it
    from .training.loop import Moment

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

Out = Annotated[Path, typer.Argument(readable=False, help="Folder of the run.")]
Network = Annotated[str | None, typer.Option("--decoder", help="unfolding or bidirectional.")]
Minutes = Annotated[float | None, typer.Option(help="How long: by default 60, to fine-tune 15.")]
Steps = Annotated[int | None, typer.Option(help="How many steps, if that is less.")]
LibraryFolder = Annotated[
    str | None, typer.Option(help="Folder of rendered movies; half of the scenes are theirs.")
]
OnDevice = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="float32 or bfloat16 (mixed).")]
RunSeed = Annotated[int | None, typer.Option("--seed", help="Of movies, masks and weights.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")]
Start = Annotated[
    Path | None,
    typer.Option(
        "--from",
        readable=False,
        help="state.pt of a run, or NAME.safetensors, whose weights are the start.",
    ),
]
Leg = Annotated[float | None, typer.Option(help="Minutes after which to stop for now.")]
SaveEvery = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        help="Minutes between two validations, each followed by saving; by default 5.",
    ),
]
SaveSteps = Annotated[
    int | None,
    typer.Option(metavar="N", help="Save after every N steps, too, without a validation."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, as batch.crop=96."),
]
TrainPreset = Annotated[
    Path | None, typer.Option("--preset", readable=False, help="settings.json of a run.")
]
Finetune = Annotated[
    Path | None,
    typer.Option(readable=False, help="Your raw movie: go on training on it, without clean data."),
]
Weights = Annotated[
    Path | None,
    typer.Option(readable=False, help="NAME.safetensors to start fine-tuning from."),
]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace what is in OUT.")]


def train(
    out: Out,
    decoder: Network = None,
    minutes: Minutes = None,
    steps: Steps = None,
    library: LibraryFolder = None,
    device: OnDevice = "auto",
    precision: Precision = None,
    seed: RunSeed = None,
    resume: Resume = False,
    start: Start = None,
    leg: Leg = None,
    save_every: SaveEvery = None,
    save_steps: SaveSteps = None,
    assignments: Assignments = None,
    preset: TrainPreset = None,
    finetune: Finetune = None,
    weights: Weights = None,
    overwrite: Replace = False,
) -> None:
    """Train a decoder on simulated movies, or fine-tune it on a raw movie of your own."""
    given = {"minutes": minutes, "steps": steps, "precision": precision, "seed": seed}
    if finetune is not None:
        others = {"--resume": resume, "--from": start, "--set": assignments, "--preset": preset,
                  "--leg": leg, "--library": library, "--save-every": save_every,
                  "--save-steps": save_steps}  # fmt: skip
        _refuse(others, "--finetune", "leave them out")
        choices = {"decoder": decoder} if decoder else {}
        _finetune(out, finetune, weights, given, {
            **choices, "device": device, "overwrite": overwrite
        })  # fmt: skip
        return
    _refuse({"--weights": weights}, "training on simulated movies", "add --finetune MOVIE, or give "
            "the state.pt of a run with --from")  # fmt: skip
    _train(out, {**given, "decoder": decoder, "library": library}, {
        "assignments": tuple(assignments or ()), "preset": preset, "device": device, "leg": leg,
        "save_every": save_every, "save_steps": save_steps, "resume": resume, "start": start,
        "overwrite": overwrite,
    })  # fmt: skip


def _refuse(options: dict[str, Any], what: str, advice: str) -> None:
    wrong = [name for name, value in options.items() if value]
    if wrong:
        raise InputError(f"got {', '.join(wrong)} with {what}, expected none of these; {advice}")


def _train(out: Path, given: dict[str, Any], options: dict[str, Any]) -> None:
    from .training.command import TrainJob, train

    job = TrainJob(out, given, **{k: v for k, v in options.items() if v is not None})
    with training_progress("train") as shown:
        sentence = train(job, shown.tell, shown.watch)
    _end(sentence, shown)


def _finetune(
    out: Path, movie: Path, weights: Path | None, given: dict[str, Any], options: dict[str, Any]
) -> None:
    from .training.command import FinetuneJob, finetune_movie

    with training_progress("fine-tune") as shown:
        job = FinetuneJob(out, movie, weights, given, **options)
        sentence = finetune_movie(job, shown.tell, shown.watch)
    _end(sentence, shown)


def _end(sentence: str, shown: Shown) -> None:
    """Say what was done; what Ctrl-C ended has the exit code that shells expect."""
    typer.echo(sentence)
    if shown.stopped.is_set():
        raise SystemExit(INTERRUPTED)  # typer.Exit would make the command line add a sentence


class Shown(NamedTuple):
    """Where a run tells of itself: ``tell`` for lines that stay, ``watch`` for each step."""

    tell: Callable[[str], None]
    watch: Callable[[Moment], None]
    stopped: Event


@contextmanager
def training_progress(title: str) -> Iterator[Shown]:
    """Show step, loss, validation PSNR and minutes left on standard error.

    The first Ctrl-C ends the work where it next reports a step.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[state]}"),
    )
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with (
        interruptible() as stopped,
        Progress(*columns, console=console, transient=True, disable=hidden) as bar,
    ):
        task = bar.add_task(title, total=1.0, state="")

        def watch(moment: Moment) -> None:
            if stopped.is_set():
                raise Cancelled
            bar.update(task, completed=moment.progress, state=line_of(moment))

        def tell(sentence: str) -> None:
            console.print(sentence, highlight=False, soft_wrap=True)

        yield Shown(tell, watch, stopped)


def line_of(moment: Moment) -> str:
    """Step, loss, latest scores and minutes left, in one line."""
    scores = [
        f"{name} {value:.4g}" + ("" if name.endswith("error") else " dB")
        for name, value in moment.scores.items()
        if name not in ("inside", "step")
    ]
    loss = [] if math.isnan(moment.loss) else [f"loss {moment.loss:.4g}"]  # none before step 1
    parts = [f"step {moment.step}", *loss, *scores]
    return "  ".join([*parts, f"{moment.minutes_left:.0f} min left"])
