"""Blocks may not be told apart by how much frames change where one ends and the next begins."""

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from napari_tcsdl.reconstruction._seams import REACH, even_seams

B, SIDE = 6, 40
SEAM = B  # the first frame of the second block


def drifting(*, seed=0, speed=0.1, blocks=2):
    """Frames that change as much from each to the next, whatever their block."""
    steps = torch.randn(blocks * B, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return speed * steps.cumsum(0)


def erring(frames, size, seed=1):
    """The same, and in each block an error of its own, the same in all its frames."""
    errors = torch.randn(
        len(frames) // B, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)
    )
    return frames + size * errors.repeat_interleave(B, 0)


def changes(frames):
    return frames.diff(dim=0).square().mean((-2, -1)).sqrt()


def evened(frames, deviation=1.0, lengths=None):
    lengths = lengths or [B] * (len(frames) // B)
    return even_seams(frames, torch.full_like(frames, deviation), lengths)


def test_frames_change_across_a_seam_as_beside_it():
    truth = drifting()
    frames = erring(truth, 0.1)
    before, after = changes(frames), changes(evened(frames))
    beside = before[:-1][torch.arange(2 * B - 2) != SEAM - 1].mean()
    assert before[SEAM - 1] > 1.6 * beside
    assert after[SEAM - 1] == pytest.approx(float(beside), rel=0.1)


def test_the_error_becomes_smaller():
    truth = drifting(speed=0.02)
    frames = erring(truth, 0.1)
    off, less = ((x - truth).square().mean() for x in (frames, evened(frames)))
    assert less < 0.97 * off


def test_only_frames_next_to_a_seam_are_moved_and_none_is_changed_in_place():
    frames = erring(drifting(blocks=3), 0.2)
    given = frames.clone()
    moved = (evened(frames) != frames).any(-1).any(-1)
    assert moved.nonzero().ravel().tolist() == [B - 1, B, 2 * B - 1, 2 * B]
    torch.testing.assert_close(frames, given, rtol=0, atol=0)


def test_the_mean_of_both_frames_stays():
    frames = erring(drifting(), 0.2)
    pair = slice(SEAM - 1, SEAM + 1)
    torch.testing.assert_close(evened(frames)[pair].mean(0), frames[pair].mean(0))


def test_at_most_half_of_a_difference_is_taken_away():
    frames = erring(torch.zeros(2 * B, SIDE, SIDE), 0.2)  # nothing moves at all
    after = evened(frames)
    torch.testing.assert_close(changes(after)[SEAM - 1], changes(frames)[SEAM - 1] / 2)


def test_what_changes_no_more_than_beside_the_seam_is_left_alone():
    frames = drifting()
    frames[SEAM:] += 0.7 * (frames[SEAM - 1] - frames[SEAM])  # it changes by less there
    torch.testing.assert_close(evened(frames), frames, rtol=0, atol=0)


def test_an_event_is_left_alone():
    """What the deviation does not explain has happened: it may happen between two blocks."""
    frames = drifting()
    frames[SEAM:, :, 20:] += 3.0  # to the right of column 20 a crystal turns
    after = evened(frames)
    torch.testing.assert_close(after[..., 20 + REACH :], frames[..., 20 + REACH :], rtol=0, atol=0)
    unsure = evened(frames, deviation=10.0)
    assert (unsure[SEAM] - frames[SEAM])[:, 20 + REACH :].abs().min() > 0.5


@pytest.mark.parametrize(("side", "size"), [(3, 5.0), (5, 3.0), (9, 2.5)])
def test_a_small_event_is_one_too(side, size):
    """A hopping column fills little of the surroundings, and is no part of the frame before."""
    frames = erring(drifting(speed=0.02), 0.1)
    inside = (slice(SEAM, None), slice(18, 18 + side), slice(15, 15 + side))
    struck = frames.clone()
    struck[inside] += size
    after = evened(struck)
    torch.testing.assert_close(after[inside], struck[inside], rtol=0, atol=0)
    before = (SEAM - 1, *inside[1:])
    torch.testing.assert_close(after[before], struck[before], rtol=0, atol=0)
    assert (evened(frames)[inside][0] != frames[inside][0]).all()  # without it they are moved


def test_between_seam_and_event_it_fades():
    frames = torch.zeros(2 * B, SIDE, SIDE)
    frames[:, ::2] += torch.arange(2 * B)[:, None, None] * 1e-6  # hardly anything moves
    frames[SEAM:] += 1.0
    for explained, kept in ((0.4, 1.0), (0.75, 0.5), (0.9, 0.2), (1.1, 0.0)):
        # Both variances add up to the square of the difference over ``explained``.
        step = evened(frames, deviation=(0.5 / explained) ** 0.5)[SEAM - 1] - frames[SEAM - 1]
        torch.testing.assert_close(step, torch.full_like(step, 0.25 * kept), rtol=1e-3, atol=1e-4)


def test_changes_are_averaged_over_their_surroundings():
    frames = erring(drifting(), 0.2)
    step = evened(frames)[SEAM - 1] - frames[SEAM - 1]
    squares = frames.diff(dim=0).square().numpy()
    local = np.stack([uniform_filter(one, 2 * REACH + 1) for one in squares])
    inside = np.delete(local[SEAM - 5 : SEAM + 4], 4, axis=0).mean(0)
    share = np.clip((1 - np.sqrt(inside / local[SEAM - 1])) / 2, 0, 0.25)
    expected = share * (frames[SEAM] - frames[SEAM - 1]).numpy()
    inner = (slice(REACH, -REACH), slice(REACH, -REACH))
    np.testing.assert_allclose(step.numpy()[inner], expected[inner], rtol=1e-4, atol=1e-6)


def test_the_border_of_the_frame_is_like_the_rest():
    frames = torch.arange(2.0 * B)[:, None, None].expand(-1, SIDE, SIDE) * 0.1
    frames = frames + 0.1 * (frames >= 0.1 * SEAM)  # twice the change across the seam
    step = evened(frames)[SEAM - 1] - frames[SEAM - 1]
    torch.testing.assert_close(step, torch.full((SIDE, SIDE), 0.05), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [(12,), (6, 6), (3, 9), (2, 8, 2), (2,) * 6])
def test_blocks_of_any_length(lengths):
    frames = drifting(speed=0.02)
    errors = torch.randn(len(lengths), SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    frames = frames + 0.2 * errors.repeat_interleave(torch.tensor(lengths), 0)
    moved = (evened(frames, lengths=lengths) != frames).any(-1).any(-1).nonzero().ravel().tolist()
    seams = np.cumsum(lengths)[:-1]
    assert moved == sorted({*seams, *(seams - 1)})


def test_a_frame_that_is_its_own_measurement_stays():
    frames = erring(drifting(speed=0.02), 0.2)
    kept = evened(frames, lengths=(11, 1))
    torch.testing.assert_close(kept, frames, rtol=0, atol=0)
    kept = evened(frames, lengths=(1,) * 12)
    torch.testing.assert_close(kept, frames, rtol=0, atol=0)


def test_still_clean_frames_stay_as_they_are():
    frames = torch.zeros(2 * B, SIDE, SIDE)
    torch.testing.assert_close(evened(frames, deviation=0.0), frames, rtol=0, atol=0)
