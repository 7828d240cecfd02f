"""What the dock works on: layers of the viewer, and files opened through our own readers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from weakref import WeakSet

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from ..._validation import TcsdlError
from ..contributions import read_layers
from ..decoded import DecodedStack
from ..layers import (
    Calibration,
    LayerTuple,
    calibrate,
    calibration_of_file,
    calibration_of_layer,
    movie_from_layer,
)
from ..run import compressed_file
from ..world import show_in_time
from .controls import layer_events
from .form import SettingsForm
from .lifetime import Links
from .worker import Threads


class Inputs(QObject):
    """Offers the viewer's layers in the form, opens files, and calibrates what has no scale.

    Parameters
    ----------
    viewer
        The viewer.
    form
        Where layers are chosen and described.
    threads
        Where files are read.
    links
        Where the viewer is listened to; whoever owns them cuts them.
    results
        Returns the layers that a run has added: they are no input.

    Signals
    -------
    changed
        The chosen layer, its calibration or its name may be another now.
    failed : TcsdlError
        A file could not be read.
    said : str
        What is going on.
    opened
        A file was read; its layer comes next.
    """

    changed = Signal()
    failed = Signal(object)
    said = Signal(str)
    opened = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        form: SettingsForm,
        threads: Threads,
        links: Links,
        results: Callable[[], list[Layer]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.form, self.results = viewer, form, results
        self.threads, self._links = threads, links
        self._asked: WeakSet[Layer] = WeakSet()
        self._closed = False
        form.layer.currentIndexChanged.connect(self._on_choice)
        form.open.chosen.connect(self.open)

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        return self.form.layer.layer()

    def follow(self) -> None:
        """Offer the layers that are there now, and whenever they have changed."""
        for event in layer_events(self.viewer):
            self._links.connect(event, self.follow)  # names of new layers, too
        ours = self.results()
        offered = [
            layer
            for layer in self.viewer.layers
            # What is decoded as it is looked at is no movie of its own: its measurement is.
            if layer not in ours and not isinstance(layer.data, DecodedStack)
        ]
        self.form.layer.offer(offered)
        self.form.truth.offer(offered)
        self.changed.emit()

    def close(self) -> None:
        """Drop a file that is still being read."""
        self._closed = True

    # --- files --------------------------------------------------------------------------------

    def open(self, path: str | Path) -> None:
        """Read the header of a movie or a compressed file in a thread, then add and choose it."""
        name = Path(path).name
        self.form.open.setEnabled(False)
        self.said.emit(f"opening {name}…")
        done = partial(self._on_opened, name)
        read = partial(read_layers, path, decoded=True)
        self.threads.call(read, done, self._on_fail, self)

    def _on_opened(self, name: str, tuples: list[LayerTuple]) -> None:
        if self._closed:
            return
        self.form.open.setEnabled(True)
        self.said.emit(f"opened {name}")
        self.add(tuples)

    def add(self, tuples: list[LayerTuple]) -> None:
        """Add layers that our readers have made, and choose the first: a file's measurements."""
        if self._closed:
            return
        self.opened.emit()
        made = [Layer.create(*entry) for entry in tuples]
        for layer in made:
            self._asked.add(layer)  # our readers have calibrated it, as far as its file can
            self.viewer.add_layer(layer)
        for layer in made[:1]:
            self.form.layer.choose(layer)
            show_in_time(self.viewer, layer)
        self.viewer.reset_view()

    def _on_fail(self, error: TcsdlError) -> None:
        self.form.open.setEnabled(True)
        self.said.emit("")
        self.failed.emit(error)

    def _on_choice(self) -> None:
        """Give a newly chosen layer the calibration of its file, if it has none itself."""
        layer = self.layer
        if layer is None or layer in self._asked:
            return
        self._asked.add(layer)
        if layer.source.path and compressed_file(layer) is None:
            self.threads.call(
                partial(calibration_of_file, layer),
                partial(self._calibrate, layer),
                self.failed.emit,
                self,
            )

    def _calibrate(self, layer: Layer, calibration: Calibration) -> None:
        if layer in self.viewer.layers and calibration != Calibration():
            calibrate(layer, calibration)
            self.viewer.reset_view()
            self.changed.emit()

    # --- what the input is --------------------------------------------------------------------

    def describe(self) -> bool:
        """Write what the chosen layer is; False if it cannot be used."""
        layer = self.layer
        if layer is None:
            self.form.describe_nothing("Open a movie, or drop it into the window.")
            return False
        file = compressed_file(layer)
        if file is not None:
            self.form.describe_file(file, calibration_of_layer(layer))
            return True
        try:
            movie = movie_from_layer(layer)
        except TcsdlError as error:
            self.form.describe_nothing(str(error))
            return False
        self.form.describe(movie.shape, movie.dtype, calibration_of_layer(layer))
        return True
