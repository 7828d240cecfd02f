"""Reflections of planted lattices have the strength that they were planted with."""

import math

import imagecodecs
import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.bragg import (
    AU_REFLECTIONS,
    SpotScore,
    find_spots,
    mean_spectrum,
    spot_scores,
)

PIXEL_SIZE = 0.25  # Å px⁻¹
AMPLITUDES = {"111": 4.0, "002": 2.0, "022": 1.0, "004": 0.5}


def lattice(amplitudes, angle=0.3, shape=(192, 224), shift=0.0):
    """Fringes of gold's d-spacings, each in a direction of its own."""
    y, x = np.mgrid[: shape[0], : shape[1]] * PIXEL_SIZE
    image = np.full(shape, 50.0)
    for turn, (name, amplitude) in enumerate(amplitudes.items()):
        direction = angle + 0.7 * turn
        along = (x - shift) * np.cos(direction) + y * np.sin(direction)
        image += amplitude * np.cos(2 * np.pi * along / AU_REFLECTIONS[name])
    return image


def noisy(image, n_frames=6, seed=0):
    return image + np.random.default_rng(seed).normal(0, 1, (n_frames, *image.shape))


def test_reflections_of_gold_belong_to_one_cubic_cell():
    for name, d_spacing in AU_REFLECTIONS.items():
        order = math.sqrt(sum(int(index) ** 2 for index in name))
        assert d_spacing * order == pytest.approx(4.078, rel=1e-3)


def test_contrast_has_the_order_of_the_amplitudes():
    scores = spot_scores(
        mean_spectrum(noisy(lattice(AMPLITUDES)), pixel_size=PIXEL_SIZE), AU_REFLECTIONS
    )
    contrasts = [scores[name].contrast for name in AMPLITUDES]
    assert contrasts == sorted(contrasts, reverse=True)
    assert contrasts[-1] > 20


def test_contrast_grows_with_the_square_of_the_amplitude():
    def contrast(amplitude):
        frames = noisy(lattice({"022": amplitude}), n_frames=20)
        spectrum = mean_spectrum(frames, pixel_size=PIXEL_SIZE)
        return spot_scores(spectrum, {"022": 1.442})["022"].contrast

    weak, middle, strong = (contrast(amplitude) for amplitude in (0.1, 0.2, 0.4))
    assert weak < middle < strong
    assert (strong - 1) / (middle - 1) == pytest.approx(4, rel=0.15)


def test_spots_lie_where_they_were_planted():
    spectrum = mean_spectrum(noisy(lattice(AMPLITUDES)), pixel_size=PIXEL_SIZE)
    for name, spots in find_spots(spectrum, AU_REFLECTIONS).items():
        assert len(spots) == 2  # a spot and its Friedel mate
        frequencies = spectrum.frequency[tuple(spots.T)]
        np.testing.assert_allclose(1 / frequencies, AU_REFLECTIONS[name], rtol=0.02)


def test_without_a_lattice_contrast_is_one_at_given_places_and_a_few_at_the_highest():
    truth = mean_spectrum(lattice(AMPLITUDES), pixel_size=PIXEL_SIZE)
    spots = find_spots(truth, AU_REFLECTIONS)
    noise = mean_spectrum(noisy(np.zeros((192, 224)), n_frames=30), pixel_size=PIXEL_SIZE)
    for score in spot_scores(noise, AU_REFLECTIONS, spots).values():
        assert score.contrast == pytest.approx(1, abs=0.5)
    for score in spot_scores(noise, AU_REFLECTIONS).values():
        assert 1 < score.contrast < 3


def test_drifting_lattice_keeps_its_spots():
    still = np.stack([lattice(AMPLITUDES)] * 4)
    drifting = np.stack([lattice(AMPLITUDES, shift=0.37 * t) for t in range(4)])
    scores = [
        spot_scores(mean_spectrum(x, pixel_size=PIXEL_SIZE), AU_REFLECTIONS)["111"].power
        for x in (still, drifting, drifting.mean(axis=0))
    ]
    assert scores[1] == pytest.approx(scores[0], rel=0.05)
    assert scores[2] < 0.5 * scores[0]  # a mean of frames blurs it


