"""One rival: curve, budgets that are kept on the real total, and failures as part of the result."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from fake_codecs import Counting, Exact, Failing, Losing, Missing, Refusing, Rounding

from napari_tcsdl import metrics
from napari_tcsdl._validation import Cancelled
from napari_tcsdl.codecs import CODECS
from napari_tcsdl.rivals import BEST_BELOW, EXACT, LADDER, RAW_OVER_B, SAME_BYTES
from napari_tcsdl.rivals.beyond import yardstick_of
from napari_tcsdl.rivals.frames import FrameFile
from napari_tcsdl.rivals.material import Material
from napari_tcsdl.rivals.rival import measure_rival

RANGE = 100.0


def material_of(folder: Path, frames, truth, segments, **budgets) -> Material:
    raw = FrameFile.write(folder / "raw", frames.shape, frames.dtype, [frames])
    reference = FrameFile.write(folder / "truth", truth.shape, np.dtype(np.float32), [truth])
    fallback = dict.fromkeys((RAW_OVER_B, SAME_BYTES, BEST_BELOW), frames.nbytes // 4)
    return Material(
        raw=raw,
        reference=reference,
        value_range=(0.0, 255.0),
        data_range=RANGE,
        budgets=fallback | budgets,
        segments=segments,
        shown_frame=4,
        fidelity_frames=(2, 7),
        yardstick=yardstick_of(reference, (2, 7), None, None),
        folder=folder,
    )


@pytest.fixture
def material(tmp_path, frames, truth_frames) -> Material:
    return material_of(tmp_path, frames, truth_frames, ((0, 6), (6, 9)), same_bytes=6_000)


def quiet(fraction):
    assert 0 <= fraction < 1


def test_points_are_what_encoding_again_gives(material, frames, truth_frames):
    measured = measure_rival(Rounding(), material, quiet)
    rival = measured.rival
    assert rival.absent is None
    assert rival.version == "rounding 1.0"
    assert [point.n_bytes for point in rival.points] == sorted(p.n_bytes for p in rival.points)
    for point in rival.points:
        parts = [
            Rounding().encode(part, point.quality, (0, 255)) for part in (frames[:6], frames[6:])
        ]
        assert point.n_bytes == sum(part.n_bytes for part in parts)
        decoded = np.concatenate([Rounding().decode(part) for part in parts])
        psnr = [
            metrics.psnr(a, b.astype(np.float32), data_range=RANGE)
            for a, b in zip(decoded, truth_frames, strict=True)
        ]
        ssim = [
            metrics.ssim(a, b.astype(np.float32), data_range=RANGE)
            for a, b in zip(decoded, truth_frames, strict=True)
        ]
        assert point.psnr == pytest.approx(np.mean(psnr), abs=1e-3)
        assert point.psnr_sd == pytest.approx(np.std(psnr, ddof=1), abs=1e-3)
        assert point.ssim == pytest.approx(np.mean(ssim), abs=1e-4)
        kept = {LADDER} != set(point.purposes)
        assert len(point.psnr_frames) == len(point.ssim_frames) == (9 if kept else 0)
        assert point.settings == f"step {64 / point.quality:g}"


@pytest.mark.parametrize("name", ["mpeg4_avi", "h264_mp4", "frame_binning", "frame_dropping"])
def test_streams_run_through_all_segments(name, material, frames, truth_frames):
    """Nothing begins anew with a segment: bytes, frames and scores are those of the whole movie."""
    codec = CODECS[name]
    if codec.missing():
        pytest.skip(codec.missing())
    rival = measure_rival(codec, material, quiet).rival
    assert rival.absent is None
    assert rival.points
    for point in rival.points:
        whole = codec.encode(frames, point.quality, (0, 255))
        assert point.n_bytes == whole.n_bytes
        assert point.settings == whole.settings
        pairs = zip(codec.decode(whole), truth_frames.astype(np.float32), strict=True)
        psnr = [metrics.psnr(a, b, data_range=RANGE) for a, b in pairs]
        assert point.psnr == pytest.approx(np.mean(psnr), abs=1e-3)
        for purpose in set(point.purposes) & set(material.budgets):
            assert point.n_bytes <= material.budgets[purpose]
    for purpose, least in rival.over_budget.items():
        assert least > material.budgets[purpose]
        assert rival.point(purpose) is None


def test_budgets_are_kept_and_used_up(material, frames):
    rival = measure_rival(Rounding(), material, quiet).rival

    def total(quality):
        parts = (frames[:6], frames[6:])
        return sum(Rounding().encode(part, quality, (0, 255)).n_bytes for part in parts)

    for purpose in (RAW_OVER_B, SAME_BYTES):
        best, budget = rival.point(purpose), material.budgets[purpose]
        assert best.n_bytes <= budget < total(best.quality + 1)
    below = rival.point(BEST_BELOW)
    assert below.n_bytes <= material.budgets[BEST_BELOW]
    assert below.psnr >= rival.point(RAW_OVER_B).psnr
    assert rival.over_budget == {}


def test_no_quality_is_encoded_twice(material):
    codec = Counting()
    measure_rival(codec, material, quiet)
    assert len(codec.encoded) == len(set(codec.encoded))
    assert {n for _, n in codec.encoded} == {6, 3}


def test_what_cannot_get_there_says_how_far_it_gets(tmp_path, frames, truth_frames):
    material = material_of(
        tmp_path, frames, truth_frames, ((0, 9),), raw_over_B=100, best_below=100
    )
    rival = measure_rival(Rounding(), material, quiet).rival
    least = Rounding().encode(frames, 1.0, (0, 255)).n_bytes
    assert rival.point(RAW_OVER_B) is None
    assert rival.point(BEST_BELOW) is None
    assert rival.over_budget == {RAW_OVER_B: least, BEST_BELOW: least}
    assert rival.point(SAME_BYTES) is not None


def test_a_lossless_codec_has_one_point(material, frames, truth_frames):
    rival = measure_rival(Exact(), material, quiet).rival
    (point,) = rival.points
    assert EXACT in point.purposes
    assert LADDER not in point.purposes
    raw = np.mean(
        [
            metrics.psnr(a, b.astype(np.float32), data_range=RANGE)
            for a, b in zip(frames, truth_frames, strict=True)
        ]
    )
    assert point.psnr == pytest.approx(raw, abs=1e-3)
    assert (SAME_BYTES in rival.over_budget) == (point.n_bytes > material.budgets[SAME_BYTES])


def test_pictures_are_of_the_shown_frame(material, frames):
    measured = measure_rival(Rounding(), material, quiet)
    assert measured.shown
    for shown in measured.shown:
        point = measured.rival.point(shown.purpose)
        encoded = Rounding().encode(frames, point.quality, (0, 255))
        np.testing.assert_array_equal(shown.image, Rounding().decode(encoded)[4])
        assert shown.frame_index == 4
    served = {purpose for shown in measured.shown for purpose in (shown.purpose,)}
    assert BEST_BELOW in served


def test_fidelity_is_taken_for_each_purpose(material):
    rival = measure_rival(Rounding(), material, quiet).rival
    assert set(rival.fidelity) == {RAW_OVER_B, SAME_BYTES, BEST_BELOW}
    assert rival.fidelity[SAME_BYTES]["unit"] == "px"
    assert rival.fidelity[SAME_BYTES]["frames_scored"] == 5


def test_a_missing_codec_is_listed_without_being_run(material):
    rival = measure_rival(Missing(), material, quiet).rival
    assert rival.missing == "libmissing is not installed: pip install libmissing"
    assert rival.points == ()


def test_a_refusal_is_the_codecs_own_sentence(material):
    rival = measure_rival(Refusing(), material, quiet).rival
    assert rival.refused == "got frames, expected none; crop the movie"
    assert rival.version == "rounding 1.0"


@pytest.mark.parametrize(
    ("codec", "reason"),
    [
        (Failing(), "failed unexpectedly: ZeroDivisionError: a bug of its own"),
        (Losing(), "failed unexpectedly: RuntimeError: 5 frames came back of 6"),
    ],
)
def test_a_bug_is_listed_with_its_error(material, codec, reason):
    assert measure_rival(codec, material, quiet).rival.refused == reason


def test_nothing_is_left_on_the_disk(material):
    for codec in (Rounding(), Failing()):
        measure_rival(codec, material, quiet)
    assert sorted(path.name for path in material.folder.iterdir()) == ["raw", "truth"]


def test_it_stops_where_progress_says_so(material):
    steps = []

    def stop(fraction):
        steps.append(fraction)
        if len(steps) == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        measure_rival(Rounding(), material, stop)
    assert len(steps) == 4
    assert steps == sorted(steps)
    assert sorted(path.name for path in material.folder.iterdir()) == ["raw", "truth"]


@pytest.mark.parametrize("count", [1, 4])
def test_memory_is_that_of_one_segment_however_many_there_are(tmp_path, count):
    length, side = 12, 96
    rng = np.random.default_rng(0)
    frames = rng.poisson(20, (count * length, side, side)).astype(np.uint8)
    segments = tuple((k * length, (k + 1) * length) for k in range(count))
    material = material_of(tmp_path, frames, np.full(frames.shape, 20.0), segments)
    codec = Rounding(qualities=(2.0, 16.0))
    measure_rival(codec, material, quiet)  # what is made once is not counted
    del frames
    tracemalloc.start()
    try:
        measure_rival(codec, material, quiet)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    segment = length * side * side * np.dtype(np.float64).itemsize
    assert segment < peak < 2.85 * segment  # two segments at once would take a third more
