"""How long structure lasts is told from raw frames, whatever their noise is."""

import numpy as np
import pytest

from napari_tcsdl.movie import Movie
from napari_tcsdl.persistence import (
    LAGS,
    Persistence,
    detail_of,
    measure_persistence,
    persistence_of,
    tiles_of,
)

KEPT = 0.8  # of the grain, from one frame to the next


def grain(n_frames, kept, side=128, seed=0):
    """(T, H, W) of unit variance, of which each frame keeps a part: covariance ``kept`` ** lag."""
    chance = np.random.default_rng(seed)
    frames = [chance.normal(size=(side, side))]
    for _ in range(n_frames - 1):
        fresh = chance.normal(size=(side, side))
        frames.append(kept * frames[-1] + (1 - kept**2) ** 0.5 * fresh)
    return np.stack(frames)


def counted(scene, seed=1):
    return np.random.default_rng(seed).poisson(scene).astype(np.uint8)


def measured(frames):
    return measure_persistence([tiles_of(frames)])


@pytest.mark.parametrize("dose", [4, 20])
def test_grain_that_changes_loses_the_covariance_that_it_was_made_with(dose):
    scene = dose * (1 + 0.1 * grain(60, KEPT))
    found = measured(counted(scene))
    # The mean of 9 × 9 px takes 1/81 of white grain away.
    expected = (0.1 * dose) ** 2 * (80 / 81) * KEPT ** np.array(LAGS)
    np.testing.assert_allclose(found.whole, expected, atol=5 * found.error)
    assert found.error < 0.05 * expected[0]


def test_still_grain_stays():
    found = measured(counted(20 * (1 + 0.1 * np.repeat(grain(1, 1), 40, axis=0))))
    np.testing.assert_allclose(found.whole, 4 * 80 / 81, rtol=0.04)


def test_noise_alone_is_nothing_that_lasts_and_the_error_says_how_much_that_is():
    found = [measured(counted(np.full((30, 64, 64), 10.0), seed)) for seed in range(40)]
    first = np.array([one.whole[0] for one in found])
    assert abs(first.mean()) < 4 * found[0].error / len(first) ** 0.5
    assert first.std() == pytest.approx(found[0].error, rel=0.35)


def test_quiet_tiles_are_not_quiet_by_chance_alone():
    # Picked by their own values, the quarter of the tiles that chance made least is below 0.
    found = [measured(counted(np.full((30, 128, 128), 10.0), seed)) for seed in range(20)]
    quiet = np.array([one.quiet[0] for one in found])
    assert abs(quiet.mean()) < 4 * quiet.std() / len(quiet) ** 0.5


def test_quiet_tiles_are_those_beside_the_specimen():
    scene = np.full((40, 128, 128), 20.0)
    scene[:, :, 64:] *= 1 + 0.2 * np.repeat(grain(1, 1), 40, axis=0)[:, :, 64:]
    found = measured(counted(scene))
    assert found.whole[0] == pytest.approx(0.5 * 16 * 80 / 81, rel=0.05)
    assert abs(found.quiet[0]) < 0.01 * found.whole[0]


def test_a_hot_pixel_does_not_decide():
    frames = counted(np.full((40, 128, 128), 20.0)).astype(np.uint16)
    frames[:, 40, 40] = 60_000
    assert abs(measured(frames).whole[0]) < 0.2  # of noise with variance 20
    assert abs(measured(frames).quiet[0]) < 0.05


def test_of_few_electrons_those_that_are_there_count():
    still = 0.01 * (1 + 0.5 * np.repeat(grain(1, 1, side=256), 60, axis=0)).clip(0)
    found = measured(counted(still))
    assert found.whole[0] == pytest.approx(measured(still).whole[0], abs=4 * found.error)
    assert found.error == pytest.approx(0.01 / (256**2 * 59) ** 0.5, rel=0.05)
    assert found.whole[0] > 4 * found.error


def test_quiet_ground_beside_strong_crystals_is_seen():
    scene = np.full((30, 128, 128), 300.0)
    scene[:, :, 32:] *= 1 + 0.3 * np.repeat(grain(1, 1), 30, axis=0)[:, :, 32:].clip(-3)
    found = measured(np.random.default_rng(1).poisson(scene).astype(np.uint16))
    assert abs(found.quiet[0]) < 0.01 * found.whole[0]


def test_of_two_frames_no_place_is_called_quiet_by_chance():
    found = [measured(counted(np.full((2, 128, 128), 10.0), seed)) for seed in range(20)]
    assert all(one.quiet == one.whole for one in found)
    first = np.array([one.quiet[0] for one in found])
    assert abs(first.mean()) < 4 * found[0].error / len(first) ** 0.5


def test_blank_borders_are_no_quiet_specimen():
    scene = 20 * (1 + 0.1 * np.repeat(grain(1, 1), 40, axis=0))
    frames = counted(scene)
    frames[:, :32] = 0
    found = measured(frames)
    assert found.quiet[0] == pytest.approx(4 * 80 / 81, rel=0.05)
    assert found.whole[0] == pytest.approx(4 * 80 / 81, rel=0.05)


def test_what_is_larger_than_the_mean_of_the_neighbourhood_is_taken_off():
    y, x = np.mgrid[:64, :64]
    slope = (3 * y + x)[None].astype(np.float32)
    np.testing.assert_allclose(detail_of(slope)[:, 8:-8, 8:-8], 0, atol=1e-3)