def test_share_is_the_part_of_the_truths_power():
    truth = mean_spectrum(lattice(AMPLITUDES), pixel_size=PIXEL_SIZE)
    spots = find_spots(truth, AU_REFLECTIONS)
    expected = spot_scores(truth, AU_REFLECTIONS, spots)
    # a decoder that flattens: half the amplitude, no noise. Its contrast does not tell.
    flattened = mean_spectrum(lattice(AMPLITUDES) / 2, pixel_size=PIXEL_SIZE)
    raw = mean_spectrum(noisy(lattice(AMPLITUDES), n_frames=40), pixel_size=PIXEL_SIZE)
    for name, truth_score in expected.items():
        score = spot_scores(flattened, AU_REFLECTIONS, spots)[name]
        assert score.contrast == pytest.approx(truth_score.contrast, rel=1e-3)
        assert score.share_of(truth_score) == pytest.approx(0.25, rel=1e-3)
        score = spot_scores(raw, AU_REFLECTIONS, spots)[name]
        assert score.share_of(truth_score) == pytest.approx(1, abs=0.1)


def test_background_of_nothing():
    assert SpotScore(0.0, 0.0).contrast == 1
    assert SpotScore(1.0, 0.0).contrast == math.inf
    assert math.isnan(SpotScore(1.0, 0.5).share_of(SpotScore(0.5, 0.5)))
    constant = mean_spectrum(np.full((64, 64), 3, np.uint8))
    assert spot_scores(constant, {"5 px": 5.0})["5 px"].contrast == pytest.approx(1)


@pytest.mark.parametrize("period", [8.0, 4.0, 8 / 3])
def test_spots_of_the_jpeg_grid_are_not_counted(period):
    """JPEG makes stairs of a gentle slope: of each block only the mean is left."""
    slope = np.rint(np.tile(1.25 * np.arange(192), (192, 1))).astype(np.uint8)
    stairs = imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(slope, level=10)).astype(float)
    assert len(np.unique(stairs)) == 192 // 8
    frames = np.concatenate([noisy(stairs), noisy(stairs.T, seed=1)])
    spectrum = mean_spectrum(frames)
    ring = np.abs(spectrum.frequency - 1 / period) <= 0.03 / period
    assert spectrum.power[ring].max() > 10 * np.median(spectrum.power[ring])
    assert spot_scores(spectrum, {"grid": period})["grid"].contrast < 4
    # a lattice of just that spacing, in another direction, is counted
    y, x = np.mgrid[:192, :192]
    fringes = np.cos(2 * np.pi * (0.8 * x + 0.6 * y) / period)
    score = spot_scores(mean_spectrum(frames + fringes), {"grid": period})["grid"]
    assert score.contrast > 100


def test_spacing_is_in_pixels_without_a_pixel_size():
    spectrum = mean_spectrum(noisy(lattice({"111": 2.0})))
    assert spot_scores(spectrum, {"111": 2.355 / PIXEL_SIZE})["111"].contrast > 100


def test_spacing_below_two_pixels_is_refused():
    spectrum = mean_spectrum(np.ones((64, 64)), pixel_size=0.6)
    with pytest.raises(InputError, match=r"got d = 1.0197 for reflection 004, expected more than"):
        find_spots(spectrum, AU_REFLECTIONS)
    with pytest.raises(InputError, match="got d = nan"):
        find_spots(spectrum, {"x": math.nan})


def test_spots_of_another_picture_are_refused():
    small, large = (
        mean_spectrum(lattice(AMPLITUDES, shape=(n, n)), pixel_size=PIXEL_SIZE) for n in (96, 192)
    )
    for here, there in ((small, large), (large, small)):
        with pytest.raises(InputError, match="got spots that do not lie on the ring of reflection"):
            spot_scores(here, AU_REFLECTIONS, find_spots(there, AU_REFLECTIONS))


def test_bad_frames_are_refused():
    with pytest.raises(InputError, match=r"got an array of shape \(0, 8, 8\) for a spectrum"):
        mean_spectrum(np.ones((0, 8, 8)))
    with pytest.raises(InputError, match="NaN or infinite pixels"):
        mean_spectrum(np.full((2, 8, 8), np.nan))
    with pytest.raises(InputError, match="got pixel size -1"):
        mean_spectrum(np.ones((8, 8)), pixel_size=-1)
