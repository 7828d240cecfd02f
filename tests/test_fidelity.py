"""Fidelity puts the scores together, gives a reason for each that is missing, and stays bounded."""

import json

import numpy as np
import pytest
from scipy import ndimage

from napari_tcsdl import fidelity as module
from napari_tcsdl._validation import InputError
from napari_tcsdl.bragg import mean_spectrum
from napari_tcsdl.fidelity import Yardstick, fidelity
from napari_tcsdl.lattice import LATTICES
from napari_tcsdl.spot_fidelity import ReferenceSpots, reflections_of

PIXEL_SIZE = 0.6  # Å px⁻¹
N_FRAMES = 12


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """A silicon particle, two waves of its lattice, that drifts over film: (12, 128, 128)."""
    y, x = np.mgrid[:128, :128]
    spacings = {ring.name: ring.d / PIXEL_SIZE for ring in LATTICES["Si"].reflections[:3]}
    film = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 0.5)
    frames = []
    for t in range(N_FRAMES):
        right, down = x - 0.8 * t, y - 0.3 * t
        inside = 1 / (1 + np.exp((np.hypot(right - 58, down - 60) - 38) / 0.7))
        waves = np.cos(2 * np.pi * right / spacings["111"])
        waves += 0.7 * np.cos(2 * np.pi * down / spacings["220"])
        frames.append(20 + inside * (8 + 3 * waves) + film)
    return np.stack(frames)


@pytest.fixture(scope="module")
def yardstick(truth) -> Yardstick:
    return Yardstick(truth, PIXEL_SIZE, LATTICES["Si"])


def binned(frames):
    return np.repeat(frames.reshape(-1, 6, *frames.shape[1:]).mean(axis=1), 6, axis=0)


def test_the_truth_has_everything(truth, yardstick):
    found = yardstick.score(truth)
    assert found.unit == "Å"
    assert found.reasons == {}
    assert (found.frc_half, found.frc_seventh) == pytest.approx((1.2, 1.2))
    assert set(found.spots) == {"111", "220"}
    assert all(spot.share == pytest.approx(1) for spot in found.spots.values())
    assert found.tracking_rms < 0.03
    assert found.lag == pytest.approx(0, abs=0.02)
    assert (found.frames_scored, found.frames_followed) == (N_FRAMES, N_FRAMES)


def test_binning_blurs_edges_loses_spots_and_jumps(truth, yardstick):
    found, exact = yardstick.score(binned(truth)), yardstick.score(truth)
    assert found.edge_width > 1.3 * exact.edge_width
    assert found.frc_half > exact.frc_half
    # 6 frames, 0.8 px each, of waves with a period of 5.2 px: sinc² (4.8 / 5.2) is about 0.01.
    assert found.spots["111"].share < 0.1
    assert found.spots["220"].share == pytest.approx(np.sinc(1.8 / 3.2) ** 2, abs=0.15)
    assert found.tracking_rms > 0.3
    assert found.speed_correlation < 0.7


def test_blur_in_space_moves_nothing(truth, yardstick):
    found = yardstick.score(ndimage.gaussian_filter(truth, (0, 1.5, 1.5)))
    assert found.edge_width > 1.3 * yardstick.score(truth).edge_width
    assert found.tracking_rms < 0.15
    assert found.speed_correlation > 0.98


def test_noise_as_strong_as_a_reflection_leaves_no_share(truth, yardstick):
    noisy = truth + np.random.default_rng(1).normal(0, 100, truth.shape)
    found = yardstick.score(noisy)
    assert found.spots["220"].share is None
    assert found.reasons["share of 220"] == "noise is as strong as this reflection"
    assert 0.3 < found.spots["220"].contrast < 4  # of noise alone, or little more


def test_json_holds_all_and_nothing_but_plain_types(truth, yardstick):
    found = yardstick.score(truth)
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["spots"]["111"]["share"] == pytest.approx(1)
    assert values["edge_width"] == found.edge_width
    assert values["tracking_bias"] == [*found.tracking_bias]


def test_each_missing_score_has_its_reason(truth):
    small = truth[:4, :48, :48]
    found = fidelity(small, small)
    assert (found.unit, found.edge_width, found.tracking_rms, found.spots) == ("px", None, None, {})
    assert found.reasons["edge_width"] == "frames have sides below 64 px"
    assert found.reasons["tracking_rms"].startswith("tracking needs 8 frames")
    assert found.reasons["spots"] == "no lattice was named"
    unknown = fidelity(small, small, lattice=LATTICES["Si"])
    assert unknown.reasons["spots"] == "the pixel size is unknown"
    noise = np.random.default_rng(2).normal(size=(9, 128, 128))
    still = np.repeat(noise[:1], 9, axis=0)
    found = fidelity(still, still, pixel_size=1.0, lattice=LATTICES["Si"])
    assert found.reasons["tracking_rms"] == "nothing in the scene moves by 0.5 px or more"
    assert found.reasons["edge_width"].startswith("no straight edge")
    unrelated = fidelity(noise, noise[::-1].copy() - 2 * noise)
    assert unrelated.frc_half is None
    assert "below 0.5 from the first ring on" in unrelated.reasons["frc_half"]


def test_only_the_frames_that_are_needed_are_read(truth, monkeypatch):
    monkeypatch.setattr(module, "MOST_PIXELS", 3 * truth[0].size)
    monkeypatch.setattr(module, "MOST_FRAMES_FOLLOWED", 8)

    class Recorder:
        shape, dtype = truth.shape, truth.dtype

        def __init__(self):
            self.read = set()

        def __getitem__(self, key):
            assert key.stop - key.start == 1  # frame by frame
            self.read.add(key.start)
            return truth[key]

    source = Recorder()
    yardstick = Yardstick(truth, PIXEL_SIZE)
    found = yardstick.score(source)
    assert sorted(source.read) == yardstick.frames_needed == [0, *range(2, 10), 11]
    assert (found.frames_scored, found.frames_followed) == (3, 8)


def test_reflections_come_from_any_lattice_and_end_at_two_pixels():
    silicon = reflections_of(LATTICES["Si"], PIXEL_SIZE)
    assert silicon["111"] == pytest.approx(3.136, abs=1e-3)
    assert min(silicon.values()) > 2 * PIXEL_SIZE
    assert reflections_of(LATTICES["Si"], 10.0) == {}
    with pytest.raises(InputError, match="got pixel size 0"):
        reflections_of(LATTICES["Si"], 0)


def test_spots_of_overlapping_rings_are_told_apart():
    """Gold's (331) and (420) lie 2.6 % apart, within one ring."""
    rings = reflections_of(LATTICES["Au"], 0.4)
    y, x = np.mgrid[:256, :256] * 0.4
    image = np.random.default_rng(3).normal(0, 0.2, (1, 256, 256))
    image[0] += np.cos(2 * np.pi * (0.6 * x + 0.8 * y) / rings["331"])
    spots = ReferenceSpots.of(image, 0.4, LATTICES["Au"])
    assert "331" in spots.reflections
    assert "420" not in spots.reflections
    row, column = spots.places["331"][0]
    found = mean_spectrum(image, pixel_size=0.4).frequency[row, column]
    assert 1 / found == pytest.approx(rings["331"], rel=0.01)


def test_bad_input_is_refused(truth, yardstick):
    with pytest.raises(InputError, match="expected one shape; score the same frames"):
        yardstick.score(truth[:-1])
    with pytest.raises(InputError, match="got a reference of shape"):
        Yardstick(truth[0])
    with pytest.raises(InputError, match="got pixel size 0"):
        fidelity(truth, truth, pixel_size=0)