def test_lags_that_a_short_movie_does_not_have_are_as_the_longest_that_it_has():
    found = measured(counted(20 * (1 + 0.2 * grain(3, KEPT))))
    assert found.whole[1] == found.whole[2] == found.whole[4]
    assert found.whole[1] < found.whole[0]


def test_frames_that_do_not_differ_have_no_noise_to_fear():
    found = measured(np.full((8, 40, 40), 7, np.uint8))
    assert found == Persistence((0.0,) * 5, (0.0,) * 5, 0.0)


@pytest.mark.parametrize("shape", [(3, 10, 12), (5, 7, 100), (2, 1, 1)])
def test_frames_smaller_than_a_tile_are_one(shape):
    found = measured(np.random.default_rng(0).poisson(5, shape).astype(np.uint8))
    assert np.isfinite([*found.whole, *found.quiet, found.error]).all()


def test_large_numbers_do_not_overflow():
    frames = counted(20 * (1 + 0.1 * grain(20, 1, side=64)))
    small, large = measured(frames), measured((frames * 1e25).astype(np.float32))
    np.testing.assert_allclose(large.whole, 1e50 * np.array(small.whole), rtol=1e-4)
    assert large.error == pytest.approx(1e50 * small.error, rel=1e-4)


class Counting:
    """Frames that count how often they are read, and how many at a time."""

    def __init__(self, frames):
        self.frames, self.shape, self.dtype = frames, frames.shape, frames.dtype
        self.read = []

    def __getitem__(self, key):
        self.read.extend(range(*key.indices(len(self.frames))))
        return self.frames[key]


@pytest.mark.parametrize("n_frames", [2, 60, 96])
def test_of_a_short_movie_all_frames_are_read_as_one_run(n_frames):
    source = Counting(counted(20 * (1 + 0.1 * grain(n_frames, KEPT, side=32))))
    assert persistence_of(Movie(source)) == measured(source.frames)
    assert source.read == list(range(n_frames))


def test_of_a_long_movie_three_runs_are_read():
    source = Counting(counted(20 * (1 + 0.1 * grain(400, KEPT, side=32))))
    found = persistence_of(Movie(source))
    assert source.read == [*range(32), *range(184, 216), *range(368, 400)]
    assert found.whole[0] == pytest.approx(4 * 80 / 81 * KEPT, rel=0.2)


def test_of_large_frames_few_are_read_and_few_tiles_kept(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.persistence._MOST_PIXELS", 10 * 128 * 128)
    monkeypatch.setattr("napari_tcsdl.persistence._MOST_TILES", 4)
    source = Counting(counted(20 * (1 + 0.1 * grain(61, 1, side=128))))
    found = persistence_of(Movie(source))
    assert source.read == list(range(22, 39))  # the longest lag is there
    assert found.error == pytest.approx(24 / (4 * 32**2 * 16) ** 0.5, rel=0.1)


@pytest.mark.parametrize("shape", [(4096, 4096), (4096, 5760), (512, 660), (64, 8192), (8192, 64)])
def test_tiles_that_are_kept_lie_all_over_the_frame(shape):
    rows, columns = shape[0] // 32, shape[1] // 32
    places = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    kept = tiles_of(np.kron(places, np.ones((32, 32), np.int32))[None], most=256)
    assert len(kept) <= 256
    assert len(kept) > 192 or len(kept) == rows * columns
    row, column = np.divmod(kept[:, 0, 0, 0], columns)
    for found, count in ((row, rows), (column, columns)):
        gaps = np.diff(np.unique([-1, *found, count]))
        assert gaps.max() <= max(2 * count / len(np.unique(found)), 1)


def test_only_tiles_are_held(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.persistence._MOST_TILES", 4)
    held = []
    monkeypatch.setattr(
        "napari_tcsdl.persistence.measure_persistence", lambda runs: held.extend(runs)
    )
    persistence_of(Movie(counted(np.full((20, 256, 256), 9.0))))
    (run,) = held
    assert run.shape == (4, 20, 32, 32)
    assert run.base is None or run.base.nbytes == run.nbytes


@pytest.mark.parametrize(("bad", "left"), [((5,), True), ((5, 190, 399), False)])
def test_runs_with_a_bad_frame_are_left_out(bad, left):
    frames = (20 * (1 + 0.1 * grain(400, 1, side=32))).astype(np.float32)
    frames[list(bad), 3, 4] = np.nan
    found = persistence_of(Movie(frames))
    assert (found is not None) == left
    assert found is None or found.whole[0] == pytest.approx(4 * 80 / 81, rel=0.1)


def test_a_thinned_movie_holds_less():
    found = Persistence((4.0, 2.0, 1.0, 0.0, -1.0), (1.0,) * 5, 0.5).thinned(0.5)
    assert found == Persistence((1.0, 0.5, 0.25, 0.0, -0.25), (0.25,) * 5, 0.125)


def test_it_is_stored_as_it_was():
    found = measured(counted(20 * (1 + 0.1 * grain(20, KEPT))))
    assert Persistence.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "damage",
    [
        {"whole": [1.0]},
        {"whole": "12345"},
        {"whole": [1.0, 2.0, 3.0, 4.0, "5"]},
        {"quiet": [1.0, 2.0, 3.0, 4.0, float("nan")]},
        {"quiet": [1, 2, 3, 4, 10**400]},
        {"quiet": [1.0, 2.0, 3.0, 4.0, True]},
        {"error": "much"},
        {"error": -0.1},
    ],
)
def test_damaged_numbers_are_refused(damage):
    stored = Persistence((1.0,) * 5, (1.0,) * 5, 0.1).to_json()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        Persistence.from_json({**stored, **damage})
