"""What the networks are trained for: how each is asked, and what its answer is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .._validation import InputError
from ..measurement import Phi
from ..noise import NoiseModel
from ..reconstruction.base import BlockContext
from ..reconstruction.bidirectional import (
    BidirectionalConfig,
    BidirectionalNet,
    Passes,
    passes_loss,
)
from ..reconstruction.gap_tv import GapTV
from ..reconstruction.unfolding import (
    Prediction,
    UnfoldingConfig,
    UnfoldingNet,
    margin_of,
    with_margin,
    without_margin,
)
from .batches import SIDE_STEP, Batch, BatchSettings

_STILL = 0.01  # added to the variance of the truth: an empty movie must not outweigh the others
_EARLIER = 0.3  # weight of the estimates of earlier stages
_ASIDE = 0.25  # weight of frames that are decoded only as context
_SEAMS = 1.0  # weight of jumps of the error, in units of its own where they are
_UNCERTAINTY = 0.05  # weight of what teaches the uncertainty alone
_LEAST_ERROR = 1e-4  # of the movie's standard deviation: the log of nothing is not a number
_ONE_SIGMA = 0.6827  # of a normal distribution lies within one standard deviation


class Answer(NamedTuple):
    """What a network makes of a batch.

    Attributes
    ----------
    frames
        (N, T, H, W), in the units of the batch.
    drafts
        Estimates that are taught along, each with its weight.
    log_sigma
        Log of the standard deviation of ``frames``; None where the network tells none.
    """

    frames: Tensor
    drafts: list[tuple[float, Tensor]]
    log_sigma: Tensor | None = None

    def weighted(self) -> list[tuple[float, Tensor]]:
        """All estimates with their weights, the frames first."""
        return [(1.0, self.frames), *self.drafts]


@dataclass(frozen=True)
class Objective:
    """How a network is asked and judged.

    Attributes
    ----------
    answer
        ``(net, batch)`` → what it makes of it.
    loss
        ``(answer, batch)`` → what training lowers.
    """

    answer: Callable[[nn.Module, Batch], Answer]
    loss: Callable[[Answer, Batch], Tensor]


def frame_weights(batch: Batch) -> Tensor:
    """Weight of each frame (T,), sum 1: those decoded as context only count little."""
    weights = torch.full_like(batch.truth[0, :, 0, 0], _ASIDE)
    weights[batch.core] = 1.0
    return weights / weights.sum()


# --- unfolding ----------------------------------------------------------------------------------


def _ask_unfolding(net: nn.Module, batch: Batch) -> Answer:
    coded = batch.coded
    margin = margin_of(coded.offsets, SIDE_STEP) if net.config.follows else 0  # type: ignore[union-attr] # of an UnfoldingNet
    prediction: Prediction = net(with_margin(coded, margin, coded.sigma.mean((1, 2, 3))))
    inner = partial(without_margin, margin=margin)
    drafts = [(_EARLIER, inner(frames)) for frames in prediction.earlier]
    return Answer(inner(prediction.frames), drafts, inner(prediction.log_sigma))


def unfolding_loss(answer: Answer, batch: Batch) -> Tensor:
    """Root of the relative squared error of each movie, and the interval that holds the truth.

    Where blocks meet, the change of the error counts as well: an error that stays is not seen, one
    that jumps at every B-th frame flickers. The root keeps the noisiest movies, whose error is
    largest, from deciding alone.
    """
    weights = frame_weights(batch)
    spread = batch.truth.var((1, 2, 3)) + _STILL
    loss = batch.truth.new_zeros(())
    for weight, frames in answer.weighted():
        error = frames - batch.truth
        squared = error.square().mean((-2, -1)) @ weights
        squared = squared + _SEAMS * _seams(error, weights, batch.coded.lengths)
        loss = loss + weight * (squared / spread + 1e-4).sqrt().mean()
    if answer.log_sigma is None:
        return loss
    return loss + _UNCERTAINTY * _interval_loss(answer, batch) @ weights


def _seams(error: Tensor, weights: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Weighted squares (N,) of how the error (N, T, H, W) jumps from one block to the next."""
    first = torch.tensor(lengths).cumsum(0)[:-1].to(error.device)  # frames after a seam
    jumps = (error[:, first] - error[:, first - 1]).square().mean((-2, -1))
    return jumps @ ((weights[first] + weights[first - 1]) / 2)


def _interval_loss(answer: Answer, batch: Batch) -> Tensor:
    """Least (T,) where 68 % of the errors lie within the stated deviation, wherever one looks.

    The pinball loss of that quantile (Koenker and Bassett, 1978). A Gaussian likelihood would ask
    for the root of the mean square instead: errors have long tails, and 80 to 90 % of them lie
    within that. It is taken of logarithms, whose quantiles are the same: so a flat background that
    is known to a hundredth counts as much as a crystal that is not.
    """
    assert answer.log_sigma is not None
    error = (answer.frames.detach() - batch.truth).abs()
    beyond = (error + _LEAST_ERROR).log() - answer.log_sigma
    return torch.maximum(_ONE_SIGMA * beyond, (_ONE_SIGMA - 1) * beyond).mean((0, -2, -1))


