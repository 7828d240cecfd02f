"""GAP-TV recovers what was measured, clean or noisy, and tells which is which."""

import numpy as np
import pytest
import torch

from napari_tcsdl._validation import Cancelled
from napari_tcsdl.masks import Masks
from napari_tcsdl.measurement import Phi
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import BlockContext, GapTV


def moving_square(n_frames=8, height=48, width=40, low=10.0, high=50.0):
    """A bright square on dark ground that walks 2 px a frame."""
    frames = torch.full((n_frames, height, width), low)
    for t in range(n_frames):
        frames[t, 16:32, 4 + 2 * t : 20 + 2 * t] = high
    return frames


def phi_of(frames, **options):
    b, h, w = frames.shape[-3:]
    return Phi.from_masks(Masks.create(b, tile=(32, 32), **options), (h, w), device="cpu")


def silent(fraction):
    pass


def rms(a, b):
    return float((a - b).square().mean().sqrt())


CLEAN = BlockContext((10.0, 50.0))


def test_clean_data_is_resolved_in_time_and_fits_the_measurement():
    frames = moving_square()
    phi = phi_of(frames)
    decoded = GapTV()(phi(frames), phi, CLEAN, silent)
    mean = frames.mean(0).expand_as(frames)
    assert rms(decoded, frames) < 0.6 * rms(mean, frames)
    torch.testing.assert_close(phi(decoded), phi(frames), rtol=1e-4, atol=1e-3)


def noisy_case(frames, seed=0):
    counts = np.random.default_rng(seed).poisson(frames.numpy()).astype(np.float32)
    return torch.from_numpy(counts), BlockContext((0.0, float(counts.max())), NoiseModel(1.0, 0.0))


@pytest.mark.parametrize("high", [14.0, 50.0])
def test_noisy_data_beats_the_mean_of_the_block(high):
    frames = moving_square(high=high)
    counts, context = noisy_case(frames)
    phi = phi_of(frames)
    decoded = GapTV()(phi(counts), phi, context, silent)
    assert rms(decoded, frames) < 0.7 * rms(counts.mean(0).expand_as(frames), frames)


def test_still_scene_is_no_worse_than_the_mean_of_the_block():
    frames = moving_square()[:1].expand(8, -1, -1)
    counts, context = noisy_case(frames)
    phi = phi_of(frames)
    decoded = GapTV()(phi(counts), phi, context, silent)
    assert rms(decoded, frames) < rms(counts.mean(0).expand_as(frames), frames)


def test_noise_decides_the_mode():
    frames = moving_square(high=14.0)
    counts, context = noisy_case(frames)
    phi = phi_of(frames)
    y = phi(counts)
    chosen = GapTV()(y, phi, context, silent)
    assert torch.equal(chosen, GapTV(accelerated=False)(y, phi, context, silent))
    assert rms(chosen, frames) < 0.6 * rms(GapTV(accelerated=True)(y, phi, context, silent), frames)
    faint = BlockContext((0.0, 5000.0), NoiseModel(1.0, 0.0))
    assert torch.equal(
        GapTV()(y, phi, faint, silent), GapTV(accelerated=True)(y, phi, faint, silent)
    )


def test_noisy_mode_minimises_its_objective():
    """Against the same convex sum, lowered by many more iterations."""
    frames = moving_square(4, 24, 20)
    counts, context = noisy_case(frames)
    phi = phi_of(frames)
    y = phi(counts)
    short = GapTV(accelerated=False)(y, phi, context, silent)
    long = GapTV(accelerated=False, noisy_iterations=2000)(y, phi, context, silent)
    assert rms(short, long) < 0.1 * rms(long, long.mean().expand_as(long))


@pytest.mark.parametrize("context", [CLEAN, BlockContext((10.0, 50.0), NoiseModel(1.0, 0.0))])
def test_a_single_frame_is_what_was_measured(context):
    frames = moving_square(1)
    phi = Phi(torch.ones_like(frames))
    torch.testing.assert_close(GapTV()(frames[0], phi, context, silent), frames)


@pytest.mark.parametrize("accelerated", [True, False])
def test_pixels_that_no_mask_opens_are_filled_from_their_surroundings(accelerated):
    frames = moving_square()
    masks = phi_of(frames).masks.clone()
    masks[:, 5:7, 5:7] = 0
    masks[:, 20, 22] = 0
    phi = Phi(masks)
    counts, context = noisy_case(frames)
    y = phi(frames if accelerated else counts)
    decoded = GapTV(accelerated=accelerated)(y, phi, context, silent)
    assert torch.isfinite(decoded).all()
    assert float((decoded[:, 5:7, 5:7] - 10).abs().max()) < 4


@pytest.mark.parametrize("accelerated", [True, False])
def test_batches_equal_single_measurements(accelerated):
    frames = moving_square(5, 37, 31)
    pair = torch.stack([frames, frames.flip(-1)])
    phi = phi_of(frames)
    context = BlockContext((10.0, 50.0), NoiseModel(0.0, 9.0))
    decoder = GapTV(accelerated=accelerated)
    both = decoder(phi(pair), phi, context, silent)
    assert both.shape == pair.shape
    for one, frames_of_one in zip(both, pair, strict=True):
        torch.testing.assert_close(one, decoder(phi(frames_of_one), phi, context, silent))


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("pedestal", [0.0, 1000.0])
def test_result_does_not_depend_on_units(accelerated, pedestal):
    frames = moving_square(6, 37, 31)
    phi = phi_of(frames)
    decoder = GapTV(accelerated=accelerated)
    reference = decoder(phi(frames), phi, BlockContext((10.0, 50.0), NoiseModel(0, 4.0)), silent)
    scaled = 30 * frames + pedestal
    context = BlockContext((300.0 + pedestal, 1500.0 + pedestal), NoiseModel(0, 3600.0))
    decoded = decoder(phi(scaled), phi, context, silent)
    torch.testing.assert_close((decoded - pedestal) / 30, reference, atol=2e-2, rtol=0)


def test_constant_value_range_and_no_exposure_give_no_nan():
    phi = Phi(torch.zeros(3, 8, 9))
    decoded = GapTV()(torch.zeros(8, 9), phi, BlockContext((5.0, 5.0)), silent)
    assert torch.isfinite(decoded).all()


@pytest.mark.parametrize("accelerated", [True, False])
def test_progress_rises_to_one_and_may_cancel(accelerated):
    frames = moving_square(3, 16, 16)
    phi = phi_of(frames)
    seen = []
    decoder = GapTV(accelerated=accelerated)
    decoder(phi(frames), phi, CLEAN, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    calls = []

    def cancel(fraction):
        calls.append(fraction)
        raise Cancelled

    with pytest.raises(Cancelled):
        decoder(phi(frames), phi, CLEAN, cancel)
    assert len(calls) == 1
