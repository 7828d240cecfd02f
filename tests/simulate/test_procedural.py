"""Procedural movies: lattices, motion and ranges are as asked, equal seeds give equal movies."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scene_draws import correlation, draws, make, seeded, still_view

from napari_tcsdl._validation import DeviceError, InputError
from napari_tcsdl.simulate.procedural import SCENES, ProceduralSettings, procedural_movies
from napari_tcsdl.simulate.scenes.crystals import random_body, touch
from napari_tcsdl.simulate.scenes.draws import memory_matrix
from napari_tcsdl.simulate.scenes.fields import moving_field, random_spectrum
from napari_tcsdl.simulate.scenes.grains import _phase_field
from napari_tcsdl.simulate.scenes.lattices import (
    attached_gratings,
    gratings,
    random_lattice,
    sharpened,
)
from napari_tcsdl.simulate.scenes.motion import random_pose, random_view, turn


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("shape", [(8, 24, 32), (5, 37, 31), (1, 16, 16)])
def test_every_scene_stays_in_range(scene, shape):
    movies = make(4, shape, weights={scene: 1.0}, cut_probability=0.3)
    assert movies.shape == (4, *shape)
    assert movies.dtype == torch.float32
    assert torch.isfinite(movies).all()
    assert movies.min() >= 0.02
    assert movies.max() <= 3.0
    assert 0.3 < movies.mean() < 1.6


def test_equal_generators_equal_movies_and_never_twice_the_same():
    generator = seeded(5)
    first, second = (
        procedural_movies(2, (4, 20, 24), generator=generator, device="cpu") for _ in range(2)
    )
    assert first.equal(make(2, (4, 20, 24), seed=5))
    assert not first.equal(second)
    assert not first[0].equal(first[1])


def test_the_global_generators_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - looked at only
    make(2)
    assert before[0].equal(torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_contrast_is_that_of_micrographs():
    movies = make(48, (4, 32, 32))
    contrast = movies.std(dim=(1, 2, 3)) / movies.mean(dim=(1, 2, 3))
    low, middle, high = contrast.quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
    assert low < 0.1
    assert 0.05 < middle < 0.3
    assert high < 0.5


def test_some_movies_stand_still_and_most_move():
    view = random_view(draws(), 400, (8, 16, 16))
    assert 0.02 < (view.activity == 0).float().mean() < 0.15
    step = view.shift.diff(dim=1).norm(dim=-1).median(dim=1).values
    assert step.min() == 0
    assert 0.1 < step.median() < 2
    assert step.max() > 3
    movies = make(1, (6, 24, 24), weights={"crystals": 1.0})
    assert (movies[:, 1:] - movies[:, :-1]).abs().max() > 0


@pytest.mark.parametrize("scene", SCENES)
def test_a_still_movie_does_not_change(scene):
    view = replace(still_view(3, (6, 24, 24)), activity=torch.zeros(3))
    frames = SCENES[scene](view)
    torch.testing.assert_close(frames, frames[:, :1].expand_as(frames), rtol=1e-3, atol=1e-4)


def test_gratings_have_their_peaks_at_the_asked_vectors():
    view = still_view(1, (2, 64, 96))
    vectors = torch.tensor([[8 / 64, 12 / 96], [-16 / 64, 6 / 96]])
    waves = gratings(
        view,
        vectors.expand(1, 2, 2, 2),
        torch.tensor([1.0, 0.5]).expand(1, 2, 2),
        torch.zeros(1, 2, 2),
    )
    spectrum = torch.fft.fft2(waves[0, 0]).abs() / (64 * 96 / 2)
    assert spectrum[8, 12] == pytest.approx(1.0, rel=1e-4)
    assert spectrum[-16, 6] == pytest.approx(0.5, rel=1e-4)
    assert spectrum.square().sum() == pytest.approx(2 * (1 + 0.25), rel=1e-4)  # and ± nothing else


def test_lattice_of_a_body_turns_with_it_and_columns_keep_its_vectors():
    view = replace(still_view(1, (2, 128, 128)), activity=torch.zeros(1))
    lattice = random_lattice(view.draws, 1, (8.0, 8.0))
    pose = random_pose(view, torch.tensor([5.0]))
    columns = sharpened(view.draws, gratings(view, *attached_gratings(view, lattice, pose)))
    expected = turn(lattice.vectors[0, 0], pose.angle[0, 0])
    window = torch.hann_window(128, periodic=False)
    power = torch.fft.fftshift(torch.fft.fft2(columns[0, 0] * window[:, None] * window).abs())
    # Sharpening and fading may change the share of the first vector, never its place.
    y, x = (64 + (128 * expected).round().long()).tolist()
    peak = power[y - 1 : y + 2, x - 1 : x + 2].max()
    assert peak > 0.1 * power.max()
    assert peak > 100 * power.median()


def test_random_lattices_have_their_symmetries_and_no_aliases():
    lattice = random_lattice(draws(), 500, (2.5, 16.0))
    drawn = lattice.amplitudes.abs() > 0
    assert lattice.vectors.norm(dim=-1)[drawn].max() < 0.45
    g1, g2 = lattice.vectors[:, 0], lattice.vectors[:, 1]
    cosine = (g1 * g2).sum(dim=1) / (g1.norm(dim=1) * g2.norm(dim=1))
    ratio = g2.norm(dim=1) / g1.norm(dim=1)
    hexagonal = (cosine - 0.5).abs() < 1e-4
    square = (cosine.abs() < 1e-4) & ((ratio - 1).abs() < 1e-4)
    for symmetry in (hexagonal, square):
        assert 0.1 < symmetry.float().mean() < 0.3
    torch.testing.assert_close(lattice.amplitudes.square().sum(dim=1), torch.full((500,), 2.0))


def test_a_field_moves_by_the_asked_shift():
    view = still_view(2, (4, 40, 48))
    shift = torch.tensor([0.0, 3.0, -5.0, 7.0])[:, None] * torch.tensor([1.0, -2.0])
    memory = torch.ones(2)
    field = moving_field(view, random_spectrum(view.draws, 2), memory, shift.expand(2, 4, 2))
    for frame, (dy, dx) in enumerate(shift.long().tolist()):
        moved = torch.roll(field[:, frame], (-dy, -dx), dims=(1, 2))
        torch.testing.assert_close(moved[:, 8:30, 16:30], field[:, 0, 8:30, 16:30])


def test_a_field_has_variance_one_and_forgets_as_told():
    view = still_view(40, (12, 48, 48))
    memory = torch.full((40,), 0.8)
    spectrum = random_spectrum(view.draws, 40, smallest=0.2)
    spectrum = replace(spectrum, slope=torch.zeros(40))
    field = moving_field(view, spectrum, memory, view.shift)
    assert field.var() == pytest.approx(1, abs=0.05)
    for lag in (1, 3):
        measured = correlation(field[:, lag:], field[:, :-lag]).mean()
        assert measured == pytest.approx(0.8**lag, abs=0.03)


def test_wandering_is_stationary():
    matrix = memory_matrix(torch.tensor([0.0, 0.6, 1.0]), 9)
    lag = (torch.arange(9)[:, None] - torch.arange(9)).abs()
    for rho, product in zip((0.0, 0.6, 1.0), matrix @ matrix.mT, strict=True):
        torch.testing.assert_close(product, torch.tensor(rho) ** lag)


def test_lattice_images_of_crystals_jump_while_their_outline_stays():
    view = still_view(200, (10, 32, 32))
    lattice = random_lattice(view.draws, 200, (6.0, 10.0))
    pose = random_pose(view, torch.full((200,), 10.0))
    waves = gratings(view, *attached_gratings(view, lattice, pose))
    kept = correlation(waves[:, 1:], waves[:, :-1]).median(dim=1).values
    assert (kept < 0.75).float().mean() > 0.15
    assert (kept > 0.9).float().mean() > 0.15
    moved = pose.centre.diff(dim=1).norm(dim=-1).median(dim=1).values
    assert moved.median() < 0.4


def test_bodies_are_convex_with_distances_in_pixels():
    view = replace(still_view(30, (2, 64, 64)), activity=torch.zeros(30))
    pose, outside = random_body(view)
    slope = torch.stack(torch.gradient(outside[:, 0], dim=(1, 2))).norm(dim=0)
    assert slope.median() == pytest.approx(1, abs=1e-3)
    for index in range(30):
        y, x = (pose.centre[index, 0] + 31.5).round().long().tolist()
        if 0 <= y < 64 and 0 <= x < 64:
            assert outside[index, 0, y, x] < 0 or outside[index, 0].min() > 0


def test_crystals_that_touch_do_not_overlap():
    view = still_view(1, (1, 21, 41))
    columns = torch.arange(41.0).expand(1, 1, 21, 41)
    left, right = columns - 22, 18 - columns  # they share columns 18 to 22
    touch(view, right, left)
    assert not ((left < 0) & (right < 0)).any()
    assert ((left < 0) | (right < 1)).all()


def test_phase_winds_once_around_a_dislocation():
    for seed in range(4):
        view = still_view(1, (1, 64, 64), seed)
        phase = _phase_field(view)[0, 0]
        steps = [
            torch.remainder(phase.diff(dim=d) + torch.pi, 2 * torch.pi) - torch.pi for d in (0, 1)
        ]
        down, right = steps
        winding = right[:-1] + down[:, 1:] - right[1:] - down[:, :-1]
        charges = (winding / (2 * torch.pi)).round()
        torch.testing.assert_close(winding, charges * 2 * torch.pi, rtol=0, atol=1e-3)
        assert charges.abs().sum() in (1, 2, 3)
        assert charges.abs().max() == 1


def test_a_cut_changes_the_scene_at_once():
    names = ("overlay", "blur", "vibration")
    calm = {f"{name}_probability": 0.0 for name in names}
    plain = make(6, (12, 24, 24), cut_probability=0.0, **calm)
    cut = make(6, (12, 24, 24), cut_probability=1.0, **calm)
    for before, after in zip(plain, cut, strict=True):
        same = (before == after).flatten(1).all(dim=1)
        first = int(same.float().sum())
        assert 1 <= first < 12
        assert same[:first].all()


def test_settings_choose_what_is_drawn():
    empty = make(8, (4, 24, 24), weights={"film": 1.0}, overlay_probability=0.0)
    busy = make(8, (4, 24, 24), weights={"polycrystal": 1.0}, highest_contrast=0.1)
    assert (empty.mean(dim=(1, 2, 3)) - 1).abs().max() < 0.2
    contrast = busy.std(dim=(1, 2, 3)) / busy.mean(dim=(1, 2, 3))
    assert contrast.max() < 0.15


def test_every_mistake_has_its_sentence():
    with pytest.raises(InputError, match=r"got 0 movies .* expected at least one movie"):
        make(0)
    with pytest.raises(InputError, match=r"shape \(24, 64\), expected"):
        make(1, (24, 64))
    with pytest.raises(DeviceError, match=r"generator on cpu for movies on meta"):
        procedural_movies(1, (2, 4, 4), generator=seeded(), device="meta")
    with pytest.raises(InputError, match=r"scene weights \{'cats': 1.0\}.*of crystals, poly"):
        ProceduralSettings(weights={"cats": 1.0})
    with pytest.raises(InputError, match=r"not all 0"):
        ProceduralSettings(weights={"film": 0.0})
    with pytest.raises(InputError, match=r"got cut_probability = 2"):
        ProceduralSettings(cut_probability=2)
    with pytest.raises(InputError, match=r"got highest_contrast = 0"):
        ProceduralSettings(highest_contrast=0)
