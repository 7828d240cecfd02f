"""Entropy codings of single chunks: every number comes back, and the best is the smallest."""

import numpy as np
import pytest

from napari_tcsdl.io import Storage, _entropy, stored_size


@pytest.mark.parametrize("entropy", _entropy.ENTROPY_CODINGS)
@pytest.mark.parametrize(
    ("dtype", "highest"),
    [("uint8", 255), ("uint16", 200), ("uint16", 65_535), ("uint32", 65_535),
     ("uint32", 2**32 - 1), ("float32", 1e9)],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (257, 3), (300, 280)])
def test_any_numbers_survive_any_coding(entropy, dtype, highest, shape):
    rng = np.random.default_rng(0)
    values = (rng.uniform(0, 1, (1, *shape)) * highest).astype(dtype)
    values.flat[-1] = highest
    codings = ("zstd", "jpegls", "jpegxl") if entropy == "best" else (entropy,)
    content = _entropy.encode_chunk(values, codings)
    again = _entropy.decode_chunk(content, values.shape, values.dtype)
    np.testing.assert_array_equal(again, values)
    assert again.dtype == values.dtype


def test_the_best_is_no_larger_than_any_and_depends_on_the_chunk():
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint16)[None]
    words = np.tile(rng.integers(0, 255, 64, dtype=np.uint8), 1024).reshape(1, 256, 256)
    tags = set()
    for values in (smooth, words):
        sizes = [len(_entropy.encode_chunk(values, (one,))) for one in ("zstd", "jpegls", "jpegxl")]
        best = _entropy.encode_chunk(values, ("zstd", "jpegls", "jpegxl"))
        assert len(best) == min(sizes)
        tags.add(best[0])
    assert len(tags) == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_best_coding_is_no_larger_than_any_other(dtype):
    values = np.random.default_rng(0).normal(120, 20, (256, 256)).astype(dtype)
    sizes = {name: stored_size(values, Storage(None, name)) for name in ("zstd", "best")}
    assert sizes["best"] <= sizes["zstd"] + 16  # a tag for the chunk, and its checksum
