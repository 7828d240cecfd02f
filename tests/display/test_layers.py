from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Points
from napari.layers._source import layer_source

from napari_tcsdl._validation import InputError
from napari_tcsdl.display import layers as made
from napari_tcsdl.display.layers import Calibration, Geometry
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.display.roles import DEFAULT_ROLES, JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.display.run import Run
from napari_tcsdl.display.store import ResultStore
from napari_tcsdl.settings import Settings


class Virtual:
    """A lazy movie: dask, zarr and HDF5 arrays all look like this."""

    ndim, size, dtype = 3, 9 * 48 * 40, np.dtype(np.uint8)

    def __init__(self, data):
        self._data = data
        self.shape = data.shape
        self.asked = []

    def __getitem__(self, key):
        self.asked.append(key)
        return self._data[key]


# --- calibration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.25, 0.05, 0.05), ("s", "nm", "nm"), Calibration(0.5, 0.25)),
        ((40, 2, 2), ("ms", "angstrom", "angstrom"), Calibration(2.0, 0.04)),
        ((1, 50, 50), ("pixel", "pm", "pm"), Calibration(0.5, None)),
        ((1, 1, 1), ("pixel", "pixel", "pixel"), Calibration(None, None)),
        ((1, 1e-4, 2e-4), ("s", "um", "um"), Calibration(None, 1.0)),
    ],
)
def test_scale_and_units_become_angstrom_and_seconds(frames, scale, units, expected):
    got = made.calibration_of_layer(Image(frames, scale=scale, units=units))
    assert got.frame_time == pytest.approx(expected.frame_time)
    assert got.pixel_size == pytest.approx(expected.pixel_size)


@pytest.fixture
def opened(frames, movie_path):
    """What napari's own TIFF reader makes of a calibrated file: frames, and nothing else."""
    with layer_source(path=str(movie_path)):
        return Image(frames, name="lattice")


def test_calibration_comes_from_the_file_where_the_layer_has_none(opened):
    layer = opened
    assert made.calibration_of_layer(layer) == Calibration()
    calibration = made.calibration_of_file(layer)
    assert calibration.pixel_size == pytest.approx(0.5)
    assert calibration.frame_time == pytest.approx(0.25)
    made.calibrate(layer, calibration)
    np.testing.assert_allclose(layer.scale, (0.25, 0.05, 0.05))
    assert [str(unit) for unit in layer.units] == ["second", "nanometer", "nanometer"]
    assert layer.axis_labels == ("t", "y", "x")


def test_a_layer_that_no_longer_has_the_shape_of_its_file_is_not_calibrated(opened):
    opened.data = opened.data[:, ::2, ::2]
    assert made.calibration_of_file(opened) == Calibration()


def test_a_scale_set_by_hand_is_left_alone(frames):
    layer = Image(frames, scale=(1, 3, 3))
    made.calibrate(layer, Calibration(0.5, 0.25))
    np.testing.assert_allclose(layer.scale, (1, 3, 3))


# --- movie ↔ layer ----------------------------------------------------------------------------


def test_a_layer_becomes_a_movie_with_its_physics(layer, frames):
    movie = made.movie_from_layer(layer)
    assert (movie.name, movie.shape) == ("lattice", frames.shape)
    assert movie.pixel_size == pytest.approx(0.5)
    assert movie.frame_time == pytest.approx(0.25)
    np.testing.assert_array_equal(movie.read(2, 4), frames[2:4])


def test_lazy_data_is_read_only_as_far_as_it_is_asked_for(frames):
    data = Virtual(frames)
    movie = made.movie_from_layer(Image(data, rgb=False, contrast_limits=(0, 255)))
    data.asked.clear()
    np.testing.assert_array_equal(movie.read(3, 5), frames[3:5])
    assert data.asked == [slice(3, 5)]


def test_our_own_lazy_layers_read_whole_ranges(movie):
    data, kwargs, kind = made.layer_of_movie(movie)
    layer = Layer.create(data, kwargs, kind)
    assert isinstance(layer.data, LazyStack)
    assert made.movie_from_layer(layer).source is movie.source
    np.testing.assert_allclose(layer.scale, (0.25, 0.05, 0.05))


