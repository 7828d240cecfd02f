"""The paper's network: every input against its equation, any shape, and learning."""

from itertools import pairwise

import pytest
import torch
from thin_bidirectional import B, make_block, make_net, record

from napari_tcsdl.measurement import Phi
from napari_tcsdl.reconstruction.bidirectional import (
    BidirectionalConfig,
    BidirectionalNet,
    passes_loss,
)

# --- inputs, equation by equation ---------------------------------------------------------------


def test_first_frame_cnn_sees_the_mean_and_its_masked_copies():
    """[Ȳ, Ȳ ⊙ C_1 … Ȳ ⊙ C_B], Ȳ = Y ⊘ Σ C (Eq. 2)."""
    net = make_net()
    calls = record(net.first_frame.to_features)
    _, masks, y = make_block()
    net(y, masks)
    mean = torch.where(masks.sum(0) > 0, y / masks.sum(0), 0)
    expected = torch.stack([mean, *(mean * mask for mask in masks)])
    torch.testing.assert_close(calls[0][0][0], expected)


def test_forward_pass_sees_equation_3():
    net = make_net()
    calls = record(net.forward_cell)
    _, masks, y = make_block()
    x = net(y, masks).forward
    mean = Phi(masks).normalise(y)
    assert len(calls) == B - 1
    for k, (measured, before, _) in enumerate(calls, start=1):
        done = sum(masks[t] * x[t] for t in range(k))
        pending = sum(masks[t] * mean for t in range(k + 1, B))
        torch.testing.assert_close(measured[0], torch.stack([mean, y - done - pending]))
        torch.testing.assert_close(before[0, 0], x[k - 1])


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_backward_pass_sees_equation_4(variant):
    net = make_net(variant=variant)
    calls = record(net.backward_cell)
    _, masks, y = make_block()
    forward, backward = net(y, masks)
    mean = Phi(masks).normalise(y)
    assert len(calls) == B - 1
    for k, (measured, before, _) in zip(range(B - 2, -1, -1), calls, strict=True):
        done = sum(masks[t] * backward[t] for t in range(k + 1, B))
        unseen = forward if variant == "paper" else mean.expand_as(forward)
        pending = sum((masks[t] * unseen[t] for t in range(k)), torch.zeros_like(y))
        torch.testing.assert_close(measured[0], torch.stack([mean, y - done - pending]))
        torch.testing.assert_close(before[0, 0], backward[k + 1])


def test_last_frame_is_that_of_the_forward_pass():
    _, masks, y = make_block()
    forward, backward = make_net()(y, masks)
    assert torch.equal(forward[-1], backward[-1])
    assert not torch.equal(forward[:-1], backward[:-1])


def test_hidden_state_begins_with_zeros_and_runs_on_from_pass_to_pass():
    net = make_net()
    states = []
    for cell in (net.forward_cell, net.backward_cell):
        cell.register_forward_hook(lambda _, args, out: states.append((args[2], out[1])))
    _, masks, y = make_block()
    net(y, masks)
    assert not states[0][0].any()
    for (_, given), (taken, _) in pairwise(states):
        assert torch.equal(given, taken)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_only_the_paper_reads_forward_frames_on_the_way_back(variant):
    """Frames 2 … B − 1 of the forward pass are replaced; its last frame and state stay."""
    _, masks, y = make_block()
    seen = []
    for seed in (0, 1):
        net = make_net(variant=variant)
        calls = record(net.backward_cell)
        steps = iter([seed] * (B - 2) + [7])

        def replace(_, args, output, steps=steps):
            generator = torch.Generator().manual_seed(next(steps))
            return tuple(torch.randn(o.shape, generator=generator, dtype=o.dtype) for o in output)

        net.forward_cell.register_forward_hook(replace)
        net(y, masks)
        seen.append(torch.cat([measured for measured, _, _ in calls]))
    assert torch.equal(*seen) == (variant == "released")


def test_running_sums_stay_exact_over_fifty_frames():
    net = make_net(dtype=torch.float32, first_frame="gap_tv")
    calls = record(net.backward_cell)
    frames, masks, y = make_block(50, dtype=torch.float32)
    forward, backward = net(y, masks, frames[0])
    exact = y.double() - (masks * backward).double()[1:].sum(0)
    torch.testing.assert_close(calls[-1][0][0, 1].double(), exact, atol=1e-4, rtol=0)
    assert forward.shape == backward.shape == frames.shape