# --- bidirectional --------------------------------------------------------------------------------


def _ask_bidirectional(net: nn.Module, batch: Batch) -> Answer:
    """One whole measurement a movie, without neighbours."""
    coded = batch.coded
    exposures = coded.masks.sum(1)
    first = None
    if net.config.first_frame == "gap_tv":  # type: ignore[union-attr] # of a BidirectionalNet
        first = _first_frames(batch)
    passes: Passes = net(coded.mean[:, 0] * exposures, coded.masks, first)
    return Answer(passes.backward, [(1.0, passes.forward)])


@torch.no_grad()
def _first_frames(batch: Batch) -> Tensor:
    """First frame of each block by total variation, (N, H, W)."""
    coded = batch.coded
    found = []
    for mean, sigma, masks in zip(coded.mean[:, 0], coded.sigma[:, 0], coded.masks, strict=True):
        phi = Phi(masks)
        one_frame = float((sigma.square() * phi.mask_sum).mean())  # variance of its noise
        context = BlockContext((float(mean.min()), float(mean.max())), NoiseModel(0.0, one_frame))
        frames = GapTV()(mean * phi.mask_sum, phi, context, lambda fraction: None)
        found.append(frames[0])
    return torch.stack(found)


def bidirectional_loss(answer: Answer, batch: Batch) -> Tensor:
    """:func:`passes_loss`: the frames are those of the backward pass, the draft is the forward."""
    ((_, forward),) = answer.drafts
    return passes_loss(Passes(forward, answer.frames), batch.truth)


# --- by name --------------------------------------------------------------------------------------

OBJECTIVES = {
    "unfolding": Objective(_ask_unfolding, unfolding_loss),
    "bidirectional": Objective(_ask_bidirectional, bidirectional_loss),
}
"""Decoders that can be trained."""

_CONFIGS = {"unfolding": UnfoldingConfig, "bidirectional": BidirectionalConfig}


def build_net(decoder: str, config: dict[str, Any]) -> tuple[nn.Module, Objective]:
    """Return a new network and what it is trained for.

    Parameters
    ----------
    decoder
        One of :data:`OBJECTIVES`.
    config
        Of the network; what it leaves out is as usual.

    Raises
    ------
    InputError
        If there is no such decoder or setting of it.
    """
    full = full_config(decoder, config)
    if decoder == "unfolding":
        return UnfoldingNet(UnfoldingConfig.from_json(full)), OBJECTIVES[decoder]
    return BidirectionalNet(BidirectionalConfig.from_json(full)), OBJECTIVES[decoder]


def load_fitting(decoder: str, config: dict[str, Any], tensors: dict[str, Tensor]) -> nn.Module:
    """Return the network of :func:`build_net` with these weights, to decode with.

    Raises
    ------
    InputError
        If they are of another network, or as :func:`build_net`.
    """
    net, _ = build_net(decoder, config)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"got weights of another network than decoder {decoder!r} with configuration "
            f"{config} has in this version, expected those of a run of it; use the version of this "
            "package that trained them, or train on from them (--from)"
        ) from error
    return net.eval()


def full_config(decoder: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return ``config`` with the usual values for what it leaves out; plain JSON types.

    Raises
    ------
    InputError
        As :func:`build_net`.
    """
    if decoder not in OBJECTIVES:
        raise InputError(
            f"got decoder {decoder!r} to train, expected one of {', '.join(OBJECTIVES)}; choose "
            "one of these"
        )
    kind = _CONFIGS[decoder]
    known = [f.name for f in fields(kind)]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise InputError(
            f"got {', '.join(unknown)} in the configuration of decoder {decoder!r}, expected "
            f"{', '.join(known)}; remove or rename it"
        )
    return {**kind().to_json(), **config}


def fitting_batches(decoder: str, config: dict[str, Any], batch: BatchSettings) -> BatchSettings:
    """Return ``batch`` as the decoder needs it: the paper's network knows single measurements.

    Raises
    ------
    InputError
        If no B of ``batch`` fits the network, or as :func:`build_net`.
    """
    full = full_config(decoder, config)
    if decoder != "bidirectional":
        return batch
    low, high = batch.ratios
    if full["first_frame"] == "cnn":
        high = min(high, full["largest_ratio"])
    if low > high:
        raise InputError(
            f"got B from {low} to {batch.ratios[1]} for a network with largest_ratio = {high}, "
            "expected some B that it has inputs for; set config.largest_ratio or batch.ratios"
        )
    return replace(batch, ratios=(low, high), core_frames=1, context_frames=0, short_ends=0)
