"""SSIM in one pass over a stack is that of its frames."""

import numpy as np
import pytest

from napari_tcsdl._validation import InputError
from napari_tcsdl.metrics import ssim
from napari_tcsdl.rivals._ssim_kernel import ssim_frames


@pytest.mark.parametrize("shape", [(11, 11), (24, 40), (65, 33)])
@pytest.mark.parametrize("offset", [0.0, 30_000.0])
def test_ssim_of_a_stack_is_that_of_its_frames(shape, offset):
    rng = np.random.default_rng(1)
    truth = rng.normal(100, 20, (3, *shape)).astype(np.float32) + np.float32(offset)
    frames = truth + rng.normal(0, 10, truth.shape).astype(np.float32)
    frames[2] = truth[2]
    found = ssim_frames(frames, truth, 80.0)
    expected = [ssim(a, b, data_range=80.0) for a, b in zip(frames, truth, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6 if offset else 1e-10)
    assert found[2] == pytest.approx(1.0)


def test_ssim_needs_its_window():
    with pytest.raises(InputError, match=r"got frames of 10 × 12 px, expected at least 11 × 11 px"):
        ssim_frames(np.ones((1, 10, 12)), np.ones((1, 10, 12)), 1.0)
