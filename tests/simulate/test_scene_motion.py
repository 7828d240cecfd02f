"""What happens to a whole frame: drift, jitter, vibration, jumps, light and background."""

from dataclasses import replace

import pytest
import torch
from scene_draws import draws, make, still_view

from napari_tcsdl.simulate.procedural import _light
from napari_tcsdl.simulate.scenes import motion
from napari_tcsdl.simulate.scenes.fields import moving_field, random_spectrum
from napari_tcsdl.simulate.scenes.motion import random_view
from napari_tcsdl.simulate.scenes.vibration import WIDEST, random_vibration, vibrate

CALM = {"overlay_probability": 0.0, "blur_probability": 0.0, "cut_probability": 0.0}


def test_stages_drift_from_nothing_to_several_pixels_a_frame():
    shift = random_view(draws(), 600, (32, 16, 16)).shift
    speed = (shift[:, -1] - shift[:, 0]).norm(dim=1) / 31
    assert (speed < 0.02).float().mean() > 0.1
    assert ((speed > 0.1) & (speed < 1)).float().mean() > 0.3
    assert (speed > 2).float().mean() > 0.02
    heading = torch.polar(torch.ones(600), torch.atan2(*(shift[:, -1] - shift[:, 0]).T))
    assert heading.mean().abs() < 0.12  # in every direction


def test_many_stages_jitter_from_frame_to_frame():
    """Steps of white jitter take each other back: their correlation is −1/2."""
    steps = random_view(draws(), 400, (48, 16, 16)).shift.diff(dim=1)
    steps = steps - steps.mean(dim=1, keepdim=True)
    power = steps.square().mean(dim=(1, 2))
    kept = (steps[:, 1:] * steps[:, :-1]).mean(dim=(1, 2)) / power.clamp(min=1e-9)
    assert (kept < -0.3).float().mean() > 0.2
    assert (kept > 0.3).float().mean() > 0.05  # others go smoothly
    assert power.sqrt().quantile(0.95) > 0.5  # [px]


def test_a_tenth_of_the_stages_jump_once(monkeypatch):
    def shifts(probability):
        monkeypatch.setattr(motion, "_JUMPS", probability)
        return random_view(draws(), 500, (24, 16, 16)).shift

    usual = motion._JUMPS
    none, every, some = shifts(0.0), shifts(1.0), shifts(usual)
    share = (some - none).flatten(1).abs().amax(dim=1) > 1e-4
    assert share.float().mean() == pytest.approx(0.1, abs=0.04)
    steps = (every - none).diff(dim=1).norm(dim=2)  # the jump alone
    total, largest = steps.sum(dim=1), steps.amax(dim=1)
    jumped = total > 0.1
    at_once = (largest > 0.99 * total)[jumped].float()
    assert at_once.mean() > 0.97  # between two frames, not over many
    assert largest.median() > 1
    assert largest.max() > 8
    assert steps.argmax(dim=1)[jumped].unique().numel() == 23  # at any time


def test_vibration_damps_waves_along_it_by_the_bessel_function():
    columns = torch.arange(64.0)
    frequency, amplitude = 10 / 64, 1.2
    waves = 1 + 0.3 * torch.cos(2 * torch.pi * frequency * columns)
    along = waves.expand(1, 2, 64, 64)
    movies = torch.cat((along, along.mT, torch.full_like(along, 0.7)))
    blurred = vibrate(movies, torch.full((3, 2), amplitude), torch.zeros(3))
    # As the mean over positions of the swing, at many moments of a period:
    moment = amplitude * torch.sin(2 * torch.pi * torch.arange(64) / 64)
    expected = 0.3 * torch.cos(2 * torch.pi * frequency * (columns[:, None] - moment)).mean(dim=1)
    inner = slice(8, 56)
    torch.testing.assert_close(
        blurred[0, :, inner, inner] - 1, expected[inner].expand(2, 48, 48), rtol=0, atol=0.01
    )
    assert blurred[0, :, inner, inner].std() < 0.8 * movies[0].std()
    torch.testing.assert_close(blurred[1, :, :, inner], movies[1, :, :, inner], rtol=0, atol=1e-4)
    torch.testing.assert_close(blurred[2], movies[2], rtol=0, atol=1e-5)


def test_no_amplitude_no_vibration_and_any_size_of_frame():
    for shape in ((2, 3, 17, 12), (1, 1, 1, 1)):
        movies = torch.rand(shape)
        still = vibrate(movies, torch.zeros(shape[:2]), torch.ones(shape[0]))
        torch.testing.assert_close(still, movies, rtol=0, atol=1e-5)