# --- shapes and sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(12, 10), (13, 10), (12, 11), (7, 9), (6, 1)])
@pytest.mark.parametrize("n_frames", [1, 2, 4, B])
def test_any_size_and_any_number_of_frames(n_frames, size):
    _, masks, y = make_block(n_frames, size)
    passes = make_net()(y, masks)
    assert passes.forward.shape == passes.backward.shape == (n_frames, *size)
    assert torch.isfinite(passes.backward).all()


def test_odd_sizes_repeat_the_last_row_and_column():
    net = make_net()
    _, masks, y = make_block(size=(13, 11))
    even_y, *even_masks = (
        torch.nn.functional.pad(image[None], (0, 1, 0, 1), mode="replicate")[0]
        for image in (y[None], *masks[:, None])
    )
    even = net(even_y[0], torch.cat(even_masks)).backward
    torch.testing.assert_close(even[:, :13, :11], net(y, masks).backward)


@pytest.mark.parametrize("first_frame", ["cnn", "gap_tv"])
def test_batches_equal_single_measurements(first_frame):
    net = make_net(first_frame=first_frame)
    frames, masks, y = make_block(batch=(2, 3))
    start = frames[..., 0, :, :] if first_frame == "gap_tv" else None
    own_masks = masks.expand_as(frames).clone()
    own_masks[1, 2] = masks.flip(0)
    both = net(y, own_masks, start).backward
    shared = net(y, masks, start).backward
    assert both.shape == frames.shape
    for i, j in ((0, 0), (1, 2)):
        one = net(y[i, j], own_masks[i, j], None if start is None else start[i, j]).backward
        torch.testing.assert_close(both[i, j], one)
    torch.testing.assert_close(both[0, 0], shared[0, 0])


def test_a_short_block_is_one_whose_further_masks_never_open():
    net = make_net()
    calls = record(net.first_frame.to_features)
    _, masks, y = make_block(3)
    net(y, masks)
    net(y, torch.cat([masks, torch.zeros(2, *y.shape, dtype=y.dtype)]))
    torch.testing.assert_close(calls[0][0], calls[1][0])


# --- learning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_gradients_reach_every_parameter(variant):
    net = make_net(variant=variant)
    frames, masks, y = make_block(batch=(2,))
    passes_loss(net(y, masks), frames).backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_loss_is_half_of_each_pass():
    net = make_net()
    frames, masks, y = make_block()
    passes = net(y, masks)
    by_hand = [(p - frames).square().mean() for p in passes]
    torch.testing.assert_close(passes_loss(passes, frames), 0.5 * by_hand[0] + 0.5 * by_hand[1])


@pytest.mark.parametrize("whole", [False, True])
def test_half_precision_keeps_the_measurement_in_full(whole):
    """Under autocast, or with all weights in bfloat16."""
    _, masks, y = make_block(dtype=torch.float32)
    net = make_net(dtype=torch.float32)
    exact = net(y, masks).backward
    calls = record(net.forward_cell)
    if whole:
        net = net.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=not whole):
        rough = net(y, masks).backward
    assert rough.dtype == calls[0][0].dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.02, rtol=0.02)
    assert not torch.equal(rough, exact)


def test_channels_last_changes_nothing():
    _, masks, y = make_block(dtype=torch.float32)
    net = make_net(dtype=torch.float32)
    expected = net(y, masks).backward
    torch.testing.assert_close(
        net.to(memory_format=torch.channels_last)(y, masks).backward, expected
    )


def test_a_tiny_network_learns_two_frames():
    torch.manual_seed(0)
    net = BidirectionalNet(BidirectionalConfig(width=0.2, largest_ratio=2))
    _, masks, _ = make_block(2, (16, 16), dtype=torch.float32)
    x = torch.arange(16.0).expand(16, 16)
    frames = torch.stack([torch.sin(0.8 * x), torch.sin(0.8 * x + 1.5)])
    y = Phi(masks)(frames)
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    for _ in range(70):
        optimiser.zero_grad()
        loss = passes_loss(net(y, masks), frames)
        loss.backward()
        optimiser.step()
    blurred = frames.mean(0).expand_as(frames)
    assert float(loss.detach()) < 0.2 * float((blurred - frames).square().mean())
