"""Muon: its steps are orthogonal, small weights follow AdamW, and it goes on from its state."""

import copy

import pytest
import torch
from torch import nn

from napari_tcsdl.training.learner import OPTIMISERS
from napari_tcsdl.training.muon import Muon, orthogonal


def problem(seed=0):
    """A convolution with a matrix of 32 × 288 and a bias, and a gradient for it."""
    generator = torch.Generator().manual_seed(seed)
    net = nn.Conv2d(32, 32, 3)
    with torch.no_grad():
        for weights in net.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) / 10)
            weights.grad = torch.randn(weights.shape, generator=generator)
    return net


@pytest.mark.parametrize("shape", [(32, 288), (128, 64), (64, 64)])
def test_singular_values_become_alike(shape):
    generator = torch.Generator().manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    uneven = u * torch.logspace(0, -2, min(shape)) @ v
    found = orthogonal(uneven)
    values = torch.linalg.svdvals(found)
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    # and the directions stay what they were
    aligned = (u.T @ found @ v.T).diagonal()
    torch.testing.assert_close(aligned, values.sort().values[aligned.argsort().argsort()])


def test_a_step_of_a_matrix_is_as_long_as_one_of_adamw():
    net = problem()
    before = net.weight.detach().clone()
    Muon(net, 1e-2, decay=0.0).step()
    step = (net.weight - before).detach()
    assert 0.15e-2 < float(step.square().mean().sqrt()) < 0.25e-2
    values = torch.linalg.svdvals(step.reshape(32, -1))
    assert float(values.max() / values.min()) < 2
    assert float((step * net.weight.grad).sum()) < 0  # downhill


def test_vectors_follow_adamw():
    net, other = problem(), problem()
    muon, adamw = OPTIMISERS["muon"](net, 1e-2), OPTIMISERS["adamw"](other, 1e-2)
    for _ in range(5):
        muon.step()
        adamw.step()
    torch.testing.assert_close(net.bias, other.bias)
    assert not torch.allclose(net.weight, other.weight)


def test_it_goes_on_from_its_state():
    net = problem()
    muon = Muon(net, 1e-2)
    muon.step()
    twin = copy.deepcopy(net)
    for weights, own in zip(twin.parameters(), net.parameters(), strict=True):
        weights.grad = own.grad.clone()
    again = Muon(twin, 1e-2)
    again.load_state_dict(copy.deepcopy(muon.state_dict()))
    muon.step()
    again.step()
    for weights, own in zip(twin.parameters(), net.parameters(), strict=True):
        assert torch.equal(weights, own)
