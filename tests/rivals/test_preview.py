"""Long movies: the search is done on a sample, and finds what a search of the whole movie finds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_codecs import Counting, Rounding

from napari_tcsdl.codecs import CODECS
from napari_tcsdl.codecs.base import geometric
from napari_tcsdl.rivals import BEST_BELOW, BUDGETED, RAW_OVER_B, SAME_BYTES
from napari_tcsdl.rivals.beyond import yardstick_of
from napari_tcsdl.rivals.frames import FrameFile
from napari_tcsdl.rivals.material import LEAST_TO_SAMPLE, SAMPLE_RUNS, Material, sampled
from napari_tcsdl.rivals.rival import measure_rival

LENGTH = 8  # of a run; shorter than that of the library, for speed
N_FRAMES = LEAST_TO_SAMPLE * SAMPLE_RUNS * LENGTH
WINDOW = (60, 68)


@pytest.fixture(autouse=True)
def _short_runs(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.rivals.material.SAMPLE_LENGTH", LENGTH)


def movie_of(n_frames: int, rising: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts of a lattice that drifts and gets brighter by ``rising``, and their expectation."""
    y, x = np.mgrid[:24, :24]
    t = np.arange(n_frames)[:, None, None]
    waves = np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)
    truth = (30 + 20 * waves) * (1 + rising * t / n_frames)
    return np.random.default_rng(3).poisson(truth).clip(0, 255).astype(np.uint8), truth


def material_of(folder: Path, n_frames: int = N_FRAMES, rising: float = 0.0) -> Material:
    frames, truth = movie_of(n_frames, rising)
    raw = FrameFile.write(folder / "raw", frames.shape, frames.dtype, [frames])
    reference = FrameFile.write(folder / "truth", truth.shape, np.dtype(np.float32), [truth])
    budgets = {RAW_OVER_B: frames.nbytes // 3, SAME_BYTES: frames.nbytes // 4}
    return Material(
        raw=raw,
        reference=reference,
        value_range=(0.0, 255.0),
        data_range=60.0,
        budgets=budgets | {BEST_BELOW: frames.nbytes // 3},
        segments=((0, n_frames // 2), (n_frames // 2, n_frames)),
        shown_frame=63,
        fidelity_frames=WINDOW,
        yardstick=yardstick_of(reference, WINDOW, None, None),
        folder=folder,
    )


def quiet(fraction):
    assert 0 <= fraction < 1


def whole_encodings(codec: Counting) -> int:
    return sum(n_frames > SAMPLE_RUNS * LENGTH for _, n_frames in codec.encoded) // 2


@pytest.mark.parametrize(("rising", "share"), [(0.0, 0.3), (2.0, 0.5)])
def test_a_search_by_sample_finds_the_same_in_fewer_encodings(tmp_path, rising, share):
    material = material_of(tmp_path, rising=rising)
    budgets = material.budgets | {SAME_BYTES: int(share * material.raw.nbytes)}
    material = replace(material, budgets=budgets)
    steps = geometric(0.6, 16, 90)
    full, quick = Counting(Rounding(qualities=steps)), Counting(Rounding(qualities=steps))
    expected = measure_rival(full, material, quiet).rival
    found = measure_rival(quick, sampled(material, 4), quiet).rival
    assert_alike(found, expected, material, steps)
    assert found.point(BEST_BELOW).psnr >= expected.point(BEST_BELOW).psnr - 0.01
    assert whole_encodings(quick) < whole_encodings(full)
    twins = {point.quality: point for point in expected.points}
    both = [point for point in found.points if point.quality in twins]
    assert len(both) >= len(BUDGETED)
    for point in both:  # whatever is told is of the whole movie
        twin = twins[point.quality]
        assert (point.n_bytes, point.psnr, point.ssim) == (twin.n_bytes, twin.psnr, twin.ssim)


def assert_alike(found, expected, material, steps):
    """Within one step of the full search, and within the budget."""
    for purpose in BUDGETED:
        point, other = found.point(purpose), expected.point(purpose)
        assert point.n_bytes <= material.budgets[purpose]
        assert abs(steps.index(point.quality) - steps.index(other.quality)) <= 1


@pytest.mark.parametrize("name", ["jpeg2000", "mpeg4_avi"])
def test_so_it_is_with_real_codecs(tmp_path, name):
    codec = CODECS[name]
    if codec.missing():
        pytest.skip(codec.missing())
    material = material_of(tmp_path)
    # Headers take their share of such small frames.
    shares = {RAW_OVER_B: 0.7, SAME_BYTES: 0.5, BEST_BELOW: 0.7}
    budgets = {purpose: int(share * material.raw.nbytes) for purpose, share in shares.items()}
    material = replace(material, budgets=budgets)
    expected = measure_rival(codec, material, quiet).rival
    found = measure_rival(codec, sampled(material, 4), quiet).rival
    assert_alike(found, expected, material, list(codec.qualities))
    assert found.point(BEST_BELOW).psnr >= expected.point(BEST_BELOW).psnr - 0.02


def test_a_sample_is_runs_of_the_movie(tmp_path):
    material = material_of(tmp_path)
    sample = sampled(material, 4).sample
    assert sample.sample is None
    assert sample.raw.shape == (SAMPLE_RUNS * LENGTH, 24, 24)
    assert sample.segments[-1][1] == SAMPLE_RUNS * LENGTH
    starts = [0, 40, 80, 120]
    for run, start in enumerate(starts):
        of_sample = (run * LENGTH, (run + 1) * LENGTH)
        for part, whole in ((sample.raw, material.raw), (sample.reference, material.reference)):
            expected = whole.read(start, start + LENGTH)
            np.testing.assert_array_equal(part.read(*of_sample), expected)


def test_a_shorter_movie_has_no_sample(tmp_path):
    material = material_of(tmp_path, N_FRAMES - 1)
    assert sampled(material, 4) is material
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "truth"]


def test_nothing_of_a_codec_is_left(tmp_path):
    material = sampled(material_of(tmp_path), 4)
    measure_rival(Rounding(), material, quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "sample", "truth"]
    assert sorted(path.name for path in (tmp_path / "sample").iterdir()) == ["raw", "truth"]
