"""Spots are found where fringes were planted, hardly ever in noise."""

import math

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from waves_in_noise import PIXEL_SIZE, SHAPES, blurred, fringes, noise

from napari_tcsdl._validation import InputError
from napari_tcsdl.lattice import LATTICES
from napari_tcsdl.simulate import SAMPLES, sample_movie_path
from napari_tcsdl.spots import Spot, find_peaks, is_lost, label_spots, refine, snr_at, spectrum_of


def turn_between(one, other):
    """Degrees between two directions of 0 … 180°."""
    return abs((one - other + 90) % 180 - 90)


@pytest.mark.parametrize("period", [3.1, 5.5, 9.42, 14.0])
@pytest.mark.parametrize("angle", [0, 17, 90, 135, 178])
@pytest.mark.parametrize("shape", SHAPES)
def test_planted_fringes_are_found_within_one_percent(period, angle, shape):
    image = 2 * fringes(shape, period, angle) + noise(shape)
    spectrum = spectrum_of(image, pixel_size=PIXEL_SIZE)
    (spot,) = find_peaks(spectrum)
    assert spot.d == pytest.approx(period * PIXEL_SIZE, rel=0.01)
    assert turn_between(spot.angle, angle) < 1.5
    assert spot.qy <= 0


@pytest.mark.parametrize("period", [3.1, 5.5, 9.42, 14.0])
@pytest.mark.parametrize("angle", [0, 62, 90, 150])
@pytest.mark.parametrize("shape", SHAPES)
def test_click_beside_a_spot_finds_it_within_one_percent(period, angle, shape):
    spectrum = spectrum_of(fringes(shape, period, angle) + noise(shape), pixel_size=None)
    turn = math.radians(angle)
    for sign in (1, -1):  # the spot or its Friedel mate, whichever was clicked
        qy, qx = -sign * math.sin(turn) / period, sign * math.cos(turn) / period
        spot = refine(spectrum, qy + 2 * spectrum.steps[0], qx - 2 * spectrum.steps[1])
        assert spot.d == pytest.approx(period, rel=0.01)
        assert spot.d_unit == "px"
        assert math.hypot(spot.qy - qy, spot.qx - qx) < 0.01 / period
        assert not is_lost(spot.snr)


def test_click_prefers_a_peak_to_the_flank_of_a_stronger_one():
    image = 100 * fringes((256, 256), 8, 0) + 20 * fringes((256, 256), 256 / 39, 0) + noise()
    spectrum = spectrum_of(image, pixel_size=None)
    spot = refine(spectrum, 0, 37 / 256, radius=4 / 256)  # 3 px within the flank, 2 px the peak
    assert spot.d == pytest.approx(256 / 39, rel=0.01)


def test_click_into_noise_is_no_spot():
    lost = [
        is_lost(refine(spectrum_of(noise(seed=seed), pixel_size=None), 0.2, 0.1).snr)
        for seed in range(20)
    ]
    assert sum(lost) >= 17  # 49 Fourier pixels are searched, not 9


def test_click_with_no_radius_measures_that_pixel():
    spectrum = spectrum_of(fringes((128, 128), 8, 0), pixel_size=None)
    assert refine(spectrum, 0.0, 0.125, radius=0.0).d == pytest.approx(8, rel=0.01)


def test_clicks_outside_are_refused():
    spectrum = spectrum_of(noise((64, 64)), pixel_size=PIXEL_SIZE)
    assert spectrum.nyquist == pytest.approx(20)
    refine(spectrum, -20.0, 19.9)  # the corner is within
    with pytest.raises(InputError, match=r"got frequency \(0, 25\) 1/nm, expected one within the"):
        refine(spectrum, 0.0, 25.0)
    with pytest.raises(InputError, match=r"got frequency \(nan, 0\)"):
        refine(spectrum, math.nan, 0.0)
    with pytest.raises(InputError, match="got radius -1 1/nm around a click, expected one ≥ 0"):
        refine(spectrum, 1.0, 1.0, radius=-1.0)


def test_angle_is_counter_clockwise_on_the_screen():
    assert Spot(0, 1, 9).angle == 0
    assert Spot(-1, 1, 9).angle == pytest.approx(45)  # up (y points down) and to the right
    assert Spot(-1, 0, 9).angle == 90
    assert Spot(-1, -1, 9).angle == pytest.approx(135)
    assert Spot(1e-17, 1, 9).angle == 0  # not 180
    for qy, qx in ((-1, 2), (-2, -1), (0, 1)):
        assert Spot(qy, qx, 9).angle == pytest.approx(Spot(-qy, -qx, 9).angle)


def test_d_is_in_the_unit_of_the_spectrum():
    calibrated = Spot(-3.0, 4.0, 9.0)
    assert (calibrated.q, calibrated.d, calibrated.d_unit) == (5.0, 2.0, "Å")
    in_pixels = Spot(-0.3, 0.4, 9.0, "1/px")
    assert (in_pixels.q, in_pixels.d, in_pixels.d_unit) == (0.5, 2.0, "px")
    assert Spot(0.0, 0.0, 1.0).d == math.inf


