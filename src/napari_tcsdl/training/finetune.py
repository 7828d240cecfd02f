"""Fine-tuning on the user's own raw movie, without clean frames.

The loss on thinned halves of the movie (:mod:`.thinned`) has the gradient, on average, of the loss
against the truth. Some batches are procedural scenes with known truth, so that what the network
knew is not forgotten; they alone teach the uncertainty, which noisy targets would spoil. The last
blocks of the movie are held out: the loss on their halves says when to stop, and whether anything
was gained at all. If nothing was, the weights stay what they were.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from .._validation import Cancelled, InputError
from ..movie import Movie
from ..reconstruction.checkpoint import Checkpoint, fill
from .batches import BatchSettings, make_batch
from .held_out import HeldOut, Looks
from .learner import Learner, LearnSettings
from .loop import Moment, Watch, asked_within_steps
from .objective import Answer, Objective, build_net, fitting_batches, frame_weights
from .scenes import Movies
from .sources import procedural
from .thinned import RawMovie, Stretch, Thinned, ThinnedSettings, side_within, thinned_batch
from .tuned import Tuned

__all__ = ["SOURCES", "FinetuneSettings", "Tuned", "finetune", "thinned_loss"]

SOURCES = MOVIE, SCENES = "movie", "scenes"
"""What a step may learn from, as ``Moment.source`` names it."""

_WARM_UP = 20  # steps


@dataclass(frozen=True)
class FinetuneSettings:
    """How to fine-tune.

    Attributes
    ----------
    steps, minutes
        Whichever ends first, if nothing stops it early.
    rate
        Learning rate.
    fraction
        p, share of the signal that is coded; the rest is the target.
    synthetic
        Share of batches with scenes of known truth.
    held_out
        Share of the movie, its end, that decides and is not learned from; at least a block.
    check_every, patience
        Steps between two looks at the held-out frames, and looks without gain before it stops.
    check_minutes
        Longest time between two looks, where steps are slow.
    precision
        ``float32`` or ``bfloat16`` (mixed).
    seed
        Of crops, masks and thinning.
    batch
        As for training. B are limited to those of the weights and to the frames there are.
    """

    steps: int = 2000
    minutes: float = 15.0
    rate: float = 2e-4
    fraction: float = 0.5
    synthetic: float = 0.3
    held_out: float = 0.15
    check_every: int = 40
    patience: int = 6
    check_minutes: float = math.inf
    precision: str = "float32"
    seed: int = 0
    batch: BatchSettings = field(default_factory=BatchSettings)

    def __post_init__(self) -> None:
        for name in ("fraction", "held_out"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected a number between 0 and 1; leave "
                    "it out for the default"
                )
        if not 0 <= self.synthetic < 1:
            raise InputError(
                f"got synthetic = {self.synthetic}, expected a share of 0 or more, below 1; leave "
                "it out for the default"
            )
        for name in ("steps", "minutes", "rate", "check_every", "patience", "check_minutes"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected a number above 0; leave it out "
                    "for the default"
                )


def thinned_loss(answer: Answer, thinned: Thinned) -> Tensor:
    """Mean squared error, a plain mean: its gradient has no bias.

    The noise of the targets is taken off, a constant, which else would hide what is learned.
    """
    weights = frame_weights(thinned.batch)
    loss = thinned.noise.new_zeros(())
    for weight, frames in answer.weighted():
        squared = (frames - thinned.batch.truth).square().mean((-2, -1)) - thinned.noise
        loss = loss + weight * (squared @ weights).mean()
    return loss


def finetune(
    movie: Movie,
    checkpoint: Checkpoint,
    settings: FinetuneSettings,
    device: torch.device,
    watch: Watch = lambda moment: None,
    scenes: Movies = procedural,
) -> Tuned:
    """Go on training the weights of ``checkpoint`` on a raw movie.

    Parameters
    ----------
    movie
        Raw frames; they are read when they are needed.
    checkpoint
        The start.
    settings
        How.
    device
        Where to train.
    watch
        Is told of each step, and of the last one again now and then while the next goes on; its
        scores are the last look's step and error, and the least error, which is the start's or
        that of the weights that would be kept. May raise ``Cancelled``: what is best so far is
        returned.
    scenes
        Movies with known truth, mixed in.

    Raises
    ------
    InputError
        If the movie is too small, has no noise, or the weights do not fit their description.
    """
    decoder, config = checkpoint.about["decoder"], dict(checkpoint.config)
    raw = RawMovie.measured(movie)
    net, objective = build_net(decoder, config)
    fill(net, checkpoint)
    net.to(device)
    batch = fitting_batches(decoder, config, _batch_for(checkpoint, settings.batch))
    batch = replace(batch, crop=side_within(movie, batch.crop))
    held = HeldOut(raw, ThinnedSettings(settings.fraction, batch, device), settings.held_out)
    known = range(held.frames.start)
    low, high = (max(1, min(ratio, len(known))) for ratio in batch.ratios)
    batch = replace(batch, ratios=(max(low, 2), max(high, 2)))
    run = _Run(raw, Stretch(movie, known), held, batch, settings, objective, scenes)
    before = copy.deepcopy(net).eval()
    looks = run.descend(net, device, watch)
    after = copy.deepcopy(before)
    if looks.best is not None:
        after.load_state_dict(looks.best)
    return Tuned(
        checkpoint=_describe(checkpoint, after, raw, looks),
        improved=looks.best is not None,
        errors=looks.errors,
        history=looks.history,
        before=before,
        after=after,
        raw=raw,
        held_out=held.frames,
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """What the loop needs."""

    raw: RawMovie
    stretch: Stretch
    held: HeldOut
    batch: BatchSettings
    settings: FinetuneSettings
    objective: Objective
    scenes: Movies

    def descend(self, net: nn.Module, device: torch.device, watch: Watch) -> Looks:
        """Train ``net`` until it ends, stops early, or is told to stop."""
        settings = self.settings
        learner = Learner(
            net, LearnSettings(settings.rate, 0.98, 1.0, settings.precision == "bfloat16")
        )
        looks = Looks(self.held.errors(net.eval(), self.objective), settings.patience)
        scores = {**looks.history[-1], "least_error": looks.lowest}
        moment = Moment(0, math.nan, 0.0, settings.minutes, scores)
        with suppress(Cancelled), asked_within_steps(net, lambda: watch(moment)):
            for moment in self._steps(learner, looks, device):  # told within steps, too
                watch(moment)
        return looks

    def _steps(self, learner: Learner, looks: Looks, device: torch.device) -> Iterator[Moment]:
        """Take steps, with a look at the held-out frames now and then."""
        settings = self.settings
        slope = _slope(float(looks.start.mean()))
        generator = torch.Generator(device).manual_seed(settings.seed)
        began = looked = time.monotonic()
        progress = 0.0
        while progress < 1 and not looks.given_up:
            rate = settings.rate * min(1.0, (learner.step + 1) / _WARM_UP)
            source, loss_of = self._next_loss(learner.step, generator, slope)
            loss = learner.learn(loss_of, rate)
            minutes = (time.monotonic() - began) / 60
            progress = max(learner.step / settings.steps, minutes / settings.minutes)
            late = time.monotonic() - looked >= 60 * settings.check_minutes
            if learner.step % settings.check_every == 0 or late or progress >= 1:
                averaged = learner.averaged()
                looks.add(learner.step, self.held.errors(averaged, self.objective), averaged)
                looked = time.monotonic()
            left = minutes * (1 / progress - 1)
            scores = {**looks.history[-1], "least_error": looks.lowest}
            yield Moment(learner.step, loss, progress, left, scores, source)

    def _next_loss(
        self, step: int, generator: torch.Generator, slope: float
    ) -> tuple[str, Callable[[nn.Module], Tensor]]:
        """Source and loss of the next batch: scenes for some steps, the movie's halves for most."""
        settings, objective = self.settings, self.objective
        chance = float(torch.rand((), generator=generator, device=generator.device))
        if chance < settings.synthetic:
            batch = make_batch(self.scenes, self.batch, generator)
            return SCENES, lambda net: objective.loss(objective.answer(net, batch), batch)
        how = ThinnedSettings(settings.fraction, self.batch, generator.device)
        thinned = thinned_batch(self.raw, self.stretch, how, settings.seed * 10**6 + step)
        halves = thinned.batch
        return MOVIE, lambda net: slope * thinned_loss(objective.answer(net, halves), thinned)


