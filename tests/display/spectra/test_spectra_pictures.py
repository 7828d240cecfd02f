"""Power spectra as pictures: what is black, what is bright, and smaller pictures."""

from __future__ import annotations

import numpy as np
import pytest

from napari_tcsdl.display.spectra_pictures import BLACK, WHITE, grey_levels, pools


def test_noise_is_dark_and_a_spot_is_bright():
    power = np.random.default_rng(0).exponential(4.0, (256, 256)).astype(np.float32)
    power[100, 160] = power[156, 96] = 4e4
    levels = grey_levels(power)
    assert np.median(levels) < 26
    assert levels[100, 160] == levels[156, 96] == 255


def test_a_spectrum_without_any_power_is_black():
    assert grey_levels(np.zeros((64, 64), np.float32)).max() == 0


def test_a_smaller_picture_keeps_every_spot():
    levels = np.zeros((48, 50), np.uint8)
    levels[13, 27] = 200
    made = pools(levels)
    assert [image.shape for _, image in made.values()] == [(48, 50), (24, 25), (12, 12)]
    assert [image.max() for _, image in made.values()] == [200, 200, 200]
    assert made[4][1][3, 6] == 200


@pytest.mark.parametrize("shape", [(64, 64), (33, 50), (50, 33), (8, 130)])
def test_pooled_pixels_are_the_brightest_of_their_squares(shape):
    levels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    made = pools(levels)
    assert made[1][0] == 0
    for factor in (2, 4):
        height, width = shape[0] // factor, shape[1] // factor
        squares = levels[: height * factor, : width * factor]
        squares = squares.reshape(height, factor, width, factor)
        black, pooled = made[factor]
        np.testing.assert_array_equal(pooled, squares.max(axis=(1, 3)))
        assert abs(black - np.median(pooled)) <= 1, "half of what is mere noise stays black"


def test_black_and_white_are_reached_by_as_many_pixels_as_they_should():
    power = 10.0 ** np.random.default_rng(2).uniform(-3, 5, (512, 512))
    levels = grey_levels(power.astype(np.float32))[: 512 // 2 + 1]
    assert np.mean(levels == 0) == pytest.approx(BLACK / 100, abs=0.02)
    assert np.mean(levels == 255) == pytest.approx(1 - WHITE / 100, abs=2e-4)
    between = (levels > 0) & (levels < 255)
    logs = np.log10(power[: 512 // 2 + 1][between])
    slope = np.polyfit(logs, levels[between].astype(float), 1)[0]
    assert slope == pytest.approx(255 / (8 * (WHITE - BLACK) / 100), rel=0.05), "grey is log power"