@pytest.mark.parametrize("sigma", [0, 0.7, 1.5, 3.0])
def test_noise_of_any_colour_is_hardly_ever_a_spot(sigma):
    alarms = 0
    for seed in range(1000, 1100):
        frame = noise(seed=seed) if sigma == 0 else blurred(noise(seed=seed), sigma)
        alarms += bool(find_peaks(spectrum_of(frame, pixel_size=None)))
    assert alarms <= 1


def test_noise_with_directions_is_hardly_ever_a_spot():
    """A camera that smears along its rows."""
    alarms = 0
    for seed in range(2000, 2100):
        frame = gaussian_filter(noise(seed=seed), (0, 1.0), mode="wrap")
        alarms += bool(find_peaks(spectrum_of(frame, pixel_size=None)))
    assert alarms <= 1


def test_edges_and_blobs_are_no_spots():
    y, x = np.mgrid[:256, :256]
    particle = 20.0 * (np.hypot(y - 130, x - 110) < 60)
    edge = 20.0 * (0.8 * x + 0.6 * y > 170)
    for image in (particle, edge):
        seen = gaussian_filter(image, 1.0) + noise()  # no microscope draws sharper than its pixels
        assert find_peaks(spectrum_of(seen, pixel_size=None)) == []


def test_constant_images_have_no_spots():
    for value in (0, 7, 200):
        spectrum = spectrum_of(np.full((100, 120), value, np.uint8), pixel_size=None)
        assert find_peaks(spectrum) == []
        assert is_lost(snr_at(spectrum, Spot(-0.1, 0.2, 9.0, "1/px")))


@pytest.mark.parametrize("period", [5.0, 7.77])
def test_one_wave_is_one_spot_even_without_noise(period):
    """Side lobes of the window are no spots."""
    for shape in SHAPES:
        image = fringes(shape, period, 25)
        assert len(find_peaks(spectrum_of(image, pixel_size=None))) == 1


def test_spots_are_sorted_and_limited():
    planted = [(4.1, 10, 3.0), (6.3, 80, 2.0), (9.7, 140, 1.0)]
    image = noise() + sum(a * fringes((256, 256), period, angle) for period, angle, a in planted)
    spectrum = spectrum_of(image, pixel_size=None)
    spots = find_peaks(spectrum)
    assert [round(spot.d, 1) for spot in spots] == [4.1, 6.3, 9.7]
    assert find_peaks(spectrum, at_most=2) == spots[:2]
    assert find_peaks(spectrum, least_snr=spots[1].snr) == spots[:2]
    assert find_peaks(spectrum, least_snr=1e9) == []


def test_the_strength_of_a_spot_grows_with_the_square_of_the_amplitude():
    weak, strong = (
        refine(spectrum_of(a * fringes((256, 256), 6, 30) + noise(), pixel_size=None), -0.083, 0.14)
        for a in (0.5, 2.0)
    )
    assert strong.snr / weak.snr == pytest.approx(16, rel=0.25)


def test_impossible_limits_are_refused():
    spectrum = spectrum_of(noise((64, 64)), pixel_size=None)
    with pytest.raises(InputError, match="got at most 0 spots of SNR None or more, expected at"):
        find_peaks(spectrum, at_most=0)
    with pytest.raises(InputError, match=r"got at most 12 spots of SNR 0\.5 or more"):
        find_peaks(spectrum, least_snr=0.5)


def test_spots_are_labelled_by_their_spacing():
    gold = LATTICES["Au"]
    spots = [Spot(0.0, 10 / d, 20.0) for d in (2.36, 2.03, 1.44, 3.1)]
    assert label_spots(spots, gold) == ["111", "200", "220", ""]
    assert label_spots([Spot(0.0, 10 / 2.36, 20.0, "1/px")], gold) == [""]
    assert label_spots([], gold) == []


@pytest.fixture(scope="module")
def sintering():
    return tifffile.imread(sample_movie_path("au_sinter"))


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_gold_is_recognised_in_the_sample(sintering, first):
    """In single frames at 9 electrons per pixel, and better in the mean of five."""
    gold, pixel_size = LATTICES["Au"], SAMPLES["au_sinter"].pixel_size
    single = find_peaks(spectrum_of(sintering[first], pixel_size=pixel_size))
    labels = label_spots(single, gold)
    assert {"111", "220"} <= set(labels)
    assert sum(label != "" for label in labels) >= 0.75 * len(labels)
    mean = find_peaks(spectrum_of(sintering[first : first + 5].mean(axis=0), pixel_size=pixel_size))
    assert len(mean) >= len(single)
    strongest = next(s for s in mean if label_spots([s], gold) == ["111"])
    assert strongest.d == pytest.approx(gold.reflections[0].d, rel=0.015)
