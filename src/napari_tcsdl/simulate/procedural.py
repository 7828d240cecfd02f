"""Procedural movies: random scenes with known truth, never twice the same, made while training.

Every movie is one scene (crystals, grains, fibres, …) under one field of view that drifts and
shakes, on an amorphous film, in a beam that is not quite steady. Scenes are analytic functions of
(t, y, x), and all movies of a scene are drawn at once, so that a batch costs less than the training
step that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._validation import DeviceError, InputError
from .scenes.contours import contour_scene
from .scenes.crystals import crystal_scene
from .scenes.draws import Draws
from .scenes.fibres import fibre_scene
from .scenes.fields import moving_field, random_memory, random_spectrum
from .scenes.grains import dislocation_scene, polycrystal_scene
from .scenes.motion import View, random_view
from .scenes.particles import particle_scene, porous_scene
from .scenes.vibration import random_vibration, vibrate

DARKEST, BRIGHTEST = 0.02, 3.0
"""Between these lie all expected intensities, relative to an empty field."""

_BLUR_REACH = 4  # [px]


def film_scene(view: View) -> Tensor:
    """Nothing but the film: (n, T, H, W) of ones."""
    return torch.ones(view.count, *view.shape, device=view.shift.device)


SCENES: Mapping[str, Callable[[View], Tensor]] = MappingProxyType(
    {
        "crystals": crystal_scene,
        "polycrystal": polycrystal_scene,
        "dislocations": dislocation_scene,
        "fibres": fibre_scene,
        "particles": particle_scene,
        "porous": porous_scene,
        "contours": contour_scene,
        "film": film_scene,
    }
)
"""Name → what draws n movies of a field of view: (n, T, H, W), 1 where there is nothing."""

_WEIGHTS = {
    "crystals": 0.28,
    "polycrystal": 0.12,
    "dislocations": 0.05,
    "fibres": 0.20,
    "particles": 0.10,
    "porous": 0.04,
    "contours": 0.16,
    "film": 0.05,
}


@dataclass(frozen=True)
class ProceduralSettings:
    """What the movies are made of.

    Attributes
    ----------
    weights
        How often each of ``SCENES`` occurs, relative to each other.
    overlay_probability
        Of a second scene in the same specimen: particles on a fibre, say.
    blur_probability
        Of a microscope that resolves less than a pixel.
    cut_probability
        Of a sudden cut to another scene.
    vibration_probability
        Of a microscope that vibrates within the exposure of a frame.
    highest_contrast
        Standard deviation of a movie relative to its mean; movies above it are toned down.

    Raises
    ------
    InputError
        If a scene is unknown or a number out of range.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: dict(_WEIGHTS))
    overlay_probability: float = 0.12
    blur_probability: float = 0.2
    cut_probability: float = 0.02
    vibration_probability: float = 0.08
    highest_contrast: float = 0.4

    def __post_init__(self) -> None:
        unknown = set(self.weights) - set(SCENES)
        if unknown or not sum(self.weights.values()) > 0 or min(self.weights.values()) < 0:
            raise InputError(
                f"got scene weights {dict(self.weights)}, expected weights ≥ 0, not all 0, of "
                f"{', '.join(SCENES)}; correct the names and numbers"
            )
        for what in ("overlay", "blur", "cut", "vibration"):
            name = f"{what}_probability"
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"got {name} = {getattr(self, name)}, expected a probability between 0 and 1; "
                    "correct it"
                )
        if not self.highest_contrast > 0:
            raise InputError(
                f"got highest_contrast = {self.highest_contrast}, expected a number > 0; "
                "give for example 0.4"
            )


def procedural_movies(
    count: int,
    shape: tuple[int, int, int],
    *,
    generator: torch.Generator,
    device: torch.device | str,
    settings: ProceduralSettings | None = None,
) -> Tensor:
    """Draw movies of random scenes.

    Parameters
    ----------
    count
        n, number of movies.
    shape
        (T, H, W) of each.
    generator
        On ``device``; equal states give equal movies.
    device
        That the movies are made on.
    settings
        Of what they are made; None for the usual mixture.

    Returns
    -------
    Tensor
        (n, T, H, W) float32, expected intensity relative to an empty field, 0.02 … 3.

    Raises
    ------
    InputError
        If ``count`` or ``shape`` is not positive.
    DeviceError
        If ``generator`` lives on another device.
    """
    settings = settings or ProceduralSettings()
    device = torch.device(device)
    _check(count, shape, generator, device)
    draws = Draws(generator, device)
    view = random_view(draws, count, shape)
    names = _choose(draws, settings.weights, count)
    movies = torch.ones(count, *shape, device=device)
    _multiply_scenes(view, movies, names)
    overlays = _choose(draws, settings.weights, count)
    chosen = [draws.host.random() < settings.overlay_probability for _ in names]
    _multiply_scenes(
        view, movies, [o if c else None for o, c in zip(overlays, chosen, strict=True)]
    )
    _add_film(view, movies, [name == "film" for name in names])
    _blur(draws, movies, settings.blur_probability)
    _light(view, movies)
    _tone_down(movies, settings.highest_contrast)
    _cut(draws, movies, settings.cut_probability)
    _vibrate(view, movies, settings.vibration_probability)
    return movies.clamp_(DARKEST, BRIGHTEST)


