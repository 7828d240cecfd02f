"""What the networks are taught, and how they are scored."""

import math

import pytest
import torch
from tiny_training import BATCH, TINY, still_scenes, tiny_batch

from napari_tcsdl._validation import InputError
from napari_tcsdl.training.batches import BatchSettings
from napari_tcsdl.training.learner import Learner, LearnSettings
from napari_tcsdl.training.objective import (
    OBJECTIVES,
    Answer,
    Objective,
    build_net,
    fitting_batches,
    frame_weights,
    full_config,
    unfolding_loss,
)
from napari_tcsdl.training.validation import ratios_within, score, validation_batches

CONFIGS = {
    "unfolding": TINY,
    "bidirectional": {"width": 0.1, "largest_ratio": 5},
    "bidirectional, gap_tv": {"width": 0.1, "first_frame": "gap_tv"},
}


def made(name, batch=BATCH):
    """Network, objective and a batch that suits them."""
    decoder = name.split(",")[0]
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net, objective = build_net(decoder, CONFIGS[name])
    return net, objective, tiny_batch(1, fitting_batches(decoder, CONFIGS[name], batch))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_network_learns_one_batch(name):
    net, objective, batch = made(name)
    learner = Learner(net, LearnSettings(rate=1e-2, ema=0.5, clip=1.0))
    losses = [
        learner.learn(lambda net: objective.loss(objective.answer(net, batch), batch), 1e-2)
        for _ in range(60 if name == "unfolding" else 16)
    ]
    assert losses[-1] < (0.75 if name == "unfolding" else 0.9) * losses[0]
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.parametrize("name", CONFIGS)
def test_bfloat16_gives_nearly_the_same_loss(name):
    losses = []
    for mixed in (False, True):
        net, objective, batch = made(name)
        learner = Learner(net, LearnSettings(1e-3, 0.5, 1.0, mixed))
        losses.append(
            learner.learn(lambda net: objective.loss(objective.answer(net, batch), batch), 1e-3)  # noqa: B023
        )
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_the_loss_is_least_for_the_truth():
    """Of frames and drafts alone: what the deviation is worth depends on the error, not on them."""
    for batch in map(tiny_batch, range(5)):
        right = unfolding_loss(Answer(batch.truth, [(0.3, batch.truth)]), batch)
        wrong = unfolding_loss(Answer(batch.truth + 0.1, [(0.3, batch.truth)]), batch)
        draft = unfolding_loss(Answer(batch.truth, [(0.3, batch.truth + 0.1)]), batch)
        assert right < draft < wrong


def test_the_interval_is_best_where_it_holds_two_thirds_of_the_errors():
    batch = tiny_batch()
    error = 0.3 * torch.randn(batch.truth.shape, generator=torch.Generator().manual_seed(0))
    losses = {
        sigma: float(
            unfolding_loss(
                Answer(batch.truth + error, [], torch.full_like(error, math.log(sigma))), batch
            )
        )
        for sigma in (0.1, 0.3, 0.9)
    }
    assert min(losses, key=losses.get) == 0.3


def test_an_error_that_jumps_between_blocks_is_worse_than_one_that_jumps_within():
    settings = BatchSettings(crop=8, pixels=2000, ratios=(4, 4), core_frames=8, context_frames=0)
    batch = next(
        batch for seed in range(20) if len((batch := tiny_batch(seed, settings)).coded.lengths) > 1
    )
    sign = torch.ones_like(batch.truth)

    def loss(turn):
        flipped = torch.cat([sign[:, :turn], -sign[:, turn:]], 1)
        return float(unfolding_loss(Answer(batch.truth + 0.1 * flipped, []), batch))

    assert loss(4) > loss(3) == pytest.approx(loss(0))


def test_frames_of_context_count_little():
    shape = {"crop": 8, "pixels": 2000, "ratios": (4, 4), "core_frames": 4, "context_frames": 2}
    settings = BatchSettings(**shape, short_ends=0.0)
    batch = next(
        batch for seed in range(20) if (batch := tiny_batch(seed, settings)).core.start == 2
    )
    weights = frame_weights(batch)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[0] / weights[2]) == pytest.approx(0.25)
    assert torch.equal(weights, weights.flip(0))


def test_the_papers_network_gets_single_measurements():
    batch = fitting_batches("bidirectional", CONFIGS["bidirectional"], BATCH)
    assert (batch.ratios, batch.context_frames) == ((3, 5), 0)
    for seed in range(5):
        coded = tiny_batch(seed, batch).coded
        assert coded.lengths == (coded.ratio,)
    assert fitting_batches("unfolding", TINY, BATCH) is BATCH


def test_its_loss_is_half_of_each_pass():
    net, objective, batch = made("bidirectional")
    passes = net(batch.coded.mean[:, 0] * batch.coded.masks.sum(1), batch.coded.masks)
    expected = sum(0.5 * (frames - batch.truth).square().mean() for frames in passes)
    torch.testing.assert_close(objective.loss(objective.answer(net, batch), batch), expected)


