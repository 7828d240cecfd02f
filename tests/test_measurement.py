"""Φ against its dense matrix, and the identities every decoder relies on."""

import numpy as np
import pytest
import torch

from napari_tcsdl._validation import InputError
from napari_tcsdl.encoder import encode
from napari_tcsdl.masks import Masks
from napari_tcsdl.measurement import Phi

SHAPES = [(1, 5, 7), (4, 6, 6), (10, 37, 31)]


def random_phi(shape, seed=0, p=0.5, dtype=torch.float64):
    """Bernoulli masks: with few frames some pixels are opened by none."""
    generator = torch.Generator().manual_seed(seed)
    return Phi((torch.rand(shape, generator=generator) < p).to(dtype))


def random_like(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_matrix(phi):
    b, h, w = phi.masks.shape
    basis = torch.eye(b * h * w, dtype=phi.masks.dtype).reshape(-1, b, h, w)
    return phi(basis).reshape(len(basis), -1).T.numpy()


def test_every_operator_equals_its_explicit_matrix():
    phi = random_phi((3, 4, 5), p=0.4)
    assert (phi.mask_sum == 0).any()
    matrix = dense_matrix(phi)
    x, y = random_like(3, 4, 5), random_like(4, 5)
    np.testing.assert_allclose(phi(x).ravel(), matrix @ x.numpy().ravel(), atol=1e-12)
    np.testing.assert_allclose(phi.adjoint(y).ravel(), matrix.T @ y.numpy().ravel(), atol=1e-12)
    np.testing.assert_allclose(
        phi.pseudo_inverse(y).ravel(), np.linalg.pinv(matrix) @ y.numpy().ravel(), atol=1e-12
    )
    np.testing.assert_allclose(matrix @ matrix.T, np.diag(phi.mask_sum.numpy().ravel()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_adjointness(shape, batch):
    phi = random_phi(shape)
    x, y = random_like(*batch, *shape), random_like(*batch, *shape[1:])
    left, right = (phi(x) * y).sum(), (x * phi.adjoint(y)).sum()
    assert abs(left - right) <= 1e-12 * max(abs(left), 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_phi_after_its_adjoint_counts_exposures(shape):
    phi = random_phi(shape)
    y = random_like(*shape[1:])
    torch.testing.assert_close(phi(phi.adjoint(y)), phi.mask_sum * y)


@pytest.mark.parametrize("shape", SHAPES)
def test_pseudo_inverse_fits_the_measurement_where_a_mask_opens(shape):
    phi = random_phi(shape)
    y = random_like(2, *shape[1:])
    seen = phi.mask_sum > 0
    back = phi(phi.pseudo_inverse(y))
    torch.testing.assert_close(back[:, seen], y[:, seen])
    assert (back[:, ~seen] == 0).all()


def test_normalise_is_the_mean_of_the_frames_a_pixel_saw():
    phi = random_phi((6, 9, 8), p=0.3)
    constant = torch.full((6, 9, 8), 7.0, dtype=torch.float64)
    mean = phi.normalise(phi(constant))
    assert (phi.mask_sum == 0).any()
    torch.testing.assert_close(mean, 7.0 * (phi.mask_sum > 0).double())


def test_norm_squared_is_the_largest_number_of_exposures():
    phi = random_phi((10, 37, 31))
    x = random_like(10, 37, 31)
    for _ in range(60):
        x = phi.adjoint(phi(x))
        norm_squared = x.norm()
        x = x / norm_squared
    assert float(norm_squared) == pytest.approx(float(phi.mask_sum.max()), rel=1e-3)


def test_autograd_agrees_with_the_closed_form():
    phi = random_phi((4, 5, 6))
    x = random_like(2, 4, 5, 6).requires_grad_()
    y = random_like(2, 5, 6, seed=3)
    (0.5 * (phi(x) - y).square().sum()).backward()
    torch.testing.assert_close(x.grad, phi.adjoint(phi(x.detach()) - y))
    assert torch.autograd.gradcheck(phi, (x,))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["balanced", "bernoulli"])
def test_encoder_and_phi_agree_to_the_bit(dtype, kind):
    masks = Masks.create(10, kind=kind, seed=3, tile=(16, 16))
    frames = np.random.default_rng(0).integers(
        0, np.iinfo(dtype).max, (10, 37, 31), dtype, endpoint=True
    )
    phi = Phi.from_masks(masks, (37, 31), device="cpu")
    measured = phi(torch.from_numpy(frames.astype(np.float32)))
    np.testing.assert_array_equal(measured.numpy().astype(np.int64), encode(frames, masks))


def test_windows_keep_the_phase_of_the_masks():
    masks = Masks.create(6, seed=1, tile=(16, 16))
    whole = Phi.from_masks(masks, (40, 50), device="cpu")
    there = Phi.from_masks(masks, (12, 20), start=(9, 27), device="cpu")
    cut = whole.window(slice(9, 21), slice(27, 47))
    assert torch.equal(there.masks, cut.masks)
    assert torch.equal(there.mask_sum, cut.mask_sum)


def test_dtype_and_state_dict_travel_with_the_module():
    phi = random_phi((3, 4, 5), dtype=torch.float32)
    other = random_phi((3, 4, 5), seed=8, dtype=torch.float32)
    other.load_state_dict(phi.state_dict())
    y = torch.ones(4, 5)
    assert torch.equal(other.pseudo_inverse(y), phi.pseudo_inverse(y))
    assert phi.to(torch.float64).pseudo_inverse(y.double()).dtype == torch.float64
    assert phi.compression_ratio == 3


def test_bad_shapes_get_one_sentence():
    phi = random_phi((3, 4, 5))
    with pytest.raises(InputError, match=r"got frames of 2 × 4 × 5, expected .…, 3 × 4 × 5."):
        phi(torch.zeros(2, 4, 5))
    with pytest.raises(InputError, match=r"got a measurement of 5 × 4, expected .…, 4 × 5."):
        phi.adjoint(torch.zeros(5, 4))
    with pytest.raises(InputError, match=r"expected .B, H, W. of a floating type"):
        Phi(torch.zeros(3, 4, 5, dtype=torch.uint8))
