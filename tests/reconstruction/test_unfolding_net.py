"""What our network sees: the residual, its noise, both ways in time, nothing beyond its radius."""

import math
from dataclasses import replace

import pytest
import torch
from tiny_unfolding import POISSON, make_coded, make_net, scene, segment_of

from napari_tcsdl.measurement import Phi
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import _unfolding_net
from napari_tcsdl.reconstruction._deviation import FEATURES, clues
from napari_tcsdl.reconstruction.unfolding import (
    CodedSequence,
    UnfoldingConfig,
    UnfoldingNet,
    normalise,
)


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
