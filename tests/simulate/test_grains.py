"""The simulator: physics of the scene and the detector, and a sample movie that stays the same."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from scipy import special

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.fourier import d_spacing, power_spectrum
from napari_tcsdl.simulate import (
    SAMPLE_SETTINGS,
    GrainSettings,
    expected_counts,
    sample_movie_path,
    sample_truth,
    simulate_grains,
    write_sample,
)
from napari_tcsdl.simulate.__main__ import main
from napari_tcsdl.simulate.grains import _normal, _poisson, _uniform

SMALL = GrainSettings(shape=(6, 72, 96))


@pytest.fixture(scope="module")
def sample():
    return tifffile.imread(sample_movie_path())


def test_same_seed_same_movie_and_other_seed_another():
    counts, truth = simulate_grains(SMALL)
    again, truth_again = simulate_grains(SMALL)
    np.testing.assert_array_equal(counts, again)
    np.testing.assert_array_equal(truth, truth_again)
    other, other_truth = simulate_grains(replace(SMALL, seed=2))
    assert (other != counts).mean() > 0.5
    assert np.corrcoef(other_truth[0].ravel(), truth[0].ravel())[0, 1] < 0.95


def test_types_shapes_and_truth_alone():
    counts, truth = simulate_grains(SMALL)
    assert (counts.dtype, truth.dtype) == (np.uint8, np.float32)
    assert counts.shape == truth.shape == SMALL.shape
    assert truth.min() > 0
    np.testing.assert_array_equal(truth, expected_counts(SMALL))


@pytest.mark.parametrize("dose", [0.5, 10, 80])
def test_noise_is_poisson_around_the_truth(dose):
    counts, truth = simulate_grains(replace(SMALL, dose=dose))
    residual = counts.astype(float) - truth
    assert residual.mean() / np.sqrt(dose) == pytest.approx(0, abs=0.02)
    assert (residual**2).mean() / truth.mean() == pytest.approx(1, abs=0.03)
    neighbours = (residual[..., 1:] * residual[..., :-1]).mean() / (residual**2).mean()
    assert neighbours == pytest.approx(0, abs=0.02)  # counting: white


def test_dose_scales_the_truth_and_nothing_else():
    ten, forty = (expected_counts(replace(SMALL, dose=dose)) for dose in (10, 40))
    np.testing.assert_allclose(forty, 4 * ten, rtol=1e-6)


def test_poisson_draw_follows_the_distribution():
    bits = np.random.Philox(key=5)
    for expected in (0.3, 4.0, 60.0):
        counts = _poisson(np.full(40_000, expected), _uniform(bits, (40_000,)))
        observed = np.bincount(counts)
        k = np.arange(len(observed))
        probability = np.exp(k * np.log(expected) - expected - special.gammaln(k + 1))
        often = probability * 40_000 > 5
        chi2 = ((observed - 40_000 * probability)[often] ** 2 / (40_000 * probability[often])).sum()
        assert special.chdtrc(often.sum() - 1, chi2) > 1e-4


def test_normal_draw_follows_the_distribution():
    drawn = np.sort(_normal(np.random.Philox(key=6), (20_000,)))
    distance = np.abs(special.ndtr(drawn) - (np.arange(20_000) + 0.5) / 20_000).max()
    assert special.kolmogorov(distance * np.sqrt(20_000)) > 1e-4


def test_lattice_of_gold_is_where_it_belongs():
    truth = sample_truth()
    power, (fy, fx) = power_spectrum(truth[0], pixel_size=SAMPLE_SETTINGS.pixel_size)
    radius = np.hypot(*np.meshgrid(fy, fx, indexing="ij"))
    spacing = d_spacing(radius[(radius > 0.36)][power[radius > 0.36].argmax()])
    assert spacing == pytest.approx(2.355, rel=0.02)
    for d in (2.355, 2.039):
        ring = power[np.abs(radius - 1 / d) < 0.008]
        beside = power[np.abs(radius - 1 / d - 0.06) < 0.008]
        assert ring.max() > 20 * beside.mean()


def test_crystals_move_turn_and_meet():
    truth = sample_truth()
    background = np.median(truth)
    columns = [(frame < 0.8 * background).any(axis=0)[20:236] for frame in truth[[0, -1]]]
    gaps = [np.flatnonzero(~dark) for dark in columns]
    assert len(gaps[0]) > len(gaps[1])
    ten_frames = truth[:10].mean(axis=0)
    blur = ((ten_frames - truth[:10]) ** 2).mean()
    assert blur > 0.05 * truth[0].var()  # a mean over a block is not good enough


def test_shipped_file_is_the_one_in_its_readme(sample):
    readme = (sample_movie_path().parent / "README.md").read_text(encoding="utf-8")
    digests = re.findall(r"`([0-9a-f]{64})`", readme)
    assert hashlib.sha256(sample_movie_path().read_bytes()).hexdigest() == digests[0]
    assert hashlib.sha256(sample.tobytes()).hexdigest() == digests[1]
    assert sample_movie_path().stat().st_size <= 3e6


def test_shipped_file_is_made_again_from_its_seed(sample):
    """Single counts may flip where the last bit of a cosine differs between machines."""
    counts, truth = simulate_grains(SAMPLE_SETTINGS)
    difference = np.abs(sample.astype(int) - counts)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-4
    np.testing.assert_allclose(truth, sample_truth(), rtol=1e-6)


def test_written_sample_carries_its_calibration(tmp_path, capsys):
    assert main([str(tmp_path / "new")]) == 0
    path = tmp_path / "new" / sample_movie_path().name
    assert str(path) in capsys.readouterr().out
    with tifffile.TiffFile(path) as tif:
        tags, metadata = tif.pages[0].tags, tif.imagej_metadata
        pixels, length = tags["XResolution"].value
        assert length / pixels == pytest.approx(0.04)  # nm per px
        assert metadata["unit"] == "nm"
        assert metadata["finterval"] == 0.05
        assert tif.series[0].axes == "TYX"
        np.testing.assert_allclose(
            tif.asarray().astype(int), tifffile.imread(sample_movie_path()), atol=1
        )


def test_sample_is_never_overwritten(tmp_path, capsys):
    (tmp_path / sample_movie_path().name).write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists, expected a new file; give another folder"):
        write_sample(tmp_path)
    assert main([str(tmp_path)]) == 2
    assert "exists, expected a new file" in capsys.readouterr().err
    assert main([]) == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*, expected a folder that can be"):
        write_sample(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"shape": (4, 0, 8)}, "got shape .*, expected"),
        ({"pixel_size": 2.0}, "got pixel size 2.0 Å/px, expected 0 … 1 Å/px"),
        ({"dose": 0}, "got dose 0 e/px/frame, expected above 0 and at most 100"),
        ({"dose": 101}, "got dose 101 e/px/frame"),
    ],
)
def test_bad_settings_are_refused(change, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(SMALL, **change)


def test_negative_seed_is_refused():
    with pytest.raises(InputError, match="got seed -1, expected a whole number ≥ 0"):
        expected_counts(replace(SMALL, seed=-1))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 300), (3, 37, 31)])
def test_any_shape_works(shape):
    counts, truth = simulate_grains(GrainSettings(shape=shape))
    assert counts.shape == shape
    assert np.isfinite(truth).all()
