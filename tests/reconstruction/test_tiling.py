"""Tiles: seams cannot be seen, memory may run out, work can be stopped."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from learned_decoder import LearnedDecoder

from napari_tcsdl._validation import Cancelled, DeviceError
from napari_tcsdl.encoder import encode
from napari_tcsdl.masks import Masks
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.reconstruction import (
    RECONSTRUCTORS,
    BlockByBlock,
    BlockContext,
    GapTV,
    GroupBlock,
    reconstruct_tiled,
)
from napari_tcsdl.reconstruction.group import Area
from napari_tcsdl.reconstruction.tiling import MIN_TILE, _halved

MASKS = Masks.create(4, tile=(32, 32))
CONTEXT = BlockContext((0.0, 100.0))


def silent(fraction):
    pass


@dataclass
class PseudoInverse(BlockByBlock):
    """Fake decoder without spatial reach, whose memory ends at ``limit`` pixels a side."""

    limit: int = 10**6
    error: type = torch.cuda.OutOfMemoryError
    message: str = "CUDA out of memory"
    name: str = "fake"
    halo: int = 3
    sizes: list = field(default_factory=list)

    def __call__(self, y, phi, context, progress):
        if max(y.shape) > self.limit:
            raise self.error(self.message)
        self.sizes.append(tuple(y.shape))
        progress(0.5)
        return phi.pseudo_inverse(y)


def measure(frames, masks=MASKS):
    return encode(frames, masks)


def random_frames(n=4, height=150, width=200):
    return np.random.default_rng(0).integers(0, 100, (n, height, width)).astype(np.uint8)


def decode(decoder, y, masks=MASKS, n=4, context=CONTEXT, tile=64, progress=silent):
    group = [GroupBlock(y, masks, n)]
    return reconstruct_tiled(
        decoder, group, context, device="cpu", tile=tile, progress=progress
    ).frames


def test_masks_keep_their_phase_in_every_tile():
    y = measure(random_frames())
    decoder = PseudoInverse()
    tiled = decode(decoder, y, tile=64)
    assert len(decoder.sizes) == 12
    whole = PseudoInverse()
    np.testing.assert_array_equal(tiled, decode(whole, y, tile=200))
    assert whole.sizes == [(150, 200)]
    assert tiled.dtype == np.float32


@pytest.mark.parametrize("noise", [None, NoiseModel(1.0, 0.0)])
def test_gap_tv_in_tiles_equals_untiled(noise):
    y, x = np.mgrid[:150, :170]
    t = np.arange(8)[:, None, None]
    frames = 50 + 30 * np.sin((x + 0.5 * t) / 4) * np.cos(y / 5)
    if noise:
        frames = np.random.default_rng(0).poisson(frames)
    masks = Masks.create(8, tile=(64, 64))
    measured = measure(frames.astype(np.uint8), masks)
    context = BlockContext((0.0, 100.0), noise)
    tiled = decode(GapTV(), measured, masks, 8, context, tile=64)
    whole = decode(GapTV(), measured, masks, 8, context, tile=170)
    assert np.abs(tiled - whole).max() < 0.01 * 100
    assert np.sqrt(np.square(tiled - whole).mean()) < 0.001 * 100


def test_tiles_of_different_brightness_are_decoded_in_the_same_mode():
    """Dark and bright halves lie on both sides of the threshold between clean and noisy data."""
    frames = np.full((8, 128, 256), 8.0)
    frames[:, :, 128:] = 200
    frames = np.random.default_rng(1).poisson(frames).astype(np.uint16)
    masks = Masks.create(8, tile=(64, 64))
    measured = measure(frames, masks)
    threshold_mean = NoiseModel(1.0, 0.0, mean=float(frames.mean()))
    context = BlockContext((0.0, 300.0), threshold_mean)
    tiled = decode(GapTV(), measured, masks, 8, context, tile=128)
    whole = decode(GapTV(), measured, masks, 8, context, tile=256)
    assert np.abs(tiled - whole).max() < 0.01 * 300
    assert np.sqrt(np.square(tiled - whole).mean()) < 0.001 * 300


def test_short_last_block_uses_the_masks_it_was_measured_with():
    frames = random_frames(2)
    shortened = MASKS.shortened(2)
    decoded = decode(PseudoInverse(), measure(frames, shortened), shortened, n=2)
    assert decoded.shape == frames.shape
    prefix = decode(PseudoInverse(), measure(frames), MASKS, n=2)
    opened = MASKS.unpack((150, 200))[:2]
    assert (prefix[opened == 0] == 0).all()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.cuda.OutOfMemoryError, "CUDA out of memory"),
        (RuntimeError, "DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        (RuntimeError, "MPS backend out of memory"),
        (MemoryError, ""),
    ],
)
def test_full_memory_halves_the_tile_and_goes_on(error, message):
    y = measure(random_frames(4, 300, 280))
    small = PseudoInverse(limit=170, error=error, message=message)
    seen = []
    decoded = decode(small, y, tile=512, progress=seen.append)
    np.testing.assert_array_equal(decoded, decode(PseudoInverse(), y, tile=512))
    assert max(max(size) for size in small.sizes) <= 170
    assert sum((h - 3) * (w - 3) for h, w in small.sizes) <= 300 * 280  # nothing done twice
    assert seen == sorted(seen)


def test_no_room_for_the_smallest_tile_is_one_sentence():
    y = measure(random_frames())
    with pytest.raises(DeviceError, match=r"out of memory on cpu with a tile of \d+ × \d+ pixels"):
        decode(PseudoInverse(limit=MIN_TILE // 2), y, tile=128)


def test_a_device_that_is_lost_meanwhile_does_not_hide_the_sentence(monkeypatch):
    def lost(*_):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "empty_cache", lost)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lost)
    with pytest.raises(DeviceError, match=r"out of memory on cuda with a tile of 32 × 32 pixels, "):
        _halved(Area(0, 0, 32, 32), torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**32))
    with pytest.raises(DeviceError, match=r"pixels \(1.0 of 4.0 GiB free\), expected"):
        _halved(Area(0, 0, 32, 32), torch.device("cuda"))


def test_other_errors_are_not_taken_for_full_memory():
    class Broken(PseudoInverse):
        def __call__(self, y, phi, context, progress):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        decode(Broken(), measure(random_frames()))


def test_cancelled_passes_through_between_iterations():
    calls = []

    def cancel(fraction):
        calls.append(fraction)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        decode(GapTV(), measure(random_frames()), tile=256, progress=cancel)
    assert len(calls) == 3


def test_progress_covers_the_frame():
    seen = []
    decode(GapTV(iterations=2), measure(random_frames(4, 70, 130)), tile=64, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_reconstructors_is_a_plain_dict():
    assert isinstance(RECONSTRUCTORS["gap_tv"].make(), GapTV)


def test_threads_stop_when_cancelled_and_are_given_back():
    threads = torch.get_num_threads()
    iterations = []

    class Slow(PseudoInverse):
        def __call__(self, y, phi, context, progress):
            for k in range(10_000):
                iterations.append(k)
                progress(k / 10_000)
                time.sleep(0.001)
            raise AssertionError("was not stopped")

    def cancel(fraction):
        raise Cancelled

    torch.set_num_threads(2)
    try:
        with pytest.raises(Cancelled):
            decode(Slow(), measure(random_frames()), progress=cancel)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert len(iterations) < 5000


def test_progress_is_called_by_the_thread_that_asked():
    threads = set()
    decode(
        GapTV(iterations=2),
        measure(random_frames()),
        progress=lambda fraction: threads.add(threading.get_ident()),
    )
    assert threads == {threading.get_ident()}


# --- groups -----------------------------------------------------------------------------------


def group_of(height=150, width=206):
    """Frames 1 … 3 of a block, two whole blocks, and frame 0 of another."""
    frames = random_frames(16, height, width)
    values = [measure(frames[k : k + 4]) for k in range(0, 16, 4)]
    return [
        GroupBlock(values[0], MASKS, 4, range(1, 4), wanted=False),
        GroupBlock(values[1], MASKS, 4),
        GroupBlock(values[2], MASKS, 4),
        GroupBlock(values[3], MASKS, 4, range(1), wanted=False),
    ]


def decode_group(decoder, group, tile, progress=silent):
    return reconstruct_tiled(decoder, group, CONTEXT, device="cpu", tile=tile, progress=progress)


def test_a_group_in_tiles_equals_untiled():
    """The decoder works on a grid of 4 px and reaches 7 px: tiles must keep to both."""
    tiled = decode_group(LearnedDecoder(), group_of(), tile=64)
    whole = decode_group(LearnedDecoder(), group_of(), tile=512)
    assert tiled.frames.shape == (8, 150, 206)
    np.testing.assert_allclose(tiled.frames, whole.frames, rtol=1e-5)
    np.testing.assert_allclose(tiled.uncertainty, whole.uncertainty, rtol=1e-5)
    np.testing.assert_allclose(whole.uncertainty, 0.5 * np.abs(whole.frames) + 1, rtol=1e-5)


def test_a_window_that_is_out_of_step_with_the_grid_would_show():
    class OutOfStep(LearnedDecoder):
        align = 1

    tiled = decode_group(OutOfStep(), group_of(), tile=64)
    whole = decode_group(OutOfStep(), group_of(), tile=512)
    assert np.abs(tiled.frames - whole.frames).max() > 0.1


def test_neighbours_are_decoded_along_and_cut_off():
    decoder = LearnedDecoder()
    whole = decode_group(decoder, group_of(), tile=512).frames
    assert [segment.n_frames for segment in decoder.groups[0]] == [3, 4, 4, 1]
    alone = decode_group(LearnedDecoder(), group_of()[1:3], tile=512).frames
    changed = np.abs(whole - alone).max(axis=(1, 2)) > 0
    assert changed.tolist() == [True] * 3 + [False] * 2 + [True] * 3


def test_full_memory_halves_the_tile_of_a_group_too():
    seen = []
    small = decode_group(LearnedDecoder(limit=90), group_of(), tile=512, progress=seen.append)
    whole = decode_group(LearnedDecoder(), group_of(), tile=512)
    np.testing.assert_allclose(small.frames, whole.frames, rtol=1e-5)
    assert np.isfinite(small.uncertainty).all()
    assert seen == sorted(seen)


def test_without_uncertainty_there_is_none():
    assert decode_group(PseudoInverse(), group_of()[1:2], tile=64).uncertainty is None


def test_a_pixel_that_the_used_frames_did_not_see_counts_nothing():
    decoder = LearnedDecoder()
    decode_group(decoder, group_of(), tile=512)
    last = decoder.groups[0][-1]
    assert (last.y[last.phi.mask_sum == 0] == 0).all()
    assert (last.y[last.phi.mask_sum == 1] > 0).any()
