"""Frames of the chosen point: prepared in a thread, shown in boxes, their failures told."""

from __future__ import annotations

import weakref

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from ..._validation import TcsdlError
from ..decoded import DecodedStack
from ..rivals_controller import Made, RivalsController
from .refresher import watch
from .worker import Threads


class RivalFrames(QObject):
    """Brings the frames of a study's points into the viewer.

    Parameters
    ----------
    rivals
        Whose chosen point is shown.
    threads
        Where files are opened.

    Signals
    -------
    changed
        Something is being prepared, or no more.
    failed : TcsdlError or str
        Why frames cannot be shown.
    """

    changed = Signal()
    failed = Signal(object)
    _told = Signal(object)

    def __init__(self, rivals: RivalsController, threads: Threads, parent: QObject) -> None:
        super().__init__(parent)
        self._rivals, self._threads = rivals, threads
        self._closed = False
        self.preparing = False
        # Queued: stacks tell from their threads.
        self._told.connect(self.failed, Qt.ConnectionType.QueuedConnection)

    def show(self) -> None:
        """Put the frames of the chosen point beside the movie."""
        request = self._rivals.ask()
        if request is not None and not self.preparing:
            self._prepare(True)
            self._threads.call(request.make, self._on_prepared, self._on_unprepared, self)

    def close(self) -> None:
        """Drop what is still being prepared."""
        self._closed = True

    def _on_prepared(self, made: Made) -> None:
        if self._closed:
            return
        for each in made.shown:
            self._listen(each.frames)
        self._rivals.show(made)
        self._prepare(False)

    def _on_unprepared(self, error: TcsdlError) -> None:
        self._prepare(False)
        self.failed.emit(error)

    def _prepare(self, preparing: bool) -> None:
        self.preparing = preparing
        self.changed.emit()

    def _listen(self, stack: DecodedStack) -> None:
        """Have it drawn again as it is decoded, and hear why it is not."""
        watch(stack)
        reference = weakref.ref(self)

        def tell(sentence: str) -> None:
            alive = reference()
            if alive is not None and not alive._closed:
                alive._told.emit(sentence)

        stack.failed.connect(tell)
