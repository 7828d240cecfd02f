"""A study in a viewer without a window: its state, its words, its boxes and exact frames."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.codecs import CODECS
from napari_tcsdl.display import rivals_job
from napari_tcsdl.display.arrangement import label_of
from napari_tcsdl.display.rivals_controller import RivalsController
from napari_tcsdl.display.rivals_job import (
    LinedUp,
    RivalMeasured,
    Studied,
    Wish,
    find_rivals,
    ratios_of,
    save_report,
)
from napari_tcsdl.display.rivals_stack import SegmentDecoder, frames_of
from napari_tcsdl.display.rivals_text import (
    PURPOSES,
    current_choice,
    point_name,
    point_text,
    quality_words,
    table_rows,
)
from napari_tcsdl.io import open_compressed
from napari_tcsdl.rivals import BEST_BELOW, LADDER, OURS, EncoderCost, RatePoint, Rival
from napari_tcsdl.rivals.material import segments_of
from napari_tcsdl.rivals.study_files import load_study
from napari_tcsdl.settings import Settings

MINE = Settings(compression_ratio=4, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")
CHEAP = Wish(("jpeg", "zstd_bitshuffle", "frame_binning", "spatial_binning"), (3,), cost=False)


@pytest.fixture(scope="module")
def lattice():
    """9 frames of counts, calibrated."""
    y, x = np.mgrid[:48, :40]
    t = np.arange(9)[:, None, None]
    truth = 60 + 40 * np.sin(2 * np.pi * (x + 0.3 * t) / 8) * np.cos(2 * np.pi * y / 10)
    return np.random.default_rng(7).poisson(truth).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def done(lattice, tmp_path_factory):
    """A job that has run in this process, and its reports."""
    from napari.components import ViewerModel

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        controller = RivalsController(ViewerModel())
        layer = controller.viewer.add_image(lattice, name="lattice")
        job = replace(controller.start(layer, MINE, CHEAP), processes=0)
        reports = []
        job.run(reports.append, lambda fraction: None)
    controller.close()
    return job, reports


@pytest.fixture
def controller(viewer):
    made = RivalsController(viewer)
    yield made
    made.close()


@pytest.fixture
def studied(controller, layer, done):
    """A controller that has heard everything."""
    job, reports = done
    controller.start(layer, MINE, CHEAP)
    controller.job = replace(job, stop=threading.Event())
    for report in reports:
        assert controller.apply(report)
    return controller


def bought(codec, quality, n_bytes, psnr=30.0, *purposes):
    return RatePoint(codec, quality, "made up", n_bytes, psnr, 0.1, 0.9, 0.5, 0.1, purposes)


# --- the job ----------------------------------------------------------------------------------


def test_the_job_tells_who_takes_part_each_rival_and_the_study(done):
    job, reports = done
    lined, *measured, last = reports
    assert isinstance(lined, LinedUp)
    assert isinstance(last, Studied)
    assert all(isinstance(report, RivalMeasured) for report in measured)
    names = ["gap_tv", "jpeg", "zstd_bitshuffle", "frame_binning", "spatial_binning"]
    assert [look.name for look in lined.looks] == names
    assert [report.rival.name for report in measured] == names
    assert [rival.name for rival in last.study.rivals] == names
    assert job.path.is_dir()
    assert not job.path.is_relative_to(Path.cwd())


def test_colours_are_those_of_the_report(done):
    from napari_tcsdl.rival_report.words import colours

    _, reports = done
    shades = colours(reports[-1].study.rivals)
    assert {look.name: look.colour for look in reports[0].looks} == shades


def test_a_stopped_job_ends_at_once(done):
    job, _ = done
    job = replace(job, stop=threading.Event())
    job.stop.set()
    with pytest.raises(Cancelled):
        job.run(lambda report: None, lambda fraction: None)


def test_one_core_is_left_to_the_window(monkeypatch):
    for cores, wanted in ((1, 1), (2, 1), (4, 3), (64, 4)):
        monkeypatch.setattr(
            rivals_job.os, "sched_getaffinity", lambda _, n=cores: set(range(n)), raising=False
        )
        assert rivals_job.free_processes() == wanted


def test_every_codec_is_offered_with_its_kind_and_why_it_is_missing(monkeypatch):
    monkeypatch.setattr(type(CODECS["h264_mp4"]), "missing", lambda self: "PyAV is not installed")
    offers = {offer.name: offer for offer in find_rivals()}
    assert list(offers) == list(CODECS)
    assert offers["h264_mp4"].missing == "PyAV is not installed"
    assert offers["h264_mp4"].kind == "video"
    assert offers["frame_binning"].missing is None


def test_further_b_are_read_or_refused():
    assert ratios_of(" 5, 20 40") == (5, 20, 40)
    assert ratios_of("") == ()
    for text in ("5, x", "1", "-3", "2.5"):
        with pytest.raises(InputError, match="expected whole numbers of at least 2"):
            ratios_of(text)


# --- start, stop, reports ---------------------------------------------------------------------


def test_what_cannot_be_studied_is_refused_in_a_sentence(controller, layer, compressed_layer):
    with pytest.raises(InputError, match="got no layer"):
        controller.start(None, MINE, CHEAP)
    with pytest.raises(InputError, match="holds no raw frames"):
        controller.start(compressed_layer, MINE, CHEAP)
    with pytest.raises(InputError, match="B = 10"):
        controller.start(layer, replace(MINE, compression_ratio=10), CHEAP)
    with pytest.raises(InputError, match="12"):
        controller.start(layer, MINE, replace(CHEAP, ratios=(12,)))
    with pytest.raises(InputError, match="got no rival to compare with"):
        controller.start(layer, MINE, replace(CHEAP, rivals=()))
    with pytest.raises(InputError, match="without a truth layer"):
        controller.start(layer, replace(MINE, reference="truth"), CHEAP)
    assert controller.job is None


def test_reports_of_another_or_a_stopped_study_are_dropped(controller, layer, done):
    _, reports = done
    job = controller.start(layer, MINE, CHEAP)
    late = LinedUp(job.generation - 1, reports[0].looks)
    assert not controller.apply(late)
    now = LinedUp(job.generation, reports[0].looks)
    assert controller.apply(now)
    controller.stop()
    assert not controller.apply(now)
    assert job.stop.is_set()


def test_it_says_who_is_measured_now(controller, layer, done):
    _, reports = done
    job = controller.start(layer, MINE, CHEAP)
    assert controller.at_work() == []
    for report in reports[:2]:
        controller.apply(replace_generation(report, job.generation))
    assert controller.at_work() == ["JPEG", "zstd + bitshuffle"][: job.processes]
    controller.apply(replace_generation(reports[3], job.generation))  # the second is done first
    assert controller.at_work() == ["JPEG", "Frame binning"][: job.processes]


def replace_generation(report, generation):
    return replace(report, generation=generation)


def test_a_movie_deleted_while_it_is_studied_stops_it(controller, viewer, layer):
    told = []
    controller.abandoned.connect(lambda: told.append(True))
    job = controller.start(layer, MINE, CHEAP)
    viewer.layers.remove(layer)
    assert told
    assert job.stop.is_set()
    assert not controller.running


# --- words ------------------------------------------------------------------------------------


def test_the_current_choice_moves_with_b(studied):
    here = studied.choice(MINE)
    own = next(p for p in studied.rivals["gap_tv"].points if p.quality == 4)
    assert here.point == own
    assert here.text == "current choice, B = 4"
    other = studied.choice(replace(MINE, compression_ratio=3))
    assert other.point.quality == 3
    away = studied.choice(replace(MINE, compression_ratio=8))
    assert away.point is None
    assert away.text == "B = 8, not measured yet"
    assert away.n_bytes == pytest.approx(own.n_bytes / 2)
    decoder = studied.choice(replace(MINE, decoder="unfolding"))
    assert decoder.point is None
    assert decoder.text == "unfolding network, B = 4, not measured yet"
    assert current_choice({}, MINE) is None


@pytest.mark.parametrize(
    ("codec", "quality", "words"),
    [
        ("jpeg", 41.0, "quality 41"),
        ("jpegxl", 0.5, "distance 0.5"),
        ("h264_mp4", 40.5, "crf 40.5"),
        ("av1_mp4", 41.0, "crf 41"),
        ("mpeg4_avi", 31.0, "q 31"),
        ("frame_binning", 4.0, "sum of 4 frames"),
        ("zstd_bitshuffle", None, ""),
        ("unfolding", 12.0, "B = 12"),
    ],
)
def test_qualities_have_names(codec, quality, words):
    assert quality_words(bought(codec, quality, 100)) == words


def test_a_point_in_words():
    point = bought("av1_mp4", 41.0, 1000)
    rival = Rival("av1_mp4", "AV1 MP4", "video", points=(point,))
    assert point_name(rival, point) == "AV1 MP4, crf 41"
    text = point_text(rival, point, 12_000)
    assert "1 kB (12 ×),  30.00 dB,  SSIM 0.900" in text
    assert "measured beside others" in text
    paid = replace(rival, cost=EncoderCost(0.1, 1.0, None, 3.2))
    assert "encoding: 3.2 × our CPU time" in point_text(paid, point, 12_000)


def test_the_table_ranks_and_says_why_there_is_nothing():
    rivals = [
        Rival("a", "A", "image", points=(bought("jpeg", 1.0, 100, 20.0, LADDER, BEST_BELOW),)),
        Rival("b", "B", "video", points=(bought("jpeg", 2.0, 200, 25.0, BEST_BELOW),)),
        Rival("c", "C", "video", over_budget={BEST_BELOW: 9_000}),
        Rival("d", "D", "video", missing="PyAV is not installed"),
        Rival("e", "E", "lossless", points=(bought("x", None, 500, np.inf, "exact"),)),
        Rival("ours", "ours", OURS, points=(bought("ours", 4.0, 150, 22.0, BEST_BELOW),)),
    ]
    rows = table_rows(rivals, BEST_BELOW, 1000)
    assert [row.name for row in rows] == ["b", "ours", "a", "e", "c", "d"]
    assert rows[0].cells[1:5] == ("200 B", "5 ×", "25.00", "0.900")
    assert rows[3].cells[3] == "∞"
    assert rows[4].cells == ("C", "over budget: at least 9 kB")
    assert rows[5].cells == ("D", "missing")
    assert rows[5].tip == "PyAV is not installed"
    assert BEST_BELOW in PURPOSES


# --- frames -----------------------------------------------------------------------------------


def test_codecs_give_the_bytes_and_scores_of_the_study_again(done):
    """Same codec, quality, segments and storage: bytes and PSNR are those of the study."""
    job, reports = done
    frames = job.movie.read(0, 9).astype(np.float64)
    header = open_compressed(job.path).header
    span = reports[-1].study.data_range
    tried = 0
    for rival in reports[-1].study.rivals:
        for point in rival.points if rival.name in CODECS else ():
            decoder = SegmentDecoder(job, header, point)
            blocks = [decoder.block(k, lambda _: None) for k in range(3)]
            got = np.concatenate([block.frames for block in blocks])
            assert sum(decoder.sizes.values()) == point.n_bytes, point
            error = ((got - frames) ** 2).mean((1, 2))
            if np.isfinite(point.psnr):
                psnr = 10 * np.log10(span**2 / error)
                assert psnr.mean() == pytest.approx(point.psnr, abs=1e-3), point
            else:
                assert not error.any()
            tried += 1
    assert tried >= 10


def test_long_movies_are_cut_into_the_segments_of_the_study(done, monkeypatch):
    job, reports = done
    point = reports[-1].study.rival("jpeg").points[0]
    monkeypatch.setattr(
        "napari_tcsdl.display.rivals_stack.segments_of",
        lambda shape, ratio: segments_of(shape, ratio, most_pixels=4 * 48 * 40),
    )
    decoder = SegmentDecoder(job, open_compressed(job.path).header, point)
    assert decoder.segments == ((0, 4), (4, 8), (8, 9))
    assert [decoder.group(k) for k in range(3)] == [range(k, k + 1) for k in range(3)]
    assert decoder.block(2, lambda _: None).frames.shape == (1, 48, 40)


def test_frames_of_ours_are_the_decoders_also_at_another_b(done):
    job, reports = done
    for point in reports[-1].study.ours.points:
        stack = frames_of(job, point)
        got = np.stack([stack.decoded(k) for k in range(9)])
        error = ((got - job.movie.read(0, 9)) ** 2).mean((1, 2))
        psnr = 10 * np.log10(reports[-1].study.data_range ** 2 / error)
        assert psnr.mean() == pytest.approx(point.psnr, abs=0.01)
        stack.close()


def test_the_chosen_point_gets_a_box_beside_raw_and_reconstruction(studied, viewer, layer):
    jpeg = studied.rivals["jpeg"]
    point = jpeg.point(BEST_BELOW)
    assert studied.ask() is None
    studied.select("jpeg", point)
    viewer.dims.set_point(0, 0.5)
    studied.show(studied.ask().make())
    names = [each.name for each in viewer.layers if each.visible]
    assert names == ["lattice", "reconstruction, GAP-TV, B = 4", point_name(jpeg, point)]
    assert viewer.canvas.grid.enabled
    assert viewer.dims.point[0] == pytest.approx(0.5), "the slider stays where it was"
    box = viewer.layers[-1]
    np.testing.assert_allclose(box.scale, layer.scale)
    np.testing.assert_allclose(box.translate, layer.translate)
    assert box.units == layer.units
    assert f"{point.psnr:.2f} dB" in label_of(box).text
    layer.contrast_limits = (11, 99)
    assert all(tuple(each.contrast_limits) == (11, 99) for each in viewer.layers)
    decoded = box.data.decoded(2)
    np.testing.assert_allclose(
        decoded, CODECS["jpeg"].decode(_encoded(studied, point))[2], rtol=1e-6
    )

    again = studied.rivals["frame_binning"].points[0]
    studied.select("frame_binning", again)
    request = studied.ask()
    assert [rival.name for rival, _ in request.points] == ["frame_binning"]
    studied.show(request.make())
    assert sum(each.visible for each in viewer.layers) == 4
    studied.clear_boxes()
    assert list(viewer.layers) == [layer]
    assert not viewer.canvas.grid.enabled


def _encoded(studied, point):
    header = open_compressed(studied.job.path).header
    movie = studied.job.movie
    return CODECS["jpeg"].encode(movie.read(0, 9), point.quality, header.value_range)


def test_frames_that_come_after_another_study_has_begun_are_dropped(studied, viewer, layer):
    studied.select("jpeg", studied.rivals["jpeg"].points[0])
    made = studied.ask().make()
    studied.start(layer, MINE, CHEAP)
    assert not studied.show(made)
    assert list(viewer.layers) == [layer]


def test_boxes_deleted_by_hand_bring_the_view_back(studied, viewer, layer):
    studied.select("jpeg", studied.rivals["jpeg"].points[0])
    studied.show(studied.ask().make())
    for box in list(viewer.layers)[1:]:
        viewer.layers.remove(box)
    assert not studied.boxes.shown
    assert not viewer.canvas.grid.enabled
    studied.show(studied.ask().make())
    studied.leave_boxes()
    assert [each.name for each in viewer.layers if each.visible] == ["lattice"]


# --- report -----------------------------------------------------------------------------------


def test_the_report_is_written_whole_and_replaces_nothing(done, tmp_path):
    _, reports = done
    study = reports[-1].study
    page = save_report(study, tmp_path / "out")
    assert page.name == "report.html"
    assert "JPEG" in page.read_text(encoding="utf-8")
    written = {path.name for path in page.parent.iterdir()}
    assert written == {
        "report.html", "study.json", "rate_distortion.csv", "scores.csv", "frames.npz",
    }  # fmt: skip
    assert json.loads((page.parent / "study.json").read_text())["verdict"] == list(study.verdict)
    assert load_study(page.parent) == study
    with pytest.raises(OutputError, match="exists already, expected a new folder"):
        save_report(study, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="exists already"):
        save_report(study, tmp_path / "file")
    with pytest.raises(OutputError, match="while writing"):
        save_report(study, tmp_path / "file" / "out")
