"""Choice of the torch device, made once at an entry point, with the reason as text."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ._validation import DeviceError


@dataclass(frozen=True)
class DeviceChoice:
    """A torch device, what it is called, and why it was chosen."""

    device: torch.device
    label: str
    reason: str


def available_devices() -> list[DeviceChoice]:
    """Every device that torch can use here, best first; the CPU is always last."""
    found = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 2**30
        found.append(
            DeviceChoice(
                torch.device("cuda", index),
                f"cuda:{index}: {properties.name}, {memory:.0f} GiB",
                "a CUDA GPU is present",
            )
        )
    if torch.backends.mps.is_available():
        found.append(
            DeviceChoice(torch.device("mps"), "mps: Apple GPU, shared memory", "an Apple GPU")
        )
    threads = torch.get_num_threads()
    found.append(
        DeviceChoice(
            torch.device("cpu"),
            f"cpu: {threads} thread{'s' if threads != 1 else ''}",
            "asked for, or no GPU that torch can use was found",
        )
    )
    return found


def choose_device(name: str = "auto") -> DeviceChoice:
    """Resolve a device name.

    Parameters
    ----------
    name
        ``auto`` (the best present), ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DeviceError
        If the named device is not present.
    """
    devices = available_devices()
    if name == "auto":
        return devices[0]
    for choice in devices:
        if name in (str(choice.device), choice.device.type):
            return choice
    present = ", ".join(str(choice.device) for choice in devices)
    raise DeviceError(
        f"got device {name!r}, expected one that torch can use here ({present}); "
        "choose one of these, or 'auto'"
    )
