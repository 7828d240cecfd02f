"""What can be run and opened on this machine, for the forms of the window."""

from __future__ import annotations

from dataclasses import dataclass, field

from .layers import title_of
from .torch_ahead import load_libraries


@dataclass(frozen=True)
class Choices:
    """What can be run and opened here: names, each with what to call it on screen."""

    devices: dict[str, str]
    decoders: dict[str, str]
    formats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Suffixes of the files of each format of movies."""
    decoder_lines: dict[str, str] = field(default_factory=dict)
    """What each decoder is, in one line."""


def find_choices() -> Choices:
    """List devices, with their memory, and decoders; loads torch, which takes seconds."""
    load_libraries()
    from .._device import available_devices, choose_device
    from ..io import FOLDER, FORMATS
    from ..reconstruction import RECONSTRUCTORS

    devices = {"auto": f"auto ({choose_device('auto').label})"}
    devices |= {str(choice.device): choice.label for choice in available_devices()}
    decoders = {name: title_of(name) for name in RECONSTRUCTORS}
    formats = {row.name: row.suffixes for row in FORMATS if FOLDER not in row.suffixes}
    lines = {name: row.line for name, row in RECONSTRUCTORS.items()}
    return Choices(devices, decoders, formats, lines)
