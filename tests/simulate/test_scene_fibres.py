"""Procedural fibres and membranes: they bend, have Fresnel fringes, and keep their texture."""

import pytest
import torch
from scene_draws import CPU, seeded, still_view

from napari_tcsdl.simulate.scenes import fibres
from napari_tcsdl.simulate.scenes.draws import Draws
from napari_tcsdl.simulate.scenes.fibres import add_fibre, add_fringes, add_membrane, bending
from napari_tcsdl.simulate.scenes.motion import Pose, View

BODIES = pytest.mark.parametrize("add", [add_fibre, add_membrane])


def drawn(add, view):
    intensity = torch.ones(view.count, *view.shape)
    add(view, intensity)
    return intensity


def lying(monkeypatch):
    """Bodies lie along the rows, through the middle of the frame."""

    def pose(view, reach, speed=1.0):
        angle = torch.zeros(view.count, view.shape[0])
        return Pose(view.shift.clone(), angle)

    monkeypatch.setattr(fibres, "random_pose", pose)


def straight(monkeypatch):
    lying(monkeypatch)
    monkeypatch.setattr(fibres, "bending", lambda view, along: torch.zeros_like(along))


@BODIES
def test_they_bend_along_their_length_and_in_time(add, monkeypatch):
    lying(monkeypatch)
    frames = drawn(add, still_view(80, (8, 96, 96)))
    weight = (frames - 1).abs()
    rows = torch.arange(96.0)[:, None]
    axis = (weight * rows).sum(dim=2) / weight.sum(dim=2).clamp(min=1e-6)  # (n, T, W)
    assert (axis.std(dim=2).mean(dim=1) > 1).float().mean() > 0.3
    assert ((axis[:, -1] - axis[:, 0]).abs().amax(dim=1) > 1).float().mean() > 0.2


def test_bending_is_a_smooth_wave_that_swings():
    view = still_view(200, (12, 8, 128))
    along = torch.arange(128.0).sub(63.5).expand(200, 12, 8, 128).clone()
    line = bending(view, along)
    assert line[..., 0, :].equal(line[..., -1, :])
    slope = line.diff(dim=3).abs().amax(dim=(1, 2, 3))
    assert slope.max() < 2 * 0.04 * 2 * torch.pi * 2.5  # two waves, each swinging by its share
    swing = (line[:, -1] - line[:, 0]).abs().amax(dim=(1, 2))
    assert (swing > 0.1).float().mean() > 0.3


def test_fringes_are_bright_outside_an_edge_and_dark_inside():
    outside = torch.arange(-20.0, 21).expand(2, 1, 1, 41).clone()
    intensity = torch.ones(2, 1, 1, 41)
    height = torch.tensor([0.3, -0.2]).reshape(2, 1, 1, 1)  # under- and overfocus
    add_fringes(intensity, outside, torch.full((2, 1, 1, 1), 2.0), height)
    fringe = intensity[:, 0, 0] - 1
    for row, strength in zip(fringe, (0.3, -0.2), strict=True):
        peak, dip = (row * strength).argmax(), (row * strength).argmin()
        assert peak == 20 + 2
        assert dip in (20 - 2, 20 - 3)  # the bright one reaches into it
        assert row[peak] == pytest.approx(strength, rel=0.1)
        assert row[dip] == pytest.approx(-0.4 * strength, rel=0.1)
    assert fringe[:, [0, -1]].abs().max() < 1e-3


@BODIES
def test_their_edges_have_fringes(add, monkeypatch):
    straight(monkeypatch)
    monkeypatch.setattr(fibres, "_attached_texture", lambda view, a, b: torch.zeros_like(a))
    frames = drawn(add, still_view(200, (1, 255, 4), activity=0.0))
    profile = frames[:, 0].mean(dim=2)
    beside = profile.amax(dim=1) - 1  # what only absorbs is nowhere brighter than the field
    assert (beside > 0.01).float().mean() > 0.5
    assert profile[:, [0, -1]].sub(1).abs().max() < 1e-3


