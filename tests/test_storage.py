"""Storage ratios three ways: real bytes against raw, coded raw, companded raw."""

import imagecodecs
import numpy as np
import pytest

from napari_tcsdl._sum_table import sum_table
from napari_tcsdl.companding import companding_table
from napari_tcsdl.describe import describe
from napari_tcsdl.io import Storage, stored_size
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings
from napari_tcsdl.storage import StorageRatios, measure_raw_coding, storage_ratios

SETTINGS = Settings(compression_ratio=4, mask_tile=16, device="cpu", seed=5)
COUNTING = NoiseModel(1.0, 0.0)
TABLE = companding_table(COUNTING, 2, 510, 0.5)


@pytest.fixture
def lattice():
    """(12, 96, 80) uint8, Poisson counts of a lattice."""
    y, x = np.mgrid[:96, :80]
    mean = 60 * (1 + 0.5 * np.cos(0.6 * x) * np.cos(0.7 * y))
    return np.random.default_rng(0).poisson(mean, (12, 96, 80)).astype(np.uint8)


def test_raw_frames_are_measured_as_they_would_be_stored(lattice):
    coding = measure_raw_coding(Movie(lattice), Storage(TABLE), COUNTING)
    assert coding["pixels"] == 8 * 96 * 80
    # No larger than the best single coding of whole frames, but for what a shard adds.
    shard = 8 * (16 + 4 + 5) / coding["pixels"]
    frames = lattice[np.linspace(0, 11, 8).round().astype(int)]
    sizes = [
        sum(len(code(frame)) for frame in frames) / frames.size
        for code in (
            imagecodecs.jpegls_encode,
            lambda frame: imagecodecs.jpegxl_encode(frame, lossless=True, effort=5),
        )
    ]
    assert coding["lossless"] <= min(sizes) + 2 * shard
    # At 60 counts half a σ is about 4: two bits less, however it is coded.
    alike = measure_raw_coding(Movie(lattice), Storage(TABLE, "best"), COUNTING)
    assert 8 * (alike["lossless"] - alike["companded"]) == pytest.approx(np.log2(4), abs=0.3)


def test_without_companding_raw_frames_are_coded_alike_exactly(lattice):
    coding = measure_raw_coding(Movie(lattice), Storage(), COUNTING)
    total = sum(stored_size(lattice[k]) for k in np.linspace(0, 11, 8).round().astype(int))
    assert coding["companded"] * coding["pixels"] == pytest.approx(total)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_pixel_type_is_measured(lattice, dtype):
    coding = measure_raw_coding(Movie(lattice.astype(dtype)), Storage(TABLE), COUNTING)
    assert 0 < coding["companded"] < coding["lossless"] <= np.dtype(dtype).itemsize + 0.1


def test_large_frames_cost_no_more_to_measure(lattice):
    rng = np.random.default_rng(1)
    large = rng.choice(lattice.ravel(), (3, 700, 700))
    coding = measure_raw_coding(Movie(large), Storage(TABLE), COUNTING)
    assert coding["pixels"] == 3 * 256 * 256
    small = measure_raw_coding(Movie(large[:, :250, :250]), Storage(TABLE), COUNTING)
    assert coding["companded"] == pytest.approx(small["companded"], rel=0.02)


def test_bad_frames_are_left_to_the_encoder(lattice):
    bad = lattice.astype(np.float32)
    bad[5:, 3, 3] = np.nan
    coding = measure_raw_coding(Movie(bad), Storage(TABLE), COUNTING)
    assert 0 < coding["pixels"] < 8 * 96 * 80
    bad[:, 3, 3] = np.nan
    assert measure_raw_coding(Movie(bad), Storage(TABLE), COUNTING) is None


def test_a_file_tells_all_three_ratios(lattice, tmp_path):
    path = tmp_path / "m.tcs.zarr"
    compressed = compress(Movie(lattice), path, SETTINGS)
    ratios = storage_ratios(compressed)
    total = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert ratios.as_stored == lattice.nbytes / total
    assert ratios.as_stored > ratios.losslessly_coded > ratios.companded_alike > 1
    expected = measure_raw_coding(
        Movie(lattice), compressed.header.storage, NoiseModel.from_json(compressed.header.noise)
    )
    assert ratios.companded_bytes == round(expected["companded"] * lattice.size)
    assert describe(path)["storage_ratios"] == ratios.to_json()
    assert list(ratios.to_json()) == [
        "raw_as_stored",
        "raw_losslessly_coded",
        "raw_companded_alike",
    ]


def test_the_ratios_are_said_in_words():
    assert StorageRatios(10, 400, 200, 100).sentence() == (
        "storage ratio 40.00 against raw frames as stored, 20.00 against raw frames losslessly "
        "coded, 10.00 against raw frames companded and coded alike"
    )
    unknown = StorageRatios(10, 400, None, None)
    assert unknown.sentence() == "storage ratio 40.00 against raw frames as stored"
    assert unknown.losslessly_coded is unknown.companded_alike is None


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_sums_of_whole_frames_are_rounded_to_the_same_share_of_their_noise(lattice, dtype):
    frames = lattice.astype(dtype)
    summed = frames.sum(axis=0, dtype="float32" if dtype == "float32" else "uint16")
    table = sum_table(COUNTING, 12, frames.dtype, float(summed.max()), 0.5)
    assert table.fraction == 0.5
    error = table.expand(table.compress(summed)).astype(float) - summed
    # Poisson: the variance of the sum is the sum.
    assert error.var() == pytest.approx(0.25 / 12 * summed.mean(), rel=0.1)
    exact, rounded = Storage(entropy="jpegls"), Storage(table, "jpegls")
    assert stored_size(summed, rounded) < stored_size(summed, exact)


@pytest.mark.parametrize(("noise", "fraction"), [(COUNTING, 0.0), (None, 0.5)])
def test_sums_without_noise_or_fraction_are_exact(noise, fraction):
    assert sum_table(noise, 12, np.dtype("uint8"), 1000.0, fraction) is None


def test_where_measurements_are_exact_frames_are_coded_exactly(lattice):
    coding = measure_raw_coding(Movie(lattice), Storage(entropy="best"), COUNTING)
    assert coding["companded"] == coding["lossless"]
