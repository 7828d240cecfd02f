"""Companding: as fine as the noise deserves, no mean moved, nothing clipped."""

import json

import numpy as np
import pytest

from napari_tcsdl._validation import LARGEST_VALUE, InputError
from napari_tcsdl.companding import MAX_CODES, Companding, companding_table
from napari_tcsdl.noise import NoiseModel

COUNTING = NoiseModel(1.0, 0.0)
CAMERA = NoiseModel(30.0, -2900.0)  # pedestal of 100, read noise of 10 grey levels


def noisy_sums(mean, noise, exposures, whole):
    """A million sums of ``exposures`` frames of mean ``mean``."""
    rng = np.random.default_rng(0)
    if noise == COUNTING and whole:
        return rng.poisson(mean * exposures, 10**6)
    sigma = np.sqrt(exposures * noise.variance(mean))
    sums = np.clip(rng.normal(mean * exposures, sigma, 10**6), 0, None)
    return np.rint(sums).astype(np.uint32) if whole else sums.astype(np.float32)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("noise", "mean"),
    [(COUNTING, 4), (COUNTING, 20), (COUNTING, 200), (CAMERA, 160), (CAMERA, 3000),
     (NoiseModel(0.0, 130.0), 100)],
)  # fmt: skip
@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_rounding_adds_a_known_variance_and_no_bias(noise, mean, whole, fraction):
    exposures = 5
    y = noisy_sums(mean, noise, exposures, whole)
    highest = 2**16 if whole else float(2**16)
    table = companding_table(noise, exposures, highest, fraction)
    error = table.expand(table.compress(y)).astype(np.float64) - y
    sigma = y.std()
    # Steps grow with y, and what lies between two steps grows: −fraction² · gain / 24.
    # Steps of integers are whole numbers: the few within a narrow distribution do not average.
    bias = 0.01 * sigma + fraction**2 * noise.gain / 20 + (0.1 if whole else 0)
    assert abs(error.mean()) < bias
    slack = 0.25 / sigma**2 if whole else 0
    assert error.var() / sigma**2 == pytest.approx(fraction**2 / 12, rel=0.15, abs=slack)


@pytest.mark.parametrize("noise", [COUNTING, CAMERA, NoiseModel(0.0, 3.0), NoiseModel(0.3, 0.1)])
def test_every_integer_keeps_its_own_code_where_the_noise_is_finer(noise):
    highest, exposures, fraction = 100_000, 7, 0.5
    table = companding_table(noise, exposures, highest, fraction)
    y = np.arange(highest + 1)
    sigma = np.sqrt(np.maximum(noise.gain * y + exposures * noise.offset_variance, 0))
    fine = fraction * (sigma + 1e-9) < 0.9
    kept = table.expand(table.compress(y))
    np.testing.assert_array_equal(kept[fine], y[fine])
    # And nowhere is it farther than half a step, or what rounding the table adds.
    assert np.all(np.abs(kept.astype(float) - y) <= np.maximum(fraction * sigma, 1) / 2 + 1)
    assert table.values[0] == 0
    assert table.values[-1] == highest


def test_what_lies_halfway_goes_up_as_often_as_down():
    table = Companding(0.5, np.array([0, 2, 4, 6, 8], np.uint16))
    y = np.array([1, 3, 5, 7])
    assert table.expand(table.compress(y)).tolist() == [2, 2, 6, 6]


@pytest.mark.parametrize("highest", [1000, 70_000, 8_000_000, 1000.0])
def test_values_of_the_table_stay_and_a_second_rounding_changes_nothing(highest):
    table = companding_table(CAMERA, 5, highest, 0.5)
    codes = table.compress(table.values)
    np.testing.assert_array_equal(codes, np.arange(len(table.values)))
    whole = isinstance(highest, int)
    assert table.values.dtype == (np.float32 if not whole else table.values.dtype)
    assert table.values.dtype.kind == ("u" if whole else "f")
    rng = np.random.default_rng(1)
    y = rng.integers(0, int(highest), 5000) if whole else rng.uniform(0, highest, 5000)
    once = table.expand(table.compress(y))
    np.testing.assert_array_equal(table.expand(table.compress(once)), once)
    nearest = table.values.astype(float)[
        np.abs(table.values.astype(float) - y[:200, None]).argmin(1)
    ]
    np.testing.assert_array_equal(np.abs(once[:200] - y[:200]), np.abs(nearest - y[:200]))