@BODIES
def test_texture_goes_with_them(add, monkeypatch):
    """On a stage that moves by whole pixels, frames are the first one, moved."""
    way = torch.tensor([[0.0, 0.0], [3.0, -5.0], [-7.0, 2.0]])
    view = View(Draws(seeded(4), CPU), (3, 64, 64), way.expand(12, 3, 2), torch.zeros(12))
    frames = drawn(add, view)
    for index, (dy, dx) in enumerate(way.long().tolist()):
        back = torch.roll(frames[:, index], (-dy, -dx), dims=(1, 2))
        torch.testing.assert_close(
            back[:, 10:-10, 10:-10], frames[:, 0, 10:-10, 10:-10], rtol=0, atol=2e-3
        )
    straight(monkeypatch)
    rows = drawn(add, still_view(60, (1, 64, 64), activity=0.0))[:, 0, 24:40]
    assert rows.std(dim=2).mean(dim=1).median() > 0.001  # there is texture along them


def test_membranes_are_even_weak_bands_with_two_edges(monkeypatch):
    straight(monkeypatch)
    frames = drawn(add_membrane, still_view(200, (1, 255, 32), activity=0.0))[:, 0]
    profile = frames.mean(dim=2)
    depth = 1 - profile
    broad = (depth > 0.01).sum(dim=1) > 40
    assert 0.15 < broad.float().mean() < 0.8
    middle = depth[broad][:, 117:138]
    assert middle.mean() < 0.15  # a fibre of this width takes away half
    assert (middle.std(dim=1) < 0.05).float().mean() > 0.8
    for side in (profile[:, :127], profile[:, 128:]):  # an edge on either side
        assert (side.diff(dim=1).abs().amax(dim=1) > 0.004).float().mean() > 0.9


def test_some_membranes_are_folded_and_some_seen_edge_on(monkeypatch):
    straight(monkeypatch)
    monkeypatch.setattr(fibres, "_attached_texture", lambda view, a, b: torch.zeros_like(a))
    monkeypatch.setattr(fibres, "add_fringes", lambda *_: None)
    profile = drawn(add_membrane, still_view(300, (1, 255, 2), activity=0.0))[:, 0, :, 0]
    taken = -profile.log()
    width = (taken > 0.5 * taken.amax(dim=1, keepdim=True)).sum(dim=1)
    single = taken[:, 110:128].amin(dim=1)
    line = (taken > 1e-3).sum(dim=1) < 14
    assert 0.15 < line.float().mean() < 0.4
    assert taken[line].amax(dim=1).median() > 2 * single[~line].median()  # the long way through
    folded = ~line & (taken.amax(dim=1) > 1.8 * taken[:, 120])
    assert 0.15 < folded.float().mean() < 0.6
    assert width[line].max() < 12


def test_a_sheet_that_turns_narrows_and_darkens(monkeypatch):
    lying(monkeypatch)
    turns = iter([0.0, -1e3])  # the axis, then the width
    monkeypatch.setattr(fibres, "bending", lambda view, along: torch.full_like(along, next(turns)))
    monkeypatch.setattr(fibres, "_attached_texture", lambda view, a, b: torch.zeros_like(a))
    monkeypatch.setattr(fibres, "_fold", lambda *_: None)
    monkeypatch.setattr(fibres, "add_fringes", lambda *_: None)
    turned = -drawn(add_membrane, still_view(50, (1, 255, 2), activity=0.0)).log()
    turns = iter([0.0, 0.0])
    flat = -drawn(add_membrane, still_view(50, (1, 255, 2), activity=0.0)).log()
    broad = (flat > 0.001).sum(dim=2) > 30
    ratio = turned.sum(dim=2)[broad] / flat.sum(dim=2)[broad]
    assert ratio.min() > 0.95  # there is as much of it as before
    assert ratio.max() < 1.05
    peaks = [sheet.amax(dim=2)[broad] for sheet in (turned, flat)]
    torch.testing.assert_close(peaks[0], peaks[1] / 0.4, rtol=0.02, atol=0)


def test_a_quarter_of_what_the_scene_draws_are_membranes(monkeypatch):
    number = {"fibre": 0, "membrane": 0}
    for kind in number:

        def count(view, intensity, kind=kind):
            number[kind] += 1

        monkeypatch.setattr(fibres, f"add_{kind}", count)
    for seed in range(300):
        fibres.fibre_scene(still_view(1, (1, 4, 4), seed))
    assert number["membrane"] / sum(number.values()) == pytest.approx(0.25, abs=0.06)
