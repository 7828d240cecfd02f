"""Bodies of the procedural scenes: lattices, thickness, growth, merging, surfaces, particles."""

import math

import pytest
import torch
from scene_draws import still_view, straight_pose
from scipy.ndimage import label

from napari_tcsdl.simulate.scenes import crystals
from napari_tcsdl.simulate.scenes.grains import polycrystal_scene
from napari_tcsdl.simulate.scenes.lattices import (
    Lattice,
    attached_gratings,
    gratings,
    random_lattice,
)
from napari_tcsdl.simulate.scenes.motion import random_growth, random_pose
from napari_tcsdl.simulate.scenes.particles import blobs, particle_scene, porous_scene


def strongest_direction(frames):
    """Direction of the strongest wave of (n, S, S), modulo π [rad]."""
    side = frames.shape[-1]
    window = torch.hann_window(side, periodic=False)
    frames = (frames - frames.mean(dim=(1, 2), keepdim=True)) * window[:, None] * window
    power = torch.fft.fft2(frames, s=(128, 128)).abs()
    f = torch.fft.fftfreq(128)
    power[:, torch.hypot(f[:, None], f[None]) < 0.05] = 0
    best = power.flatten(1).argmax(dim=1)
    return torch.atan2(f[best // 128], f[best % 128]) % math.pi


def distance_from_left(view):
    """A crystal that fills the frame from column 8 on: signed distance, (n, T, H, W)."""
    columns = torch.arange(float(view.shape[2]))
    return (8 - columns).expand(view.count, *view.shape).clone()


def test_grains_are_turned_against_each_other():
    frames = polycrystal_scene(still_view(40, (1, 64, 64)))[:, 0]
    corners = frames[:, :32, :32], frames[:, 32:, 32:]
    apart = (strongest_direction(corners[0]) - strongest_direction(corners[1])).abs()
    apart = torch.minimum(apart, math.pi - apart)
    assert (apart > math.radians(8)).float().mean() > 0.4


def test_bodies_lie_in_every_direction_move_and_turn():
    view = still_view(500, (10, 64, 64))
    pose = random_pose(view, torch.full((500,), 10.0))
    mean = torch.polar(torch.ones(500), pose.angle[:, 0]).mean()
    assert mean.abs() < 0.12  # 1 if all were parallel; 0.045 by chance
    turned = (pose.angle[:, -1] - pose.angle[:, 0]).abs().rad2deg()
    moved = (pose.centre[:, -1] - pose.centre[:, 0]).norm(dim=-1)
    assert (turned > 2).float().mean() > 0.1
    assert (moved > 2).float().mean() > 0.1
    calm = still_view(20, (10, 64, 64), activity=0.0)
    pose = random_pose(calm, torch.full((20,), 10.0))
    assert pose.centre.equal(pose.centre[:, :1].expand_as(pose.centre))


def test_crystals_are_darker_where_they_are_thicker():
    view = still_view(300, (1, 16, 64), activity=0.0)
    intensity = torch.ones(300, 1, 16, 64)
    lattice = random_lattice(view.draws, 300, (4.0, 8.0))
    crystals.add_crystal(view, intensity, lattice, straight_pose(view), distance_from_left(view))
    profile = intensity.mean(dim=(0, 1, 2))
    assert profile[:2].sub(1).abs().max() < 0.01  # vacuum
    thin, middle, thick = (
        profile[part].mean() for part in (slice(10, 18), slice(24, 34), slice(50, 64))
    )
    assert thick < middle - 0.01 < thin - 0.02
    assert 0.75 < thick < 0.9


def test_bodies_grow_by_the_asked_factor(monkeypatch):
    growth = torch.tensor([0.5, 1.0, 0.25]).expand(60, 3)
    monkeypatch.setattr(crystals, "random_growth", lambda view: growth)
    _, outside = crystals.random_body(still_view(60, (3, 160, 160), activity=0.0))
    inside = outside < 0
    whole = ~torch.cat(
        (inside[..., [0, -1]].flatten(1), inside[..., [0, -1], :].flatten(1)), 1
    ).any(1)
    area = inside.float().sum(dim=(2, 3))[whole]
    area = area[area[:, 2] > 100]
    assert len(area) > 5
    torch.testing.assert_close(
        area[:, 1] / area[:, 0], torch.full((len(area),), 4.0), rtol=0.1, atol=0
    )
    torch.testing.assert_close(
        area[:, 2] / area[:, 0], torch.full((len(area),), 0.25), rtol=0.1, atol=0
    )


def test_some_bodies_vanish_and_some_appear():
    size = random_growth(still_view(600, (40, 8, 8)))
    assert size.min() >= 0
    there, gone = size > 0.5, size < 0.05
    assert 0.01 < (there[:, 0] & gone[:, -1]).float().mean() < 0.15
    assert 0.01 < (gone[:, 0] & there[:, -1]).float().mean() < 0.15
    assert (there[:, 0] & there[:, -1]).float().mean() > 0.7
    assert random_growth(still_view(50, (40, 8, 8), activity=0.0)).eq(1).all()


def test_a_body_of_no_size_is_not_there(monkeypatch):
    growth = torch.tensor([1.0, 0.0]).expand(20, 2)
    monkeypatch.setattr(crystals, "random_growth", lambda view: growth)
    _, outside = crystals.random_body(still_view(20, (2, 64, 64), activity=0.0))
    inside = (outside < 0).flatten(2).any(dim=2)
    assert inside[:, 0].any()
    assert not inside[:, 1].any()


def test_crystals_close_to_each_other_grow_a_neck():
    view = still_view(200, (1, 5, 101))
    columns = torch.arange(101.0).expand(200, 1, 5, 101)
    left, right = columns - 49, 51 - columns  # column 50 is a gap
    before = right.clone()
    crystals.touch(view, right, left)
    closed = right[:, 0, 2, 50] < 0
    assert 0.5 < closed.float().mean() <= 1  # the widest necks reach across
    assert right[..., 50].lt(before[..., 50]).all()
    assert right[..., 95:].equal(before[..., 95:])  # far from it, nothing changes


def test_droplets_merge():
    """Two that touch become one, and nothing of them is lost."""
    hills = blobs(still_view(400, (24, 64, 64), activity=1.6), 6)[:, ::23]
    volume = hills.sum(dim=(2, 3))
    kept = (volume[:, -1] / volume[:, 0] - 1).abs() < 0.02
    number = torch.tensor([[label(f > 0.5)[1] for f in (m[0], m[-1])] for m in hills.numpy()])
    merged = (number[:, 0] > number[:, 1]) & kept
    parted = (number[:, 0] < number[:, 1]) & kept
    assert merged.sum() >= 3
    assert parted.sum() >= 3


def test_surfaces_change_their_period_and_the_inside_does_not():
    view = still_view(40, (16, 32, 64))
    straight = torch.tensor([[1 / 8, 0.0]]).expand(40, 1, 2)  # along the surface
    lattice = Lattice(straight, torch.full((40, 1), 2**0.5), torch.zeros(40, 1))
    pose = straight_pose(view)
    waves = gratings(view, *attached_gratings(view, lattice, pose))
    before, outside = waves.clone(), distance_from_left(view)
    crystals._reconstruct_surface(view, waves, lattice, pose, outside)
    deep = outside < -1.5 * 12
    assert waves[deep].equal(before[deep])
    surface = torch.fft.fft(waves[..., 8:11], dim=2).abs().mean(dim=3)  # (n, T, ky)
    doubled = surface[..., 2] / (surface[..., 2] + surface[..., 4])  # 2 and 4 periods in 32 px
    assert doubled[:, 0].mean() < 0.25
    assert doubled[:, -1].mean() > 0.5
    assert (doubled[:, -1] > doubled[:, 0]).float().mean() > 0.85


def test_surfaces_of_still_movies_keep_their_order():
    view = still_view(4, (6, 32, 64), activity=0.0)
    lattice = random_lattice(view.draws, 4, (8.0, 8.0))
    waves = gratings(view, *attached_gratings(view, lattice, straight_pose(view)))
    before = waves.clone()
    crystals._reconstruct_surface(
        view, waves, lattice, straight_pose(view), distance_from_left(view)
    )
    assert waves.equal(before)


def test_diffraction_contrast_blinks_in_a_third_of_the_movies():
    contrast = crystals.blinking(still_view(600, (60, 8, 8)))
    spread = contrast.std(dim=1)
    blinks = contrast.ne(1).any(dim=1)
    assert blinks.float().mean() == pytest.approx(0.35, abs=0.07)
    assert (spread[blinks] > 0.05).float().mean() > 0.9
    assert spread.max() > 0.5
    two_levels = torch.tensor([len(row.unique()) == 2 for row in contrast[blinks]])
    assert 0.2 < two_levels.float().mean() < 0.5  # switched on and off at once
    steady = crystals.blinking(still_view(50, (60, 8, 8), activity=0.0))
    assert steady.equal(steady[:, :1].expand_as(steady))


def test_a_crystal_that_blinks_darkens_by_its_share(monkeypatch):
    shares = torch.tensor([0.0, 0.5, 1.0]).expand(50, 3)
    monkeypatch.setattr(crystals, "blinking", lambda view: shares)
    view = still_view(50, (3, 16, 64), activity=0.0)
    intensity = torch.ones(50, 3, 16, 64)
    lattice = random_lattice(view.draws, 50, (4.0, 8.0))
    crystals.add_crystal(view, intensity, lattice, straight_pose(view), distance_from_left(view))
    none, half, full = intensity.unbind(dim=1)
    assert (none - full)[..., 40:].mean() > 0.1
    torch.testing.assert_close(none - half, half - full, rtol=0, atol=1e-5)


def test_particles_are_round_and_lie_on_an_empty_field():
    view = still_view(200, (1, 48, 48), activity=0.0)
    hill = blobs(view, 1)[:, 0]
    inner = hill.amax(dim=(1, 2)) > 0.9  # the middle is in the frame
    log = hill[inner].clamp(min=1e-12).log().double()
    curved = [-log.diff(n=2, dim=d)[:, 10:20, 10:20].mean(dim=(1, 2)) for d in (1, 2)]
    kept = log.amin(dim=(1, 2)) > -25  # where single precision holds its curvature
    torch.testing.assert_close(curved[0][kept], curved[1][kept], rtol=0.02, atol=1e-5)
    scene = particle_scene(view)
    empty = (scene - 1).abs() < 0.01
    assert (empty.flatten(1).float().mean(dim=1) > 0.2).float().mean() > 0.5
    assert 0.3 < scene.amin(dim=(1, 2, 3)).median() < 0.99  # most are darker than the field


def test_pores_and_walls_have_a_level_each_and_their_border_moves():
    frames = porous_scene(still_view(60, (8, 48, 48)))
    assert frames.max() <= 1 + 1e-6
    low, high = frames.amin(dim=(1, 2, 3)), frames.amax(dim=(1, 2, 3))
    share = (frames - low[:, None, None, None]) / (high - low)[:, None, None, None]
    ends = ((share < 0.2) | (share > 0.8)).flatten(1).float().mean(dim=1)
    assert ends.median() > 0.6  # even values would give 0.4
    changed = (frames[:, -1] - frames[:, 0]).abs().amax(dim=(1, 2)) / (high - low)
    assert (changed > 0.3).float().mean() > 0.3
    pores = share.flatten(2).mean(dim=2)
    assert (pores[:, -1] - pores[:, 0]).abs().median() < 0.1  # as many as before