def _slope(error: float) -> float:
    """Weight of the thinned loss: the slope that the root in the training loss has at the start."""
    return 0.5 / math.sqrt(max(error, 1e-3))


def _batch_for(checkpoint: Checkpoint, batch: BatchSettings) -> BatchSettings:
    """Limit B and masks to what the weights are for."""
    least, largest = checkpoint.about["compression_ratios"]
    low, high = max(batch.ratios[0], least), min(batch.ratios[1], largest)
    if low > high:
        low, high = least, largest
    kinds = checkpoint.about["mask_kinds"]
    share = batch.bernoulli if "balanced" in kinds else 1.0
    return replace(batch, ratios=(low, high), bernoulli=share if "bernoulli" in kinds else 0.0)


def _describe(start: Checkpoint, net: nn.Module, raw: RawMovie, looks: Looks) -> Checkpoint:
    """Return the weights with what was done to them."""
    state = {name: value.detach().cpu() for name, value in net.state_dict().items()}
    fact = {
        "movie": raw.movie.name,
        "frames": list(raw.movie.shape),
        "noise": raw.noise.to_json(),
        "improved": looks.best is not None,
        "steps": looks.history[-1]["step"],
        "held_out_error": list(looks.errors),
    }
    earlier = start.about.get("finetuned", [])
    return Checkpoint(start.config, state, {**start.about, "finetuned": [*earlier, fact]})