def test_codes_are_as_narrow_as_they_can_be():
    narrow, wide = (companding_table(COUNTING, 5, most, 0.5) for most in (1275, 65_535))
    assert (len(narrow.values) <= 256, narrow.code_dtype) == (True, np.uint8)
    assert (len(wide.values) > 256, wide.code_dtype) == (True, np.uint16)
    assert wide.compress(np.array([65_535])).dtype == np.uint16


def test_nothing_is_clipped_or_wrapped():
    table = companding_table(COUNTING, 5, 1275, 0.5)
    assert table.expand(table.compress(np.array([1275], np.uint16))) == 1275
    for bad in (1276, -1):
        with pytest.raises(InputError, match=f"got int64 values from {bad} to {bad} for a table"):
            table.compress(np.array([bad]))
    with pytest.raises(InputError, match="expected values within it and of its kind"):
        table.compress(np.array([3.5]))
    with pytest.raises(InputError, match="values from nan to nan"):
        companding_table(COUNTING, 5, 10.0, 0.5).compress(np.array([np.nan]))
    with pytest.raises(InputError, match=r"got code 200, expected 0 to 139; give the codes that"):
        table.expand(np.array([200]))


def test_a_table_of_floats_reaches_to_the_largest_admitted_sum():
    table = companding_table(COUNTING, 5, 100.0, 0.5)
    y = np.array([30.0, 400.0, 5 * LARGEST_VALUE], np.float32)
    np.testing.assert_allclose(table.expand(table.compress(y)), y, rtol=1 / 64)
    assert len(table.values) < 3000


def test_far_beyond_what_is_expected_integers_are_stored_more_coarsely():
    constant = NoiseModel(0.0, 16.0)
    plain = companding_table(constant, 8, 8 * 65_535, 0.5)
    short = companding_table(constant, 8, 8 * 65_535, 0.5, expected=8 * 1000)
    assert plain is None  # more codes than any type of code has
    assert len(short.values) < 10_000
    assert np.diff(short.values[:5000].astype(int)).max() <= 6
    assert short.values[-1] == 8 * 65_535


@pytest.mark.parametrize(
    ("noise", "fraction"),
    [(COUNTING, 0), (NoiseModel(0.0, 0.0), 0.5), (NoiseModel(0.0, 0.01), 0.5),
     (NoiseModel(0.001, -1.0), 0.5)],
)  # fmt: skip
@pytest.mark.parametrize("highest", [1275, 1e9])
def test_without_noise_worth_it_there_is_no_table(noise, fraction, highest):
    assert companding_table(noise, 5, highest, fraction) is None


@pytest.mark.parametrize("fraction", [-0.1, 3, float("nan"), "half", None])
def test_an_impossible_fraction_is_refused(fraction):
    with pytest.raises(InputError, match=r"got companding = .*, expected 0 \(lossless\) to 2 stan"):
        companding_table(COUNTING, 5, 1275, fraction)


@pytest.mark.parametrize("highest", [1275, 1275.0])
def test_a_table_survives_json(highest):
    table = companding_table(CAMERA, 5, highest, 0.5)
    again = Companding.from_json(json.loads(json.dumps(table.to_json())))
    np.testing.assert_array_equal(again.values, table.values)
    assert (again.fraction, again.values.dtype) == (table.fraction, table.values.dtype)


@pytest.mark.parametrize(
    "values",
    [np.array([0, 5, 5], np.uint16), np.array([0, 1]), np.zeros((2, 2), np.uint16),
     np.arange(MAX_CODES + 1, dtype=np.uint32), np.array([0.0, np.nan], np.float32)],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(values):
    with pytest.raises(InputError, match="expected 2 to 65536 uint16, uint32 or float32 values"):
        Companding(0.5, values)


def test_decoders_are_told_of_the_noise_that_rounding_adds():
    added = companding_table(CAMERA, 5, 10_000, 1.0).noise(NoiseModel(30.0, -2900.0, 200.0))
    assert added.variance(200.0) == pytest.approx(13 / 12 * CAMERA.variance(200.0))
    assert added.mean == 200.0


@pytest.mark.parametrize(
    ("noise", "highest", "expected"),
    [(NoiseModel(0.1, -100.0), 65535, 0.0), (NoiseModel(1.0, -100.0), 65535, 0.0)],
)
def test_a_blank_part_of_a_movie_with_a_pedestal_has_a_table(noise, highest, expected):
    table = companding_table(noise, 1, highest, 0.25, expected=expected)
    assert table is not None
    ends = table.expand(table.compress(np.array([0, highest], np.uint16)))
    np.testing.assert_allclose(ends, [0, highest], atol=0.25 * noise.variance(highest) ** 0.5)
