"""What the network mixes over time is of the same place of the specimen."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_unfolding import POISSON, make_coded, make_net, scene, segment_of, silent

from napari_tcsdl.encoder import encode
from napari_tcsdl.masks import Masks
from napari_tcsdl.reconstruction import BlockContext, GroupBlock, reconstruct_tiled
from napari_tcsdl.reconstruction._alignment import Alignment
from napari_tcsdl.reconstruction.unfolding import Unfolding


def drift(n_frames, seed=0, size=1.5):
    return np.random.default_rng(seed).normal(0.2, size, (n_frames, 2)).cumsum(0)


def test_following_a_specimen_makes_it_stay_and_nothing_is_lost():
    still = torch.randn(2, 1, 12, 17, generator=torch.Generator().manual_seed(0))
    offsets = torch.tensor([[[0, 0], [3, -2], [-5, 16]], [[1, 0], [0, 0], [0, 1]]])
    moving = torch.stack(
        [
            torch.stack([torch.roll(one[0], tuple(o), (0, 1)) for o in rows.tolist()])
            for one, rows in zip(still, offsets, strict=True)
        ]
    )
    align = Alignment(offsets)
    torch.testing.assert_close(align.follow(moving), still.expand(-1, 3, -1, -1), rtol=0, atol=0)
    torch.testing.assert_close(align.undo(align.follow(moving)), moving, rtol=0, atol=0)


@pytest.mark.parametrize("offsets", [None, torch.zeros(1, 3, 2)])
def test_a_specimen_that_stays_costs_nothing(offsets):
    frames = torch.ones(1, 3, 4, 4)
    align = Alignment(offsets)
    assert align.follow(frames) is frames
    assert align.undo(frames) is frames


def test_the_network_mixes_frames_where_the_specimen_is():
    """A movie on a torus that is shifted frame by frame is decoded to the shifted frames."""
    net, coded = make_net(), make_coded(lengths=(1, 1, 1, 1), size=(64, 64), ratio=1)
    # Single frames: each is its own measurement, so that Y may follow the specimen, too.
    offsets = torch.tensor([[[0, 0], [4, 8], [-12, 20], [32, -4]]])
    align = Alignment(offsets)
    moved = coded._replace(
        mean=align.undo(coded.mean), masks=align.undo(coded.masks), offsets=offsets
    )
    with torch.inference_mode():
        still, followed, lost = (net(one) for one in (coded, moved, moved._replace(offsets=None)))
    torch.testing.assert_close(align.follow(followed.frames), still.frames, rtol=0, atol=1e-5)
    torch.testing.assert_close(align.follow(followed.log_sigma), still.log_sigma, rtol=0, atol=1e-4)
    assert (align.follow(lost.frames) - still.frames).abs().max() > 1e-3


def blocks_of(frames, masks, positions):
    ratio = masks.compression_ratio
    return [
        GroupBlock(
            encode(frames[k : k + ratio], masks), masks, ratio, positions=positions[k : k + ratio]
        )
        for k in range(0, len(frames), ratio)
    ]


def test_tiles_of_a_specimen_that_drifts_equal_the_whole_frame():
    rng = np.random.default_rng(0)
    frames = rng.poisson(scene(8, 64, 460)).astype(np.uint8)
    masks, positions = Masks.create(4, tile=(64, 64)), drift(8, size=4)
    context = BlockContext((0.0, 60.0), POISSON, mean=20.0, spread=5.0, compression_ratio=4)
    context = dataclasses.replace(context, openness=masks.openness)
    blocks, decoder = blocks_of(frames, masks, positions), Unfolding(make_net())
    whole, parts, apart = (
        reconstruct_tiled(decoder, group, context, device="cpu", tile=tile, progress=silent)
        for group, tile in (
            (blocks, 512),
            (blocks, 64),
            ([dataclasses.replace(block, positions=None) for block in blocks], 512),
        )
    )
    np.testing.assert_allclose(parts.frames, whole.frames, atol=1e-4 * 60)
    np.testing.assert_allclose(parts.uncertainty, whole.uncertainty, atol=1e-4 * 60)
    assert np.abs(apart.frames - whole.frames).max() > 1e-2


def test_segments_of_which_some_were_not_followed_are_decoded_where_they_are():
    segments = [segment_of(scene(4, 24, 24), seed=seed) for seed in (0, 1)]
    known = [
        dataclasses.replace(one, positions=drift(4, seed)) for seed, one in enumerate(segments)
    ]
    decoder, context = Unfolding(make_net()), BlockContext((0.0, 60.0), POISSON)

    def decoded(parts):
        return decoder.decode(parts, context, silent).frames

    plain = decoded(segments)
    torch.testing.assert_close(decoded([known[0], segments[1]]), plain, rtol=0, atol=0)
    assert (decoded(known) - plain).abs().max() > 1e-3
