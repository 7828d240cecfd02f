"""A study without a window: what the job tells, and the report that is saved."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.codecs import CODECS
from napari_tcsdl.display import rivals_job
from napari_tcsdl.display.rivals_job import (
    LinedUp,
    RivalMeasured,
    Studied,
    find_rivals,
    ratios_of,
    save_report,
)
from napari_tcsdl.rivals.study_files import load_study

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
