"""Lossless codecs give back every pixel, in its own type, from fewer bytes."""

import imagecodecs
import numpy as np
import pytest
from battery import CHECKS, run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import CODECS, LOSSLESS, at_budget
from napari_tcsdl.codecs.lossless import LOSSLESS_CODECS

RANGE = (0.0, 1.0)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("codec", LOSSLESS_CODECS, ids=lambda codec: codec.name)
def test_battery(codec, check):
    run(check, codec)


def test_table_holds_every_lossless_codec():
    assert [codec for codec in CODECS.values() if codec.kind == LOSSLESS] == list(LOSSLESS_CODECS)


@settings(max_examples=60, deadline=None)
@given(
    frames=st.sampled_from([np.uint8, np.uint16, np.float32]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=3, max_dims=3, max_side=9))
    )
)
def test_any_frames_come_back_bit_by_bit(frames):
    for codec in LOSSLESS_CODECS:
        if codec.name == "jpegls" and frames.dtype == np.float32:
            continue
        decoded = codec.decode(codec.encode(frames, None, RANGE))
        assert decoded.dtype == frames.dtype
        assert decoded.shape == frames.shape
        if codec.name == "jpegxl_lossless":  # has many patterns of bits for NaN, which all mean it
            np.testing.assert_array_equal(decoded, frames)
        else:
            assert decoded.tobytes() == frames.tobytes()


@pytest.mark.parametrize("codec", LOSSLESS_CODECS, ids=lambda codec: codec.name)
def test_few_counts_take_few_bits(codec):
    """Poisson counts of mean 2 hold 2.5 bits each; 8 bits in 16 cost hardly more than in 8."""
    counts = np.random.default_rng(1).poisson(2, (2, 128, 128))
    narrow = codec.encode(counts.astype(np.uint8), None, RANGE).n_bytes
    wide = codec.encode(counts.astype(np.uint16), None, RANGE).n_bytes
    assert 2.4 / 8 * counts.size < narrow < 3.2 / 8 * counts.size
    assert wide <= 1.03 * narrow


def test_floats_are_refused_by_jpeg_ls_with_what_to_use():
    frames = np.zeros((2, 8, 8), np.float32)
    with pytest.raises(InputError, match="got float32 frames, expected uint8 or uint16 for JPEG-L"):
        CODECS["jpegls"].encode(frames, None, RANGE)


def test_a_budget_below_what_exactness_takes_is_not_kept():
    frames = np.random.default_rng(4).integers(0, 256, (2, 32, 32), np.uint8)
    result = at_budget(CODECS["jpegls"], frames, 1000, RANGE)
    assert not result.fits
    assert sum(result.frame_bytes) > 1000
    assert result.quality is None
    np.testing.assert_array_equal(result.decoded, frames)


@pytest.mark.parametrize("codec", LOSSLESS_CODECS, ids=lambda codec: codec.name)
def test_a_library_that_is_not_in_the_build_is_named(codec, monkeypatch):
    assert codec.missing() is None
    monkeypatch.setattr(getattr(imagecodecs, codec.library), "available", False)
    assert codec.missing().startswith(f"{codec.label} is not in this build of imagecodecs: ")
