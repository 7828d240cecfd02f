from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest

import napari_tcsdl
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.display import contributions as ours
from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.io import open_compressed


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(Path(napari_tcsdl.__file__).parent / "napari.yaml")


def test_every_command_of_the_manifest_can_be_imported(manifest):
    manifest.validate_imports()
    used = {
        entry.command
        for entries in (
            manifest.contributions.readers,
            manifest.contributions.writers,
            manifest.contributions.sample_data,
            manifest.contributions.widgets,
        )
        for entry in entries
    }
    assert used == {command.id for command in manifest.contributions.commands}


def test_the_manifest_is_named_as_the_distribution(manifest):
    assert manifest.name == distribution("napari-tcsdl").metadata["Name"]


@pytest.mark.parametrize("name", ["a.tcs.zarr", "a.tcs.zarr/", "A.MRC", "a.mrcs", ["a.mrc"]])
def test_our_formats_are_claimed(name):
    assert ours.get_reader(name) is not None


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "folder", "a.zarr", "a.ome.zarr", []])
def test_all_others_are_left_to_napari(name):
    assert ours.get_reader(name) is None


def test_mrc_opens_lazily_and_calibrated(tmp_path, frames):
    path = tmp_path / "movie.mrc"
    with mrcfile.new(path, frames.astype(np.uint16)) as mrc:
        mrc.voxel_size = 0.5
    ((data, kwargs, kind),) = ours.get_reader(str(path))(str(path))
    layer = Layer.create(data, kwargs, kind)
    assert isinstance(layer.data, LazyStack)
    np.testing.assert_array_equal(layer.data[3], frames[3])
    np.testing.assert_allclose(layer.scale[1:], 0.05)
    assert str(layer.units[2]) == "nanometer"


def test_measurements_open_normalised_each_during_its_own_frames(compressed_layer, frames):
    layer = compressed_layer
    assert layer.data.shape == (3, 48, 40)
    np.testing.assert_allclose(layer.scale, (1.0, 0.05, 0.05))
    np.testing.assert_allclose(layer.translate, (0.375, 0, 0))
    # Half of the frames are seen by each pixel: Ȳ is near their mean, in detector units.
    assert layer.data[0].mean() == pytest.approx(frames[:4].mean(), rel=0.02)
    np.testing.assert_allclose(layer.data[2], frames[8])
    entry = layer.metadata[KEY]
    assert (entry["role"], entry["compression_ratio"], entry["n_frames"]) == ("measurement", 4, 9)


def test_the_sample_is_calibrated():
    ((data, kwargs, kind),) = ours.sample_sinter()
    layer = Layer.create(data, kwargs, kind)
    assert layer.name == "Au nanocrystals sinter (simulated)"
    assert [str(unit) for unit in layer.units] == ["second", "nanometer", "nanometer"]
    assert layer.data.ndim == 3


def test_a_layer_is_written_with_the_settings_that_it_carries(tmp_path, layer, frames):
    layer.metadata = {KEY: {"settings": {"compression_ratio": 3, "seed": 5}}}
    data, meta, _ = layer.as_layer_data_tuple()
    (path,) = ours.write_compressed(str(tmp_path / "out"), data, meta)
    assert path.endswith("out.tcs.zarr")
    compressed = open_compressed(path)
    assert (compressed.compression_ratio, compressed.masks.seed) == (3, 5)
    assert compressed.frames_valid == len(frames)
    assert compressed.header.pixel_size == pytest.approx(0.5)
    assert compressed.header.frame_time == pytest.approx(0.25)
    with pytest.raises(OutputError, match="exists"):
        ours.write_compressed(path, data, meta)


def test_a_layer_without_settings_is_written_with_the_defaults(tmp_path, layer):
    data, meta, _ = layer.as_layer_data_tuple()
    (path,) = ours.write_compressed(str(tmp_path / "out.tcs.zarr"), data, meta)
    assert open_compressed(path).compression_ratio == 9, "B = 10 is more than the movie has"


def test_what_is_no_movie_is_not_written(tmp_path, viewer):
    data, meta, _ = viewer.add_image(np.ones((8, 9)), name="one").as_layer_data_tuple()
    with pytest.raises(InputError, match="one: got one image of 8 × 9, expected a movie"):
        ours.write_compressed(str(tmp_path / "out.tcs.zarr"), data, meta)
    assert not list(tmp_path.iterdir())
