"""The residual of a measurement in units of its noise."""

import numpy as np
import pytest
import torch

from napari_tcsdl._validation import InputError
from napari_tcsdl.consistency import consistency
from napari_tcsdl.masks import Masks
from napari_tcsdl.measurement import Phi
from napari_tcsdl.noise import NoiseModel

SHAPE = (128, 120)


def measured(kind="balanced", gain=3.0, read=4.0, n=8, seed=0):
    """Truth (B, H, W), Φ, noisy Y, and the noise model."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = 60 + 40 * np.sin(x / 7 + np.arange(n)[:, None, None]) * np.cos(y / 9)
    rng = np.random.default_rng(seed)
    noisy = gain * rng.poisson(truth / gain) + rng.normal(0, read, truth.shape)
    phi = Phi.from_masks(Masks.create(n, kind=kind, tile=(64, 64)), SHAPE, device="cpu")
    coded = phi(torch.from_numpy(noisy).float())
    return torch.from_numpy(truth).float(), phi, coded, NoiseModel(gain, read**2)


@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
@pytest.mark.parametrize(("gain", "read"), [(1.0, 0.0), (3.0, 4.0)])
def test_the_truth_leaves_unit_noise(kind, gain, read):
    truth, phi, y, noise = measured(kind, gain, read)
    z = consistency(y, phi, truth, noise)[phi.mask_sum > 0]
    assert float(z.mean()) == pytest.approx(0, abs=0.03)
    assert float(z.std()) == pytest.approx(1, abs=0.03)


def test_noise_is_counted_once_an_exposure():
    truth, phi, y, noise = measured(kind="bernoulli")
    z = consistency(y, phi, truth, noise)
    for count in (2, 4, 6):
        assert float(z[phi.mask_sum == count].std()) == pytest.approx(1, abs=0.1)


def test_a_frame_that_was_tampered_with_stands_out():
    truth, phi, y, noise = measured()
    forged = truth.clone()
    forged[3, 30:60, 40:80] += 150
    z = consistency(y, phi, forged, noise)
    inside = z[30:60, 40:80][phi.masks[3, 30:60, 40:80] > 0]
    assert float(inside.mean()) < -3
    z[30:60, 40:80] = 0
    assert float(z.abs().max()) < 6


def test_pixels_that_saw_nothing_contradict_nothing():
    truth, phi, y, noise = measured(kind="bernoulli", n=4)
    assert (phi.mask_sum == 0).any()
    z = consistency(y, phi, truth[:4], noise)
    assert (z[phi.mask_sum == 0] == 0).all()


def test_a_clean_movie_is_held_to_rounding():
    truth, phi, _, _ = measured()
    exact = consistency(phi(truth), phi, truth, NoiseModel(0.0, 0.0))
    assert (exact == 0).all()
    off = consistency(phi(truth) + 1, phi, truth, NoiseModel(0.0, 0.0))
    assert torch.isfinite(off).all()
    assert (off > 100).all()


def test_movies_may_come_in_batches():
    truth, phi, y, noise = measured()
    both = consistency(torch.stack([y, y]), phi, torch.stack([truth, truth]), noise)
    torch.testing.assert_close(both[1], consistency(y, phi, truth, noise))


def test_a_measurement_of_another_shape_is_refused():
    truth, phi, y, noise = measured()
    with pytest.raises(InputError, match=r"got a measurement of \(127, 120\), expected \(128, 120"):
        consistency(y[1:], phi, truth, noise)


def test_an_electron_where_the_estimate_is_below_zero_is_some_deviations():
    """Negative values have no noise of their own; without a floor one electron was 1e5 of them."""
    counts = np.random.default_rng(0).poisson(0.1, (8, *SHAPE))
    phi = Phi.from_masks(Masks.create(8, tile=(64, 64)), SHAPE, device="cpu")
    y = phi(torch.from_numpy(counts).float())
    z = consistency(y, phi, torch.full((8, *SHAPE), -0.01), NoiseModel(1.0, 0.0, 0.1))
    assert 5 < float(z[y == 1].mean()) < 30
    # The truth is judged as ever.
    z = consistency(y, phi, torch.full((8, *SHAPE), 0.1), NoiseModel(1.0, 0.0, 0.1))
    assert float(z.std()) == pytest.approx(1, abs=0.03)