def _choose(draws: Draws, weights: Mapping[str, float], count: int) -> list[str]:
    return draws.host.choices(list(weights), list(weights.values()), k=count)


def _multiply_scenes(view: View, movies: Tensor, names: Sequence[str | None]) -> None:
    """Multiply each movie by the scene named for it, if any; in place."""
    for name in dict.fromkeys(names):
        if name is None or name == "film":
            continue
        members = [index for index, other in enumerate(names) if other == name]
        index = torch.tensor(members, device=movies.device)
        movies[index] *= SCENES[name](view.of(index))


def _add_film(view: View, movies: Tensor, alone: list[bool]) -> None:
    """Add an amorphous film of 0–10 % contrast, more where it is all there is; in place."""
    draws, n = view.draws, view.count
    strength = draws.uniform(0, 1, n, 1, 1, 1).square() * 0.1
    strong = draws.log_uniform(0.01, 0.3, n, 1, 1, 1)
    only = torch.tensor(alone, device=movies.device).reshape(-1, 1, 1, 1)
    strength = torch.where(only, strong, strength)
    film = moving_field(view, random_spectrum(draws, n), random_memory(draws, n), view.shift)
    movies.addcmul_(film, strength)


def _blur(draws: Draws, movies: Tensor, probability: float) -> None:
    """Blur some movies by a Gaussian of 0.6 to 1.6 px, in place."""
    members = [index for index in range(len(movies)) if draws.host.random() < probability]
    if not members:
        return
    index = torch.tensor(members, device=movies.device)
    offsets = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=movies.device)
    sigma = draws.log_uniform(0.6, 1.6, len(members), 1)
    weights = torch.exp(-0.5 * (offsets / sigma).square())
    weights = (weights / weights.sum(dim=1, keepdim=True))[..., None, None, None]
    frames = pad(movies[index], (_BLUR_REACH,) * 4, mode="replicate")
    for axis in (-1, -2):
        size = frames.shape[axis] - 2 * _BLUR_REACH
        blurred = frames.narrow(axis, 0, size) * weights[:, 0]
        for tap in range(1, 2 * _BLUR_REACH + 1):
            blurred.addcmul_(frames.narrow(axis, tap, size), weights[:, tap])
        frames = blurred
    movies[index] = frames


def _light(view: View, movies: Tensor) -> None:
    """Apply a beam that is uneven and drifts and flickers a little, in place."""
    draws, n, n_frames = view.draws, view.count, view.shape[0]
    slow = view.wander(draws.uniform(0.9, 0.999, n)) * draws.log_uniform(0.001, 0.05, n, 1)
    flicker = draws.normal(n, n_frames) * draws.log_uniform(1e-4, 0.02, n, 1)
    level = 1 + (slow + flicker) * (draws.chance(0.5, n, 1) * (view.activity[:, None] > 0))
    tilt = draws.normal(n, 2) * draws.log_uniform(0.001, 0.06, n, 1)
    rows, cols = view.axes()
    uneven = tilt[:, 0, None, None] * (2 * rows / view.shape[1])
    uneven = 1 + uneven + tilt[:, 1, None, None] * (2 * cols / view.shape[2])
    movies.mul_(level[..., None, None] * uneven[:, None])


def _tone_down(movies: Tensor, highest: float) -> None:
    """Bring movies of too much contrast back to ``highest``, in place."""
    few = movies[:, ::3, ::3, ::3]
    mean = few.mean(dim=(1, 2, 3), keepdim=True)
    contrast = few.std(dim=(1, 2, 3), keepdim=True) / mean.clamp(min=DARKEST)
    factor = (highest / contrast.clamp(min=1e-6)).clamp(max=1)
    movies.sub_(mean).mul_(factor).add_(mean)


def _cut(draws: Draws, movies: Tensor, probability: float) -> None:
    """Continue some movies with another scene from a random frame on, in place."""
    n, n_frames = movies.shape[:2]
    cuts = [index for index in range(n) if draws.host.random() < probability]
    if not cuts or n_frames == 1:
        return
    # The movie before it goes on here; a lone movie goes on upside down.
    others = movies[[index - 1 for index in cuts]].flip(-2)
    for index, other in zip(cuts, others, strict=True):
        start = draws.host.randrange(1, n_frames)
        movies[index, start:] = other[start:]


def _vibrate(view: View, movies: Tensor, probability: float) -> None:
    """Let some movies vibrate within their frames, in place."""
    members = [index for index in range(len(movies)) if view.draws.host.random() < probability]
    if not members:
        return
    index = torch.tensor(members, device=movies.device)
    movies[index] = vibrate(movies[index], *random_vibration(view.of(index)))


def _check(
    count: int, shape: tuple[int, int, int], generator: torch.Generator, device: torch.device
) -> None:
    if count < 1 or len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"got {count} movies of shape {tuple(shape)}, expected at least one movie of "
            "(T, H, W), each at least 1; give for example 4 and (24, 64, 64)"
        )
    if generator.device.type != device.type:
        raise DeviceError(
            f"got a random generator on {generator.device} for movies on {device}, expected both "
            f"on one device; make the generator with torch.Generator(device={device.type!r})"
        )
