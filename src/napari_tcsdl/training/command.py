"""``train`` as the command line and ``python -m napari_tcsdl.training`` both call it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .._device import choose_device
from .._validation import Cancelled, InputError, OutputError, TcsdlError
from .._whole_file import whole_file
from ..reconstruction.checkpoint import load_checkpoint, save_checkpoint, shipped_weights
from .curves import write_curves
from .export import describe_commit, export_state
from .finetune import FinetuneSettings, finetune
from .finetune_figure import write_before_after
from .loop import Trainer, Watch
from .objective import fitting_batches
from .settings import TrainSettings
from .sources import held_out_names, training_scenes
from .state import LOG, SETTINGS, STATE, Saving, append_row, make_folder, read_start, read_state
from .validation import fixed_batches

Tell = Callable[[str], None]

CURVES, TABLE, FIGURE = "curves.png", "curves.csv", "before_after.png"
"""Files in the folder of a run, beside those of :mod:`.state` and the weights."""


@dataclass(frozen=True)
class TrainJob:
    """One run, or a leg of it.

    Attributes
    ----------
    out
        Folder of the run.
    given
        Settings by name, as they were given; None for those that were not.
    assignments
        Further settings as ``NAME=VALUE``; see :meth:`TrainSettings.changed`.
    preset
        ``settings.json`` of another run, whose settings are taken where none are given.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    leg
        Minutes after which to stop for now; None to go on to the end.
    save_every, save_steps
        Minutes between two validations, and steps after which the state is saved, too; see
        :class:`.state.Saving`.
    resume
        Go on with the run in ``out``.
    start
        State of another run, or weights (NAME.safetensors), that are the start of this one.
    overwrite
        Replace a run that is in ``out``.
    commit
        Of the code, to be stored with the weights; None to ask git.
    """

    out: Path
    given: dict[str, Any]
    assignments: tuple[str, ...] = ()
    preset: Path | None = None
    device: str = "auto"
    leg: float | None = None
    save_every: float = 5.0
    save_steps: int | None = None
    resume: bool = False
    start: Path | None = None
    overwrite: bool = False
    commit: str | None = None


def train(job: TrainJob, tell: Tell, watch: Watch) -> str:
    """Train, and write weights, curves, settings and state into the folder of the job.

    Parameters
    ----------
    job
        What to do.
    tell
        Is given sentences while the work goes on.
    watch
        Is told of each step; may raise ``Cancelled``: all is saved, and the run can be resumed.

    Returns
    -------
    str
        What was done, in one sentence.

    Raises
    ------
    InputError
        For settings, states and folders that do not fit.
    OutputError
        If there is a run in the folder already, or nothing can be written there.
    """
    saving = Saving(job.save_every, job.save_steps)
    device = choose_device(job.device).device
    settings = _settings(job)
    trainer = _trainer(job, settings, device)
    where = f"{settings.decoder} on {device}, {parameters_of(trainer.learner.net):,} parameters"
    tell(f"Training {where}: step {trainer.step}, {trainer.progress:.0%} done")
    stopped = False
    try:
        leg = math.inf if job.leg is None else job.leg
        trainer.run(saving, leg=leg, tell=tell, watch=watch)
    except Cancelled:
        stopped = True
    written = _finish(job, trainer, tell)
    done = f"{trainer.step} steps in {trainer.minutes:.1f} minutes: {written}"
    if stopped:
        return f"Stopped by you after {done}; --resume goes on from there"
    if trainer.progress < 1:
        return f"This leg is over after {done}; --resume goes on from there"
    return f"Trained {done}"


def parameters_of(net: torch.nn.Module) -> int:
    """Count the weights of a network."""
    return sum(parameter.numel() for parameter in net.parameters())


def _settings(job: TrainJob) -> TrainSettings:
    """Return the settings of the run, with what was given put over them."""
    base, state = TrainSettings(), job.out / STATE
    if job.resume:
        base = TrainSettings.of_run(read_state(state)["settings"])
    elif state.exists() and not job.overwrite:
        raise OutputError(
            f"got {job.out}, which holds a training run already, expected a folder without one; "
            "add --resume to go on with it, or --overwrite to replace it"
        )
    elif job.preset is not None:
        base = _read_settings(job.preset)
    elif job.start is not None:
        there = TrainSettings.of_run(read_start(job.start)["settings"])
        base = replace(base, decoder=there.decoder, config=there.config)
    settings = replace(base, **{k: v for k, v in job.given.items() if v is not None})
    settings = settings.changed(job.assignments)
    same = settings.decoder == base.decoder and settings.config == base.config
    if (job.resume or job.start is not None) and not same:
        raise InputError(
            f"got decoder {settings.decoder!r} with {settings.config}, expected "
            f"{base.decoder!r} with {base.config} as in the run that is gone on with; leave these "
            "settings out, or train anew"
        )
    batch = fitting_batches(settings.decoder, settings.config, settings.batch)
    start = settings.start if job.start is None else str(job.start)
    held_out = settings.held_out
    if held_out is None or settings.library != base.library:
        held_out = held_out_names(settings.library)
    return replace(settings, batch=batch, start=start, held_out=held_out)


def _trainer(job: TrainJob, settings: TrainSettings, device: torch.device) -> Trainer:
    """Set up the run; the folder is touched only once all is known to fit."""
    movies = training_scenes(settings.library, settings.library_share)
    batches = fixed_batches(settings)
    make_folder(job.out)
    trainer = Trainer(settings, movies, batches, job.out, device)
    if job.resume:
        trainer.resume(job.out / STATE)
        if trainer.progress >= 1:
            raise InputError(
                f"got {job.out}, whose run is finished ({trainer.step} steps, "
                f"{trainer.minutes:.0f} minutes), expected one with work left; give more --minutes "
                "or --steps, or start a new run with --from"
            )
    elif job.start is not None:
        trainer.resume(job.start, new_leg=True)
    if not job.resume:
        for name in (STATE, LOG):
            (job.out / name).unlink(missing_ok=True)
    with whole_file(job.out / SETTINGS, replace=True) as partial:
        partial.write_text(json.dumps(settings.to_json(), indent=2) + "\n", encoding="utf-8")
    return trainer


def _finish(job: TrainJob, trainer: Trainer, tell: Tell) -> str:
    """Write weights and curves of what is saved; returns their names."""
    weights = job.out / f"{trainer.settings.decoder}.safetensors"
    export_state(job.out / STATE, weights, commit=job.commit or describe_commit())
    written = [str(weights)]
    if (job.out / LOG).exists():
        try:
            write_curves(job.out / LOG, None, job.out / TABLE)
            write_curves(job.out / LOG, job.out / CURVES, None)
            written.append(CURVES)
        except ImportError:
            tell(f"{CURVES} was left out: matplotlib is not installed")
    return ", ".join(written)


def _read_settings(path: Path) -> TrainSettings:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return TrainSettings.from_json(values)
    except TcsdlError:
        raise
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"got {path}, which holds no training settings ({error}), expected the settings.json "
            "of a run; check the path"
        ) from error


# --- fine-tuning ------------------------------------------------------------------------------


@dataclass(frozen=True)
class FinetuneJob:
    """Fine-tuning on one movie.

    Attributes
    ----------
    out
        Folder for weights and figure.
    movie
        The user's raw movie.
    weights
        Where to start; None for those that come with the package.
    given
        Settings by name, as they were given; None for those that were not.
    decoder
        Whose weights to take, where none are given.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    overwrite
        Replace what is in ``out``.
    """

    out: Path
    movie: Path
    weights: Path | None
    given: dict[str, Any]
    decoder: str = "unfolding"
    device: str = "auto"
    overwrite: bool = False


def finetune_movie(job: FinetuneJob, tell: Tell, watch: Watch) -> str:
    """Fine-tune on a movie, and write weights, a figure and the curve into the folder of the job.

    Returns
    -------
    str
        What came of it, in one sentence.

    Raises
    ------
    InputError, CorruptFileError
        For movies and weights that do not fit.
    OutputError
        If there are weights in the folder already, or nothing can be written there.
    """
    from ..io import open_movie

    settings = FinetuneSettings(**{k: v for k, v in job.given.items() if v is not None})
    device = choose_device(job.device).device
    start = load_checkpoint(job.weights or shipped_weights(job.decoder))
    out = job.out / f"{start.about['decoder']}.safetensors"
    if out.exists() and not job.overwrite:
        raise OutputError(
            f"got {job.out}, which holds weights already, expected a folder without; choose "
            "another one, or add --overwrite"
        )
    movie = open_movie(job.movie)
    tell(f"Fine-tuning {start.about['decoder']} on {movie.name}, on {device}")
    tuned = finetune(movie, start, settings, device, watch)
    make_folder(job.out)
    save_checkpoint(out, tuned.checkpoint)
    (job.out / LOG).unlink(missing_ok=True)
    for row in tuned.history:
        append_row(job.out / LOG, dict(row))
    try:
        write_before_after(tuned, job.out / FIGURE)
    except ImportError:
        tell(f"{FIGURE} was left out: matplotlib is not installed")
    return f"{tuned.sentence()}; written: {out}"
