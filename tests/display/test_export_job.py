"""Exports in a thread: written whole, frame by frame, or not at all."""

from __future__ import annotations

import csv
import sys
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_tcsdl._validation import Cancelled, InputError, OutputError
from napari_tcsdl.comparison import FrameScores
from napari_tcsdl.display.export_job import ClipJob, Exported, FigureJob, ScoresJob
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.display.roles import RAW
from napari_tcsdl.display.score_text import BASIS_COLUMNS
from napari_tcsdl.display.scoreboard import Basis, ScoreBoard
from napari_tcsdl.display.snapshot import view_of
from napari_tcsdl.report import SCORE_COLUMNS, scores_csv


@pytest.fixture
def view(controller, viewer):
    return view_of(viewer, controller.run)


def run(job):
    """Run it; return its report and the fractions it told."""
    reports, fractions = [], []
    job.run(reports.append, fractions.append)
    (report,) = reports
    assert isinstance(report, Exported)
    assert report.generation == job.generation
    assert report.path == job.path
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    return report, fractions


# --- figure -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_figure_of_the_view(view, tmp_path, suffix):
    path = tmp_path / f"view.{suffix}"
    report, _ = run(FigureJob(3, path, view=view))
    assert report.sentence == f"wrote view.{suffix}, 4 boxes"
    assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[suffix])


def test_spectra_make_a_figure_taller(view, tmp_path):
    run(FigureJob(1, tmp_path / "a.png", view=view))
    run(FigureJob(2, tmp_path / "b.png", view=view, spectra=True))
    plain, tall = (imagecodecs.png_decode((tmp_path / n).read_bytes()) for n in ("a.png", "b.png"))
    assert tall.shape[0] > 1.6 * plain.shape[0]


# --- movie ------------------------------------------------------------------------------------


def frames_of(path):
    with Image.open(path) as gif:
        found = []
        for index in range(gif.n_frames):
            gif.seek(index)
            found.append(np.asarray(gif.convert("RGB")))
    return found


