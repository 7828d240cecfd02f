"""The step "Load": any movie, or a part of it, calibrated, as the input of the other steps."""

from __future__ import annotations

from functools import partial
from typing import Any

import napari
from napari.layers import Image, Layer
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QLabel, QSpinBox, QWidget

from ..._validation import TcsdlError
from ...selection import Selection, select
from ..job import Report
from ..layers import LayerTuple, calibration_of_layer, layer_of_movie, movie_from_layer
from ..region import Region, visible_region
from .controls import beside, button, form_layout, quiet_label, rule, whole
from .form import SettingsForm
from .form_panel import FormPanel
from .worker import Worker

TIPS = {
    "frames": "First and last frame, counted from 0.",
    "every": "Take every n-th frame. What lies between is lost; the frame time grows with it.",
    "rows": "First and last row [px], before binning.",
    "columns": "First and last column [px], before binning.",
    "field": "Take what the window shows now.",
    "roi": "Take the region that is drawn.",
    "whole": "Take the whole frame.",
    "binning": "Side of the squares of pixels that become one.",
    "how": "The sum keeps counts, as a coarser detector would; the mean keeps the grey level.",
    "pixel_size": "Of the movie as it was recorded [nm/px]. The file's where it has one; 'unknown' "
    "leaves the movie in pixels: d-spacings are then in pixels too.",
    "frame_time": "From one frame to the next [s]. The file's where it has one.",
}
SUM, MEAN = "sum", "mean"


