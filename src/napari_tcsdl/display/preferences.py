"""What the user has chosen in napari's Preferences, checked: the defaults of runs and layers.

napari builds the page from ``configurations`` in ``napari.yaml`` and saves it by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.settings import get_plugin_settings, get_settings
from napari.utils.colormaps import AVAILABLE_COLORMAPS
from napari.utils.notifications import show_warning

from .._validation import InputError
from ..settings import Settings

PLUGIN = "napari-tcsdl"
DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
COLORMAP = "gray"
FOLDERS = "*.tcs.zarr/"
"""napari's pattern for folders that are compressed files."""

Refuse = Callable[[str], None]

_told: set[str] = set()


def default_settings(refuse: Refuse | None = None) -> Settings:
    """Return settings with what Preferences say: B, device and tile.

    Parameters
    ----------
    refuse
        Gets one sentence for each value that is no good, whose default is taken then. By default
        napari shows it, once for each value.

    Returns
    -------
    Settings
        Always valid. Whether the device is there is found out by whoever uses it.
    """
    refuse = refuse or _tell_once
    settings = Settings()
    for key, name in (("compression_ratio", "compression_ratio"), ("tile", "decode_tile")):
        value = _value("reconstruction", key, getattr(settings, name))
        try:
            settings = replace(settings, **{name: value})
        except InputError as error:
            refuse(f"Preferences: {error}")
    return replace(settings, device=_device(refuse))


def colormap(refuse: Refuse | None = None) -> str:
    """Colormap of the image layers that we add."""
    name = _value("layers", "colormap", COLORMAP)
    if name in AVAILABLE_COLORMAPS:
        return str(name)
    (refuse or _tell_once)(
        f"Preferences: got colormap {name!r}, expected one of napari's; {COLORMAP!r} is taken, "
        "choose another one"
    )
    return COLORMAP


def open_without_asking() -> None:
    """Have napari open dropped ``.tcs.zarr`` folders with this plugin, where Preferences say so.

    napari offers every plugin that reads any folder for every folder, and asks. The user's own
    choice of a reader for these folders stays.
    """
    readers = get_settings().plugins.extension2reader
    if _value("layers", "claim_folders", True) is True and FOLDERS not in readers:
        get_settings().plugins.extension2reader = {**readers, FOLDERS: PLUGIN}


def _device(refuse: Refuse) -> str:
    name = str(_value("reconstruction", "device", "auto")).strip().lower()
    if DEVICES.fullmatch(name):
        return name
    refuse(
        f"Preferences: got device {name!r}, expected auto, cpu, cuda, cuda:N or mps; 'auto' is "
        "taken, choose one of these"
    )
    return "auto"


def _value(group: str, key: str, default: Any) -> Any:
    try:
        return getattr(getattr(get_plugin_settings(PLUGIN), group), key)
    except (KeyError, AttributeError):  # not installed as a plugin, or an older manifest
        return default


def _tell_once(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        show_warning(sentence)
