"""A scene tells the network in training what raw frames of it would tell."""

import numpy as np
import pytest
import torch

from napari_tcsdl.persistence import (
    detail_of,
    measure_persistence,
    products_of,
    summarised,
    tiles_of,
)
from napari_tcsdl.reconstruction.unfolding import persistence_inputs
from napari_tcsdl.training import lasting
from napari_tcsdl.training.lasting import Whole, draw_persistence, whole_products


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


def half_still(n_frames=40, side=128, strong=4.0):
    """A movie whose left half is strong and stays, whose right half is weak and fades."""
    movie = fading(n_frames, side)
    movie[:, :, : side // 2] = strong * movie[0, :, : side // 2]
    return 1 + movie


def told_of(truth, **what):
    """Covariances of the frame and of quiet tiles that are told, in the units of ``truth``."""
    told = np.array(draw_persistence(truth, 1e-3, seeded(), **what).tolist())[1:-1] / 3
    return np.sign(told) * told**2


@pytest.mark.parametrize("left", [0, 68], ids=["of what is strong", "of what is weak"])
def test_a_crop_tells_of_the_movie_that_it_was_cut_from(always_told, monkeypatch, left):
    """Whatever its contrast and gain are: what it shows itself is far from that."""
    monkeypatch.setattr(lasting, "_PIXELS", (1e9, 1e9))
    movie, contrast = half_still(), -0.2
    crop = movie[:20, 20:92, left : left + 60]
    whole = Whole.of(whole_products(movie.numpy()), crop.numpy())
    told = told_of(contrast * crop, whole=whole)
    alone = told_of(contrast * crop)
    measured = measure_persistence([tiles_of((contrast * movie).numpy(), 32)])
    expected = np.array([*measured.whole, *measured.quiet])
    np.testing.assert_allclose(told, expected, rtol=0.1, atol=0.02 * expected[0])
    assert np.abs(alone - expected).max() > 0.3 * expected[0]


def test_the_pattern_of_the_detector_is_the_same_everywhere(always_told, monkeypatch):
    """It is not taken for contrast of the crop, and stays."""
    monkeypatch.setattr(lasting, "_PIXELS", (1e9, 1e9))
    movie = half_still()
    gains = 1 + 0.15 * torch.randn(movie.shape[1:], generator=seeded(999))
    crop = movie[:20, 20:92, 68:]
    whole = Whole.of(whole_products(movie.numpy()), crop.numpy())
    told = told_of((movie * gains)[:20, 20:92, 68:], whole=whole, fixed=0.15**2)
    expected = np.array(summarised(products_of_all((movie * gains).numpy()), 0.0).whole)
    np.testing.assert_allclose(told[:5], expected, rtol=0.1)


def products_of_all(movie):
    return products_of(detail_of(tiles_of(movie, 32)))


def test_where_nothing_is_to_be_seen_the_crop_speaks_for_itself(always_told):
    flat = torch.ones(20, 48, 48)
    whole = Whole.of(whole_products(half_still().numpy()), flat.numpy())
    assert whole.power == 0
    np.testing.assert_array_equal(told_of(flat, whole=whole), told_of(flat))


def test_what_hides_under_the_pattern_is_not_magnified(always_told):
    """Of a scene that is fainter than the pattern its own frames tell: the rest would be chance."""
    movie = half_still()
    faint = 1 + 1e-3 * (movie[:20, 20:92, 68:] - 1)
    gains = 1 + 0.02 * torch.randn(faint.shape[1:], generator=seeded(999))
    whole = Whole.of(whole_products(movie.numpy()), movie[:20, 20:92, 68:].numpy())
    seen = faint * gains
    np.testing.assert_array_equal(told_of(seen, whole=whole, fixed=0.02**2), told_of(seen))


@pytest.mark.parametrize("kind", ["magnified", "blurred"])
def test_magnification_and_blur_of_a_crop_are_about_those_of_its_movie(
    always_told, monkeypatch, kind
):
    monkeypatch.setattr(lasting, "_PIXELS", (1e9, 1e9))

    def changed(frames):
        if kind == "blurred":
            return torch.nn.functional.avg_pool2d(frames[None], 3, 1)[0]
        size = tuple(round(1.25 * side) for side in frames.shape[1:])
        return torch.nn.functional.interpolate(frames[None], size, mode="bicubic")[0]

    smooth = torch.nn.functional.avg_pool2d(half_still(side=132)[None], 5, 1)[0]
    crop = smooth[:20, 20:92, 8:68]
    whole = Whole.of(whole_products(smooth.numpy()), crop.numpy())
    told = told_of(changed(crop), whole=whole)
    measured = measure_persistence([tiles_of(changed(smooth).numpy(), 32)])
    expected = np.array([*measured.whole, *measured.quiet])
    np.testing.assert_allclose(told, expected, rtol=0.25, atol=0.03 * expected[0])
