"""A part of a frame is denoised to what it becomes in the whole frame."""

import numpy as np
import pytest
from scipy import ndimage

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.bm3d import bm3d
from napari_tcsdl.bm3d_part import Effort, bm3d_part, is_worth_it
from napari_tcsdl.denoise import METHODS, denoise_reference
from napari_tcsdl.noise import NoiseModel

HEIGHT, WIDTH = 330, 350
INNER, CORNER = (slice(150, 190), slice(130, 171)), (slice(0, 40), slice(310, 350))
ALONE = Effort(threads=1)


@pytest.fixture(scope="module")
def scenes():
    """Blocks of 16 px suit the lattice, blocks of 8 px the disc."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    lattice = 3 * np.sin(2 * np.pi * x / 9.3) * np.cos(2 * np.pi * y / 11.1)
    return {"lattice": lattice, "disc": 6.0 * ((x - 170) ** 2 + (y - 180) ** 2 < 90**2)}


@pytest.fixture(scope="module")
def blurred():
    """Noise of unit variance whose neighbours agree, and its power."""
    white = np.random.default_rng(4).normal(size=(HEIGHT, WIDTH))
    noise = ndimage.gaussian_filter(white, 0.7, mode="wrap")
    point = np.zeros((64, 64))
    point[0, 0] = 1
    return noise / noise.std(), abs(
        np.fft.fft2(ndimage.gaussian_filter(point, 0.7, mode="wrap"))
    ) ** 2


@pytest.mark.parametrize("coloured", [False, True])
@pytest.mark.parametrize("scene", ["lattice", "disc"])
def test_a_part_is_that_of_the_whole_frame(scenes, blurred, scene, coloured):
    """Sums are rounded otherwise, which now and then decides otherwise about one coefficient."""
    noise = blurred[0] if coloured else np.random.default_rng(3).normal(size=(HEIGHT, WIDTH))
    power = blurred[1] if coloured else None
    frame = 50 + scenes[scene] + noise
    whole = bm3d(frame, 1.0, power, threads=1)
    np.testing.assert_array_equal(bm3d_part(frame, power, effort=ALONE), whole)
    for part in (INNER, CORNER):
        error = bm3d_part(frame, power, part, ALONE) - whole[part]
        assert np.sqrt((error**2).mean()) < 1e-3  # standard deviations of the noise


def test_a_small_part_of_a_large_frame_is_worth_it():
    part = (slice(1000, 1256), slice(900, 1156))
    for coloured in (False, True):
        assert is_worth_it(part, (4096, 4096), coloured=coloured)
        assert not is_worth_it((slice(100, 356), slice(90, 346)), (512, 512), coloured=coloured)
    border = (slice(0, 256), slice(900, 1156))
    assert is_worth_it(border, (4096, 4096), coloured=False)
    assert not is_worth_it(border, (4096, 4096), coloured=True)


def test_it_stops_between_two_strips(scenes):
    steps = []

    def step():
        steps.append(None)
        if len(steps) == 4:
            raise Cancelled

    for threads in (1, 2):
        steps.clear()
        with pytest.raises(Cancelled):
            bm3d_part(scenes["disc"], effort=Effort(threads, step))
        assert len(steps) < 4 + HEIGHT // 64


def test_what_bm3d_refuses_is_refused():
    with pytest.raises(InputError, match="expected one frame"):
        bm3d_part(np.zeros((4, 9)))
    with pytest.raises(InputError, match="NaN or infinite"):
        bm3d_part(np.full((20, 20), np.nan), part=INNER)
    with pytest.raises(InputError, match="got a noise spectrum of shape"):
        bm3d_part(np.zeros((20, 20)), np.ones((3, 4)))


def test_noise_below_the_resolution_of_numbers_is_left(scenes):
    frame = 1e9 * scenes["lattice"]
    np.testing.assert_array_equal(bm3d_part(frame, part=INNER), frame[INNER])
    np.testing.assert_array_equal(bm3d(frame, 1.0), frame)


@pytest.mark.parametrize("noise", [NoiseModel(1.0, 4.0), NoiseModel(-0.1, 4.0), 2.0, 0.0])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "bm3d_package"])
def test_parts_of_frames_by_any_method_and_noise(scenes, noise, method):
    frames = np.random.default_rng(5).poisson(40 + 5 * scenes["disc"][None, :120, 100:260])
    part = (slice(30, 60), slice(50, 90))
    cut = denoise_reference(frames, noise, method=method, part=part, effort=ALONE)
    whole = denoise_reference(frames, noise, method=method, effort=ALONE)
    np.testing.assert_allclose(cut[0], whole[0][part], rtol=1e-3)
