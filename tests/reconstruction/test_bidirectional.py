"""The paper's network: every input against its equation, and what a decoder must do."""

from itertools import pairwise

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.measurement import Phi
from napari_tcsdl.reconstruction import _attention
from napari_tcsdl.reconstruction._attention import SelfAttention, over_keys, over_queries
from napari_tcsdl.reconstruction.base import BlockByBlock, BlockContext
from napari_tcsdl.reconstruction.bidirectional import (
    Bidirectional,
    BidirectionalConfig,
    BidirectionalNet,
    passes_loss,
)

B = 5


def make_net(seed=0, dtype=torch.float64, **options):
    """A thin network whose attention is switched on."""
    torch.manual_seed(seed)
    net = BidirectionalNet(BidirectionalConfig(**{"width": 0.1, "largest_ratio": B, **options}))
    if net.first_frame is not None and net.config.attention:
        torch.nn.init.constant_(net.first_frame.attention.gain, 1.0)
    return net.to(dtype)


def make_block(n_frames=B, size=(12, 10), seed=1, batch=(), dtype=torch.float64):
    """Frames, masks of which some pixels see none, and their measurement."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(*batch, n_frames, *size, generator=generator, dtype=dtype)
    masks = (torch.rand(n_frames, *size, generator=generator) < 0.5).to(dtype)
    masks[:, 3:5, 3:5] = 0
    return frames, masks, Phi(masks)(frames)


def record(module):
    """List to which every call of ``module`` adds its arguments."""
    calls = []
    module.register_forward_pre_hook(lambda _, args: calls.append([a.clone() for a in args]))
    return calls


def parameters_of(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


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


# --- attention ----------------------------------------------------------------------------------


def attention_by_table(query, key, value, axis):
    """One table of all pairs (query, key), its weights added up along ``axis``."""
    return torch.softmax(query @ key.transpose(1, 2), dim=axis) @ value


@pytest.mark.parametrize(("function", "axis"), [(over_keys, -1), (over_queries, -2)])
def test_attention_is_exact(monkeypatch, function, axis):
    torch.manual_seed(0)
    query, key = (torch.randn(2, 30, 3, dtype=torch.float64) for _ in range(2))
    value = torch.randn(2, 30, 13, dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(_attention, "_MOST_PAIRS", 2 * 30 * 7)  # five groups of keys
    expected = attention_by_table(query, key, value, axis)
    mixed = function(query, key, value)
    torch.testing.assert_close(mixed, expected)
    weights = torch.randn_like(value)
    gradients = [torch.autograd.grad((m * weights).sum(), value)[0] for m in (mixed, expected)]
    torch.testing.assert_close(*gradients)
    with torch.no_grad():
        torch.testing.assert_close(function(query, key, value), expected)


def test_attention_never_falls_back_to_a_table_of_all_pairs():
    attention = SelfAttention(26, window=0)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where only the table would do
        attention(torch.randn(1, 26, 6, 5))


@pytest.mark.parametrize("normalise", ["keys", "queries"])
def test_windows_are_exact_where_one_covers_all_and_separate_beyond(normalise):
    torch.manual_seed(0)
    attention = SelfAttention(16, window=0, normalise=normalise).double()
    torch.nn.init.constant_(attention.gain, 1.0)
    x = torch.randn(2, 16, 9, 7, dtype=torch.float64)
    whole = attention(x)
    attention.window = 9
    torch.testing.assert_close(attention(x), whole)
    attention.window = 4  # rows 0-2, 3-5, 6-8 and columns 0-2, 3-6
    pieces = attention(x)
    attention.window = 0
    torch.testing.assert_close(pieces[..., 3:6, 3:], attention(x[..., 3:6, 3:]))


def test_attention_does_nothing_until_it_has_learnt():
    x = torch.randn(1, 16, 4, 6)
    assert torch.equal(SelfAttention(16, window=0)(x), x)


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


# --- size ---------------------------------------------------------------------------------------


def test_full_width_has_the_published_number_of_parameters():
    assert parameters_of(BidirectionalNet(BidirectionalConfig())) == 4_133_240


def test_without_the_first_frame_cnn_four_fifths_of_the_parameters_are_gone():
    full = parameters_of(BidirectionalNet(BidirectionalConfig()))
    without = parameters_of(BidirectionalNet(BidirectionalConfig(first_frame="gap_tv")))
    assert 1 - without / full == pytest.approx(0.81, abs=0.01)


def test_width_multiplies_channels():
    half = parameters_of(BidirectionalNet(BidirectionalConfig(width=0.5)))
    assert half == pytest.approx(4_133_240 / 4, rel=0.02)


# --- configuration and messages -----------------------------------------------------------------


def test_configuration_survives_json():
    config = BidirectionalConfig("released", 0.25, "gap_tv", attention=False, units="range")
    assert BidirectionalConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "birnat"}, "got variant 'birnat', expected one of paper, released; choose"),
        ({"first_frame": "unet"}, "got first_frame 'unet', expected one of cnn, gap_tv; choose"),
        ({"units": "counts"}, "got units 'counts', expected one of spread, range; choose"),
        ({"width": 0.0}, r"got width = 0.0, expected at least 0.02; leave it out"),
        ({"largest_ratio": 0}, "got largest_ratio = 0, expected at least 1; leave it out"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        BidirectionalConfig(**options)


def test_configuration_of_a_later_version_is_refused():
    with pytest.raises(InputError, match=r"got depth in the configuration .* use the version of"):
        BidirectionalConfig.from_json({"depth": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, m, f: (y[1:], m, None), r"got measurements of shape \(11, 10\) and masks of"),
        (lambda y, m, f: (y, m[0], None), r"expected \(…, H, W\) and \(B, H, W\) or"),
        (lambda y, m, f: (y, m.expand(2, -1, -1, -1), None), "cut both with the same window"),
        (lambda y, m, f: (y, torch.cat([m, m]), None), "got B = 10, expected at most 5, for which"),
        (lambda y, m, f: (y, m, f[0]), "got first frames: one of shape .* expected none with"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    frames, masks, y = make_block()
    with pytest.raises(InputError, match=message):
        make_net()(*change(y, masks, frames))


def test_a_first_frame_must_be_given_where_the_network_has_none():
    frames, masks, y = make_block()
    net = make_net(first_frame="gap_tv")
    with pytest.raises(InputError, match=r"got first frames: none, expected one of shape \(12, 10"):
        net(y, masks)
    with pytest.raises(InputError, match="expected one of shape"):
        net(y, masks, frames)


# --- the decoder --------------------------------------------------------------------------------


class MeanStarter(BlockByBlock):
    """A decoder for the first frame: Ȳ in each frame."""

    name = "mean"
    halo = 0

    def __call__(self, y, phi, context, progress):
        progress(0.5)
        progress(1.0)
        return phi.normalise(y).unsqueeze(-3).expand(*y.shape[:-2], *phi.masks.shape)


def decoder_of(**options):
    net = make_net(dtype=torch.float32, **options)
    return Bidirectional(net, MeanStarter() if net.config.first_frame == "gap_tv" else None)


def silent(fraction):
    pass


SCALE = {
    "spread": BlockContext((0.0, 1.0), mean=0.5, spread=2.0),
    "range": BlockContext((-1.5, 2.5)),
}


@pytest.mark.parametrize("first_frame", ["cnn", "gap_tv"])
@pytest.mark.parametrize("units", ["spread", "range"])
def test_result_does_not_depend_on_units(units, first_frame):
    frames, masks, y = make_block(dtype=torch.float32)
    decoder, phi = decoder_of(units=units, first_frame=first_frame), Phi(masks)
    reference = decoder(y, phi, SCALE[units], silent)
    assert reference.shape == frames.shape
    context = BlockContext((70.0, 110.0), mean=90.0, spread=20.0)
    decoded = decoder(phi(10 * frames + 85), phi, context, silent)
    torch.testing.assert_close((decoded - 85) / 10, reference, atol=1e-4, rtol=0)


def test_decoder_is_the_network_in_detector_units():
    _, masks, y = make_block(dtype=torch.float32)
    decoder = decoder_of()
    scaled = (y - 0.5 * masks.sum(0)) / 2
    expected = decoder.net(scaled, masks).backward * 2 + 0.5
    decoded = decoder(y, Phi(masks), SCALE["spread"], silent)
    torch.testing.assert_close(decoded, expected)
    assert not decoded.requires_grad


def test_the_starter_gives_the_first_frame():
    _, masks, y = make_block(dtype=torch.float32)
    phi = Phi(masks)
    decoder = decoder_of(first_frame="gap_tv")
    calls = record(decoder.net.forward_cell)
    decoder(y, phi, SCALE["spread"], silent)
    torch.testing.assert_close(calls[0][1][0, 0], (phi.normalise(y) - 0.5) / 2)


def test_scale_is_the_movies_and_not_the_tiles():
    """A crop of the measurement, brighter than the rest, is scaled as the whole is."""
    _, masks, y = make_block(size=(12, 24), dtype=torch.float32)
    decoder = decoder_of(first_frame="gap_tv")
    calls = record(decoder.net.forward_cell)
    for columns in (slice(None), slice(0, 8)):
        decoder(y[:, columns], Phi(masks[..., columns]), SCALE["spread"], silent)
    whole, crop = calls[0][0], calls[B - 1][0]
    torch.testing.assert_close(whole[..., :8], crop)


def test_without_a_movie_the_measurement_itself_gives_the_scale():
    _, masks, y = make_block(dtype=torch.float32)
    phi = Phi(masks)
    seen = phi.normalise(y)[phi.mask_sum > 0]
    context = BlockContext((0, 1), mean=float(seen.mean()), spread=float(seen.std(correction=0)))
    expected = decoder_of()(y, phi, context, silent)
    torch.testing.assert_close(decoder_of()(y, phi, BlockContext((0, 1)), silent), expected)


@pytest.mark.parametrize("units", ["spread", "range"])
def test_nothing_measured_gives_no_nan(units):
    phi = Phi(torch.zeros(3, 8, 9))
    decoded = decoder_of(units=units)(torch.zeros(8, 9), phi, BlockContext((5.0, 5.0)), silent)
    assert torch.isfinite(decoded).all()


@pytest.mark.parametrize("first_frame", ["cnn", "gap_tv"])
def test_progress_rises_to_one_and_may_cancel(first_frame):
    _, masks, y = make_block(dtype=torch.float32)
    decoder, phi = decoder_of(first_frame=first_frame), Phi(masks)
    seen = []
    decoder(y, phi, SCALE["spread"], seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) >= 2 * B - 1

    def cancel(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        decoder(y, phi, SCALE["spread"], cancel)


def test_decoder_of_the_first_frame_is_asked_for_or_refused():
    with pytest.raises(InputError, match=r"got no decoder for the first frame, .* GapTV\(\)"):
        Bidirectional(make_net(first_frame="gap_tv"))
    with pytest.raises(
        InputError, match=r"got a decoder for the first frame, expected none .* out"
    ):
        Bidirectional(make_net(), MeanStarter())