class LoadPanel(FormPanel):
    """Choose a movie and the part of it that is wanted; nothing is read until it is shown.

    Parameters
    ----------
    napari_viewer
        The viewer that holds the panel.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        form = SettingsForm(("layer",), ())
        super().__init__(
            napari_viewer, form, "Take this part", "Add the part as a layer and choose it."
        )
        self.first, self.last = whole(0, 10**7, 0), whole(0, 10**7, 0)
        self.every = whole(1, 10**6, 1)
        self.top, self.bottom = whole(0, 2**16, 0), whole(0, 2**16, 0)
        self.left, self.right = whole(0, 2**16, 0), whole(0, 2**16, 0)
        self.binning = whole(1, 64, 1)
        self.how = QComboBox()
        self.how.addItem("sum of the pixels", SUM)
        self.how.addItem("mean of the pixels", MEAN)
        self.pixel_size, self.frame_time = unknown_or(" nm/px", 5), unknown_or(" s", 6)
        self.field = button("Field of view", TIPS["field"])
        self.roi = button("Region", TIPS["roi"])
        self.whole = button("Whole frame", TIPS["whole"])
        self.result = quiet_label(3)
        self._described: Layer | None = None
        self._known: dict[QDoubleSpinBox, float] = {}
        self._taking = False
        self.lay_out(self.form, rule(), self._part(), self.result, self.box)
        self._connect_part()
        self.wire()

    def _part(self) -> QWidget:
        part = QWidget()
        layout = form_layout()
        part.setLayout(layout)
        rows = {
            "frames": beside(self.first, QLabel("to"), self.last),
            "every": self.every,
            "rows": beside(self.top, QLabel("to"), self.bottom),
            "columns": beside(self.left, QLabel("to"), self.right),
            "": beside(self.field, self.roi, self.whole),
            "binning": beside(self.binning, self.how),
            "pixel_size": self.pixel_size,
            "frame_time": self.frame_time,
        }
        for name, field in rows.items():
            label = QLabel(name.replace("_", " "))
            for widget in (label, field, *field.findChildren(QAbstractSpinBox)):
                if name:
                    widget.setToolTip(TIPS[name])
            layout.addRow(label, field)
        self.how.setToolTip(TIPS["how"])
        return part

    def _connect_part(self) -> None:
        for box in self._numbers():
            box.valueChanged.connect(self.describe)
        self.how.currentIndexChanged.connect(self.describe)
        self.field.clicked.connect(self.take_field_of_view)
        self.roi.clicked.connect(self.take_roi)
        self.whole.clicked.connect(self.take_whole_frame)

    def _numbers(self) -> list[QSpinBox | QDoubleSpinBox]:
        ends: list[QSpinBox | QDoubleSpinBox] = [self.first, self.last, self.top, self.bottom]
        ends += [self.left, self.right, self.every, self.binning]
        return [*ends, self.pixel_size, self.frame_time]

    # --- what is chosen -----------------------------------------------------------------------

    def follow(self) -> None:
        """Begin with the whole of a layer that was newly chosen."""
        super().follow()
        layer = self.inputs.layer
        if layer is not self._described:
            self._described = layer
            self._begin_with(layer)
        self.describe()

    def _begin_with(self, layer: Layer | None) -> None:
        if not isinstance(layer, Image) or layer.ndim != 3 or self.file:
            return
        n_frames, height, width = layer.data.shape[-3:]
        calibration = calibration_of_layer(layer)
        limits: dict[Any, tuple[int, int]] = {
            self.first: (0, n_frames - 1),
            self.last: (n_frames - 1, n_frames - 1),
            self.every: (1, n_frames),
            self.bottom: (height - 1, height - 1),
            self.right: (width - 1, width - 1),
            self.top: (0, height - 1),
            self.left: (0, width - 1),
            self.binning: (1, min(height, width, 64)),
        }
        for box, (value, most) in limits.items():
            box.blockSignals(True)
            box.setMaximum(most)
            box.setValue(value)
            box.blockSignals(False)
        size = calibration.pixel_size
        for knob, known in (
            (self.pixel_size, size / 10 if size is not None else None),
            (self.frame_time, calibration.frame_time),
        ):
            knob.blockSignals(True)
            knob.setValue(known or 0.0)
            knob.blockSignals(False)
            self._known[knob] = knob.value()

    def take_field_of_view(self) -> None:
        """Take what the window shows of the layer."""
        layer = self.inputs.layer
        seen = visible_region(layer, self.viewer) if isinstance(layer, Image) else None
        why_not = (
            "got a view that shows nothing of this movie, expected a part of it; move it into the "
            "view first"
        )
        self._take(seen, why_not)

    def take_roi(self) -> None:
        """Take the region that is drawn."""
        layer = self.inputs.layer
        drawn = self.session.roi.region(layer) if isinstance(layer, Image) else None
        why_not = "got no region in this movie, expected one; draw it in the dock FFT first"
        self._take(drawn, why_not)

    def take_whole_frame(self) -> None:
        """Take the whole frame."""
        self._described = None
        self.follow()

    def _take(self, region: Region | None, why_not: str) -> None:
        self.box.hide_error()
        if not region:
            self.show_error(why_not)
            return
        for box, value in (
            (self.top, region.top),
            (self.bottom, region.bottom - 1),
            (self.left, region.left),
            (self.right, region.right - 1),
        ):
            box.setValue(value)

    def selection(self) -> Selection:
        """Return what is chosen; parts that are the whole movie are left out."""
        layer = self.inputs.layer
        n_frames, height, width = layer.data.shape[-3:] if layer is not None else (0, 0, 0)
        field = (
            self.top.value(),
            self.left.value(),
            self.bottom.value() + 1,
            self.right.value() + 1,
        )
        stop = self.last.value() + 1
        size, step = self._given(self.pixel_size), self._given(self.frame_time)
        return Selection(
            first=self.first.value(),
            stop=None if stop == n_frames else stop,
            every=self.every.value(),
            field=None if field == (0, 0, height, width) else field,
            binning=self.binning.value(),
            mean=self.how.currentData() == MEAN,
            pixel_size=10 * size if size else None,
            frame_time=step or None,
        )

    def _given(self, knob: QDoubleSpinBox) -> float:
        """Return what was typed; 0 where the file's own, exact value still stands."""
        return 0.0 if knob.value() == self._known.get(knob) else knob.value()

    def describe(self) -> None:
        """Write what the part would be, or why there is none."""
        self.how.setEnabled(self.binning.value() > 1)
        self.roi.setEnabled(self.inputs.layer is not None)
        possible = False
        if self.file:
            self.result.setText("A compressed file is taken as a whole: go on with Reconstruct.")
        elif self.inputs.layer is None:
            self.result.setText("")
        else:
            try:
                part = select(movie_from_layer(self.inputs.layer), self.selection())
            except TcsdlError as error:
                self.result.setText(str(error))
            else:
                possible = True
                self.result.setText(_facts(part))
        self.run_button.setEnabled(possible and not self.session.busy and not self._taking)

    # --- effect -------------------------------------------------------------------------------

    def start(self) -> None:
        """Add the part as a layer, and choose it."""
        self.box.hide_error()
        source = self.inputs.layer
        try:
            part = select(movie_from_layer(source), self.selection())
        except TcsdlError as error:
            self.show_error(error)
            return
        assert isinstance(source, Image)  # else it was refused
        self._taking = True
        self.status.setText(f"reading {part.name}…")
        self.describe()
        # In a thread: a frame is read for the contrast.
        taken, refused = partial(self._on_taken, source), self._on_refused
        self.threads.call(partial(layer_of_movie, part), taken, refused, self)

    def _on_taken(self, source: Image, entry: LayerTuple) -> None:
        self._taking = False
        data, kwargs, kind = entry
        self.status.setText(f"took {kwargs['name']}")
        self.inputs.add([(data, kwargs | {"colormap": source.colormap.name}, kind)])
        source.visible = False
        self.describe()

    def _on_refused(self, error: TcsdlError) -> None:
        self._taking = False
        self.status.setText("")
        self.show_error(error)
        self.describe()

    def on_report(self, report: Report) -> None:
        """Nothing runs in the background here."""

    def outcome_text(self, worker: Worker, outcome: str) -> tuple[float, str]:
        """Nothing runs in the background here."""
        return 0.0, ""


def unknown_or(suffix: str, decimals: int) -> QDoubleSpinBox:
    """Return a box for a length or time; 0 means that it is unknown."""
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(0.0, 1e6)
    box.setSuffix(suffix)
    box.setSpecialValueText("unknown")
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    return box


def _facts(movie: Any) -> str:
    n_frames, height, width = movie.shape
    size, step = movie.pixel_size, movie.frame_time
    return (
        f"→ {n_frames} frames of {height} × {width}, {movie.dtype}\n"
        + (f"{size / 10:.4g} nm/px" if size is not None else "pixel size unknown")
        + ",  "
        + (f"{step:.4g} s per frame" if step is not None else "frame time unknown")
    )
