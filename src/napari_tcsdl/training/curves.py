"""Loss and validation of a run over its steps, as a picture like the paper's Figure 6 and as CSV.

matplotlib is loaded only to draw: the machine that trains need not have it.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._validation import InputError
from .._whole_file import whole_file
from .state import FACTS, read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADES = ("#ff9f43", "#56b4e9", "#3fc79a", "#cc79a7", "#f0e442", "#a7b0bd")


def series_of(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the validation batches whose PSNR [dB] is in the log."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name not in (*FACTS, "inside")]


def write_curves(log: Path, picture: Path | None, table: Path | None) -> None:
    """Draw the log of a run.

    Parameters
    ----------
    log
        ``log.jsonl`` of a run.
    picture
        PNG to write: training loss above, PSNR of each validation batch below; None for none.
    table
        CSV to write, a row for each validation; None for none.

    Raises
    ------
    InputError
        If there is no log, or nothing in it.
    CorruptFileError
        If it is damaged.
    OutputError
        If a file cannot be written.
    """
    rows = read_log(log)
    if not rows:
        raise InputError(
            f"got {log} without a row, expected at least one validation; let the run go on for a "
            "few minutes"
        )
    if table is not None:
        with whole_file(table, replace=True) as partial:
            partial.write_bytes(_csv(rows).encode())
    if picture is not None:
        with whole_file(picture, replace=True) as partial:
            partial.write_bytes(_png(rows))


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _png(rows: list[dict[str, Any]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from .._figure_layout import DPI, GROUND, TEXT

    figure = Figure(figsize=(8, 6.5), facecolor=GROUND)
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(2, 1, sharex=True)
    known = [row for row in rows if row.get("loss") is not None]
    losses.plot([r["step"] for r in known], [r["loss"] for r in known], ".-", color=TEXT, lw=1.3)
    for name, shade in zip(series_of(rows), _SHADES * 9, strict=False):
        points = [(r["step"], r[name]) for r in rows if r.get(name) is not None]
        label = f"{name.replace('_', ', ')}: {points[-1][1]:.2f} dB"
        scores.plot(*zip(*points, strict=True), ".-", color=shade, lw=1.3, label=label)
    _dress(losses, "training loss")
    _dress(scores, "validation PSNR [dB]")
    scores.set_xlabel(f"step ({rows[-1]['minutes']:.0f} minutes in all)", color=TEXT)
    if series_of(rows):
        scores.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, labelcolor=TEXT
        )
    figure.tight_layout()
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, format="png")
    return content.getvalue()


def _dress(axes: Axes, label: str) -> None:
    """Give axes the colours of our figures."""
    from .._figure_layout import GROUND, LINE, MUTED, TEXT

    axes.set_facecolor(GROUND)
    axes.set_ylabel(label, color=TEXT)
    axes.tick_params(colors=MUTED)
    axes.grid(color=LINE, lw=0.6)
    for spine in axes.spines.values():
        spine.set_color(LINE)
