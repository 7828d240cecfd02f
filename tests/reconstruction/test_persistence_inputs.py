"""What the network is told of how long structure lasts, and that it listens."""

import dataclasses

import pytest
import torch
from tiny_unfolding import POISSON, TINY, make_coded, make_net, scene, segment_of, silent

from napari_tcsdl.persistence import Persistence
from napari_tcsdl.reconstruction._persistence_inputs import PERSISTENCE_INPUTS
from napari_tcsdl.reconstruction.base import BlockContext, Segment
from napari_tcsdl.reconstruction.unfolding import (
    Unfolding,
    UnfoldingConfig,
    UnfoldingNet,
    persistence_inputs,
)

FADES = Persistence((0.8, 0.5, 0.1, -0.05, 0.02), (0.3, 0.2, 0.1, 0.0, 0.0), 0.01)
STAYS = Persistence((0.8,) * 5, (0.3,) * 5, 0.01)


def told(*movies, spread=1.0):
    return torch.tensor([persistence_inputs(one, spread) for one in movies])


def test_nothing_known_is_zeros():
    assert persistence_inputs(None, 2.0) == [0.0] * PERSISTENCE_INPUTS
    assert len(persistence_inputs(FADES, 2.0)) == PERSISTENCE_INPUTS


def test_numbers_do_not_depend_on_the_units_of_the_detector():
    gained = Persistence(
        tuple(900 * v for v in FADES.whole), tuple(900 * v for v in FADES.quiet), 900 * FADES.error
    )
    assert persistence_inputs(gained, 60.0) == pytest.approx(persistence_inputs(FADES, 2.0))


def test_they_keep_their_sign_and_stay_in_the_range_that_was_trained():
    known, *numbers = persistence_inputs(FADES, 1.0)
    assert known == 1.0
    assert numbers[3] < 0 < numbers[4]
    assert max(persistence_inputs(FADES, 1e-6)) == pytest.approx(6.0)


def test_the_network_answers_otherwise_where_structure_stays():
    net, coded = make_net(), make_coded()
    with torch.no_grad():
        fades, stays, unknown = (
            net(coded._replace(persistence=told(one))) for one in (FADES, STAYS, None)
        )
    assert not torch.allclose(fades.frames, stays.frames)
    assert not torch.allclose(fades.log_sigma, stays.log_sigma)
    assert not torch.allclose(unknown.frames, stays.frames)


def test_unknown_and_untold_are_the_same():
    net, coded = make_net(), make_coded()
    with torch.no_grad():
        torch.testing.assert_close(
            net(coded).frames, net(coded._replace(persistence=told(None))).frames
        )


def test_each_movie_of_a_batch_is_told_its_own():
    net, coded = make_net(), make_coded(n=2)
    with torch.no_grad():
        both = net(coded._replace(persistence=told(FADES, STAYS))).frames
        for index, one in enumerate((FADES, STAYS)):
            alone = coded._replace(
                mean=coded.mean[index : index + 1],
                sigma=coded.sigma[index : index + 1],
                masks=coded.masks[index : index + 1],
                persistence=told(one),
            )
            torch.testing.assert_close(net(alone).frames[0], both[index], atol=1e-5, rtol=1e-5)


def test_weights_of_before_are_told_nothing():
    stored = {k: v for k, v in TINY.to_json().items() if k != "persistence_width"}
    config = UnfoldingConfig.from_json(stored)
    assert config.persistence_width == 0
    net, coded = make_net(config), make_coded()
    assert not [name for name in net.state_dict() if name.startswith("persistence")]
    with torch.no_grad():
        torch.testing.assert_close(
            net(coded).frames, net(coded._replace(persistence=told(STAYS))).frames
        )


def test_a_new_network_learns_from_it():
    net = UnfoldingNet(TINY)
    torch.nn.init.normal_(net.stages[-1].leave.weight)
    net(make_coded()._replace(persistence=told(FADES))).frames.sum().backward()
    assert net.persistence.weight.grad.abs().sum() > 0


def test_the_decoder_hands_on_what_the_context_knows():
    segment = segment_of(scene(5, 16, 16))
    context = BlockContext((0, 60), POISSON, 20.0, 4.0, 5, 0.4, STAYS)
    decoder = Unfolding(make_net())
    known = decoder.decode([segment], context, silent).frames
    other = decoder.decode([segment], dataclasses.replace(context, persistence=None), silent).frames
    assert not torch.allclose(known, other)
    gained = BlockContext(
        (0, 600),
        dataclasses.replace(POISSON, gain=10.0),
        200.0,
        40.0,
        5,
        0.4,
        Persistence(tuple(100 * v for v in STAYS.whole), tuple(100 * v for v in STAYS.quiet), 1.0),
    )
    ten = decoder.decode([Segment(10 * segment.y, segment.phi)], gained, silent).frames
    torch.testing.assert_close(ten, 10 * known, rtol=1e-4, atol=1e-3)