def test_a_movie_has_every_frame_of_every_box(controller, viewer, tmp_path):
    controller.run.layers[RAW].visible = False
    view = view_of(viewer, controller.run)
    path = tmp_path / "movie.gif"
    report, fractions = run(ClipJob(1, path, view=view))
    assert report.sentence == "wrote movie.gif, 9 frames at 10 frames/s"
    assert len(fractions) > 9
    frames = frames_of(path)
    assert len(frames) == 9
    # The made-up boxes are flat and change at each block, their scores with each frame.
    height = frames[0].shape[0]
    centres = [frame[height // 2, frame.shape[1] // 6, 0] for frame in frames]
    assert len(set(centres[:4])) == len(set(centres[4:8])) == 1
    for one, other in pairwise(frames):
        assert (one != other).any()


def test_a_movie_as_mp4(view, tmp_path):
    av = pytest.importorskip("av", reason='needs PyAV: pip install "napari-tcsdl[video]"')
    run(ClipJob(1, tmp_path / "movie.mp4", view=view, frame_rate=25.0))
    with av.open(str(tmp_path / "movie.mp4")) as container:
        assert container.streams.video[0].average_rate == 25
        assert sum(1 for _ in container.decode(video=0)) == 9


def test_without_pyav_nothing_is_rendered(view, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(type(view), "pictures", None)
    with pytest.raises(OutputError, match=r'pip install "napari-tcsdl\[video\]", or choose GIF'):
        ClipJob(1, tmp_path / "movie.mp4", view=view).run(print, lambda _: None)


def test_frames_are_read_one_by_one_as_they_are_written(viewer, frames, tmp_path):
    order = []

    def read_frame(index):
        order.append(("read", index))
        return frames[index]

    stack = LazyStack(frames.shape, frames.dtype, read_frame)
    stack._capacity = 1  # so that no frame is kept
    viewer.add_image(stack, contrast_limits=(0, 255), multiscale=False)
    view = view_of(viewer)
    order.clear()
    job = ClipJob(1, tmp_path / "movie.gif", view=view)
    job.run(lambda _: None, lambda fraction: order.append(("step", round(9 * fraction))))
    expected = [entry for k in range(9) for entry in (("step", k), ("read", k))]
    assert order == [("step", 0), *expected, ("step", 9)]


def test_a_cancelled_movie_leaves_nothing_and_replaces_nothing(view, tmp_path):
    path = tmp_path / "movie.gif"
    path.write_text("mine")
    job = ClipJob(1, path, replace=True, view=view)

    def progress(fraction):
        if fraction > 0.4:
            assert len(list(tmp_path.iterdir())) == 2  # under another name meanwhile
            job.stop.set()

    with pytest.raises(Cancelled):
        job.run(lambda _: pytest.fail("it was cancelled"), progress)
    assert path.read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["movie.gif"]


def test_a_layer_that_fails_becomes_a_sentence(viewer, frames, tmp_path):
    def read_frame(index):
        if index == 7:
            raise RuntimeError("torn page")
        return frames[index]

    stack = LazyStack(frames.shape, frames.dtype, read_frame)
    viewer.add_image(stack, contrast_limits=(0, 255), multiscale=False)
    job = ClipJob(1, tmp_path / "movie.gif", view=view_of(viewer))
    with pytest.raises(ValueError, match=r"got RuntimeError \(torn page\), expected the run to"):
        job.run(lambda _: None, lambda _: None)
    assert not list(tmp_path.iterdir())


def test_single_images_are_no_movie(viewer, frames, tmp_path):
    viewer.add_image(frames[0])
    with pytest.raises(InputError, match="got a view of single images, expected a movie of at le"):
        ClipJob(1, tmp_path / "movie.gif", view=view_of(viewer))
    run(FigureJob(1, tmp_path / "still.png", view=view_of(viewer)))


# --- scores -----------------------------------------------------------------------------------


def lines_of(path) -> list[dict[str, str]]:
    data = path.read_bytes()
    assert b"\r" not in data
    return list(csv.DictReader(data.decode().splitlines()))


def test_scores_begin_with_the_columns_of_the_command_line(controller, tmp_path):
    scores = controller.run.board.own_rows()
    report, _ = run(ScoresJob(1, tmp_path / "scores.csv", table=controller.run.board.table()))
    assert report.sentence == "wrote scores.csv, 45 rows: whole field, against raw frames"
    rows = lines_of(tmp_path / "scores.csv")
    assert tuple(rows[0]) == (*SCORE_COLUMNS, *BASIS_COLUMNS)
    lines = [line.split(",") for line in scores_csv(scores).splitlines()[1:]]
    assert [[row[name] for name in SCORE_COLUMNS] for row in rows] == lines
    for row in rows:
        assert (row["field"], row["reference"]) == ("whole field", "raw frames")
        assert (row["run_psnr"], row["run_ssim"]) == (row["psnr"], row["ssim"])


def test_what_is_shown_is_written_with_its_basis_and_the_runs_own_beside_it(controller, tmp_path):
    board = controller.run.board
    board.begin(Basis('the truth (layer "a, b")', (32, 24)), ["unfolding", "raw"])
    board.put([FrameScores("unfolding", frame, 31.5, 0.75, 0) for frame in (2, 3)])
    report, _ = run(ScoresJob(1, tmp_path / "scores.csv", table=board.table()))
    assert report.sentence.endswith(
        '45 rows: region of 32 × 24 px, against the truth (layer "a, b")'
    )
    rows = {(row["codec"], int(row["frame"])): row for row in lines_of(tmp_path / "scores.csv")}
    assert rows["unfolding", 3] == {
        "codec": "unfolding",
        "frame": "3",
        "psnr": "31.5000",
        "ssim": "0.75000",
        "bytes": "100",
        "field": "region of 32 × 24 px",
        "reference": 'the truth (layer "a, b")',
        "run_psnr": "24.0000",
        "run_ssim": "0.10000",
        "run_field": "whole field",
        "run_reference": "raw frames",
    }
    assert len(rows) == 45
    waiting, kept = rows["unfolding", 4], rows["binning", 4]
    assert (waiting["psnr"], waiting["ssim"], waiting["run_psnr"]) == ("nan", "nan", "25.0000")
    assert (kept["psnr"], kept["run_psnr"], kept["bytes"]) == ("nan", "26.0000", "100")


def test_no_scores(tmp_path):
    for table in (None, ScoreBoard(Basis("raw frames")).table()):
        with pytest.raises(InputError, match="got no scores, expected a comparison with frames"):
            ScoresJob(1, tmp_path / "scores.csv", table=table)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["view.png", "view.pdf", "movie.gif", "scores.csv"])
def test_an_existing_file_is_replaced_only_where_it_was_agreed(controller, view, tmp_path, name):
    path = tmp_path / name
    path.write_text("mine")

    def job(replace):
        if name.startswith("view"):
            return FigureJob(1, path, replace, view=view)
        if name.startswith("movie"):
            return ClipJob(1, path, replace, view=view)
        return ScoresJob(1, path, replace, table=controller.run.board.table())

    with pytest.raises(OutputError, match=rf"got output .*{name}, which exists already, expected"):
        job(False).run(print, lambda _: None)
    assert path.read_text() == "mine"
    run(job(True))
    assert path.read_bytes() != b"mine"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["view.png", "movie.gif"])
def test_a_folder_that_is_gone(view, tmp_path, name):
    path = tmp_path / "gone" / name
    job = (FigureJob if name.startswith("view") else ClipJob)(1, path, view=view)
    with pytest.raises(OutputError, match=rf"cannot write .*{name} .*, expected a folder with fre"):
        job.run(print, lambda _: None)


def test_other_suffixes_are_refused(view, tmp_path):
    with pytest.raises(OutputError, match=r"got figure name view.bmp, expected one that ends in"):
        FigureJob(1, tmp_path / "view.bmp", view=view).run(print, lambda _: None)
    with pytest.raises(OutputError, match=r"got movie name movie.avi, expected one that ends in"):
        ClipJob(1, tmp_path / "movie.avi", view=view).run(print, lambda _: None)
