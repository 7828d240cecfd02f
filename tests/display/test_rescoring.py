"""Scores taken anew for a region or a reference: the numbers, and the work in its thread."""

from __future__ import annotations

import numpy as np
import pytest
from rescoring_helpers import INSIDE, SPAN, nothing, raw_frames, rivals_of
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_tcsdl import metrics
from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.display.region import Region
from napari_tcsdl.display.rescoring import DenoisedTarget, RescoreJob, StackTarget
from napari_tcsdl.display.roles import RECONSTRUCTION
from napari_tcsdl.encoding import measure_statistics
from napari_tcsdl.movie import Movie
from napari_tcsdl.reference import make_reference


@pytest.fixture
def raw():
    return raw_frames()


@pytest.fixture
def rivals(raw):
    return rivals_of(raw)


# --- numbers ----------------------------------------------------------------------------------


def test_a_region_is_scored_as_scikit_image_scores_the_cropped_arrays(raw, rivals):
    job = RescoreJob(
        3, StackTarget(Movie(raw), SPAN), {"gap_tv": rivals[RECONSTRUCTION]}, INSIDE, [5, 1]
    )
    told = []
    job.run(told.append, nothing)
    rows = [row for report in told for row in report.rows]
    assert [row.frame for row in rows] == [5, 1]
    assert {report.generation for report in told} == {3}
    for row in rows:
        image, truth = (
            stack[row.frame][24:72, 24:72].astype(float) for stack in (rivals[RECONSTRUCTION], raw)
        )
        expected = peak_signal_noise_ratio(truth, image, data_range=SPAN)
        assert row.psnr == pytest.approx(expected, rel=1e-12)
        assert row.ssim == pytest.approx(
            structural_similarity(
                truth,
                image,
                data_range=SPAN,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        )


def test_the_data_range_is_that_of_whole_frames(raw):
    target = StackTarget(Movie(raw))
    assert target.data_range(nothing) == metrics.data_range_of(raw)


def test_a_range_that_is_known_is_not_measured(raw, monkeypatch):
    monkeypatch.setattr(metrics, "data_range_of", None)
    assert StackTarget(Movie(raw), 77.7).data_range(nothing) == 77.7


def test_a_denoised_region_is_the_region_of_the_denoised_frame(raw):
    movie = Movie(raw[:3])
    expected = make_reference(movie, "denoised", measure_statistics(movie), None)
    target = DenoisedTarget(movie)
    assert target.data_range(nothing) == expected.data_range
    whole = target.frame(1, None, nothing)
    np.testing.assert_allclose(whole, expected.frames(raw[1:2], 1)[0], rtol=1e-6)
    for region in (INSIDE, Region(0, 50, 40, 96)):
        part = target.frame(1, region, nothing)
        assert part.shape == region.shape
        np.testing.assert_array_equal(part, whole[region.slices])


def test_denoising_stops_between_two_frames(raw):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        DenoisedTarget(Movie(raw)).data_range(stop)


# --- the job ----------------------------------------------------------------------------------


def test_a_job_that_is_stopped_ends_before_the_next_frame(raw, rivals):
    target = StackTarget(Movie(raw), SPAN)
    job = RescoreJob(1, target, {"gap_tv": rivals[RECONSTRUCTION]}, None, range(10))
    told = []

    def report(rescored):
        told.append(rescored)
        job.stop.set()

    with pytest.raises(Cancelled):
        job.run(report, nothing)
    assert len(told) == 1


def test_frames_may_be_added_and_preferred_while_it_works(raw, rivals):
    target = StackTarget(Movie(raw), SPAN)
    job = RescoreJob(1, target, {"gap_tv": rivals[RECONSTRUCTION]}, INSIDE, [0, 1, 2])
    done = []

    def progress(_):
        if not done:
            job.feed([2, 8])
            job.prefer(lambda frame: -frame)
        done.append(job.n_frames)

    told = []
    job.run(told.append, progress)
    assert [row.frame for report in told for row in report.rows] == [0, 8, 2, 1]
    assert done == [4, 4, 4, 4]
    assert job.has_done([8])
    assert not job.has_done([9])


def test_frames_that_cannot_be_scored_get_a_sentence(raw, rivals):
    job = RescoreJob(1, StackTarget(Movie(raw), SPAN), {"gap_tv": raw}, Region(0, 0, 8, 8), [0])
    with pytest.raises(InputError, match="expected at least 11 × 11 px for the window of SSIM"):
        job.run(nothing, nothing)
