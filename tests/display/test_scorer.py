"""Which scores are taken anew and when: regions, references, late answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rescoring_helpers import INSIDE, SPAN, Bench, nothing, raw_frames, rivals_of

from napari_tcsdl import metrics
from napari_tcsdl._validation import Cancelled
from napari_tcsdl.display.job import Finished, Prepared
from napari_tcsdl.display.region import Region
from napari_tcsdl.display.rescoring import RescoreJob, StackTarget
from napari_tcsdl.display.roles import BINNING, JPEG, RECONSTRUCTION
from napari_tcsdl.display.scorer import DENOISED, OWN, RAW, Scorer
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.store import ResultStore
from napari_tcsdl.encoding import measure_statistics
from napari_tcsdl.movie import Movie
from napari_tcsdl.reference import make_reference
from napari_tcsdl.settings import Settings


@pytest.fixture
def raw():
    return raw_frames()


@pytest.fixture
def rivals(raw):
    return rivals_of(raw)


@pytest.fixture
def bench(viewer, raw, rivals):
    made = Bench(viewer, raw, rivals)
    yield made
    made.scorer.close()
    made.controller.clear()
    made.session.leave(made)


def test_who_is_better_depends_on_the_region(bench):
    bench.start()
    whole = RescoreJob(
        0, StackTarget(Movie(bench.raw)), bench.controller.run.scored_stacks(), None, range(10)
    )
    found = {}
    whole.run(lambda report: found.update({(r.codec, r.frame): r for r in report.rows}), nothing)
    for frame in range(10):
        assert found["gap_tv", frame].psnr < found["jpeg_same_bytes", frame].psnr
    bench.draw()
    assert bench.scorer.region == INSIDE
    bench.work()
    means = bench.board.means()
    assert means["gap_tv"].psnr > means["jpeg_same_bytes"].psnr + 5
    assert means["gap_tv"].n_frames == 10
    assert "binning" not in means, "its frames were not kept"
    image, truth = (s[3][INSIDE.slices] for s in (bench.rivals[RECONSTRUCTION], bench.raw))
    expected = metrics.psnr(image, truth, data_range=SPAN)
    assert metrics.data_range_of(bench.raw) != SPAN, "the run's own, and none that is measured"
    assert bench.board.score("gap_tv", 3).psnr == pytest.approx(expected, rel=1e-9)


def test_labels_and_table_follow_and_return_at_once(bench):
    bench.start()
    bench.viewer.dims.set_point(0, 1.5)
    assert bench.label(JPEG) == "1.00 dB   SSIM 0.100"
    bench.draw()
    assert bench.label(JPEG) == "computing…"
    assert bench.controller.current_scores() == {}
    bench.work()
    score = bench.controller.current_scores()["jpeg_same_bytes"]
    assert bench.label(JPEG) == f"{score.psnr:.2f} dB   SSIM {score.ssim:.3f}   in ROI"
    assert bench.label("raw") == "∞ dB   SSIM 1.000   in ROI"
    assert bench.board.basis.text == "region of 48 × 48 px, against raw frames"
    assert bench.controller.mean_scores()["gap_tv"][0] > 2
    bench.session.roi.clear()
    assert bench.label(JPEG) == "1.00 dB   SSIM 0.100"
    assert bench.board.basis.text == "whole field, against raw frames"
    assert bench.scorer.progress is None


def test_the_frame_that_is_shown_comes_first_then_its_block(bench):
    bench.start()
    bench.viewer.dims.set_point(0, 3.0)
    bench.draw()
    (job,) = bench.jobs
    assert list(job.frames) == [6, 4, 5, 7, 0, 1, 2, 3, 8, 9]
    told = []
    job.run(lambda report: told.extend(row.frame for row in report.rows), nothing)
    assert list(dict.fromkeys(told)) == [6, 4, 5, 7, 0, 1, 2, 3, 8, 9]


def test_the_slider_changes_the_order_of_what_is_left(bench):
    bench.start()
    bench.draw()
    bench.viewer.dims.set_point(0, 4.5)
    told = []
    bench.jobs[0].run(lambda report: told.extend(row.frame for row in report.rows), nothing)
    assert list(dict.fromkeys(told))[:3] == [9, 8, 0]


def test_blocks_that_come_while_a_region_is_active_are_scored_for_it(bench):
    bench.start(blocks=1)
    bench.draw()
    assert list(bench.jobs[0].frames) == [0, 1, 2, 3]
    bench.block(1)
    assert len(bench.jobs) == 1, "the job that is under way takes them"
    assert bench.jobs[0].n_frames == 8
    bench.work()
    assert bench.board.missing() == []
    assert bench.board.series("gap_tv").frames.tolist() == list(range(8))
    bench.block(2)
    assert list(bench.jobs[1].frames) == [8, 9]
    bench.work()
    assert bench.scorer.progress is None
    assert len(bench.board.series("gap_tv").frames) == 10


def test_a_region_drawn_before_the_first_block_waits_for_it(bench):
    bench.start(blocks=0)
    bench.draw()
    assert bench.jobs == []
    bench.block(0)
    bench.work()
    assert bench.board.series("raw").frames.tolist() == [0, 1, 2, 3]


def test_late_answers_are_dropped_and_threads_follow_one_another(bench):
    bench.start()
    bench.draw()
    old = bench.jobs[0]
    bench.draw(Region(0, 0, 48, 48))
    assert old.stop.is_set()
    assert len(bench.jobs) == 1, "one thread at a time"
    late = RescoreJob(old.generation, old.target, old.stacks, old.region, [0])
    answers = []
    late.run(lambda report: answers.append(bench.scorer.apply(report)), nothing)
    assert answers == [False]
    assert bench.board.rows() == []
    bench.scorer.ended(old)
    assert bench.jobs[1].region == Region(0, 0, 48, 48)
    bench.work()
    assert bench.board.means()["gap_tv"].n_frames == 10


def test_another_run_drops_what_the_last_one_is_still_scoring(bench):
    bench.start()
    bench.draw()
    old = bench.jobs[0]
    bench.start(blocks=1)
    assert old.stop.is_set()
    bench.scorer.ended(old)
    assert list(bench.jobs[1].frames) == [0, 1, 2, 3], "the region stays"
    bench.work()
    assert bench.board.series("raw").frames.tolist() == [0, 1, 2, 3]


def test_stopping_keeps_what_is_done(bench):
    bench.start()
    bench.draw()
    job = bench.jobs[0]

    def report(rescored):
        assert bench.scorer.apply(rescored)
        bench.scorer.cancel()

    with pytest.raises(Cancelled):
        job.run(report, nothing)
    bench.scorer.ended(job)
    assert len(bench.jobs) == 1
    assert bench.scorer.progress is None
    assert bench.board.at(bench.scorer.frame)["gap_tv"].psnr > 1
    assert len(bench.board.series("raw").frames) == 1
    bench.viewer.dims.set_point(0, 4.5)
    assert bench.controller.run.label(JPEG, 9) == ("JPEG, same bytes, q 7",)


def test_references_on_offer(bench, raw):
    bench.start()
    truth = bench.viewer.add_image(raw + 1.0, name="noise-free")
    bench.viewer.add_image(raw[:5], name="too short")
    bench.viewer.add_labels(raw.astype(int), name="no image")
    assert bench.scorer.references() == {
        OWN: "raw frames (of the run)",
        DENOISED: "denoised raw frames",
        truth: "truth: noise-free",
    }


def test_another_layer_as_the_truth(bench, raw):
    bench.start()
    truth = bench.viewer.add_image((raw + 5).astype(np.float32), name="noise-free")
    bench.scorer.choose(truth)
    bench.work()
    assert bench.board.basis.text == "whole field, against the truth (layer noise-free)"
    span = metrics.data_range_of(raw + 5)
    assert bench.board.score("raw", 2).psnr == pytest.approx(20 * math.log10(span / 5))
    bench.viewer.layers.remove(truth)
    assert bench.scorer.reference == OWN
    assert bench.board.score("raw", 2).psnr == 1.0


def test_denoised_raw_frames_as_reference(bench, raw):
    bench.start(blocks=1)
    bench.scorer.choose(DENOISED)
    assert bench.scorer.progress == (0, 4)
    bench.work()
    movie = Movie(raw)
    reference = make_reference(movie, "denoised", measure_statistics(movie), None)
    expected = metrics.ssim(
        raw[1], reference.frames(raw[1:2], 1)[0], data_range=reference.data_range
    )
    assert bench.board.score("raw", 1).ssim == pytest.approx(expected, rel=1e-6)
    bench.scorer.choose(OWN)
    assert bench.board.score("raw", 1).ssim == 0.1


def test_a_reference_that_is_no_movie_is_refused_in_words(bench, raw):
    bench.start()
    layer = bench.viewer.add_image(np.full(raw.shape, np.nan, np.float32), name="empty")
    bench.scorer.choose(layer)
    bench.work()
    assert "NaN" in str(bench.failures[0])
    assert bench.board.score("raw", 2).psnr == 1.0, "the run's own scores are back"
    assert not bench.board.overridden
    bench.scorer.choose("no such thing")
    assert bench.scorer.reference is layer


def test_closing_stops_the_thread_and_returns_to_the_own_scores(bench):
    bench.start()
    bench.draw()
    listeners = len(bench.controller.changed)
    bench.scorer.close()
    assert bench.jobs[0].stop.is_set()
    assert not bench.board.overridden
    assert len(bench.controller.changed) == listeners - 1
    bench.scorer.close()
    assert bench.scorer._targets == {}


def test_a_file_that_holds_nothing_to_compare_has_no_board(viewer, compressed_layer):
    session = Session.of(viewer)
    session.join(viewer)
    scorer = Scorer(session.controller, session.roi, nothing)
    job = session.controller.start(compressed_layer, Settings())
    store = ResultStore((9, 48, 40), 4, {RECONSTRUCTION: np.dtype(np.float32)})
    session.controller.apply(Prepared(job.generation, store))
    session.roi.draw(compressed_layer)
    assert scorer.board is None
    assert scorer.references() == {OWN: "the run's reference"}
    session.controller.apply(Finished(job.generation, 1, {"total": 1}, store.compressed_path))
    scorer.close()
    session.leave(viewer)


def test_binning_and_raw_are_scored_too_where_they_are_kept(bench, raw):
    bench.start()
    bench.controller.run.store.stacks[BINNING] = raw
    bench.scorer.choose(RAW)
    assert bench.scorer.reference == OWN, "raw is what the run has taken itself"
    bench.draw()
    bench.work()
    assert bench.board.score("binning", 0).psnr == math.inf
