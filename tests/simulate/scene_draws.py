"""Fields of view and movies for the tests of procedural scenes."""

import torch

from napari_tcsdl.simulate.procedural import ProceduralSettings, procedural_movies
from napari_tcsdl.simulate.scenes.draws import Draws
from napari_tcsdl.simulate.scenes.motion import Pose, View

CPU = torch.device("cpu")


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def draws(seed=1):
    return Draws(seeded(seed), CPU)


def still_view(count=2, shape=(6, 32, 40), seed=1, activity=1.0):
    """On a stage that does not move; activity 0 keeps everything in it still, too."""
    shift = torch.zeros(count, shape[0], 2)
    return View(draws(seed), shape, shift, torch.full((count,), activity))


def straight_pose(view):
    """Bodies in the middle of the frame, not turned."""
    return Pose(torch.zeros(view.count, view.shape[0], 2), torch.zeros(view.count, view.shape[0]))


def make(count=3, shape=(8, 24, 32), seed=1, **settings):
    return procedural_movies(
        count,
        shape,
        generator=seeded(seed),
        device="cpu",
        settings=ProceduralSettings(**settings) if settings else None,
    )


def correlation(a, b):
    """Of the frames of two movies, (…)."""
    a, b = (part - part.mean(dim=(-1, -2), keepdim=True) for part in (a, b))
    power = a.square().sum(dim=(-1, -2)) * b.square().sum(dim=(-1, -2))
    return (a * b).sum(dim=(-1, -2)) / power.sqrt().clamp(min=1e-9)
