"""The study as a whole, on a small movie with codecs that behave as told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_codecs import Crashing, Exact, Missing, Refusing, Rounding

from napari_tcsdl import codecs
from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.io import open_compressed
from napari_tcsdl.movie import Movie
from napari_tcsdl.rivals import (
    BEST_BELOW,
    EXACT,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    Study,
    StudyOptions,
    study,
    verdict,
)
from napari_tcsdl.settings import Settings

SETTINGS = Settings(compression_ratio=3, decoder="gap_tv", reference="truth", device="cpu")


@pytest.fixture(scope="module")
def truth_frames() -> np.ndarray:
    """A lattice that drifts: (T, H, W) counts."""
    y, x = np.mgrid[:48, :40]
    t = np.arange(9)[:, None, None]
    return 60 + 40 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)


@pytest.fixture(scope="module")
def movie(truth_frames) -> Movie:
    frames = np.random.default_rng(7).poisson(truth_frames).clip(0, 255).astype(np.uint8)
    return Movie(frames, name="lattice.tif", pixel_size=0.5)


@pytest.fixture(scope="module")
def truth(truth_frames) -> Movie:
    return Movie(truth_frames.astype(np.float32), name="truth")


@pytest.fixture(scope="module")
def table():
    """A table of codecs of our own, with the real frame binning."""
    rows = (Rounding(), Exact(), Missing(), Refusing(), codecs.CODECS["frame_binning"])
    table = {row.name: row for row in rows}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_tcsdl.rivals.options.CODECS", table)
        yield table


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study") / "movie.tcs.zarr"


@pytest.fixture(scope="module")
def made(movie, truth, path, table) -> Study:
    """A study, all in this process."""
    options = StudyOptions(processes=0, ratios=(2, 9), decoders=("gap_tv",))
    judged = replace(SETTINGS, deviation="judged")
    return study(movie, path, judged, options, truth=truth)


def test_a_study_times_the_encoder_alone(made, path):
    """It judges no deviation, which decodes: the time would be taken for that of encoding."""
    assert made.settings["deviation"] == "stated"
    assert open_compressed(path).header.deviation is None


def test_it_holds_everyone_with_real_bytes(made, movie, path):
    assert [rival.name for rival in made.rivals] == [
        "gap_tv", "rounding", "exact", "missing", "refusing", "frame_binning",
    ]  # fmt: skip
    real = open_compressed(path).bytes_on_disk()
    assert made.file_bytes == real
    assert made.budgets == {
        RAW_OVER_B: movie.nbytes // 3,
        SAME_BYTES: real["total"],
        BEST_BELOW: movie.nbytes // 3,
    }
    assert made.raw_bytes == movie.nbytes
    assert made.storage_ratios["as_stored"] == movie.nbytes / real["total"]
    for rival in made.rivals[1:]:
        for purpose, budget in made.budgets.items():
            point = rival.point(purpose)
            assert point is None or point.n_bytes <= budget


def test_ours_has_a_point_at_each_b(made):
    ours = made.ours
    assert ours.kind == OURS
    assert sorted(point.quality for point in ours.points) == [2.0, 3.0, 9.0]
    at_b = ours.point(SAME_BYTES)
    assert at_b.quality == 3.0
    assert at_b.n_bytes == made.file_bytes["total"]
    assert "B 3" in at_b.settings
    assert len(at_b.psnr_frames) == 9
    fits = at_b.n_bytes <= made.budgets[RAW_OVER_B]
    assert (ours.point(RAW_OVER_B) == at_b) == fits
    assert (RAW_OVER_B in ours.over_budget) == (not fits)
    best = ours.point(BEST_BELOW)
    within = [point for point in ours.points if point.n_bytes <= made.budgets[BEST_BELOW]]
    assert (best in within) if within else (best is None)
    assert all(point.psnr <= best.psnr for point in within)


def test_our_scores_are_those_of_the_file(made, truth_frames, path):
    from napari_tcsdl import metrics
    from napari_tcsdl.pipeline import reconstruct

    blocks = reconstruct(open_compressed(path), SETTINGS)
    frames = np.concatenate([block.frames for block in blocks])
    psnr = [
        metrics.psnr(a, b.astype(np.float32), data_range=made.data_range)
        for a, b in zip(frames, truth_frames, strict=True)
    ]
    np.testing.assert_allclose(made.ours.point(SAME_BYTES).psnr_frames, psnr, atol=1e-4)


def test_missing_and_refusing_are_listed(made):
    assert made.rival("missing").missing.startswith("libmissing is not installed")
    assert made.rival("refusing").refused == "got frames, expected none; crop the movie"
    assert any(sentence.startswith("Not installed: Missing") for sentence in made.verdict)
    assert any(sentence.startswith("Not taken: Refusing") for sentence in made.verdict)
    assert made.verdict == verdict(made)


def test_costs_are_ratios_to_ours(made):
    assert made.ours.cost.ratio_to_ours == 1.0
    assert made.camera_cost.ratio_to_ours < 1.0
    assert made.rival("rounding").cost.ratio_to_ours > 0
    assert made.rival("missing").cost is None
    assert made.rival("refusing").cost is None


def test_sums_without_masks_are_stored_as_ours_are(made):
    words = made.rival("frame_binning").points[0].settings
    assert "rounded to 0.5 σ of their noise" in words


def test_pictures_are_there_once_each(made, movie, truth_frames):
    shown = {(item.codec, item.purpose): item for item in made.shown}
    assert len(shown) == len(made.shown)
    np.testing.assert_array_equal(shown["raw", ""].image, movie.read(4, 5)[0])
    np.testing.assert_allclose(shown["reference", ""].image, truth_frames[4], rtol=1e-6)
    assert shown["measurement", ""].image.shape == (48, 40)
    assert made.picture("gap_tv", SAME_BYTES).image.dtype == np.float32
    assert made.picture("exact", EXACT) is not None
    assert {item.frame_index for item in made.shown} == {4}


def test_it_goes_through_json(made):
    assert Study.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False))) == made


def test_in_processes_a_crash_is_listed_and_the_numbers_are_the_same(
    made, movie, truth, tmp_path, table, monkeypatch
):
    monkeypatch.setitem(table, "crashing", Crashing())
    seen, fractions = [], []
    options = StudyOptions(
        rivals=("rounding", "crashing"), processes=2, cost=False, shown_frame=2, lattice="Au"
    )
    found = study(
        movie,
        tmp_path / "again.tcs.zarr",
        SETTINGS,
        options,
        truth=truth,
        progress=fractions.append,
        on_rival=seen.append,
    )
    assert found.rival("rounding").absent is None
    here = [_without_times(point) for point in made.rival("rounding").points]
    there = [_without_times(point) for point in found.rival("rounding").points]
    assert here == there
    reason = found.rival("crashing").refused
    assert reason == "failed unexpectedly: its process ended with exit code 7"
    assert seen[0] == found.ours
    assert {rival.name for rival in seen} == {"gap_tv", "rounding", "crashing"}
    assert found.ours.cost is None
    assert {item.frame_index for item in found.shown} == {2}
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1


def _without_times(point):
    return replace(point, encode_seconds=0.0, decode_seconds=0.0)


def test_stopping_leaves_no_folder_behind(movie, truth, tmp_path, table, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    Path(tmp_path / "scratch").mkdir()

    def stop(fraction):
        if fraction > 0.32:
            raise Cancelled

    with pytest.raises(Cancelled):
        study(
            movie,
            tmp_path / "a.tcs.zarr",
            SETTINGS,
            StudyOptions(processes=0),
            truth=truth,
            progress=stop,
        )
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "settings", "sentence"),
    [
        ({"rivals": ("jpog",)}, {}, "got rival jpog, expected all, or some of rounding"),
        ({"lattice": "Unobtainium"}, {}, "got lattice 'Unobtainium', expected one of"),
        ({"shown_frame": 9}, {}, "got frame 9 to show of a movie of 9 frames"),
        ({"ratios": (10,)}, {}, "got compression ratio B = 10 for a movie of 9 frames"),
        ({"decoders": ("magic",)}, {}, "got decoder 'magic', expected one of"),
        ({}, {"compression_ratio": 12}, "got compression ratio B = 12"),
    ],
)
def test_what_cannot_be_done_is_refused_first(
    movie, truth, tmp_path, table, options, settings, sentence
):
    path = tmp_path / "never.tcs.zarr"
    with pytest.raises(InputError, match=sentence):
        study(movie, path, replace(SETTINGS, **settings), StudyOptions(**options), truth=truth)
    assert not path.exists()


def test_an_output_in_the_way_is_refused(movie, truth, tmp_path, table):
    path = tmp_path / "there.tcs.zarr"
    path.mkdir()
    with pytest.raises(OutputError, match="which exists already, expected a new name"):
        study(movie, path, SETTINGS, truth=truth)
