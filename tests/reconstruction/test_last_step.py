"""The last step: least variance, by the algebra of whole matrices."""

import math
from itertools import pairwise

import torch

from napari_tcsdl.reconstruction._last_step import last_step
from napari_tcsdl.reconstruction.unfolding import CodedSequence


def given(lengths=(3, 2), sigma=0.4, seed=0):
    """Ȳ, masks, an estimate and the log of its deviation: float64, 2 × 2 px."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    frames, segments = sum(lengths), len(lengths)
    masks = (drawn(1, frames, 2, 2) > -0.5).double()
    mean = drawn(1, segments, 2, 2)
    noise = torch.full_like(mean, sigma)
    coded = CodedSequence(mean, noise, masks, lengths, max(lengths))
    return coded, drawn(1, frames, 2, 2), 0.3 * drawn(1, frames, 2, 2)


def test_it_is_the_linear_estimate_of_least_variance():
    """x̂ + PΦᵀ(ΦPΦᵀ + R)⁻¹(Y − Φx̂) and the diagonal of its covariance, pixel by pixel."""
    coded, frames, log_sigma = given()
    found, log_found = last_step(coded, frames, log_sigma)
    ends = (0, 3, 5)
    for index, (start, stop) in enumerate(pairwise(ends)):
        for pixel in range(4):
            phi = coded.masks[0, start:stop].flatten(1)[:, pixel][None]
            x = frames[0, start:stop].flatten(1)[:, pixel]
            p = torch.diag((2 * log_sigma[0, start:stop].flatten(1)[:, pixel]).exp())
            exposures = float(phi.sum().clamp(min=1))
            y = exposures * coded.mean[0, index].flatten()[pixel]
            noise = (exposures * coded.sigma[0, index].flatten()[pixel]) ** 2
            gain = p @ phi.T / (phi @ p @ phi.T + noise)
            left = torch.diag(p - gain @ phi @ p)
            # Where no mask opens the pixel, Ȳ is told as 0 and must not matter.
            better = x + (gain * (y - phi @ x))[:, 0]
            torch.testing.assert_close(found[0, start:stop].flatten(1)[:, pixel], better)
            deviation = log_found[0, start:stop].flatten(1)[:, pixel].exp()
            torch.testing.assert_close(deviation, left.sqrt())


def test_a_clean_measurement_is_explained_and_a_noisy_one_changes_nothing():
    coded, frames, log_sigma = given(sigma=0.0)
    found, _ = last_step(coded, frames, log_sigma)
    assert float(coded.residual(found).abs().max()) < 1e-9
    coded, frames, log_sigma = given(sigma=1e6)
    found, log_found = last_step(coded, frames, log_sigma)
    torch.testing.assert_close(found, frames)
    torch.testing.assert_close(log_found, log_sigma)


def test_a_block_of_one_frame_is_its_measurement_where_the_estimate_is_not_trusted():
    coded, frames, log_sigma = given(lengths=(3, 1))
    coded.masks[:, 3] = 1
    found, log_found = last_step(coded, frames, torch.full_like(log_sigma, 3.0))
    torch.testing.assert_close(found[:, 3], coded.mean[:, 1], rtol=2e-2, atol=2e-2)
    expected = torch.full_like(log_found[:, 3], math.log(0.4))
    torch.testing.assert_close(log_found[:, 3], expected, atol=1e-3, rtol=0)


def test_the_frames_teach_the_deviation_nothing():
    coded, frames, log_sigma = given()
    log_sigma.requires_grad_()
    frames.requires_grad_()
    found, log_found = last_step(coded, frames, log_sigma)
    found.sum().backward()
    assert log_sigma.grad is None
    assert frames.grad is not None
    log_found.sum().backward()
    assert log_sigma.grad is not None
