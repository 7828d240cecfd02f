"""Stabilised noise has unit variance; the way back has no bias, at any dose, gain and pedestal."""

import numpy as np
import pytest
from scipy.stats import poisson

from napari_tcsdl._validation import InputError
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.stabilise import stabilise, unstabilise

DOSES = np.array([0.02, 0.1, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100])


def moments(dose, gain, pedestal, read):
    """Mean and variance of the stabilised value, summed over electrons and read noise."""
    electrons = np.arange(int(dose + 12 * np.sqrt(dose)) + 30)
    nodes, weights = np.polynomial.hermite_e.hermegauss(121 if read else 1)
    weights = poisson.pmf(electrons, dose)[:, None] * weights / weights.sum()
    values = pedestal + gain * electrons[:, None] + read * nodes
    stabilised = stabilise(values, NoiseModel(gain, read**2 - gain * pedestal))
    mean = (weights * stabilised).sum()
    return mean, (weights * stabilised**2).sum() - mean**2


@pytest.mark.parametrize(
    ("gain", "pedestal", "read_electrons", "least_dose", "tolerance"),
    [
        (1, 0, 0, 3, 0.1),
        (30, 100, 0, 3, 0.1),
        (1, 0, 1, 1, 0.1),
        (30, 100, 1, 1, 0.1),
        (0.3, 20, 2, 0.02, 0.25),
        (2, 500, 5, 0.02, 0.05),
    ],
)
def test_noise_gets_unit_variance(gain, pedestal, read_electrons, least_dose, tolerance):
    for dose in DOSES[least_dose <= DOSES]:
        variance = moments(dose, gain, pedestal, gain * read_electrons)[1]
        assert variance == pytest.approx(1, abs=tolerance)


@pytest.mark.parametrize(("gain", "pedestal"), [(1, 0), (30, 100), (0.3, 20)])
@pytest.mark.parametrize(("read_electrons", "bias"), [(0, 0.02), (0.4, 0.05), (2, 0.05)])
def test_inverse_is_unbiased(gain, pedestal, read_electrons, bias):
    """Against the numerical expectation, in electrons; the algebraic inverse is 0.25 too low."""
    read = gain * read_electrons
    model = NoiseModel(gain, read**2 - gain * pedestal)
    means = np.array([moments(dose, gain, pedestal, read)[0] for dose in DOSES])
    electrons = (unstabilise(means, model) - pedestal) / gain
    np.testing.assert_allclose(electrons, DOSES, atol=bias)


@pytest.mark.parametrize("gain", [1e-9, 1e-5, 0.0, -1e-9])
def test_constant_noise_is_the_limit_of_a_vanishing_gain(gain):
    values = np.linspace(-50, 1000, 12).reshape(3, 4)
    model = NoiseModel(gain, 25.0)
    np.testing.assert_allclose(stabilise(values, model), values / 5, rtol=1e-3)
    np.testing.assert_allclose(unstabilise(values / 5, model), values, rtol=1e-3)


def test_falling_variance_is_taken_at_the_mean():
    assert stabilise(np.array([30.0]), NoiseModel(-0.1, 14.0, mean=50.0)) == pytest.approx(10)


def test_what_lies_below_the_pedestal_counts_as_unexposed():
    model = NoiseModel(30.0, -3000.0)
    below, at = stabilise(np.array([20.0, 100 - 0.375 * 30]), model)
    assert below == at == 0
    assert unstabilise(np.array([-3.0, 0.0]), model) == pytest.approx([100, 100], abs=0.1)


def test_any_integer_frames_and_types():
    model = NoiseModel(1.0, 0.0)
    counts = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    stabilised = stabilise(counts, model)
    assert stabilised.dtype == np.float64
    assert (np.diff(stabilised.ravel()) > 0).all()
    back = unstabilise(stabilised.astype(np.float32), model)
    assert (back.dtype, back.shape) == (np.float32, counts.shape)


@pytest.mark.parametrize("work", [stabilise, unstabilise])
@pytest.mark.parametrize("model", [NoiseModel(0.0, 0.0), NoiseModel(-1.0, 5.0, mean=10.0)])
def test_no_noise_is_refused(work, model):
    with pytest.raises(InputError, match="which has no noise, to stabilise, expected a variance"):
        work(np.ones((4, 4)), model)
