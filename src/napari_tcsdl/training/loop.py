"""The training loop: fresh movies and masks at every step, resumable, logged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from .._validation import Cancelled, InputError
from .batches import Batch, make_batch
from .growth import grown
from .learner import Learner, LearnSettings, mean_of
from .objective import build_net
from .scenes import Movies
from .settings import TrainSettings
from .state import LOG, STATE, Saving, append_row, read_start, read_state, write_state
from .validation import score

_WARM_UP = 200  # steps
_LEAST_RATE = 0.02  # of the learning rate, at the end
_ASK_EVERY = 0.1  # seconds, within a step


class Moment(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    step, loss
        The last step and its loss.
    progress
        Fraction of the work that is done.
    minutes_left
        Until the end of the run, or of this leg of it; about.
    scores
        Latest row of validation: PSNR [dB] by name of the batch; empty before the first.
    source
        What the last step learned from, where there are several such sources; else empty.
    """

    step: int
    loss: float
    progress: float
    minutes_left: float
    scores: dict[str, float]
    source: str = ""


Watch = Callable[[Moment], None]
"""Called after each step; may raise ``Cancelled``: the run is saved and ends."""


@contextmanager
def asked_within_steps(net: nn.Module, ask: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` now and then while ``net`` computes, forwards or backwards.

    A step may take many seconds on a CPU: what ``ask`` raises ends it at once. Copies of ``net``
    that are made meanwhile ask, too, while they decode.
    """
    last = time.monotonic()

    def now_and_then(*_: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _ASK_EVERY:
            last = now
            ask()

    handles = [module.register_forward_pre_hook(now_and_then) for module in net.modules()]
    for weights in net.parameters():
        handles.append(weights.register_hook(now_and_then))  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Trainer:
    """State of one training run: weights, their average, optimiser, clock.

    Parameters
    ----------
    settings
        What and how to train.
    movies
        Gives scenes with known truth.
    validation
        Batches, always the same, that are never trained on.
    folder
        Where ``state.pt`` and ``log.jsonl`` are kept.
    device
        Where to train: movies and masks are made there, too.

    Raises
    ------
    InputError
        If there is no such decoder or configuration.
    """

    def __init__(
        self,
        settings: TrainSettings,
        movies: Movies,
        validation: dict[str, Batch],
        folder: Path,
        device: torch.device,
    ) -> None:
        self.settings, self.movies = settings, movies
        self.folder, self.device = folder, device
        self.validation = {name: batch.to(device) for name, batch in validation.items()}
        with torch.random.fork_rng(devices=()):  # initial weights draw from torch's own generator
            torch.default_generator.manual_seed(settings.seed)
            net, self.objective = build_net(settings.decoder, settings.config)
        mixed = settings.precision == "bfloat16"
        learn = LearnSettings(settings.rate, settings.ema, settings.clip, mixed, settings.optimiser)
        self.learner = Learner(net.to(device), learn)
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.minutes = 0.0
        self.scores: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)

    # --- the loop -----------------------------------------------------------------------------

    def run(
        self,
        saving: Saving | None = None,
        *,
        leg: float = math.inf,
        tell: Callable[[str], None] = print,
        watch: Watch = lambda moment: None,
    ) -> None:
        """Train until the steps or minutes of the settings are used, or those of this leg.

        Parameters
        ----------
        saving
            When to validate and to save; None for what is usual.
        leg
            Minutes after which to stop, with the learning rate where it then is: the next leg
            goes on from the saved state.
        tell
            Is given each validation in one line.
        watch
            Is told of each step but those after which ``tell`` is given a validation.

        Raises
        ------
        Cancelled
            If ``watch`` raised it; the state is saved.
        """
        saving = saving or Saving()
        began, before, saved = time.monotonic(), self.minutes, self.minutes
        losses: list[float] = []
        while self.progress < 1 and self.minutes - before < leg:
            losses.append(self._learn())
            self.minutes = before + (time.monotonic() - began) / 60
            ended = self.progress >= 1 or self.minutes - before >= leg
            if ended or self.minutes - saved >= saving.minutes:
                saved = self.minutes
                self._note(losses, tell)
                self.save()
                losses = []
            else:
                if saving.due(self.step):
                    self.save()
                self._show(losses[-1], before + leg - self.minutes, watch)

    @property
    def step(self) -> int:
        """Steps that were taken."""
        return self.learner.step

    @property
    def progress(self) -> float:
        """Fraction of the schedule that is done."""
        return max(self.step / self.settings.steps, self.minutes / self.settings.minutes)

    def averaged(self) -> nn.Module:
        """Return a network with the averaged weights."""
        return self.learner.averaged()

    def _learn(self) -> float:
        batch = make_batch(self.movies, self.settings.batch, self.generator)
        rate = self.settings.rate * _schedule(self.step, self.progress)
        answer, loss = self.objective.answer, self.objective.loss
        return self.learner.learn(lambda net: loss(answer(net, batch), batch), rate)

    def _show(self, loss: float, leg_left: float, watch: Watch) -> None:
        left = self.settings.minutes - self.minutes
        if self.step / self.settings.steps >= self.minutes / self.settings.minutes:
            left = self.minutes * (1 / self.progress - 1)
        try:
            watch(Moment(self.step, loss, self.progress, min(left, leg_left), self.scores))
        except Cancelled:
            self.save()
            raise

    # --- what is kept ---------------------------------------------------------------------------

    def _note(self, losses: list[float], tell: Callable[[str], None]) -> None:
        """Validate, and add a row to the log."""
        found = score(self.averaged(), self.objective, self.validation)
        self.scores = {name: round(value, 3) for name, value in found.items()}
        loss, bad = mean_of(losses)
        row: dict[str, Any] = {"step": self.step, "minutes": round(self.minutes, 2), "loss": loss}
        row |= {"bad_batches": bad} if bad else {}
        row |= {"rate": self.learner.rate, **self.scores}
        append_row(self.folder / LOG, row)
        tell("  ".join(f"{k} {v if v is None else format(v, '.4g')}" for k, v in row.items()))

    def save(self) -> None:
        """Write the whole state; an interrupted write leaves the one before.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        state = {
            "settings": self.settings.to_json(),
            "net": self.learner.net.state_dict(),
            "average": self.learner.average,
            "optimiser": self.learner.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "minutes": self.minutes,
        }
        write_state(self.folder / STATE, state)

    def resume(self, path: Path, *, new_leg: bool = False) -> None:
        """Go on from a saved state; ``new_leg`` takes its weights but starts the clock anew.

        A new leg may start from the weights of a smaller network (:func:`~.growth.grown`).

        Raises
        ------
        InputError
            If there is no such state, or it is of another network.
        CorruptFileError
            If it is damaged.
        """
        state = read_start(path) if new_leg else read_state(path)
        if new_leg:
            state["average"] = grown(state["average"], self.learner.net.state_dict())
        try:
            self.learner.net.load_state_dict(state["average" if new_leg else "net"])
        except RuntimeError as error:
            raise InputError(
                f"got {path} of another network, expected one of decoder "
                f"{self.settings.decoder!r} with configuration {self.settings.config}; start with "
                "the settings of that run, and the version of this package that began it"
            ) from error
        # Copies: what grown() takes from the network itself would else be its live weights.
        self.learner.average = {
            name: tensor.detach().to(self.device, copy=True)
            for name, tensor in state["average"].items()
        }
        if new_leg:
            return
        self.learner.optimiser.load_state_dict(state["optimiser"])
        self.learner.step, self.minutes = state["step"], state["minutes"]
        try:
            self.generator.set_state(state["generator"].cpu())
        except RuntimeError:  # saved on another kind of device: other numbers, as good
            self.generator.manual_seed(self.settings.seed + self.step)


def _schedule(step: int, progress: float) -> float:
    """Linear warm-up, then half a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, (step + 1) / _WARM_UP) * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine)
