"""A study as files: everything as JSON, curves and scores as tables, frames for pictures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .._all_or_nothing import all_or_nothing, check_unused
from .._validation import CorruptFileError, InputError
from ..decoding import Progress, no_progress
from ..describe import write_text
from ..movie import Movie
from ..settings import Settings
from .options import StudyOptions
from .points import LADDER, Rival, Shown, Study
from .study import study

STUDY, CURVES, SCORES, FRAMES = "study.json", "rate_distortion.csv", "scores.csv", "frames.npz"
FILES = (STUDY, CURVES, SCORES, FRAMES)
HELD_OUT = "held_out.csv"
"""Only of a study with held-out scores."""

CURVE_COLUMNS = (
    "rival",
    "kind",
    "quality",
    "bytes",
    "raw_over_bytes",
    "psnr",
    "psnr_sd",
    "ssim",
    "encode_cpu_seconds",
    "decode_cpu_seconds",
    "purposes",
    "settings",
)
SCORE_COLUMNS = ("rival", "purpose", "frame", "psnr", "ssim")

HELD_OUT_COLUMNS = (
    "rival",
    "kind",
    "quality",
    "bytes_of_half",
    "psnr",
    "psnr_error",
    "mse",
    "mse_error",
    "frc_half",
    "unit",
    "frames",
    "failed",
)

Writer = Callable[[Study, Path], None]


def write_study(
    movie: Movie,
    out: Path,
    settings: Settings,
    options: StudyOptions | None = None,
    *,
    truth: Movie | None = None,
    also: Mapping[str, Writer] | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
    on_rival: Callable[[Rival], None] | None = None,
) -> Study:
    """Make a study and write its files and our compressed file, all of them or none.

    Parameters
    ----------
    movie, settings, options, truth, progress, on_rival
        As for :func:`~napari_tcsdl.rivals.study`.
    out
        Folder; it is made where there is none.
    also
        Further files by name, each with what writes it, such as a report.
    overwrite
        Replace files of an earlier study there.

    Raises
    ------
    InputError
        As for :func:`~napari_tcsdl.rivals.study`.
    OutputError
        If one of the outputs exists and ``overwrite`` is False.
    """
    further = dict(also or {})
    container = f"{Path(movie.name).stem}.tcs.zarr"
    held_out = options is not None and options.held_out
    names = (container, *FILES, *((HELD_OUT,) if held_out else ()), *further)
    check_unused(out, names, overwrite)
    with all_or_nothing(out, names) as work:
        found = study(
            movie,
            work / container,
            settings,
            options,
            truth=truth,
            progress=progress,
            on_rival=on_rival,
        )
        save_study(found, work)
        for name, write in further.items():
            write(found, work / name)
        check_unused(out, names, overwrite)  # another run may have finished there meanwhile
    if overwrite and not held_out:  # that of the study that was replaced
        (out / HELD_OUT).unlink(missing_ok=True)
    return found


def save_study(found: Study, folder: Path) -> None:
    """Write ``study.json``, ``rate_distortion.csv``, ``scores.csv`` and ``frames.npz``.

    A study with held-out scores gets ``held_out.csv``, too.
    """
    write_text(folder / STUDY, json.dumps(found.to_json(), indent=2, allow_nan=False))
    write_text(folder / CURVES, _table(CURVE_COLUMNS, _curve_rows(found)))
    write_text(folder / SCORES, _table(SCORE_COLUMNS, _score_rows(found)))
    if found.held_out is not None:
        write_text(folder / HELD_OUT, _table(HELD_OUT_COLUMNS, _held_out_rows(found)))
    index = [[shown.codec, shown.purpose, shown.frame_index] for shown in found.shown]
    arrays: dict[str, Any] = {f"image_{k}": shown.image for k, shown in enumerate(found.shown)}
    with (folder / FRAMES).open("wb") as file:
        np.savez_compressed(file, index=np.array(json.dumps(index)), **arrays)


def load_study(folder: Path) -> Study:
    """Read what :func:`save_study` wrote, with its pictures.

    Raises
    ------
    InputError
        If there is no study in ``folder``.
    CorruptFileError
        If its files are damaged.
    """
    if not (folder / STUDY).is_file():
        raise InputError(
            f"got {folder}, which holds no {STUDY}, expected a folder of compare --rivals; name "
            "that folder"
        )
    try:
        values = json.loads((folder / STUDY).read_text(encoding="utf-8"))
        return Study.from_json(values, _load_frames(folder / FRAMES))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CorruptFileError(
            f"{folder}: got {STUDY} or {FRAMES} that cannot be read ({error}), expected those of "
            "one study; make the study again"
        ) from error


def _load_frames(path: Path) -> list[Shown]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        index = json.loads(str(stored["index"]))
        return [
            Shown(codec, purpose, int(frame), stored[f"image_{number}"])
            for number, (codec, purpose, frame) in enumerate(index)
        ]


def _curve_rows(found: Study) -> Iterable[Sequence[Any]]:
    for rival in found.rivals:
        for point in rival.points:
            yield (
                rival.name,
                rival.kind,
                "" if point.quality is None else f"{point.quality:g}",
                point.n_bytes,
                f"{found.raw_bytes / point.n_bytes:.3f}",
                _number(point.psnr, 4),
                f"{point.psnr_sd:.4f}",
                f"{point.ssim:.5f}",
                f"{point.encode_seconds:.4f}",
                f"{point.decode_seconds:.4f}",
                " ".join(point.purposes),
                point.settings,
            )


def _score_rows(found: Study) -> Iterable[Sequence[Any]]:
    for rival in found.rivals:
        for point in rival.points:
            for purpose in point.purposes:
                if purpose == LADDER:
                    continue
                rows = zip(point.psnr_frames, point.ssim_frames, strict=True)
                for frame, (psnr, ssim) in enumerate(rows):
                    yield rival.name, purpose, frame, _number(psnr, 4), f"{ssim:.5f}"


def _held_out_rows(found: Study) -> Iterable[Sequence[Any]]:
    facts = found.held_out
    for rival in found.rivals:
        score = rival.held_out
        if score is not None:
            yield (
                rival.name,
                rival.kind,
                "" if score.quality is None else f"{score.quality:g}",
                score.n_bytes,
                _number(score.psnr, 4),
                _number(score.psnr_error, 4),
                f"{score.mse:.6g}",
                f"{score.mse_error:.3g}",
                _number(score.resolution, 4),
                facts.unit if facts else "",
                score.n_frames,
                "",
            )
        elif facts and rival.name in facts.failed:
            yield (rival.name, rival.kind, *[""] * 9, facts.failed[rival.name])


def _number(value: float, digits: int) -> str:
    return "inf" if math.isinf(value) else f"{value:.{digits}f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
