"""A stated deviation, judged by raw pixels that no mask opened: against errors that are known."""

import json

import numpy as np
import pytest
from scipy.ndimage import convolve

from napari_tcsdl._validation import InputError
from napari_tcsdl.deviation import (
    JudgedDeviation,
    KnownNoise,
    Sample,
    judge,
    uncertainty_words,
)
from napari_tcsdl.noise import NoiseModel

SHAPE = (16, 160, 160)
COUNTS = KnownNoise(NoiseModel(1.0, 0.0), counts=True, white=True, doubt=0.0)
GAINED = KnownNoise(NoiseModel(5.0, 40.0), counts=False, white=True, doubt=0.0)
RIGHT = 1 / np.sqrt(0.85)  # rms error over the deviation where 68 % of errors lie within
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
SPREAD = np.where(CROSS, 0.12, 0) + np.diag([0, 0.88, 0])  # of an electron over pixels


def scene(seed=0, level=20.0):
    """Truth with structure, and a deviation that differs from place to place."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 6, SHAPE[1])[:, None]
    truth = level * (1 + 0.3 * np.sin(rows + np.linspace(0, 9, SHAPE[2])))
    truth = np.broadcast_to(truth, SHAPE)
    stated = np.broadcast_to(0.5 * np.sqrt(level) * (1 + 0.5 * np.cos(rows)), SHAPE)
    return rng, truth, stated


def sample(rng, truth, stated, raw, times, leak=0.0):
    """An estimate whose error is ``times`` what is stated, and takes ``leak`` of open noise."""
    opened = rng.random(SHAPE) < 0.5
    error = times * stated * rng.standard_normal(SHAPE)
    frames = truth + error + leak * convolve(opened * (raw - truth), CROSS[None] / 5)
    return Sample(raw, frames.astype(np.float32), stated.astype(np.float32), opened)


def counted(seed=0, times=1.0, level=20.0):
    rng, truth, stated = scene(seed, level)
    return sample(rng, truth, stated, rng.poisson(truth).astype(np.uint16), times)


@pytest.mark.parametrize("times", [0.6, 1.0, 1.8])
@pytest.mark.parametrize("level", [2.0, 20.0, 200.0])
def test_counts_tell_by_what_the_deviation_is_wrong(times, level):
    found = judge([counted(seed, times, level) for seed in range(3)], COUNTS, "weights")
    assert found.factor == pytest.approx(times / RIGHT, abs=3 * found.error)
    assert found.error < 0.065 * max(1, times)
    assert found.weights == "weights"


@pytest.mark.parametrize("times", [0.7, 1.5])
def test_so_do_values_of_a_detector_with_gain(times):
    rng, truth, stated = scene(level=400.0)
    raw = truth + np.sqrt(5 * truth + 40) * rng.standard_normal(SHAPE)
    found = judge([sample(rng, truth, stated, raw, times)], GAINED, "")
    assert found.factor == pytest.approx(times / RIGHT, abs=3 * found.error)


def test_seen_pixels_have_no_say():
    part = counted()
    raw = np.where(part.opened, 999, part.raw)
    assert judge([part._replace(raw=raw)], COUNTS, "") == judge([part], COUNTS, "")


def test_pixels_that_do_not_work_have_no_say():
    part = counted()
    raw = part.raw.copy()
    raw[:, 5, :40] = 60_000  # hot
    raw[:, 90, :40] = 0  # dead
    found, clean = (judge([p], COUNTS, "") for p in (part._replace(raw=raw), part))
    assert found.factor == pytest.approx(clean.factor, abs=0.01)


@pytest.mark.parametrize("times", [3, 12])
def test_a_decoder_that_is_far_too_sure_is_not_taken_for_dead_pixels(times):
    """Where noise is weak its errors are many deviations, and many."""
    rng, truth, stated = scene(level=400.0)
    quiet = KnownNoise(NoiseModel(0.0, 1e-4), counts=False, white=True, doubt=0.0)
    raw = truth + 0.01 * rng.standard_normal(SHAPE)
    found = judge([sample(rng, truth, stated, raw, times)], quiet, "")
    assert found.factor == pytest.approx(times / RIGHT, rel=0.05)


def test_a_particle_that_the_decoder_missed_has_a_say():
    part = counted()
    frames = part.frames.copy()
    frames[:, 20:60, 20:60] += 30 * part.deviation[:, 20:60, 20:60]
    missed, found = (judge([p], COUNTS, "") for p in (part._replace(frames=frames), part))
    assert missed.factor > 3 * found.factor


def test_a_struck_pixel_has_no_say():
    part = counted()
    raw = part.raw.copy()
    raw[(3, 7, 11), (30, 5, 99), (8, 120, 60)] = 60_000
    struck, clean = (judge([p], COUNTS, "") for p in (part._replace(raw=raw), part))
    assert struck.factor == pytest.approx(clean.factor, abs=0.01)


def test_an_impossible_mean_square_is_refused_even_where_it_is_known_well():
    rng, truth, stated = scene(level=400.0)
    raw = truth + np.sqrt(5 * truth + 40) * rng.standard_normal(SHAPE)
    part = sample(rng, truth, stated, raw, 0.0)
    high = KnownNoise(NoiseModel(5.03, 40.0), counts=False, white=True, doubt=0.01)
    with pytest.raises(InputError, match="expected more to judge the deviation by"):
        judge([part._replace(deviation=30 * part.deviation)], high._replace(doubt=0.0), "")


def test_noise_that_neighbours_share_is_kept_out_by_closed_neighbours():
    """An estimate that follows noise of open pixels follows that of closed ones beside them."""
    rng, truth, stated = scene(level=400.0)
    white = rng.standard_normal(SHAPE)
    noise = convolve(white, SPREAD[None]) / np.sqrt((SPREAD**2).sum())
    raw = truth + np.sqrt(5 * truth + 40) * noise
    part = sample(rng, truth, stated, raw, 1.0, leak=0.15)
    kept_out, taken_in = (judge([part], GAINED._replace(white=w), "") for w in (False, True))
    assert kept_out.factor == pytest.approx(1 / RIGHT, abs=2 * kept_out.error)
    assert taken_in.factor < 1 / RIGHT - 3 * taken_in.error


def test_what_is_not_known_of_the_noise_keeps_the_factor_near_1():
    rng, truth, stated = scene(level=400.0)
    raw = truth + np.sqrt(5 * truth + 40) * rng.standard_normal(SHAPE)
    part = sample(rng, truth, stated, raw, 2.0)
    sure, unsure = (judge([part], GAINED._replace(doubt=d), "") for d in (0.0, 2.0))
    assert sure.factor > 1.4
    assert abs(unsure.factor - 1) < 0.1
    assert unsure.error > sure.error
    # Half of what is known of movies in general: nothing was learnt.
    assert unsure.error == pytest.approx(np.hypot(0.2, 0.06), rel=0.15)


def test_too_few_unseen_pixels_say_nothing():
    part = counted()
    small = Sample(*(values[:, :10, :10] for values in part))
    for samples in ([part._replace(opened=np.ones(SHAPE, bool))], [small], []):
        with pytest.raises(InputError, match=r"got \d+ raw pixels that no mask opens, expected at"):
            judge(samples, COUNTS, "")


def test_noise_that_was_measured_too_high_is_noticed():
    part = counted(level=200.0)
    twice = KnownNoise(NoiseModel(2.0, 0.0), counts=False, white=True, doubt=0.01)
    with pytest.raises(InputError, match="by no more than their own noise as it was measured, exp"):
        judge([part], twice, "")


def test_what_became_of_it_is_told():
    assert uncertainty_words(JudgedDeviation(0.93, 0.02, "")) == (
        "uncertainty × 0.93 ± 0.02, judged by raw pixels"
    )
    assert uncertainty_words(None) == "uncertainty not judged, as the decoder states it"


def test_it_survives_json():
    judged = JudgedDeviation(0.93, 0.02, "0f" * 32)
    assert JudgedDeviation.from_json(json.loads(json.dumps(judged.to_json()))) == judged


@pytest.mark.parametrize(
    "damage",
    [
        {"factor": 0}, {"factor": -1.0}, {"factor": float("nan")}, {"factor": "1"},
        {"factor": True}, {"error": -0.1}, {"error": None}, {"weights": 5},
    ],
)  # fmt: skip
def test_damage_is_not_taken_for_a_judgement(damage):
    values = JudgedDeviation(0.93, 0.02, "0f").to_json() | damage
    with pytest.raises((ValueError, TypeError)):
        JudgedDeviation.from_json(values)
