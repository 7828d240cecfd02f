"""The sample movies: shipped files, their truth, their physics, and how they are made again."""

import hashlib
import re

import numpy as np
import pytest
import tifffile
from scipy.ndimage import maximum_filter

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.fourier import power_spectrum
from napari_tcsdl.simulate import (
    SAMPLES,
    sample_movie_path,
    sample_truth,
    simulate_sample,
    write_sample,
)
from napari_tcsdl.simulate.__main__ import main
from napari_tcsdl.simulate.sample_scenes import sinter_trajectory


@pytest.fixture(scope="module", params=SAMPLES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def made(name):
    """Counts and truth, made again."""
    return simulate_sample(name)


@pytest.fixture(scope="module")
def shipped(name):
    return tifffile.imread(sample_movie_path(name))


def test_the_shipped_file_is_the_one_in_its_readme(name, shipped):
    path = sample_movie_path(name)
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    part = readme.split(f"`{path.name}`")[1]
    digests = re.findall(r"`([0-9a-f]{64})`", part)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digests[0]
    assert hashlib.sha256(shipped.tobytes()).hexdigest() == digests[1]
    assert path.stat().st_size <= 2.5e6
    assert (shipped.shape, shipped.dtype) == ((60, 256, 256), np.uint8)


def test_the_shipped_file_is_made_again(shipped, made):
    """Single counts may flip where the last bit of a transform differs between machines."""
    difference = np.abs(shipped.astype(int) - made[0])
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


def test_noise_is_poisson_around_the_truth(name, made):
    counts, truth = made
    assert truth.dtype == np.float32
    assert truth.min() > 0
    residual = counts.astype(float) - truth
    assert residual.mean() / np.sqrt(SAMPLES[name].dose) == pytest.approx(0, abs=0.01)
    assert (residual**2).mean() / truth.mean() == pytest.approx(1, abs=0.01)
    neighbours = (residual[..., 1:] * residual[..., :-1]).mean() / (residual**2).mean()
    assert neighbours == pytest.approx(0, abs=0.01)  # counting: white


def test_the_truth_is_a_copy_that_may_be_changed(name, made):
    sample_truth(name)[:] = 0
    np.testing.assert_array_equal(sample_truth(name), made[1])


def test_a_mean_over_ten_frames_blurs_the_motion(name, made):
    truth = made[1]
    blur = ((truth[:10].mean(axis=0) - truth[:10]) ** 2).mean()
    assert blur > 0.05 * truth[0].var()


# [Å]: angles [°] to (002), of a crystal of gold seen along [110].
REFLECTIONS = {2.355: (54.74, -54.74), 2.039: (0.0,), 1.442: (90.0,)}
EVERY_ANGLE = (54.74, -54.74, 0.0, 90.0)
AXIS = 112.5  # [°] from x towards y: (002) of the larger crystal in the last ten frames
RESOLVED = 10.0


def prominence(frames, d, angle):
    """Power of the peak at a reflection over the median around it; 0 where there is no peak."""
    power = 0.0
    for frame in frames[-10:]:
        spectrum, (fy, fx) = power_spectrum(frame, pixel_size=0.25)
        power = power + spectrum
    turned = np.radians(AXIS + angle)
    near = np.hypot(fy[:, None] - np.sin(turned) / d, fx - np.cos(turned) / d) < 0.03
    found = [0.0]
    for row, column in np.argwhere(near & (power == maximum_filter(power, 5))):
        distance = np.hypot(fy[:, None] - fy[row], fx - fx[column])
        around = power[(distance > 0.045) & (distance < 0.12)]
        found.append(power[row, column] / np.median(around))
    return max(found)


@pytest.mark.parametrize("d", REFLECTIONS)
def test_reflections_of_gold_are_resolved(d):
    """{111}, {002} and {022} of one crystal: peaks of their own, within 0.03 Å⁻¹ of their place.

    (004) is none: it lies in the speckle, and only its direction could be guessed.
    """
    for angle in REFLECTIONS[d]:
        assert prominence(sample_truth("au_sinter"), d, angle) > RESOLVED


@pytest.mark.parametrize("d", [3.0, 1.75, 1.65, 1.3])
def test_where_gold_has_no_reflection_none_is_found(d):
    for angle in EVERY_ANGLE:
        assert prominence(sample_truth("au_sinter"), d, angle) < RESOLVED / 2


def test_noise_has_no_reflections():
    noise = np.random.default_rng(0).poisson(9.0, (10, 256, 256)).astype(np.float32)
    for d, angles in REFLECTIONS.items():
        for angle in angles:
            assert prominence(noise, d, angle) < RESOLVED / 2


def test_the_truth_shows_the_atoms_of_the_trajectory():
    trajectory = sinter_trajectory()
    truth = sample_truth("au_sinter")
    assert len(trajectory.positions) == len(truth)
    assert trajectory.interval == 5.0
    assert 1000 < trajectory.positions.shape[1] < 3000


def test_written_samples_carry_their_calibration(name, made, tmp_path, capsys):
    assert main([str(tmp_path / "new"), name]) == 0
    path = tmp_path / "new" / SAMPLES[name].file
    assert str(path) in capsys.readouterr().out
    with tifffile.TiffFile(path) as tif:
        tags, metadata = tif.pages[0].tags, tif.imagej_metadata
        pixels, length = tags["XResolution"].value
        assert length / pixels == pytest.approx(SAMPLES[name].pixel_size / 10)  # nm per px
        assert metadata["unit"] == "nm"
        assert metadata["finterval"] == SAMPLES[name].frame_time
        assert tif.series[0].axes == "TYX"
        np.testing.assert_array_equal(tif.asarray(), made[0])


def test_samples_are_never_overwritten(tmp_path, capsys):
    (tmp_path / sample_movie_path().name).write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists, expected a new file; give another folder"):
        write_sample(tmp_path)
    assert main([str(tmp_path)]) == 2
    assert "exists, expected a new file" in capsys.readouterr().err
    assert main([]) == 2
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*, expected a folder with free space"):
        write_sample(tmp_path / "file")


def test_an_unknown_sample_is_refused():
    with pytest.raises(InputError, match="got sample 'grains', expected one of au_sinter, carbon"):
        sample_movie_path("grains")