@pytest.mark.parametrize(
    ("shape", "options", "sentence"),
    [
        ((48, 40), {}, r"^data: got one image of 48 × 40, expected a movie"),
        ((2, 3, 48, 40), {}, r"^data: got 4 axes \(2 × 3 × 48 × 40\), expected a movie"),
        (
            (48, 40, 3),
            {"rgb": True},
            r"^data: got 48 × 40 × 3, an RGB colour layer, expected a grey movie \(T, H, W\); "
            r"convert it to grey first$",
        ),
        ((1, 48, 40), {}, r"^data: got 1 frame of 48 × 40, expected a movie of at least 2 frames"),
    ],
)
def test_what_is_no_movie_is_refused_in_one_sentence(shape, options, sentence):
    layer = Image(np.ones(shape, np.uint8), name="data", **options)
    with pytest.raises(InputError, match=sentence):
        made.movie_from_layer(layer)


def test_no_layer_and_other_layers_are_refused():
    with pytest.raises(InputError, match=r"^got no layer, expected an image layer with a movie"):
        made.movie_from_layer(None)
    with pytest.raises(InputError, match=r"^spots: got a Points layer, expected an image layer"):
        made.movie_from_layer(Points(np.zeros((1, 3)), name="spots"))


# --- results → layers -------------------------------------------------------------------------


@pytest.fixture
def tuples(layer, frames, tmp_path):
    dtypes = {
        RECONSTRUCTION: np.dtype(np.float32),
        JPEG: np.dtype(np.uint8),
        MEASUREMENT: np.dtype(np.float32),
    }
    run = Run(None, Settings(compression_ratio=4), layer, Geometry.of(layer))
    run.store = ResultStore(frames.shape, 4, dtypes, tmp_path)
    return run.first_layers(DEFAULT_ROLES, (1.0, 9.0))


def test_four_layers_in_the_order_of_their_boxes(tuples):
    assert [kwargs["name"] for _, kwargs, _ in tuples] == [
        "raw",
        "reconstruction",
        "JPEG",
        "measurement",
    ]
    for _, kwargs, kind in tuples:
        assert kind == "image"
        assert kwargs["axis_labels"] == ("t", "y", "x")
        assert kwargs["contrast_limits"] == (1.0, 9.0)
        assert [str(unit) for unit in kwargs["units"]] == ["second", "nanometer", "nanometer"]
        assert kwargs["metadata"]["tcsdl"]["settings"]["compression_ratio"] == 4


def test_a_measurement_shows_during_its_own_frames_and_no_others(tuples, frames):
    viewer = ViewerModel()
    layers = [viewer.add_layer(Layer.create(*entry)) for entry in tuples]
    measurement = layers[-1]
    np.testing.assert_allclose(measurement.scale, (1.0, 0.05, 0.05))
    np.testing.assert_allclose(measurement.translate, (0.375, 0, 0))
    measurement.data[:] = np.arange(3)[:, None, None]
    for frame in range(len(frames)):
        viewer.dims.set_point(0, frame * 0.25)
        measurement.refresh()
        shown = np.unique(measurement._slice.image.view)
        assert shown.tolist() == [frame // 4]


def test_geometry_of_frames_and_of_measurements_are_inverse():
    frames = Geometry((0.5, 2.0, 2.0), (3.0, 1.0, 1.0), ("s", "nm", "nm"))
    back = frames.measurement(10).frames(10)
    assert back.scale == pytest.approx(frames.scale)
    assert back.translate == pytest.approx(frames.translate)


def test_the_scale_bar_has_a_unit(tuples):
    viewer = ViewerModel()
    for entry in tuples:
        viewer.add_layer(Layer.create(*entry))
    assert [str(unit) for unit in viewer.layers.units] == ["second", "nanometer", "nanometer"]


def test_contrast_leaves_out_what_is_rare_and_never_collapses():
    sample = np.concatenate([np.linspace(10, 20, 10_000), [1e6]])
    low, high = made.contrast_limits(sample)
    assert (low, high) == pytest.approx((10, 20), abs=0.1)
    wide = made.contrast_limits(sample, margin=0.5)
    assert wide == pytest.approx((5, 25), abs=0.2)
    assert made.contrast_limits(np.full(10, 3.0)) == (3.0, 4.0)
    assert made.contrast_limits(np.full(10, np.nan)) == (0.0, 1.0)
