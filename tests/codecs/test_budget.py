"""Rivals keep their byte budget, count every byte, and come back in detector units."""

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import (
    CODECS,
    at_budget,
    binned_sum,
    binning,
)
from napari_tcsdl.codecs.base import pixel_map
from napari_tcsdl.encoder import Measurement
from napari_tcsdl.io import CompressedWriter, Header
from napari_tcsdl.masks import Masks


def jpeg(frames, budget, value_range):
    return at_budget(CODECS["jpeg"], frames, budget, value_range)


def noisy_frames(seed=0, shape=(3, 40, 56), dtype=np.uint8):
    rng = np.random.default_rng(seed)
    top = 200 if dtype == np.uint8 else 4000
    ramp = np.linspace(0.2, 1, shape[2]) * top
    return np.clip(rng.normal(ramp, top / 20, shape), 0, None).astype(dtype)


def total_bytes(frames, quality):
    return sum(len(imagecodecs.jpeg8_encode(f, level=quality, optimize=True)) for f in frames)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**16),
    n_frames=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    share=st.floats(0.05, 3),
)
def test_quality_is_the_largest_within_the_budget(seed, n_frames, height, width, share):
    frames = np.random.default_rng(seed).integers(0, 256, (n_frames, height, width), np.uint8)
    budget = int(share * frames.nbytes + 150 * n_frames)
    result = jpeg(frames, budget, (0, 255))
    sizes = [total_bytes(frames, quality) for quality in range(1, 101)]
    allowed = [quality for quality, size in enumerate(sizes, start=1) if size <= budget]
    assert result.quality == (max(allowed) if allowed else 1)
    assert result.fits == bool(allowed)
    assert sum(result.frame_bytes) == sizes[result.quality - 1]
    assert result.fits == (sum(result.frame_bytes) <= budget)


def test_one_more_step_of_quality_would_exceed():
    frames = noisy_frames()
    for budget in range(1200, 5300, 350):
        result = jpeg(frames, budget, (0, 255))
        assert result.fits
        assert sum(result.frame_bytes) <= budget < total_bytes(frames, result.quality + 1)


def test_impossible_budget_is_reported_at_quality_1():
    result = jpeg(noisy_frames(), 100, (0, 255))
    assert (result.fits, result.quality, result.budget) == (False, 1, 100)
    assert sum(result.frame_bytes) > 100
    assert result.decoded.shape == (3, 40, 56)


def test_bytes_are_whole_files_with_one_component():
    frames = noisy_frames()
    result = jpeg(frames, 5000, (0, 255))
    for frame, size, decoded in zip(frames, result.frame_bytes, result.decoded, strict=True):
        stream = imagecodecs.jpeg8_encode(frame, level=result.quality, optimize=True)
        assert stream[:2] == b"\xff\xd8"
        assert stream[-2:] == b"\xff\xd9"
        start_of_frame = stream.index(b"\xff\xc0")
        assert stream[start_of_frame + 9] == 1  # number of components
        assert size == len(stream)
        np.testing.assert_array_equal(imagecodecs.jpeg8_decode(stream), decoded)


def test_settings_name_encoder_version_flags_and_mapping():
    version = imagecodecs.jpeg8_version().split()[1]
    text = jpeg(noisy_frames(), 4000, (0, 255)).settings
    assert text.startswith(f"libjpeg-turbo {version}, one component, optimised Huffman tables")
    assert text.endswith("8-bit pixels as they are (above 255 clipped)")
    wide = jpeg(noisy_frames(dtype=np.uint16), 4000, (100, 4000)).settings
    assert "100 … 4000 mapped linearly to 8 bits (clipped, rounded)" in wide


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_wide_pixels_come_back_within_the_quantisation_step(dtype):
    frames = noisy_frames(dtype=dtype)
    low, high = 100.0, 5000.0
    result = jpeg(frames, 10**6, (low, high))
    step = (high - low) / 255
    assert result.quality == 100
    assert result.decoded.dtype == np.float32
    # half a step of 8-bit rounding, and at most one and a half of JPEG's at quality 100
    error = np.abs(result.decoded - frames.astype(np.float64))
    assert error.max() <= 2 * step
    assert np.sqrt((error**2).mean()) < 0.6 * step


def test_values_outside_the_range_are_clipped():
    frames = np.full((1, 16, 16), 700, np.uint16)
    assert jpeg(frames, 10**6, (0, 510)).decoded.max() == pytest.approx(510, abs=2)
    with np.errstate(all="raise"):
        low = jpeg(frames.astype(np.float32), 10**6, (1000, 2000)).decoded
    assert low.min() == pytest.approx(1000, abs=8)


