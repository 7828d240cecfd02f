"""What a study compares, kept in presets beside the settings, and as the command that does it.

Such a preset is one of :mod:`napari_tcsdl.presets`, too: its settings lie under ``settings``,
where the command line and the other panels find them.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from .._validation import InputError
from ..presets import YAML_SUFFIXES, as_command, load_preset, save_preset
from ..settings import Settings
from .rivals_job import ALL, Wish

STUDY = "study"
"""Where a preset keeps the wish."""

_PLACE = "HERE"


@dataclass(frozen=True)
class StudyPreset:
    """Settings, and what is compared with them.

    Attributes
    ----------
    settings
        Of the run.
    wish
        None where a file says nothing of it.
    """

    settings: Settings
    wish: Wish | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types."""
        values: dict[str, Any] = {"settings": self.settings.to_json()}
        return values if self.wish is None else values | {STUDY: asdict(self.wish)}

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a JSON or YAML file; see :func:`~napari_tcsdl.presets.save_preset`."""
        return save_preset(self, path, overwrite=overwrite)  # type: ignore[arg-type] # to_json

    @classmethod
    def load(cls, path: str | Path) -> StudyPreset:
        """Read a JSON or YAML file; see :func:`~napari_tcsdl.presets.load_preset`.

        Raises
        ------
        InputError
            Also if what it says of a study is none.
        """
        settings = load_preset(path)  # refuses what is no such file
        text, suffix = Path(path).read_text(encoding="utf-8"), Path(path).suffix.lower()
        parse = import_module("yaml").safe_load if suffix in YAML_SUFFIXES else json.loads
        kept = parse(text).get(STUDY)
        return cls(settings, None if kept is None else _wish_of(kept, path))


def _wish_of(values: Any, path: str | Path) -> Wish:
    if isinstance(values, Mapping) and set(values) <= {field.name for field in fields(Wish)}:
        lists = {name: tuple(values[name]) for name in ("rivals", "ratios") if name in values}
        wish = Wish(**{**values, **lists})
        whole = all(isinstance(number, int) for number in (*wish.ratios, wish.split_seed))
        if whole and all(isinstance(name, str) for name in wish.rivals) and wish.split_seed >= 0:
            return wish
    raise InputError(
        f"preset {path}: got {values!r} for a study, expected "
        f"{', '.join(field.name for field in fields(Wish))}; save the preset again"
    )


def study_command(
    settings: Settings,
    wish: Wish,
    movie: str | Path,
    *,
    truth: str | Path | None = None,
    pixel_size: float | None = None,
    frame_time: float | None = None,
) -> str:
    """Return the command line that makes the same study, as ``as_command`` does for comparisons.

    It always measures the cost of encoding.

    Raises
    ------
    InputError
        If scores are to be taken against a truth that is no file.

    Examples
    --------
    >>> study_command(Settings(), Wish(("jpeg",), held_out=True), "gold.tif")
    'napari-tcsdl compare gold.tif --report gold-rivals --rivals jpeg --held-out'
    """
    command = as_command(
        settings, movie, _PLACE, truth=truth, pixel_size=pixel_size, frame_time=frame_time
    )
    place = f"{Path(movie).stem}-rivals"
    parts = ["--report", f"./{place}" if place.startswith("-") else place]
    if wish.rivals != ALL:
        parts += ["--rivals", ",".join(wish.rivals)]
    if wish.ratios:
        parts += ["--ratios", ",".join(map(str, wish.ratios))]
    if wish.held_out:
        parts += ["--held-out"]
        parts += ["--split-seed", str(wish.split_seed)] if wish.split_seed else []
    quoted = subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)
    return command.removesuffix(f"--out {_PLACE}") + quoted
