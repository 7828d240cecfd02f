"""Training is told where the specimen lies as a user's file tells it: about, and not always."""

import numpy as np
import pytest
import torch

from napari_tcsdl.training.following import draw_offsets, followed


def moving(n_frames=12, speed=(1.0, -0.5), side=64):
    """A clean bump on waves (T, H, W), and where it is."""
    place = np.arange(n_frames)[:, None] * np.array(speed)
    y, x = np.mgrid[:side, :side]
    frames = [
        np.exp(-((y - 30 - dy) ** 2 + (x - 34 - dx) ** 2) / 60)
        + 0.2 * np.sin((x - dx) / 3) * np.sin((y - dy) / 2)
        for dy, dx in place
    ]
    return torch.tensor(np.array(frames), dtype=torch.float32), place


def drawn(frames, seed):
    return draw_offsets(frames, torch.Generator().manual_seed(seed)).numpy()


def test_most_movies_are_followed_about_and_some_are_not_told():
    frames, place = moving()
    found = [drawn(frames, seed) for seed in range(60)]
    told = [one for one in found if one.any()]
    assert 0.6 < len(told) / len(found) < 0.92
    errors = [np.diff(one - place, axis=0).std() for one in told]
    assert 0.2 < min(errors) < 0.6  # rounded to whole pixels, at least
    assert 0.6 < max(errors) < 2


def test_offsets_are_whole_pixels_and_stay_within_the_crop():
    frames, _ = moving(40, speed=(3.0, 0.0))
    for seed in range(10):
        offsets = drawn(frames, seed)
        assert offsets.shape == (40, 2)
        np.testing.assert_array_equal(offsets, np.rint(offsets))
        assert np.abs(offsets).max() <= 0.15 * 64


def test_the_same_seed_tells_the_same():
    frames, _ = moving()
    np.testing.assert_array_equal(drawn(frames, 3), drawn(frames, 3))


def test_raw_frames_are_followed_as_they_are():
    frames, place = moving()
    rng = torch.Generator().manual_seed(0)
    raw = torch.poisson(20 * (1 + frames), generator=rng)
    offsets = followed(raw).numpy()
    assert np.diff(offsets - place, axis=0).std() == pytest.approx(0.4, abs=0.3)
