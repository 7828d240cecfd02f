"""Spots are found where fringes were planted, hardly ever in noise, missed where lost."""

import math
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from scipy import fft
from scipy.ndimage import gaussian_filter

from napari_tcsdl import _speckle
from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CODECS, at_budget
from napari_tcsdl.fourier import power_spectrum
from napari_tcsdl.lattice import LATTICES
from napari_tcsdl.simulate import SAMPLES, sample_movie_path
from napari_tcsdl.spots import (
    FALSE_ALARMS,
    Spot,
    find_peaks,
    is_jpeg_harmonic,
    is_lost,
    jpeg_copy_of,
    label_spots,
    refine,
    snr_at,
    snrs_at,
    spectrum_of,
)

PIXEL_SIZE = 0.25  # Å px⁻¹
SHAPES = [(192, 192), (191, 157), (128, 256), (301, 150)]


def fringes(shape, period, angle):
    """Waves of a period [px] whose wave vector lies at an angle [°] from +x, upwards."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    turn = math.radians(angle)
    return np.cos(2 * np.pi * (x * math.cos(turn) - y * math.sin(turn)) / period)


def noise(shape=(256, 256), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def blurred(image, sigma):
    """Blur exactly as a Gaussian in Fourier space: a filter of few pixels leaves ripples."""
    fy, fx = fft.fftfreq(image.shape[0])[:, np.newaxis], fft.rfftfreq(image.shape[1])
    return fft.irfft2(
        fft.rfft2(image) * np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2)), s=image.shape
    )


def turn_between(one, other):
    """Degrees between two directions of 0 … 180°."""
    return abs((one - other + 90) % 180 - 90)


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 65), (51, 77), (16, 40)])
def test_spectrum_is_the_power_spectrum_unfolded(shape):
    image = noise(shape) + 100
    spectrum = spectrum_of(image, pixel_size=0.5)
    power, (fy, fx) = power_spectrum(image, pixel_size=0.5)
    np.testing.assert_allclose(spectrum.power, power, atol=1e-5 * power.max())
    assert spectrum.power.dtype == np.float32
    np.testing.assert_allclose(spectrum.fy, 10 * fy)  # 1/nm and 1/Å
    np.testing.assert_allclose(spectrum.fx, 10 * fx)
    assert spectrum.unit == "1/nm"
    assert spectrum.nyquist == pytest.approx(10)


def test_spectrum_without_a_pixel_size_is_in_pixels():
    spectrum = spectrum_of(noise((64, 80)), pixel_size=None)
    assert spectrum.unit == "1/px"
    assert spectrum.nyquist == spectrum.fx[0] * -1 == 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_white_noise_lies_at_its_variance(shape):
    spectrum = spectrum_of(3 * noise(shape) + 50, pixel_size=PIXEL_SIZE)
    assert spectrum.power.mean() == pytest.approx(9, rel=0.06)


@pytest.mark.parametrize("shape", [(96, 96), (97, 80), (80, 97)])
def test_spectrum_obeys_friedels_law(shape):
    power = spectrum_of(noise(shape), pixel_size=None).power
    start = [1 - size % 2 for size in shape]  # an even side has no +Nyquist
    inside = power[start[0] :, start[1] :]
    np.testing.assert_allclose(inside, inside[::-1, ::-1], rtol=1e-3, atol=1e-4)


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


def test_strength_of_noise_is_predicted():
    """Smoothed powers of white noise exceed each height as often as the theory says."""
    smoothed = []
    for seed in range(40):
        spectrum = spectrum_of(noise(seed=seed), pixel_size=None)
        smoothed.append(spectrum.smoothed[:115, 10:-10])  # the upper half, without its mirror
    power = np.array(smoothed)
    power /= np.median(power)
    for probability, tolerance in ((0.1, 0.03), (1e-2, 0.08), (1e-3, 0.15), (1e-4, 0.4)):
        exceeded = (power > _speckle.highest_noise(probability, 1)).mean()
        assert exceeded == pytest.approx(probability, rel=tolerance)


def test_more_noise_rises_higher():
    heights = [_speckle.highest_noise(FALSE_ALARMS, tries) for tries in (9, 2**15, 2**19, 2**23)]
    assert all(low + 1 < high for low, high in pairwise(heights))
    assert _speckle.highest_noise(1e-3, 10) == pytest.approx(_speckle.highest_noise(1e-4, 1))


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


def test_a_spot_that_a_rival_lost_is_told():
    truth = fringes((256, 256), 4.3, 50)
    raw = spectrum_of(0.5 * truth + noise(), pixel_size=PIXEL_SIZE)
    (spot,) = find_peaks(raw)
    assert snr_at(raw, spot) == pytest.approx(spot.snr, rel=0.02)
    keeps = spectrum_of(0.5 * truth + 0.5 * noise(seed=1), pixel_size=PIXEL_SIZE)
    assert snr_at(keeps, spot) > 2 * spot.snr
    loses = spectrum_of(noise(seed=1), pixel_size=PIXEL_SIZE)
    assert not is_lost(snr_at(keeps, spot))
    assert is_lost(snr_at(loses, spot))
    # a smoother rival: nothing of the spot, and hardly a background
    smooth = spectrum_of(blurred(noise(seed=2), 2.0), pixel_size=PIXEL_SIZE)
    assert is_lost(snr_at(smooth, spot))


def test_noise_seldom_passes_for_a_kept_spot():
    spot = Spot(-0.21, 0.13, 99.0, "1/px")
    kept = [
        not is_lost(snr_at(spectrum_of(noise((128, 128), seed), pixel_size=None), spot))
        for seed in range(600)
    ]
    assert sum(kept) <= 9  # 1 % at most; 9 is 1.2 σ more
    assert is_lost(math.nan)
    assert not is_lost(math.inf)


@pytest.mark.parametrize("shape", [*SHAPES, (16, 16), (17, 64)])
def test_a_few_spots_measured_alone_are_as_strong_as_in_the_whole_spectrum(shape):
    """Only what they need is smoothed; on the rim the neighbours lie at the opposite end."""
    spectrum = spectrum_of(noise(shape) + fringes(shape, 5.3, 30), pixel_size=PIXEL_SIZE)
    top, left = spectrum.fy[0], spectrum.fx[0]
    rng = np.random.default_rng(3)
    places = [(0.0, 0.0), (top, left), (top, 0.0), *rng.uniform(-1, 1, (40, 2)) * (top, left)]
    spots = [Spot(float(qy), float(qx), 1.0) for qy, qx in places]
    alone = snrs_at(spectrum, spots)
    assert "smoothed" not in vars(spectrum)
    boxes = [spectrum.box(*spectrum.pixel_of(spot.qy, spot.qx), 1, 1) for spot in spots]
    whole = [float(spectrum.snr(*box).max()) for box in boxes]
    assert alone == pytest.approx(whole, rel=1e-5)
    assert snrs_at(spectrum, spots) == pytest.approx(whole, rel=1e-6), "all is smoothed now"
    assert [snr_at(spectrum, spot) for spot in spots[:5]] == pytest.approx(whole[:5], rel=1e-6)
    assert snrs_at(spectrum, []) == []


def test_a_spot_is_looked_up_in_its_own_unit_and_field():
    spectrum = spectrum_of(noise((64, 64)), pixel_size=PIXEL_SIZE)
    with pytest.raises(InputError, match="got a spot in 1/px for a spectrum in 1/nm, expected one"):
        snr_at(spectrum, Spot(-0.1, 0.2, 9.0, "1/px"))
    with pytest.raises(InputError, match="got a spot in 1/px for a spectrum in 1/nm, expected one"):
        is_jpeg_harmonic(spectrum, Spot(-0.1, 0.2, 9.0, "1/px"))
    with pytest.raises(InputError, match=r"got frequency \(-1, 30\) 1/nm, expected one within the"):
        snr_at(spectrum, Spot(-1.0, 30.0, 9.0))


@pytest.mark.parametrize("seed", range(4))
def test_spots_of_jpegs_blocks_are_flagged(seed):
    """A noisy slope, as of an uneven illumination, becomes stairs of 8 px."""
    slope = np.rint(60 + 0.5 * np.arange(256) + 3 * noise(seed=seed)).astype(np.uint8)
    flags = []
    for image in (slope, np.ascontiguousarray(slope.T)):
        assert find_peaks(spectrum_of(image, pixel_size=PIXEL_SIZE)) == []
        stairs = at_budget(CODECS["jpeg"], image[np.newaxis], 700, (0, 255)).decoded[0]
        spectrum = spectrum_of(stairs, pixel_size=PIXEL_SIZE)
        flags.append([is_jpeg_harmonic(spectrum, spot) for spot in find_peaks(spectrum)])
    assert all(flags[0])
    assert len(flags[0]) >= 3
    # downwards the stairs are two blocks wide, which makes more spots than these
    assert flags[1][0]
    assert sum(flags[1]) >= 2


def test_jpeg_harmonics_are_multiples_of_one_over_eight_on_the_axes():
    spectrum = spectrum_of(noise((256, 192)), pixel_size=PIXEL_SIZE)  # Nyquist 20 1/nm
    for order in (5.0, 10.0, -15.0, -20.0):
        assert is_jpeg_harmonic(spectrum, Spot(0.0, order, 9.0))
        assert is_jpeg_harmonic(spectrum, Spot(order, 0.3, 9.0))
    assert not is_jpeg_harmonic(spectrum, Spot(0.0, 5.0, 9.0), block=5)
    for qy, qx in ((0.0, 0.0), (0.0, 7.5), (5.0, 5.0), (3.0, 10.0), (0.0, 1.0)):
        assert not is_jpeg_harmonic(spectrum, Spot(qy, qx, 9.0))


def test_copies_that_jpeg_makes_of_a_spot_are_told():
    """At quality 4 the strong reflection returns 1/8 px⁻¹ and more away."""
    image = np.clip(np.rint(128 + 9 * fringes((256, 256), 9.3, 16) + 9 * noise()), 0, 255)
    before = spectrum_of(image, pixel_size=None)
    (true,) = find_peaks(before)
    assert jpeg_copy_of(before, true, [true]) is None
    after = spectrum_of(
        at_budget(CODECS["jpeg"], image.astype(np.uint8)[np.newaxis], 900, (0, 255)).decoded[0],
        pixel_size=None,
    )
    spots = find_peaks(after)
    copies = [spot for spot in spots if jpeg_copy_of(after, spot, spots)]
    assert len(copies) >= 2
    for copy in copies:
        assert snr_at(before, copy) < 8  # nothing was there
        assert jpeg_copy_of(after, copy, [true]) == true  # known from the other picture
    kept = min(spots, key=lambda spot: math.hypot(spot.qy - true.qy, spot.qx - true.qx))
    assert kept.d == pytest.approx(9.3, rel=0.01)
    assert kept not in copies


def test_spots_are_labelled_by_their_spacing():
    gold = LATTICES["Au"]
    spots = [Spot(0.0, 10 / d, 20.0) for d in (2.36, 2.03, 1.44, 3.1)]
    assert label_spots(spots, gold) == ["111", "200", "220", ""]
    assert label_spots([Spot(0.0, 10 / 2.36, 20.0, "1/px")], gold) == [""]
    assert label_spots([], gold) == []


def test_images_that_have_no_spectrum_are_refused():
    with pytest.raises(
        InputError, match=r"got an image of shape \(2, 32, 32\), expected one frame"
    ):
        spectrum_of(np.ones((2, 32, 32)), pixel_size=None)
    with pytest.raises(InputError, match="got an image of 15 × 40 px for a spectrum, expected at"):
        spectrum_of(np.ones((15, 40)), pixel_size=None)
    with pytest.raises(InputError, match="NaN or infinite pixels"):
        spectrum_of(np.full((32, 32), np.nan), pixel_size=None)
    with pytest.raises(InputError, match="got pixel size 0"):
        spectrum_of(np.ones((32, 32)), pixel_size=0)


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
