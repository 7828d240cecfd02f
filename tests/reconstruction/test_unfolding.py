"""Our decoder: any B, any size, any dose; tiles, batches and units make no difference."""

import json

import numpy as np
import pytest
import torch
from tiny_unfolding import POISSON, TINY, make_coded, make_net, scene, segment_of, silent

from napari_tcsdl.encoder import encode
from napari_tcsdl.masks import Masks
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import GroupBlock, reconstruct_tiled, unfolding
from napari_tcsdl.reconstruction._seams import even_seams
from napari_tcsdl.reconstruction.base import BlockContext
from napari_tcsdl.reconstruction.unfolding import (
    CodedSequence,
    Unfolding,
    UnfoldingConfig,
    UnfoldingNet,
)


def decode(segments, context, net=None):
    return Unfolding(net or make_net()).decode(segments, context, silent)


def context_of(frames, noise=POISSON):
    low, high = float(np.min(frames)), float(np.max(frames))
    return BlockContext((low, high), noise, float(np.mean(frames)), float(np.std(frames)) or 1.0)


def usable(estimate, shape):
    assert estimate.frames.shape == estimate.uncertainty.shape == shape
    assert torch.isfinite(estimate.frames).all()
    assert torch.isfinite(estimate.uncertainty).all()
    assert (estimate.uncertainty > 0).all()


# --- shapes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [2, 7, 23, 50])
def test_any_ratio_and_an_odd_size(ratio):
    frames = scene(ratio, 37, 31)
    usable(decode([segment_of(frames)], context_of(frames)), (ratio, 37, 31))


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (64, 5)])
def test_any_size(size):
    frames = scene(4, *size)
    usable(decode([segment_of(frames)], context_of(frames)), (4, *size))


def test_consecutive_segments_of_different_length_are_one_sequence():
    frames = scene(13, 20, 24)
    parts = [segment_of(frames[:3]), segment_of(frames[3:8]), segment_of(frames[8:])]
    together = decode(parts, context_of(frames))
    usable(together, (13, 20, 24))
    alone = decode(parts[1:2], context_of(frames))
    assert not torch.allclose(together.frames[3:8], alone.frames)  # neighbours have their say


def test_calling_it_decodes_measurements_one_by_one():
    frames = scene(4, 12, 16)
    segment = segment_of(frames)
    decoder, context = Unfolding(make_net()), context_of(frames)
    pair = decoder(torch.stack([segment.y, 2 * segment.y]), segment.phi, context, silent)
    assert pair.shape == (2, 4, 12, 16)
    torch.testing.assert_close(pair[0], decoder.decode([segment], context, silent).frames)


def test_a_batch_equals_single_movies():
    net, coded = make_net(), make_coded(n=3)
    with torch.inference_mode():
        together = net(coded)
        for index in range(3):
            one = CodedSequence(*(part[index : index + 1] for part in coded[:3]), *coded[3:])
            alone = net(one)
            for both, single in zip(together[:2], alone[:2], strict=True):
                torch.testing.assert_close(both[index : index + 1], single, rtol=1e-4, atol=1e-5)


