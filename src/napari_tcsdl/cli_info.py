"""``validate``, ``info``, ``recommend``, ``view``: what there is, and what to do."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ._cli_common import (
    AnyPath,
    CompressedPath,
    MoviePath,
    frame_progress,
    frames_kept,
    start_window,
)
from ._validation import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def validate(
    file: CompressedPath,
) -> None:
    """List every violation of a .tcs.zarr file, one a line; exit 0 if there is none, else 1."""
    from .io import open_compressed
    from .io import validate as find_violations

    violations = find_violations(file)
    for violation in violations:
        typer.echo(violation)
    if violations:
        raise typer.Exit(1)
    compressed = open_compressed(file)
    typer.echo(
        f"{file}: valid, {frames_kept(compressed)} in {compressed.n_measurements} "
        "measurements, every checksum read"
    )


def info(
    file: AnyPath,
    as_json: AsJson = False,
) -> None:
    """Say what a movie or a .tcs.zarr file holds."""
    from .describe import describe
    from .deviation import JudgedDeviation

    facts = describe(file)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    # A decoder a line: they are there to be chosen from.
    for name, line in facts.pop("decoders", {}).items():
        facts[f"decoder {name}"] = line
    for against, ratio in facts.pop("storage_ratios", {}).items():
        said = None if ratio is None else f"{ratio:.2f}"
        facts[f"ratio to {against.replace('_', ' ')}"] = said
    facts.pop("storage_ratio", None)  # the first of them
    for where, values in (facts.pop("persistence", None) or {}).items():
        numbers = values if isinstance(values, list) else [values]
        facts[f"persistence {where}"] = " ".join(f"{number:.3g}" for number in numbers)
    judged = facts.pop("deviation", None)
    if judged is not None:
        words = JudgedDeviation.from_json(judged).words()
        facts["deviation"] = f"{words}, judged by raw pixels, of weights {judged['weights'][:12]}…"
    width = max(map(len, facts))
    for key, value in facts.items():
        typer.echo(f"{key:<{width}}  {'unknown' if value is None else value}")


def recommend(
    movie: MoviePath,
    as_json: AsJson = False,
) -> None:
    """Measure how a movie moves and how noisy it is, and propose B with the reason."""
    from .advice import recommend as propose
    from .io import open_movie

    opened = open_movie(movie)
    with frame_progress("recommend", opened.shape[0]) as progress:
        advice = propose(opened, progress=progress)
    typer.echo(json.dumps(advice.to_json(), indent=2) if as_json else advice.reason)


def view(
    file: AnyPath,
) -> None:
    """Open napari with the file loaded and our dock beside it."""
    if not file.exists():
        raise InputError(f"got {file}, which does not exist, expected a movie or a .tcs.zarr file")
    raise typer.Exit(start_window([str(file)]))
