"""Loads torch's large libraries before its import would, without stopping the window."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

LIBRARY = "libtorch_cpu.so"


def load_libraries() -> bool:
    """Have the system load the library that torch's import waits longest for.

    Python keeps its interpreter to itself while it loads a library for an import, here for a
    quarter of a second; a call of the system's own loader lets the other threads go on. The import
    finds the library loaded then. Called in a thread, before the first ``import torch``.

    Returns
    -------
    bool
        False where there is nothing to do, or no such loader; the import does it all then.
    """
    if "torch" in sys.modules or not hasattr(os, "RTLD_NOW"):
        return False
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    library = Path(found.origin).parent / "lib" / LIBRARY
    try:
        load = ctypes.CDLL(None).dlopen
    except (AttributeError, OSError):
        return False
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    return library.exists() and load(os.fsencode(library), os.RTLD_NOW) is not None
