"""Every error of a run becomes one sentence of ours; none is lost on the way to the window."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._validation import Cancelled, DeviceError, OutputError, TcsdlError

logger = logging.getLogger(__name__)

DEVICE_ERRORS = ("CUDA error", "cuDNN error", "CUDNN_STATUS", "HIP error", "MPS backend")
"""How RuntimeErrors of older versions of torch begin where a device has failed."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn every error into one of ours, and give GPU memory back."""
    try:
        yield
    except (Cancelled, TcsdlError):
        raise
    except Exception as error:
        logger.exception("a run failed")
        raise as_sentence(error) from error
    finally:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            with suppress(RuntimeError):  # a device that is lost would hide why
                torch.cuda.empty_cache()


def as_sentence(error: BaseException) -> TcsdlError:
    """Wrap any exception in an error of ours that says what to do.

    ``torch.OutOfMemoryError`` and ``torch.AcceleratorError`` are RuntimeErrors, which some thread
    helpers swallow.
    """
    if isinstance(error, TcsdlError):
        return error
    kind = type(error).__name__
    text = str(error).strip().splitlines()
    first = text[0] if text else ""
    full = isinstance(error, RuntimeError) and "out of memory" in first
    if kind == "OutOfMemoryError" or isinstance(error, MemoryError) or full:
        return DeviceError(
            "got out of memory while decoding, expected room for one tile of B frames; choose the "
            "device 'cpu', a smaller B, or close other programs that use the device"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return OutputError(
            "got a full disk while writing results, expected free space for them; free some "
            "space, or set TMPDIR to a larger disk"
        )
    failed = isinstance(error, RuntimeError) and first.startswith(DEVICE_ERRORS)
    if kind == "AcceleratorError" or failed:
        return DeviceError(
            f"got an error of the device while it computed ({first or kind}), expected it to "
            "answer until the end; run on the device 'cpu': a device that has failed answers again "
            "only after napari is started anew"
        )
    return TcsdlError(
        f"got {kind} ({first or 'no message'}), expected the run to end well; "
        "repeat it with other settings, and report it if it stays"
    )