def test_vibrations_are_small_of_every_direction_steady_or_slow():
    view = still_view(400, (30, 8, 8))
    amplitude, direction = random_vibration(view)
    assert amplitude.min() >= 0
    assert amplitude.max() <= WIDEST == 1.5
    assert torch.polar(torch.ones(400), direction).mean().abs() < 0.15
    spread = amplitude.std(dim=1)
    assert (spread < 1e-6).float().mean() == pytest.approx(0.5, abs=0.1)
    assert amplitude.diff(dim=1).abs().mean() < 0.1 * amplitude.mean()
    calm, _ = random_vibration(replace(view, activity=torch.zeros(400)))
    assert calm.equal(calm[:, :1].expand_as(calm))


def test_few_movies_vibrate_and_the_others_stay_as_they_were():
    def movies(probability):
        many = {"weights": {"crystals": 1.0}, "vibration_probability": probability, **CALM}
        return torch.cat([make(10, (3, 24, 24), seed, **many) for seed in range(12)])

    none, some, every = movies(0.0), movies(0.08), movies(1.0)
    changed = (some != none).flatten(1).any(dim=1)
    assert 0.02 < changed.float().mean() < 0.18
    torch.testing.assert_close(every.mean(dim=(2, 3)), none.mean(dim=(2, 3)), rtol=0, atol=0.02)

    def sharpness(m):
        return m.diff(dim=2).square().mean(dim=(1, 2, 3)) + m.diff(dim=3).square().mean(
            dim=(1, 2, 3)
        )

    assert (sharpness(every) < sharpness(none)).float().mean() > 0.9
    assert (sharpness(every) / sharpness(none)).median() < 0.9


def test_the_beam_changes_slowly_in_half_of_the_movies():
    view = still_view(400, (40, 12, 16))
    light = torch.ones(400, *view.shape)
    _light(view, light)
    level = light.mean(dim=(2, 3))
    spread = level.std(dim=1)
    steady = spread < 1e-5
    assert steady.float().mean() == pytest.approx(0.5, abs=0.1)
    assert 0.01 < spread.max() < 0.2
    changing = level[~steady] - level[~steady].mean(dim=1, keepdim=True)
    kept = (changing[:, 1:] * changing[:, :-1]).mean(dim=1) / changing.square().mean(dim=1)
    assert (kept > 0.5).float().mean() > 0.3  # slow; in the others flicker is stronger
    calm = replace(view, activity=torch.zeros(400))
    light = torch.ones(400, *view.shape)
    _light(calm, light)
    torch.testing.assert_close(light, light[:, :1].expand_as(light))


def test_the_beam_is_a_little_brighter_on_one_side():
    view = still_view(200, (1, 12, 16), activity=0.0)
    light = torch.ones(200, *view.shape)
    _light(view, light)
    assert light.diff(n=2, dim=2).abs().max() < 1e-5  # a plane
    assert light.diff(n=2, dim=3).abs().max() < 1e-5
    uneven = light.amax(dim=(1, 2, 3)) - light.amin(dim=(1, 2, 3))
    assert uneven.min() < 0.02
    assert uneven.quantile(0.9) > 0.05
    assert uneven.median() < 0.1


def test_backgrounds_have_the_spectrum_drawn_for_them_and_never_the_same():
    count, shape = 30, (16, 48, 48)
    view = still_view(count, shape)
    spectrum = random_spectrum(view.draws, count)
    field = moving_field(view, spectrum, torch.zeros(count), view.shift)
    window = torch.hann_window(48, periodic=False)
    window = window[:, None] * window
    power = torch.fft.rfft2(field * window).abs().square().mean(dim=1)
    asked = spectrum.amplitude((48, 48)).square()
    fy, fx = torch.fft.fftfreq(48)[:, None], torch.fft.rfftfreq(48)
    radius = torch.hypot(fy, fx)
    bands = [(radius >= low) & (radius < low + 0.05) for low in torch.arange(0.05, 0.45, 0.05)]
    measured, expected = (
        torch.stack([part[:, band].mean(dim=1) for band in bands], dim=1) for part in (power, asked)
    )
    scale = (window.square().sum() / 48**2) ** -1
    strong = expected > 0.1 * expected.amax(dim=1, keepdim=True)
    ratio = (measured * scale / expected)[strong]
    assert ratio.median() == pytest.approx(1, abs=0.1)
    assert ratio.quantile(0.1) > 0.6
    middle = (asked * radius).sum(dim=(1, 2)) / asked.sum(dim=(1, 2))  # [cycles/px]
    low, high = middle.quantile(torch.tensor([0.1, 0.9]))
    assert high > 3 * low  # from clouds to fine speckle
