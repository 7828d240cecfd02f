"""What a run would cost, in one line, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..._validation import InputError, TcsdlError
from ..._words import human_bytes
from ...settings import Settings
from ..job import kept_stacks
from ..layers import movie_from_layer
from ..store import stack_bytes
from .controls import duration, quiet_label
from .worker import Threads

PATIENCE_MS = 500
"""Nothing is estimated while settings still change."""
FIRST_MS = 1500
"""The first estimate waits until the window is painted: its imports hold the interpreter."""


class Estimate(QWidget):
    """Asks for the cost in a thread; only the answer to the last question is shown."""

    def __init__(
        self, threads: Threads, parent: QObject, busy: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self.threads, self._owner, self._busy = threads, parent, busy
        self.label = quiet_label(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        self._question: tuple[Any, Settings] | None = None
        self._generation = 0
        self._working = self._closed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._begin)

    def ask(self, layer: Layer | None, settings: Settings) -> None:
        """Estimate the comparison of ``layer`` soon; None where there is nothing to estimate."""
        question = None if layer is None else (layer, settings)
        if question == self._question or self._closed:
            return
        self._question = question
        self._generation += 1
        self.label.setText("")
        self.label.setToolTip("")
        if question is None:
            self._timer.stop()
        else:
            self._timer.start(FIRST_MS if self._generation == 1 else PATIENCE_MS)

    def _begin(self) -> None:
        if self._question is None or self._working:
            return  # one at a time; the answer to the last question comes back here
        if self._busy():
            self._timer.start(PATIENCE_MS)  # a trial beside a run would slow it, and be slow itself
            return
        layer, settings = self._question
        try:
            movie = movie_from_layer(layer)
        except InputError:
            return  # the form says why it is no movie
        self._working = True
        self.label.setText("estimating time and memory…")
        call = partial(_estimate, movie, settings)
        done = partial(self._on_cost, self._generation)
        self.threads.call(call, done, partial(self._on_no_cost, self._generation), self._owner)

    def _is_last(self, generation: int) -> bool:
        """Whether an answer is wanted still; the question that was asked meanwhile comes next."""
        self._working = False
        if generation != self._generation and not self._timer.isActive() and not self._closed:
            self._begin()
        return generation == self._generation

    def _on_cost(self, generation: int, cost: Any) -> None:
        if self._is_last(generation):
            memory = human_bytes(cost.memory_bytes)
            device = f", {human_bytes(cost.device_bytes)} of the GPU" * bool(cost.device_bytes)
            self.label.setText(
                f"about {_roughly(cost.seconds)}, {memory} of memory{device}, "
                f"{human_bytes(cost.disk_bytes)} of disk"
            )
            self.label.setToolTip(cost.how)

    def _on_no_cost(self, generation: int, error: TcsdlError) -> None:
        if self._is_last(generation):
            self.label.setText(str(error))  # what cannot be run is told before it is begun

    def let_go(self) -> None:
        """Ask nothing more."""
        self._closed = True
        self._timer.stop()
        self._generation += 1


def _estimate(movie: Any, settings: Settings) -> Any:
    from ...cost import estimate

    wanted, extras = kept_stacks(movie.dtype, settings)
    disk = stack_bytes(wanted | extras, movie.shape, settings.compression_ratio)
    return estimate(movie.shape, movie.dtype, settings, stack_bytes=disk)


def _roughly(seconds: float) -> str:
    """Write one digit, in the unit in which :func:`duration` writes it."""
    unit = 3600 if seconds >= 7200 else 60 if seconds >= 120 else 1
    return duration(unit * float(f"{seconds / unit:.1g}"))
