"""Settings as files, and as the command that does the same: window and command line share both.

A preset is a JSON or YAML file of settings, by its ending. The ``summary.json`` that a comparison
writes is one, too: every result can be made again from what lies beside it.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

from ._validation import InputError, OutputError
from .settings import Settings

YAML_SUFFIXES = (".yaml", ".yml")
SUFFIXES = (".json", *YAML_SUFFIXES)

OPTIONS = {
    "compression_ratio": "--ratio",
    "masks": "--masks",
    "exposures": "--exposures",
    "seed": "--seed",
    "mask_tile": "--mask-tile",
    "companding": "--companding",
    "entropy": "--entropy",
    "deviation": "--deviation",
    "decoder": "--decoder",
    "weights": "--weights",
    "device": "--device",
    "decode_tile": "--tile",
    "reference": "--reference",
}
"""Option of ``napari-tcsdl compare`` for each setting."""


def load_preset(path: str | Path) -> Settings:
    """Read settings from a JSON or YAML file.

    Parameters
    ----------
    path
        ``.yaml`` and ``.yml`` are read as YAML, everything else as JSON. Settings that it leaves
        out have their defaults.

    Raises
    ------
    InputError
        If the file cannot be read, is no such file, holds no settings or impossible ones, or is
        YAML where PyYAML is not installed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"got preset {path}, which cannot be read ({error.strerror}), expected a JSON or YAML "
            "file of settings; check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise _no_preset(path, "it is no text") from error
    values = _parse_yaml(path, text) if _is_yaml(path) else _parse_json(path, text)
    if isinstance(values, dict) and "settings" in values:
        values = values["settings"]  # of a summary
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise _no_preset(path, f"it holds {_kind_of(values)}")
    try:
        return Settings.from_json(values)
    except InputError as error:
        raise InputError(f"preset {path}: {error}") from error
    except TypeError as error:
        raise _no_preset(path, str(error)) from error


def save_preset(settings: Settings, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write settings to a JSON or YAML file, whole or not at all.

    Parameters
    ----------
    settings
        All of them are written, defaults too: a later version may have others.
    path
        Ending in ``.json``, ``.yaml`` or ``.yml``.
    overwrite
        Replace a file that is there.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OutputError
        For another ending, a file that exists while ``overwrite`` is False, or a folder that
        cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"got output {path.name}, expected a name that ends in {', '.join(SUFFIXES)}; choose "
            "one of these endings"
        )
    if path.exists() and not overwrite:
        raise OutputError(
            f"got output {path}, which exists already, expected a new name; choose another name, "
            "or replace it knowingly"
        )
    values = settings.to_json()
    if _is_yaml(path):
        # Every JSON scalar is a YAML scalar: writing needs no library.
        text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())
    else:
        text = json.dumps(values, indent=2) + "\n"
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"got {error.strerror or error} while writing {path}, expected a folder that can be "
            "written; choose another place"
        ) from error
    return path


def as_command(
    settings: Settings,
    movie: str | Path,
    out: str | Path | None = None,
    *,
    truth: str | Path | None = None,
    pixel_size: float | None = None,
    frame_time: float | None = None,
) -> str:
    """Return the command line that compares ``movie`` with these settings.

    Parameters
    ----------
    settings
        Only those that are not the default become options.
    movie
        Path of the movie.
    out
        Folder for the results; by default ``NAME-comparison`` where the command is run.
    truth
        File of the noise-free movie, where ``settings.reference`` is ``truth``.
    pixel_size, frame_time
        [Å px⁻¹] and [s], where they were given and not read from the file.

    Returns
    -------
    str
        One line, quoted for the shell of this system.

    Raises
    ------
    InputError
        If scores are to be taken against a truth that is no file.

    Examples
    --------
    >>> as_command(Settings(compression_ratio=8, decoder="gap_tv"), "gold.tif")
    'napari-tcsdl compare gold.tif --ratio 8 --decoder gap_tv --out gold-comparison'
    """
    if settings.reference == "truth" and truth is None:
        raise InputError(
            "got reference 'truth' without a file of it, expected one that the command line can "
            "open; save the truth as TIFF, or choose reference 'denoised' or 'raw'"
        )
    values: dict[str, Any] = settings.to_json()
    if truth is not None and settings.reference == "truth":
        values["reference"] = str(truth)
    parts = ["napari-tcsdl", "compare", _as_argument(movie)]
    for field in fields(Settings):
        if values[field.name] != field.default:
            parts += [OPTIONS[field.name], _as_argument(values[field.name])]
    for option, value in (("--pixel-size", pixel_size), ("--frame-time", frame_time)):
        if value is not None:
            parts += [option, repr(float(value))]
    parts += ["--out", _as_argument(out or f"{Path(movie).stem}-comparison")]
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)


def _as_argument(value: object) -> str:
    """Return text that no command line takes for an option."""
    text = str(value)
    return f"./{text}" if text.startswith("-") else text


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in YAML_SUFFIXES


def _parse_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _no_preset(path, str(error)) from error


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise InputError(
            f"got preset {path}, which is YAML, expected JSON where PyYAML is not installed; save "
            "it as .json, or pip install pyyaml"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _no_preset(path, " ".join(str(error).split())) from error


def _kind_of(values: object) -> str:
    kinds = {dict: "names that are no text", list: "a list", type(None): "nothing"}
    return kinds.get(type(values), f"one value, {values!r}")


def _no_preset(path: Path, why: str) -> InputError:
    return InputError(
        f"got preset {path}, which is no JSON or YAML object of settings ({why}), expected names "
        "and values, or a summary.json that compare wrote; check the file"
    )
