"""A scene tells the network in training what raw frames of it would tell."""

import numpy as np
import pytest
import torch

from napari_tcsdl.persistence import measure_persistence, tiles_of
from napari_tcsdl.reconstruction.unfolding import persistence_inputs
from napari_tcsdl.training import lasting
from napari_tcsdl.training.lasting import draw_persistence


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fading(n_frames=40, side=72, kept=0.8):
    frames = [torch.randn(side, side, generator=seeded())]
    for index in range(1, n_frames):
        fresh = torch.randn(side, side, generator=seeded(index))
        frames.append(kept * frames[-1] + (1 - kept**2) ** 0.5 * fresh)
    return 0.2 * torch.stack(frames)


@pytest.fixture
def always_told(monkeypatch):
    for name in ("_UNKNOWN", "_SHORT", "_JITTER"):
        monkeypatch.setattr(lasting, name, 0.0)


def test_it_is_what_is_measured_on_raw_frames(always_told, monkeypatch):
    scene, noise = fading(), 0.5
    pixels = scene[1:].numel()
    monkeypatch.setattr(lasting, "_PIXELS", (pixels, pixels))
    chance = np.random.default_rng(0)
    raw = scene.numpy() + noise**0.5 * chance.normal(size=scene.shape)
    measured = measure_persistence([tiles_of(raw.astype(np.float32), 24)])
    expected = np.array(persistence_inputs(measured, 1.0))
    drawn = np.array([draw_persistence(scene, noise, seeded(s)).tolist() for s in range(40)])
    # Roots: what is near nothing scatters most.
    spread = drawn.std(0) + 0.02
    assert (np.abs(drawn.mean(0) - expected) < 4 * spread).all()
    assert drawn[0, -1] == pytest.approx(expected[-1], rel=0.05)


def test_the_whole_scatters_by_the_error_that_is_told(always_told, monkeypatch):
    monkeypatch.setattr(lasting, "_PIXELS", (1e4, 1e4))
    still = fading(30, kept=1.0)
    drawn = np.array([draw_persistence(still, 4.0, seeded(s)).tolist() for s in range(200)])
    whole = np.sign(drawn[:, 1]) * (drawn[:, 1] / 3) ** 2
    error = (drawn[0, -1] / 3) ** 2
    assert whole.std() == pytest.approx(error, rel=0.2)


def test_some_movies_tell_nothing():
    scene = fading(6, 24)
    known = [float(draw_persistence(scene, 0.1, seeded(s))[0]) for s in range(300)]
    assert known.count(0.0) == pytest.approx(300 * lasting._UNKNOWN, abs=20)


def test_a_single_frame_tells_nothing():
    assert not draw_persistence(torch.ones(1, 24, 24), 0.1, seeded()).any()


def test_the_same_generator_tells_the_same():
    scene = fading(6, 24)
    drawn = [draw_persistence(scene, 0.1, seeded(3)) for _ in range(2)]
    torch.testing.assert_close(*drawn, rtol=0, atol=0)
