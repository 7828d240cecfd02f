"""Our decoder: any B, any size, any dose; tiles, batches and units make no difference."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_tcsdl.encoder import encode
from napari_tcsdl.masks import Masks
from napari_tcsdl.measurement import Phi
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import GroupBlock, _unfolding_net, reconstruct_tiled
from napari_tcsdl.reconstruction._deviation import FEATURES, clues
from napari_tcsdl.reconstruction.base import BlockContext, Segment
from napari_tcsdl.reconstruction.unfolding import (
    CodedSequence,
    Unfolding,
    UnfoldingConfig,
    UnfoldingNet,
    normalise,
)

TINY = UnfoldingConfig(width=8, deep_width=8, stages=2, shifts=(1, 1, 1))
POISSON = NoiseModel(1.0, 0.0)


def silent(fraction):
    pass


def make_net(config=TINY, seed=0):
    """A network that was not trained, but whose every layer does something."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        net = UnfoldingNet(config)
        for parameter in net.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.05)
    return net.eval()


def make_coded(lengths=(5, 4), size=(16, 12), n=1, seed=1, ratio=5, sigma=0.3):
    """Measurements in normalised units that nobody has made."""
    generator = torch.Generator().manual_seed(seed)
    n_frames = sum(lengths)
    return CodedSequence(
        torch.randn(n, len(lengths), *size, generator=generator),
        torch.full((n, len(lengths), *size), sigma),
        (torch.rand(n, n_frames, *size, generator=generator) < 0.5).float(),
        lengths,
        ratio,
    )


