"""Decodes the blocks of a file that were asked for, in a thread that ends when there are none."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from .._validation import Cancelled, CorruptFileError, TcsdlError
from ..decoding import Decoder, level_of_file
from ..io import CompressedMovie
from ..level import Level
from ..settings import Settings
from .block_files import BlockFiles
from .sentences import as_sentence, one_sentence

logger = logging.getLogger(__name__)

THREAD_NAME = "napari-tcsdl"
SETTLE_SECONDS, SETTLE_ROUNDS = 0.1, 5
"""A slider that is dragged asks for block after block: the work begins where it rests."""
WAITING_BLOCKS = 4
"""Blocks that wait for their turn; older ones are asked for again when they are shown again."""
RETRY_SECONDS = 5.0
"""Least time from a failure to another try, which whoever asks for the same block begins."""
EXIT_SECONDS = 5.0
"""Longest wait for a thread when Python ends."""


class NotDecodedError(LookupError):
    """The frame is not there yet."""


class Background:
    """Blocks of one file, decoded in a thread and kept on the disk.

    The thread begins with the first block that is asked for, decodes the latest first, with all
    the other blocks of its group, and ends when nothing is left: then no network and no memory
    of a device is held. What failed is tried again when it is asked for some seconds later: a
    disk may have been away, or weights be in their place meanwhile.

    Parameters
    ----------
    compressed
        The file.
    settings
        Decoder, weights, device and tile.
    """

    ready = Signal(int, int)
    """Frames first … last are decoded; told from the thread."""
    failed = Signal(str)
    """Why something cannot be decoded; each sentence is told once, from the thread."""

    def __init__(self, compressed: CompressedMovie, settings: Settings) -> None:
        self.settings = settings
        self._compressed = compressed
        self._files = BlockFiles(compressed.frame_shape)
        self._level: Level | None = None
        self._change = threading.Condition()
        self._wanted: list[int] = []  # the latest last
        self._under_way = range(0)
        self._asked = 0
        self._errors: dict[int | None, TcsdlError] = {}  # None: nothing can be decoded
        self._failed_at: dict[int | None, float] = {}
        self._told: set[str] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        _ALIVE.add(self)

    # --- any thread ---------------------------------------------------------------------------

    def has(self, index: int) -> bool:
        """Whether frame ``index`` is decoded."""
        return index // self._compressed.compression_ratio in self._files

    def error(self, block: int) -> TcsdlError | None:
        """Why ``block`` could not be decoded; None where it can, or is to be tried (again)."""
        return self._errors.get(None) or self._errors.get(block)

    def decoded_frame(self, index: int) -> NDArray[np.float32]:
        """Frame ``index`` (H, W).

        Raises
        ------
        NotDecodedError
            If it is not there yet.
        """
        block, offset = divmod(index, self._compressed.compression_ratio)
        frame = self._files.read(block, offset)
        if frame is None:
            raise NotDecodedError(f"frame {index}")
        return frame

    def ask(self, block: int) -> None:
        """Want ``block`` decoded, before all that was wanted earlier; returns at once."""
        with self._change:
            self._forgive(block)
            idle = self._stopped.is_set() or self.error(block) is not None
            if idle or block in self._files or block in self._under_way:
                return
            if block in self._wanted[-1:]:
                return
            others = [other for other in self._wanted if other != block]
            self._wanted = [*others, block][-WAITING_BLOCKS:]
            self._asked += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
                self._thread.start()
            self._change.notify_all()

    def _forgive(self, block: int) -> None:
        """Forget failures of ``block``, or of all blocks, that are old enough for another try."""
        now = time.monotonic()
        for failed in (None, block):
            if failed in self._errors and now - self._failed_at[failed] >= RETRY_SECONDS:
                del self._errors[failed]

    def wait_for(self, block: int) -> None:
        """Return once ``block`` is decoded.

        Raises
        ------
        TcsdlError
            If it cannot be decoded; one sentence.
        Cancelled
            If this was stopped meanwhile.
        """
        while block not in self._files:
            self.ask(block)
            with self._change:
                error = self.error(block)
                if error is not None:
                    raise error
                if self._stopped.is_set():
                    raise Cancelled
                self._change.wait(SETTLE_SECONDS)

    def stop(self) -> None:
        """End the thread at its next step; returns at once."""
        # No lock is taken: the garbage collector calls this wherever a thread happens to be.
        self._stopped.set()

    def join(self, timeout: float) -> bool:
        """Wait for the thread, at most ``timeout`` [s]; False if it still runs."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        decoder = None
        while (block := self._next()) is not None:
            try:
                with one_sentence():
                    decoder = decoder or self._make_decoder()
                    self._decode(decoder, block)
            except Cancelled:
                continue  # stopped: there is nothing next
            except BaseException as error:  # a thread must never end without a word
                self._fail(block if decoder else None, as_sentence(error))

    def _next(self) -> int | None:
        with self._change:
            self._under_way = range(0)
            for _ in range(SETTLE_ROUNDS):
                asked = self._asked
                if not self._wanted:
                    break
                self._change.wait(SETTLE_SECONDS)
                if asked == self._asked:
                    break
            if not self._wanted or self._errors.get(None) or self._stopped.is_set():
                self._wanted, self._thread = [], None
                return None
            return self._wanted.pop()

    def _make_decoder(self) -> Decoder:
        if self._level is None:
            self._level = level_of_file(self._compressed)
        return Decoder(self._compressed, self.settings, self._level)

    def _decode(self, decoder: Decoder, block: int) -> None:
        with self._change:
            self._under_way = decoder.group(block)
        first = decoder.block(block, self._step)
        blocks = {block: first.frames}
        for other in self._decoded_with(decoder, block):
            blocks[other] = decoder.block(other, self._step).frames
        self._files.write(blocks)
        with self._change:
            self._change.notify_all()
        if not self._stopped.is_set():
            ratio, last = self._compressed.compression_ratio, max(blocks)
            self.ready.emit(min(blocks) * ratio, last * ratio + len(blocks[last]) - 1)

    def _step(self, fraction: float) -> None:
        if self._stopped.is_set():
            raise Cancelled

    def _decoded_with(self, decoder: Decoder, block: int) -> list[int]:
        """Other blocks of the group, as far as no damage parts them from ``block``."""
        group, found = decoder.group(block), []
        for others in (range(block - 1, group.start - 1, -1), range(block + 1, group.stop)):
            for other in others:
                try:
                    self._compressed.measurement(other)
                except CorruptFileError:  # told when that block itself is asked for
                    break
                found.append(other)
        return found

    def _fail(self, block: int | None, error: TcsdlError) -> None:
        with self._change:
            told = str(error) in self._told
            self._told.add(str(error))
            self._errors[block], self._failed_at[block] = error, time.monotonic()
            self._change.notify_all()
        if not told and not self._stopped.is_set():
            self.failed.emit(str(error))


_ALIVE: WeakSet[Background] = WeakSet()


@atexit.register
def _end_all() -> None:
    """End all threads before Python does: one that computes then would crash it."""
    backgrounds = list(_ALIVE)
    for background in backgrounds:
        background.stop()
    for background in backgrounds:
        if not background.join(EXIT_SECONDS):
            logger.warning("a block is still being decoded while Python ends")