@pytest.mark.parametrize("value_range", [(5, 5), (9, 2), (0, np.nan), (0, np.inf)])
def test_empty_value_range_is_refused(value_range):
    with pytest.raises(InputError, match=r"got value range .* for 8-bit JPEG, expected finite low"):
        jpeg(noisy_frames(dtype=np.uint16), 4000, value_range)


def test_frames_wider_than_jpeg_allows():
    with pytest.raises(InputError, match=r"got frames of 1 × 65501 px, expected .* 65500 px for"):
        jpeg(np.zeros((1, 1, 65501), np.uint8), 4000, (0, 255))


@pytest.mark.parametrize("codec", [binning, lambda frames: jpeg(frames, 10, (0, 255))])
@pytest.mark.parametrize("shape", [(8, 8), (0, 8, 8), (2, 0, 8)])
def test_blocks_must_hold_frames(codec, shape):
    with pytest.raises(InputError, match=r"got a block of shape .*, expected frames \(n, H, W\)"):
        codec(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("n_frames", [1, 7])
def test_binning_is_the_mean_of_the_block(dtype, n_frames):
    frames = noisy_frames(shape=(n_frames, 37, 31), dtype=dtype)
    result = binning(frames)
    assert result.decoded.dtype == np.float32
    assert result.decoded.shape == frames.shape
    mean = frames.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(result.decoded, np.broadcast_to(mean, frames.shape), rtol=1e-6)
    assert len(result.frame_bytes) == n_frames
    assert sum(result.frame_bytes) == result.budget
    assert max(result.frame_bytes) - min(result.frame_bytes) <= 1
    assert result.fits
    assert result.quality is None


@pytest.mark.parametrize(
    ("dtype", "n_frames", "expected"),
    [
        (np.uint8, 257, np.uint16),  # 257 · 255 = 65535: the last that fits
        (np.uint8, 258, np.uint32),
        (np.uint16, 1, np.uint16),
        (np.uint16, 30, np.uint32),
    ],
)
def test_sums_never_overflow(dtype, n_frames, expected):
    top = np.iinfo(dtype).max
    summed = binned_sum(np.full((n_frames, 2, 3), top, dtype))
    assert summed.dtype == expected
    assert (summed == n_frames * int(top)).all()


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [(np.uint8, (5, 300, 260)), (np.uint16, (4, 90, 70)), (np.float32, (3, 256, 20))],
)
def test_binning_bytes_are_those_of_a_measurement_on_disk(tmp_path, dtype, shape):
    frames = noisy_frames(shape=shape, dtype=dtype)
    measurement = Measurement(binned_sum(frames), first_frame=0, n_frames=len(frames))
    header = Header(shape, str(np.dtype(dtype)), (0, 1))
    masks = Masks.create(len(frames), tile=(16, 16))
    with CompressedWriter(tmp_path / "sum.tcs.zarr", masks, header) as writer:
        assert binning(frames).budget == writer.append(measurement)


def test_dark_8_bit_frames_are_stretched_so_that_jpeg_is_not_handicapped():
    frames = np.random.default_rng(5).poisson(2, (2, 64, 64)).astype(np.uint8)
    budget = frames.nbytes // 4
    as_is, stretched = jpeg(frames, budget, (0, 255)), jpeg(frames, budget, (0, 12))
    assert "8-bit pixels as they are" in as_is.settings
    assert "0 … 12 mapped linearly" in stretched.settings
    errors = [np.mean((r.decoded - frames) ** 2) for r in (as_is, stretched)]
    assert errors[1] < errors[0]


class Recorded:
    """JPEG that notes at which qualities it was asked to encode."""

    def __init__(self):
        self.jpeg = CODECS["jpeg"]
        self.name, self.label = self.jpeg.name, self.jpeg.label
        self.qualities = self.jpeg.qualities
        self.encode_calls = []

    def encode(self, frames, quality, value_range):
        self.encode_calls.append(quality)
        return self.jpeg.encode(frames, quality, value_range)

    def decode(self, encoded):
        return self.jpeg.decode(encoded)


def test_searching_encodes_nothing_twice():
    noisy, codec = noisy_frames(), Recorded()
    at_budget(codec, noisy, noisy.nbytes // 5, (0, 255))
    assert len(set(codec.encode_calls)) == len(codec.encode_calls)


def test_pixel_maps_stretch_or_keep():
    with_8 = pixel_map(np.dtype(np.uint8), (0, 12), (8, 12), "X")
    assert (with_8.bits, with_8.exact, with_8.step) == (8, False, 12 / 255)
    twelve = pixel_map(np.dtype(np.uint16), (100, 4000), (8, 12, 16), "X")
    assert (twelve.bits, twelve.exact) == (12, True)
    deep = pixel_map(np.dtype(np.uint8), (50, 250), (12,), "X")
    assert (deep.low, deep.step, deep.exact) == (0, 255 / 4095, False)