def scene(n_frames, height, width, dose=20.0):
    """Expected counts of a lattice that drifts, (T, H, W) float64."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(n_frames)[:, None, None]
    return dose * (1 + 0.4 * np.sin((x + 0.3 * t) / 1.5) * np.sin(y / 2))


def segment_of(frames, kind="balanced", seed=0):
    """Encode frames (B, H, W) as one measurement."""
    masks = Masks.create(len(frames), kind=kind, seed=seed, tile=(32, 32))
    phi = Phi.from_masks(masks, frames.shape[1:], device="cpu")
    return Segment(phi(torch.from_numpy(np.asarray(frames, np.float32))), phi)


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


# --- what it sees -----------------------------------------------------------------------------


def test_the_residual_is_what_phi_says():
    """C ⊙ (Ȳ − Φx ⊘ Σ C) of each segment, by hand."""
    coded = make_coded((3, 4, 2), n=2)
    frames = torch.randn(2, 9, 16, 12, generator=torch.Generator().manual_seed(3))
    found = coded.residual(frames)
    for n in range(2):
        for index, (start, stop) in enumerate([(0, 3), (3, 7), (7, 9)]):
            phi = Phi(coded.masks[n, start:stop])
            rest = coded.mean[n, index] - phi.normalise(phi(frames[n, start:stop]))
            torch.testing.assert_close(found[n, start:stop], phi.adjoint(rest))


def test_the_residual_of_the_truth_is_nothing():
    frames = scene(6, 16, 16)
    segment = segment_of(frames)
    mean = segment.phi.normalise(segment.y)[None, None]
    coded = CodedSequence(mean, torch.ones_like(mean), segment.phi.masks[None], (6,), 6)
    assert float(coded.residual(torch.from_numpy(frames).float()[None]).abs().max()) < 1e-4


@pytest.mark.parametrize(("place", "own"), [(20, 0), (24, 0), (28, 8), (30, 8)])
def test_receptive_radius_is_true(place, own):
    """A pixel changes what lies within the radius, and nothing beyond, wherever it lies."""
    config = UnfoldingConfig(8, 8, stages=2, shifts=(1, 1), deviation_width=own)
    radius = config.receptive_radius
    net, middle = make_net(config).double(), radius + place
    coded = make_coded((3,), ((2 * middle + 40) // 16 * 16, 24), ratio=3)
    coded = CodedSequence(*(part.double() for part in coded[:3]), *coded[3:])
    touched = coded.mean.clone()
    touched[..., middle, 12] += 1e4
    with torch.inference_mode():
        before, after = (net(coded._replace(mean=mean)) for mean in (coded.mean, touched))
    for quiet, stirred in zip(before[:2], after[:2], strict=True):
        rows = (stirred - quiet).abs().amax((0, 1, 3))
        assert rows[middle - 4 : middle + 5].all()
        reached = rows.nonzero()[:, 0] - middle
        assert -radius <= int(reached.min())
        assert int(reached.max()) <= radius
        if quiet is before[1] or not own:  # the deviation reaches farther than what it weighs
            assert int(reached.max() - reached.min()) > radius  # and it is not far too large


def test_the_deviation_is_corrected_by_the_residual_and_the_frames_are_not(monkeypatch):
    """Until the last step, which is given the corrected deviation."""
    monkeypatch.setattr(_unfolding_net, "last_step", lambda coded, *estimate: estimate)
    config = UnfoldingConfig(8, 8, stages=1, shifts=(1, 1), deviation_width=8)
    net, coded = make_net(config), make_coded((4,), (32, 32), ratio=4)
    plain = make_net(replace(config, deviation_width=0))
    plain.load_state_dict(
        {k: v for k, v in net.state_dict().items() if not k.startswith("deviation")}
    )
    with torch.inference_mode():
        with_it, without = net(coded), plain(coded)
    torch.testing.assert_close(with_it.frames, without.frames)
    assert not torch.allclose(with_it.log_sigma, without.log_sigma)


@pytest.mark.parametrize(("bias", "log"), [(50.0, 4.0), (-50.0, -7.0)])
def test_the_deviation_never_leaves_what_was_trained(bias, log):
    """A sum of logarithms that runs away would state 10¹⁰ times the range of the movie."""
    net = make_net(UnfoldingConfig(8, 8, stages=1, shifts=(1, 1), deviation_width=8))
    torch.nn.init.constant_(net.sigma_head.bias, bias)
    with torch.inference_mode():
        found = net(make_coded((4,), (32, 32), ratio=4)).log_sigma
    assert log - 5 <= float(found.min())  # the last step may lower it: to a hundredth of itself
    assert float(found.max()) == pytest.approx(log, abs=1e-4)


def test_clues_measure_the_residual_in_units_of_its_noise():
    generator = torch.Generator().manual_seed(2)
    sigma = torch.full((1, 2, 64, 64), 0.3)
    noise = sigma * torch.randn(sigma.shape, generator=generator)
    frames = torch.zeros_like(sigma)
    as_expected, threefold = (clues(scale * noise, sigma, frames) for scale in (1.0, 3.0))
    assert as_expected.shape == (2, FEATURES, 16, 16)
    # 36² px: the mean square is known to a few hundredths
    torch.testing.assert_close(as_expected[:, 2], torch.zeros(2, 16, 16), atol=0.2, rtol=0)
    torch.testing.assert_close(
        threefold[:, 2] - as_expected[:, 2], torch.full((2, 16, 16), math.log(9)), atol=0.05, rtol=0
    )
    assert float(clues(noise, 0 * sigma, frames).max()) == 6.0  # a clean movie has no noise


def test_weights_of_before_the_correction_have_none():
    stored = {k: v for k, v in UnfoldingConfig().to_json().items() if k != "deviation_width"}
    assert UnfoldingConfig.from_json(stored).deviation_width == 0
    assert UnfoldingNet(UnfoldingConfig.from_json(stored)).deviation is None


def test_time_is_mixed_both_ways():
    net, coded = make_net(), make_coded((9,), ratio=9)
    touched = coded.masks.clone()
    touched[:, 4, 5, 5] = 1 - touched[:, 4, 5, 5]
    with torch.inference_mode():
        change = (net(coded._replace(masks=touched)).frames - net(coded).frames).abs()
    assert (change.amax((0, 2, 3)) > 0)[2:7].all()


def test_normalised_noise_is_that_of_the_mean_of_the_exposures():
    y = torch.full((1, 9, 9), 50.0)
    exposures = torch.full((1, 9, 9), 4.0)
    scaled, sigma = normalise(y, exposures, NoiseModel(2.0, 10.0), (40.0, 5.0))
    torch.testing.assert_close(scaled, torch.full_like(scaled, 2.0))
    torch.testing.assert_close(sigma, torch.full_like(sigma, (110 / 4) ** 0.5 / 5))
    unseen = exposures.clone()
    unseen[0, 3, 3] = 0
    assert float(normalise(y, unseen, POISSON, (40.0, 5.0))[0][0, 3, 3]) == 0
    assert not normalise(y, exposures, None, (40.0, 5.0))[1].any()


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
    frames = np.random.default_rng(0).poisson(scene(5, 24, 20)).astype(np.float32)
    expected = decode([segment_of(frames)], context_of(frames))
    scaled = 30 * frames + 100
    noise = NoiseModel(30.0, -30.0 * 100)  # variance 900 · x at value 30 x + 100
    found = decode([segment_of(scaled)], context_of(scaled, noise))
    torch.testing.assert_close((found.frames - 100) / 30, expected.frames, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.uncertainty / 30, expected.uncertainty, rtol=1e-3, atol=1e-3)


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
