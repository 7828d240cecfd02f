"""The reconstruction of a compressed file, decoded block by block as the slider comes to it."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal, SignalInstance

from .._validation import InputError
from ..io import CompressedMovie
from ..settings import Settings
from .background import Background, NotDecodedError
from .lazy import LazyStack


class DecodedStack(LazyStack):
    """Decoded frames (T, H, W), float32, as ``layer.data``.

    One frame, as the slider asks for it, is there at once: where its block is not decoded yet,
    the block's normalised measurement Ȳ stands in for it, and the block is decoded in a thread.
    In threads, slices, lists and ``np.asarray`` wait for decoded frames: whoever saves or
    compresses them must not get stand-ins. Python's main thread, which is the window's, never
    waits: a slice of one frame may be a stand-in there, as napari's slider asks that way, and
    several frames that are not all decoded are refused.

    Parameters
    ----------
    compressed
        The file.
    settings
        Decoder, weights, device and tile.
    measurements
        Ȳ of each block, (blocks, H, W).
    background
        What decodes blocks; by default the decoder of the settings.
    """

    shown = Signal(int, bool)
    """The frame that was asked for last, and whether it was decoded; told when that changes."""

    def __init__(
        self,
        compressed: CompressedMovie,
        settings: Settings,
        measurements: LazyStack,
        background: Background | None = None,
    ) -> None:
        shape = (compressed.frames_valid, *compressed.frame_shape)
        background = background or Background(compressed, settings)
        super().__init__(shape, np.dtype(np.float32), background.decoded_frame)
        self.compression_ratio = compressed.compression_ratio
        self.last_shown: int | None = None
        self._was_decoded: bool | None = None
        self._background = background
        self._measurements = measurements
        # The thread knows the background only: it ends with the layer, and with Python.
        self._let_go = weakref.finalize(self, background.stop)

    @property
    def ready(self) -> SignalInstance:
        """Told from the thread: frames first … last (int, int) are decoded now."""
        return self._background.ready

    @property
    def failed(self) -> SignalInstance:
        """Told from the thread: why a block cannot be decoded, in one sentence (str)."""
        return self._background.failed

    @property
    def shows_decoded(self) -> bool:
        """Whether what was asked for last was decoded, and no stand-in."""
        return bool(self._was_decoded)

    def stand_in_text(self) -> str:
        """Say what is shown in place of the frame that was asked for last; empty if it is that."""
        if self.last_shown is None or self.shows_decoded:
            return ""
        block = self.last_shown // self.compression_ratio
        first = block * self.compression_ratio
        last = min(first + self.compression_ratio, len(self)) - 1
        why = "cannot be decoded" if self._background.error(block) else "decoding…"
        return f"{why}\nmeasurement of frames {first} to {last}"

    def is_decoded(self, index: int) -> bool:
        """Whether frame ``index`` is there, decoded."""
        return self._background.has(index)

    def frame(self, index: int) -> NDArray[Any]:
        """Frame ``index`` (H, W) at once: decoded, or the stand-in while it is decoded."""
        try:
            frame, decoded = super().frame(index), True
        except NotDecodedError:
            block = index // self.compression_ratio
            self._background.ask(block)
            frame, decoded = self._measurements.frame(block), False
        self._tell(index, decoded)
        return frame

    def decoded(self, index: int) -> NDArray[np.float32]:
        """Frame ``index`` (H, W), decoded; waits for it.

        Raises
        ------
        TcsdlError
            If its block cannot be decoded; one sentence.
        """
        while True:
            try:
                return super().frame(index)
            except NotDecodedError:
                self._background.wait_for(index // self.compression_ratio)

    def close(self) -> None:
        """Stop decoding now; frames that are decoded stay."""
        self._background.stop()

    def _stack(self, key: Any) -> NDArray[Any]:
        if threading.current_thread() is threading.main_thread():
            indices = [int(index) for index in np.atleast_1d(np.arange(len(self))[key])]
            if len(indices) == 1:  # napari's slicer, as it moves
                return self.frame(indices[0])[None]
            missing = sum(not self.is_decoded(index) for index in indices)
            if missing:
                raise InputError(
                    f"got a request for {len(indices)} frames at once, of which {missing} are not "
                    "decoded yet, expected one at a time here; reconstruct the whole file instead"
                )
        return super()._stack(key)

    def _whole_frame(self, index: int) -> NDArray[Any]:
        return self.decoded(index)

    def _tell(self, index: int, decoded: bool) -> None:
        changed = decoded != self._was_decoded
        self.last_shown, self._was_decoded = index, decoded
        if changed or not decoded:
            self.shown.emit(index, decoded)
