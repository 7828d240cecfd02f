"""Spots in the frames of a rival: kept, lost, or made by JPEG."""

import math

import numpy as np
import pytest
from waves_in_noise import PIXEL_SIZE, SHAPES, blurred, fringes, noise

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CODECS, at_budget
from napari_tcsdl.spots import (
    Spot,
    find_peaks,
    is_jpeg_harmonic,
    is_lost,
    jpeg_copy_of,
    snr_at,
    snrs_at,
    spectrum_of,
)


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
