"""Scores as text: means for the clipboard, every frame for a CSV file, why there are none."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .._validation import OutputError
from .run import Run
from .scoreboard import ScoreBoard, ScoreTable

NO_RUN = "PSNR and SSIM of each frame appear here while a movie is compared: open one, press Run."
NO_RAW = (
    "This file holds measurements and no raw frames: there is nothing to score a reconstruction "
    "against. Open the movie itself and press Run."
)
WAITING = "The first block is being computed…"
STOPPED = "The run was stopped before its first block was done: press Run to begin again."
SUMMARY_COLUMNS = (
    *("codec", "PSNR [dB]", "PSNR sd [dB]", "SSIM", "SSIM sd"),
    *("frames", "bytes", "storage ratio", "basis"),
)
BASIS_COLUMNS = ("field", "reference", "run_psnr", "run_ssim", "run_field", "run_reference")
"""Beside the columns of the command line: what the scores are of, and those of the run itself."""
FRAME_COLUMNS = ("codec", "frame", "time_s", "psnr_db", "ssim", "bytes", "field", "reference")


def why_no_scores(run: Run | None) -> str:
    """Say why there are no scores (yet)."""
    if run is None:
        return NO_RUN
    if not run.compares:
        return NO_RAW
    return STOPPED if run.job.stop.is_set() else WAITING


def summary_text(board: ScoreBoard) -> str:
    """Return means and real bytes of each codec, tab separated, for a spreadsheet."""
    table = []
    for codec, mean in board.means().items():
        psnr = f"{mean.psnr:.3f}", f"{mean.psnr_sd:.3f}"
        ssim = f"{mean.ssim:.4f}", f"{mean.ssim_sd:.4f}"
        size = str(mean.n_frames), str(mean.bytes), f"{mean.storage_ratio or math.nan:.3f}"
        table.append((codec, *psnr, *ssim, *size, board.basis.text))
    return _table(SUMMARY_COLUMNS, table, "\t")


def frames_text(board: ScoreBoard, frame_time: float | None = None) -> str:
    """Return every row that is shown, as CSV.

    Parameters
    ----------
    board
        The scores.
    frame_time
        [s], or None where it is unknown: the times stay empty then.
    """
    table = []
    for row in board.rows():
        begins = "" if frame_time is None else f"{row.frame * frame_time:.6g}"
        scores = f"{row.psnr:.4f}", f"{row.ssim:.5f}", str(row.bytes)
        basis = board.basis
        table.append((row.codec, str(row.frame), begins, *scores, basis.field, basis.reference))
    return _table(FRAME_COLUMNS, table, ",")


def table_text(table: ScoreTable) -> str:
    """Return ``table`` as CSV: the columns of the command line, then those of the basis.

    A score that is not taken (yet) for what is shown is written as nan.
    """
    from ..report import scores_csv

    shown = [row or replace(own, psnr=math.nan, ssim=math.nan) for row, own in table.rows]
    head, *lines = csv.reader(scores_csv(shown).splitlines())
    basis = table.basis.field, table.basis.reference
    own_basis = table.own_basis.field, table.own_basis.reference
    own_lines = csv.reader(scores_csv([own for _, own in table.rows]).splitlines()[1:])
    rows = [
        (*line, *basis, *own_line[2:4], *own_basis)
        for line, own_line in zip(lines, own_lines, strict=True)
    ]
    return _table((*head, *BASIS_COLUMNS), rows, ",")


def save_text(text: str, path: Path) -> Path:
    """Write ``text`` to ``path``, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from ..describe import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise OutputError(
            f"got {error.strerror or error} while writing {path}, expected a folder that can be "
            "written; choose another place"
        ) from error
    return path


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