def test_gradients_and_inference_see_the_same_network():
    """In inference frames are convolved some at a time."""
    net, coded = make_net(), make_coded((12,), ratio=12)
    with torch.inference_mode():
        expected = net(coded).frames
    torch.testing.assert_close(net(coded).frames, expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_changes_little_and_answers_in_float32():
    net, coded = make_net(), make_coded()
    with torch.inference_mode():
        expected = net(coded)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = net(coded)
    for got, want in zip(mixed[:2], expected[:2], strict=True):
        assert got.dtype == torch.float32
        assert got.shape == want.shape
        assert float((got - want).std() / want.std()) < 0.05


# --- tiles ------------------------------------------------------------------------------------


def tiled(groups, context, tile, decoder):
    return reconstruct_tiled(decoder, groups, context, device="cpu", tile=tile, progress=silent)


def test_tiles_equal_the_whole_frame():
    """Of a scene that is much brighter, and so noisier, on one side."""
    height, width = 80, 240
    bright = scene(8, height, width) * np.linspace(0.1, 3, width)
    frames = np.random.default_rng(0).poisson(bright).astype(np.uint8)
    masks = Masks.create(4, tile=(64, 64))
    blocks = [
        GroupBlock(encode(frames[:4], masks), masks, 4),
        GroupBlock(encode(frames[4:], masks), masks, 4, range(2), wanted=False),
    ]
    config = UnfoldingConfig(width=8, deep_width=8, stages=2, shifts=(1, 1))
    context, decoder = context_of(frames), Unfolding(make_net(config))
    assert width > 64 + 2 * decoder.halo  # no tile sees the whole frame
    whole = tiled(blocks, context, 512, decoder)
    parts = tiled(blocks, context, 64, decoder)
    limit = 1e-4 * float(np.ptp(whole.frames))
    assert float(np.abs(parts.frames - whole.frames).max()) < limit
    assert float(np.abs(parts.uncertainty - whole.uncertainty).max()) < limit


# --- units, doses and trouble -----------------------------------------------------------------


def test_the_result_does_not_depend_on_units():
    frames = np.random.default_rng(0).poisson(scene(9, 24, 20)).astype(np.float32)
    scaled = 30 * frames + 100
    noise = NoiseModel(30.0, -30.0 * 100)  # variance 900 · x at value 30 x + 100
    expected, found = (
        decode([segment_of(part[:5]), segment_of(part[5:])], context_of(part, of_part))
        for part, of_part in ((frames, POISSON), (scaled, noise))
    )
    torch.testing.assert_close((found.frames - 100) / 30, expected.frames, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.uncertainty / 30, expected.uncertainty, rtol=1e-3, atol=1e-3)


def test_seams_are_evened_out_in_the_unit_of_the_deviation(monkeypatch):
    frames = np.random.default_rng(0).poisson(scene(9, 24, 20)).astype(np.float32)
    segments, context = [segment_of(frames[:5]), segment_of(frames[5:])], context_of(frames)
    given = []

    def evened(*arguments):
        given.extend(arguments)
        return even_seams(*arguments) + 1

    monkeypatch.setattr(unfolding, "even_seams", evened)
    found = decode(segments, context)
    estimate, deviation, lengths = given
    assert tuple(lengths) == (5, 4)
    spread = found.uncertainty / deviation
    torch.testing.assert_close(spread, torch.full_like(spread, float(spread[0, 0, 0])))
    expected = (even_seams(estimate, deviation, lengths) + 1) * spread + context.mean
    torch.testing.assert_close(found.frames, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("noise", [POISSON, NoiseModel(0.0, 4.0), NoiseModel(2.0, -50.0), None])
@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
def test_every_dose_gives_numbers(noise, kind):
    """From next to nothing to saturation; of bernoulli masks some pixels see nothing."""
    for frames in (
        np.random.default_rng(0).poisson(scene(3, 20, 20, dose=0.1)),
        np.zeros((3, 20, 20)),
        np.full((3, 20, 20), 65535.0),
        np.random.default_rng(0).poisson(scene(3, 20, 20, dose=3e4)).clip(0, 65535),
    ):
        segment = segment_of(frames, kind)
        assert kind == "balanced" or (segment.phi.mask_sum == 0).any()
        usable(decode([segment], context_of(frames, noise)), (3, 20, 20))


def test_a_movie_of_unknown_level_is_measured_where_it_is_seen():
    frames = scene(3, 20, 20)
    for context in (BlockContext((0.0, 60.0), POISSON), BlockContext((0.0, 60.0))):
        usable(decode([segment_of(frames, "bernoulli")], context), (3, 20, 20))
    uniform = np.full((3, 20, 20), 7.0)
    estimate = decode([segment_of(uniform)], BlockContext((7.0, 7.0), POISSON))
    usable(estimate, (3, 20, 20))


def test_noise_holds_the_estimate_back_from_the_measurement():
    """The step towards the measurement is full where it is clean, and nothing where it is noise."""
    stage = make_net().stages[-1]
    with torch.no_grad():
        stage.weigh.copy_(torch.tensor([-1.0, -1.0]))
    steps = stage.step(torch.tensor([1e-4, 0.1, 1.0, 30.0]))
    assert steps.tolist() == sorted(steps.tolist(), reverse=True)
    assert steps[0] > 0.99
    assert steps[-1] < 0.02


# --- configuration ----------------------------------------------------------------------------


def test_a_configuration_survives_json():
    config = UnfoldingConfig(width=12, shifts=(1, 2, 4, 1))
    assert UnfoldingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_an_untrained_network_begins_with_the_mean_of_the_block():
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        net = UnfoldingNet(TINY)
    coded = make_coded(sigma=30.0)  # so noisy that no step is taken towards the measurement
    with torch.inference_mode():
        frames = net.eval()(coded).frames
    torch.testing.assert_close(frames, coded.per_frame(coded.mean), atol=0.15, rtol=0)


def test_progress_is_told_and_may_cancel():
    frames = scene(3, 12, 12)
    seen = []
    Unfolding(make_net()).decode([segment_of(frames)], context_of(frames), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) == TINY.stages * len(TINY.shifts)
