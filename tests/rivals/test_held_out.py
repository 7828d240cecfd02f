"""Judged by electrons that nobody saw: right against the truth, in real bytes, and never fatal."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_codecs import Failing, Losing, Missing, Rounding
from scipy import ndimage

from napari_tcsdl import codecs
from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.encoding import MovieStatistics, measure_statistics
from napari_tcsdl.frc import FrcCurve
from napari_tcsdl.held_out_frames import split
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.noise_spectrum import NoiseSpectrum
from napari_tcsdl.rivals import Study, StudyOptions, study
from napari_tcsdl.rivals.halves import SampledFrames, known_resolution
from napari_tcsdl.rivals.held_out import MOST_EXCESS, TOO_LARGE, cannot_split
from napari_tcsdl.rivals.study_files import HELD_OUT, write_study
from napari_tcsdl.settings import Settings

SETTINGS = Settings(compression_ratio=3, decoder="gap_tv", reference="truth", device="cpu")


class FailingOnHalves(Rounding):
    """Takes whole movies, but fails on the darker halves."""

    def encode(self, frames, quality, value_range):
        if frames.mean() < 45:
            raise ZeroDivisionError("too dark")
        return super().encode(frames, quality, value_range)


class RefusingHalves(Rounding):
    def encode(self, frames, quality, value_range):
        if frames.mean() < 45:
            raise InputError("got dark frames, expected bright ones; expose longer")
        return super().encode(frames, quality, value_range)


@pytest.fixture(scope="module")
def truth_frames() -> np.ndarray:
    """A lattice that drifts over a film: (T, H, W) counts."""
    y, x = np.mgrid[:64, :48]
    t = np.arange(9)[:, None, None]
    film = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(64, 48)), 1.5, mode="wrap")
    lattice = 25 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)
    return 60 + lattice + 8 * film / film.std()


@pytest.fixture(scope="module")
def movie(truth_frames) -> Movie:
    frames = np.random.default_rng(7).poisson(truth_frames).clip(0, 255).astype(np.uint8)
    return Movie(frames, name="lattice.tif", pixel_size=0.5)


@pytest.fixture(scope="module")
def truth(truth_frames) -> Movie:
    return Movie(truth_frames.astype(np.float32), name="truth")


@pytest.fixture(scope="module")
def table():
    rows = (
        Rounding(),
        FailingOnHalves(name="dark", label="Dark"),
        RefusingHalves(name="picky", label="Picky"),
        Failing(),
        Losing(),
        Missing(),
        Rounding(name="large", label="Large", qualities=(64.0,)),
        codecs.CODECS["frame_binning"],
    )
    table = {row.name: row for row in rows}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_tcsdl.rivals.options.CODECS", table)
        yield table


def options(**more) -> StudyOptions:
    return StudyOptions(**{"processes": 0, "cost": False, "held_out": True} | more)


@pytest.fixture(scope="module")
def made(movie, truth, table, tmp_path_factory) -> Study:
    path = tmp_path_factory.mktemp("study") / "movie.tcs.zarr"
    return study(movie, path, SETTINGS, options(), truth=truth)


def halves(movie, seed=0):
    return split(movie, measure_statistics(movie).noise, seed)


def test_scores_are_those_against_the_truth_and_bytes_those_of_the_half(made, movie, truth_frames):
    rival = made.rival("rounding")
    score = rival.held_out
    kept = halves(movie).kept.read(0, 9)
    encoded = Rounding().encode(kept, score.quality, (0, 255))
    exact = np.square(Rounding().decode(encoded) - truth_frames / 2).mean()
    assert score.mse == pytest.approx(exact, abs=4 * score.mse_error)
    assert score.mse_error < 0.2 * exact
    assert score.n_bytes == encoded.n_bytes
    assert score.n_frames == 9
    data_range = made.held_out.data_range
    assert data_range == made.data_range / 2
    assert score.psnr == pytest.approx(10 * np.log10(data_range**2 / score.mse))


def test_the_quality_is_that_of_the_best_size(made):
    from napari_tcsdl.rivals import BEST_BELOW

    for name in ("rounding", "frame_binning"):
        rival = made.rival(name)
        assert rival.held_out.quality == rival.point(BEST_BELOW).quality


def test_ours_codes_the_half_into_a_real_file(made, movie, truth_frames, tmp_path):
    from napari_tcsdl.pipeline import compress, reconstruct

    score = made.ours.held_out
    file = compress(halves(movie).kept, tmp_path / "kept.tcs.zarr", SETTINGS)
    frames = np.concatenate([block.frames for block in reconstruct(file, SETTINGS)])
    exact = np.square(frames - truth_frames / 2).mean()
    assert score.mse == pytest.approx(exact, abs=4 * score.mse_error)
    assert score.quality == 3.0
    # names and times in its metadata differ by some bytes
    assert score.n_bytes == pytest.approx(file.bytes_on_disk()["total"], abs=64)


def test_the_lattice_is_resolved_and_the_halves_are_independent(made):
    facts = made.held_out
    assert (facts.seed, facts.unit, facts.refused, facts.warning) == (0, "Å", None, None)
    assert abs(facts.dependence) < 0.1
    assert facts.noise_variance == pytest.approx(30, rel=0.05)  # counts of half the dose
    # Finer than the film and the lattice's 4 Å, and no finer than two pixels.
    assert 1.0 <= made.ours.held_out.resolution < 4
    assert 1.0 <= facts.raw_resolution < 4


def test_rings_in_which_the_halves_do_not_agree_say_nothing():
    frequencies = np.arange(1, 7) / 12
    known = np.array([0, 1, 0, 0, 1, 1])
    curve = FrcCurve(frequencies, np.array([0, 0.9, 0, 0, 0.8, 0.2]) * known, 0.1 * known)
    between = frequencies[4] + (frequencies[5] - frequencies[4]) * 0.5
    assert known_resolution(curve) == pytest.approx(1 / between)
    nothing = FrcCurve(frequencies, np.zeros(6), np.zeros(6))
    assert known_resolution(nothing) == np.inf


def test_failures_are_listed_with_their_reason(made):
    failed = made.held_out.failed
    assert failed == {
        "dark": "failed unexpectedly: ZeroDivisionError: too dark",
        "picky": "got dark frames, expected bright ones; expose longer",
        "large": TOO_LARGE,
    }
    assert all(made.rival(name).held_out is None for name in (*failed, "failing", "missing"))
    assert made.rival("dark").absent is None  # it took the whole movie


def test_it_goes_through_json_and_old_studies_still_load(made):
    values = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert Study.from_json(values) == made
    del values["held_out"]
    for rival in values["rivals"]:
        del rival["held_out"]
    old = Study.from_json(values)
    assert old.held_out is None
    assert all(rival.held_out is None for rival in old.rivals)


def test_infinite_scores_go_through_json(made):
    endless = replace(made.ours.held_out, psnr=np.inf, psnr_error=np.inf, resolution=np.inf)
    facts = replace(made.held_out, raw_resolution=np.inf)
    found = replace(made, rivals=(replace(made.ours, held_out=endless),), held_out=facts)
    back = Study.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert back == found


def test_processes_and_seeds(made, movie, truth, table, tmp_path):
    fractions = []
    # Objects of other test modules can be sent to processes; those of this one cannot.
    chosen = options(rivals=("rounding",), processes=2)
    again = study(
        movie, tmp_path / "a.tcs.zarr", SETTINGS, chosen, truth=truth, progress=fractions.append
    )
    assert again.rival("rounding").held_out == made.rival("rounding").held_out
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1
    chosen = options(rivals=("rounding",), split_seed=5)
    other = study(movie, tmp_path / "b.tcs.zarr", SETTINGS, chosen, truth=truth)
    first, second = (found.rival("rounding").held_out for found in (made, other))
    assert first.mse != second.mse
    error = np.hypot(first.mse_error, second.mse_error)
    assert first.mse == pytest.approx(second.mse, abs=4 * error)
    assert other.held_out.seed == 5


def test_stopping_it_stops_the_study(movie, truth, table, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    reached = []

    def stop(fraction):
        if fraction > 100 / 130:
            reached.append(fraction)
            raise Cancelled

    chosen = options(rivals=("rounding",))
    with pytest.raises(Cancelled):
        study(movie, tmp_path / "a.tcs.zarr", SETTINGS, chosen, truth=truth, progress=stop)
    assert reached
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_movie_without_noise_gets_a_sentence(truth_frames, truth, table, tmp_path):
    still = np.repeat(np.rint(truth_frames[:1]).astype(np.uint8), 9, axis=0)
    chosen = options(rivals=("rounding",))
    found = study(Movie(still), tmp_path / "a.tcs.zarr", SETTINGS, chosen, truth=truth)
    assert found.held_out.refused.startswith("got a movie without noise, expected frames as a")
    assert found.ours.held_out is None
    assert any(s.startswith("Not judged by held-out electrons: got a m") for s in found.verdict)
    assert found.rival("rounding").points


def statistics(noise, excess) -> MovieStatistics:
    return MovieStatistics((0, 1), noise, NoiseSpectrum(np.ones((64, 64)), excess))


def test_motion_stronger_than_noise_cannot_be_split_unless_electrons_are_counted():
    movie = SimpleNamespace(dtype=np.dtype(np.uint8))
    grey = NoiseModel(0.0, 50.0, mean=120.0)
    assert cannot_split(movie, statistics(grey, 0.9 * MOST_EXCESS)) is None
    sentence = cannot_split(movie, statistics(grey, 2.4))
    assert "differ by motion or flicker more than by noise (its variance is 2.4 times" in sentence
    assert cannot_split(movie, statistics(NoiseModel(1.0, 0.0, mean=4.0), 2.4)) is None


def test_a_full_disk_costs_the_held_out_scores_only(movie, truth, table, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_tcsdl.rivals.held_out.HeldOutStudy._written", full)
    chosen = options(rivals=("rounding",))
    found = study(movie, tmp_path / "a.tcs.zarr", SETTINGS, chosen, truth=truth)
    assert "No space left on device" in found.held_out.refused
    assert found.rival("rounding").points


def test_only_frames_that_are_scored_stay_in_memory(monkeypatch):
    monkeypatch.setattr("napari_tcsdl.rivals.halves.MOST_PIXELS", 3 * 20)
    frames = np.arange(9 * 20, dtype=np.float32).reshape(9, 4, 5)
    sampled = SampledFrames((9, 4, 5))
    sampled.keep(0, frames[:5])
    sampled.keep(5, frames[5:])
    assert sorted(sampled._kept) == [0, 4, 8]
    np.testing.assert_array_equal(sampled[4:5], frames[4:5])
    assert all(kept.base is None for kept in sampled._kept.values())
    with pytest.raises(KeyError):
        sampled[3:4]


def test_its_table_agrees_and_goes_with_its_study(movie, truth, table, tmp_path):
    out, chosen = tmp_path / "out", options(rivals=("rounding", "dark"))
    found = write_study(movie, out, SETTINGS, chosen, truth=truth)
    with (out / HELD_OUT).open(newline="") as file:
        ours, rounding, dark = csv.DictReader(file)
    assert ours["rival"] == "gap_tv"
    score = found.rival("rounding").held_out
    assert float(rounding["psnr"]) == pytest.approx(score.psnr, abs=1e-4)
    assert float(rounding["mse_error"]) == pytest.approx(score.mse_error, rel=0.01)
    assert int(rounding["bytes_of_half"]) == score.n_bytes
    assert (rounding["unit"], rounding["failed"]) == ("Å", "")
    assert (dark["psnr"], dark["failed"]) == ("", found.held_out.failed["dark"])
    without = options(rivals=("rounding",), held_out=False)
    write_study(movie, out, SETTINGS, replace(without, overwrite=True), truth=truth, overwrite=True)
    assert not (out / HELD_OUT).exists()