def test_a_first_frame_by_total_variation_is_close_to_the_truth():
    net, objective, batch = made("bidirectional, gap_tv")
    seen = []
    net.register_forward_pre_hook(lambda _, args: seen.append(args[2]))
    objective.answer(net, batch)
    (first,) = seen
    assert first.shape == batch.truth[:, 0].shape
    flat = batch.truth[:, 0].mean((-2, -1), keepdim=True)
    assert (first - batch.truth[:, 0]).square().mean() < (flat - batch.truth[:, 0]).square().mean()


@pytest.mark.parametrize(
    ("decoder", "config", "sentence"),
    [
        ("gap_tv", {}, "got decoder 'gap_tv' to train, expected one of unfolding, bidirectional"),
        ("unfolding", {"wide": 3}, "got wide in the configuration of decoder 'unfolding'"),
        ("bidirectional", {"depth": 3}, "got depth in the configuration of decoder"),
    ],
)
def test_what_cannot_be_trained(decoder, config, sentence):
    with pytest.raises(InputError, match=sentence):
        build_net(decoder, config)


def test_no_ratio_fits_the_network():
    with pytest.raises(InputError, match="got B from 3 to 6 for a network with largest_ratio = 2"):
        fitting_batches("bidirectional", {"largest_ratio": 2}, BATCH)


def test_a_configuration_is_completed_with_what_is_usual():
    full = full_config("unfolding", {"width": 8})
    assert full["width"] == 8
    sizes = {"width", "deep_width", "stages", "shifts"}
    assert set(full) == {*sizes, "deviation_width", "persistence_width", "follows"}


# --- validation ---------------------------------------------------------------------------------


def validation(seed=7):
    return validation_batches({"still": still_scenes}, BATCH, (3, 6), seed)


def test_validation_is_the_same_for_the_same_seed():
    first, second, other = validation(), validation(), validation(8)
    assert list(first) == ["still_B3", "still_B6", "still_B3_end"]
    for name in first:
        assert torch.equal(first[name].truth, second[name].truth)
        assert torch.equal(first[name].coded.masks, second[name].coded.masks)
    batch = first["still_B3"]
    exposures = batch.coded.masks[:, batch.core].unflatten(1, (-1, 3)).sum(2)
    assert len(exposures.unique()) == 1  # balanced
    assert not torch.equal(first["still_B3"].truth[:1, :1], other["still_B3"].truth[:1, :1])


def test_an_end_within_a_block_has_a_score_of_its_own():
    """What is wrong in its frames shows, what is wrong elsewhere does not."""
    batch = validation()["still_B3_end"]
    *others, end = batch.coded.lengths
    assert 0 < end < 3
    net, objective = torch.nn.Identity(), OBJECTIVES["unfolding"]

    def wrong_in(frames):
        def answer(net, batch):
            error = torch.full_like(batch.truth, 1e-3)
            error[:, frames] = 1.0
            return Answer(batch.truth + error, [])

        return score(net, Objective(answer, objective.loss), {"end": batch})["end"]

    assert wrong_in(slice(0, sum(others))) > 40
    assert wrong_in(slice(sum(others), None)) < 20


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_of_every_decoder(name):
    net, objective, _ = made(name)
    decoder = name.split(",")[0]
    fixed = fitting_batches(decoder, CONFIGS[name], BATCH)
    batches = validation_batches({"still": still_scenes}, fixed, (3,), 0)
    scores = score(net, objective, batches)
    assert scores == score(net, objective, batches)
    assert math.isfinite(scores["still_B3"])
    assert ("inside" in scores) == (decoder == "unfolding")


def test_the_score_is_psnr_over_the_range_of_the_truth_and_coverage():
    batches = validation()
    generator = torch.Generator().manual_seed(0)

    def answer(net, batch):
        error = 0.2 * torch.randn(batch.truth.shape, generator=generator)
        return Answer(batch.truth + error, [], torch.full_like(error, math.log(0.2)))

    scores = score(torch.nn.Identity(), Objective(answer, OBJECTIVES["unfolding"].loss), batches)
    truth = batches["still_B3"].truth[:, batches["still_B3"].core].flatten(1)
    low, high = (torch.quantile(truth, q, dim=1) for q in (0.001, 0.999))
    expected = float((20 * torch.log10((high - low) / 0.2)).mean())
    assert scores["still_B3"] == pytest.approx(expected, abs=0.3)
    assert scores["inside"] == pytest.approx(0.683, abs=0.02)


def test_a_truth_that_is_the_same_everywhere_has_a_finite_score():
    batch = validation()["still_B3"]
    batch = batch._replace(truth=torch.zeros_like(batch.truth))
    net, objective, _ = made("unfolding")
    assert math.isfinite(score(net, objective, {"flat": batch})["flat"])


@pytest.mark.parametrize(
    ("trained", "expected"), [((4, 40), (10, 30)), ((2, 10), (10,)), ((3, 6), (6,))]
)
def test_validated_ratios_are_trained_ones(trained, expected):
    assert ratios_within(trained) == expected
