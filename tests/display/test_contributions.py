from __future__ import annotations

import time
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

import napari_tcsdl
from napari_tcsdl._validation import CorruptFileError, InputError, OutputError
from napari_tcsdl.display import contributions as ours
from napari_tcsdl.display import file_layers
from napari_tcsdl.display.commands import ACTIONS
from napari_tcsdl.display.decoded import DecodedStack
from napari_tcsdl.display.keys import KEYS
from napari_tcsdl.display.layers import KEY
from napari_tcsdl.display.lazy import LazyStack
from napari_tcsdl.display.run import compressed_file
from napari_tcsdl.io import open_compressed
from napari_tcsdl.pipeline import compress
from napari_tcsdl.settings import Settings


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
    others = {command.id for command in manifest.contributions.commands} - used
    names = {name.partition(".")[2] for name in others}
    assert names == {action for action, _ in KEYS.values()} | set(ACTIONS)


def test_what_only_napari_can_call_is_greyed_out_in_the_palette(manifest):
    called = {entry.command for entry in manifest.contributions.readers}
    called |= {entry.command for entry in manifest.contributions.writers}
    for command in manifest.contributions.commands:
        assert (command.enablement == "False") == (command.id in called), command.id


def test_the_manifest_is_named_as_the_distribution(manifest):
    assert manifest.name == distribution("napari-tcsdl").metadata["Name"]


@pytest.mark.parametrize("name", ["a.tcs.zarr", "a.tcs.zarr/", "A.MRC", "a.mrcs", ["a.mrc"]])
def test_our_formats_are_claimed(name):
    assert ours.get_reader(name) is not None


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "folder", "a.zarr", "a.ome.zarr", []])
def test_all_others_are_left_to_napari(name):
    assert ours.get_reader(name) is None


def test_folders_are_claimed_by_what_they_hold(tmp_path, frames):
    for name, file in (("frames", "f0.TIF"), ("notes", "a.txt"), ("hidden", "._f0.tif")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_bytes(b"")
    claimed = [p.name for p in tmp_path.iterdir() if ours.get_reader(str(p)) is not None]
    assert claimed == ["frames"]


def test_a_folder_of_frames_opens_as_one_movie(tmp_path, frames):
    for k, frame in enumerate(frames):
        tifffile.imwrite(tmp_path / f"frame{k}.tif", frame)
    ((data, kwargs, _),) = ours.get_reader(str(tmp_path))(str(tmp_path))
    np.testing.assert_array_equal(data[5], frames[5])
    assert kwargs["name"] == tmp_path.name


def test_a_dropped_file_shows_its_measurements_and_its_frames(compressed_path, viewer):
    entries = ours.get_reader(str(compressed_path))(str(compressed_path))
    measurement, frames = (viewer.add_layer(Layer.create(*entry)) for entry in entries)
    assert (measurement.name, frames.name) == ("movie", "movie reconstruction (unfolding network)")
    assert compressed_file(measurement)["path"] == str(compressed_path)
    assert compressed_file(frames) is None, "it is no measurement that could be reconstructed"
    assert isinstance(frames.data, DecodedStack)
    np.testing.assert_allclose(frames.scale, (0.25, 0.05, 0.05))
    np.testing.assert_allclose(frames.translate, 0)
    assert frames.units == measurement.units
    low, high = measurement.contrast_limits
    assert frames.contrast_limits[0] < low
    assert frames.contrast_limits[1] > high
    assert frames.metadata[KEY]["role"] == "reconstruction"
    assert frames.metadata[KEY]["settings"]["decoder"] == "unfolding"
    frames.data.close()


def test_the_decoder_of_the_file_on_the_device_of_the_preferences(tmp_path, movie, monkeypatch):
    monkeypatch.setattr(
        file_layers, "default_settings", lambda: Settings(device="cpu", decode_tile=128)
    )
    settings = Settings(compression_ratio=4, mask_tile=16, decoder="gap_tv", seed=3)
    compress(movie, tmp_path / "a.tcs.zarr", settings)
    _, (_, kwargs, _) = ours.read_layers(tmp_path / "a.tcs.zarr", decoded=True)
    assert kwargs["name"] == "a reconstruction (GAP-TV)"
    used = Settings.from_json(kwargs["metadata"][KEY]["settings"])
    assert used == replace(settings, device="cpu", decode_tile=128)


def test_layers_have_the_colormap_of_the_preferences(compressed_path, movie_path, monkeypatch):
    monkeypatch.setattr(ours, "colormap", lambda: "magma")
    monkeypatch.setattr(file_layers, "colormap", lambda: "viridis")
    ((_, movie, _),) = ours.read_layers(movie_path)
    assert movie["colormap"] == "magma"
    for _, kwargs, _ in ours.read_layers(compressed_path, decoded=True):
        assert kwargs["colormap"] == "viridis"


def test_a_damaged_measurement_is_one_notification_and_an_empty_picture(compressed_path, viewer):
    shard = next(path for path in sorted(compressed_path.rglob("c/1/*/*")) if path.is_file())
    shard.write_bytes(b"damaged")
    notification_manager.records.clear()
    entries = ours.read_layers(compressed_path, decoded=True)
    measurement, frames = (viewer.add_layer(Layer.create(*entry)) for entry in entries)
    for frame in (5, 4, 6, 5):
        viewer.dims.set_point(0, frame * 0.25)
    assert np.isnan(measurement.data[1]).all()
    assert np.isfinite(measurement.data[0]).all()
    with pytest.raises(CorruptFileError, match="frames 4–7"):
        frames.data.decoded(5)
    (record,) = notification_manager.records
    assert "measurement 1 (frames 4–7) is damaged" in record.message
    frames.data.close()


# --- 20 GB ------------------------------------------------------------------------------------

LARGE = (640, 4096, 4096)
SECONDS = 1.0


@pytest.fixture
def large(tmp_path):
    """21 GB of zeros, uint16, which take no room on the disk."""
    path = tmp_path / "large.mrc"
    with mrcfile.new_mmap(path, LARGE, mrc_mode=6):
        pass
    if path.stat().st_blocks * 512 > 2**30:
        pytest.skip("needs a file system with sparse files")
    return path


@pytest.fixture
def reads(monkeypatch):
    """List the frames that are read from contiguous files."""
    from napari_tcsdl.io._common import ContiguousFrames

    found, read = [], ContiguousFrames.__getitem__

    def count(self, key):
        found.extend(range(*key.indices(self.shape[0])) if isinstance(key, slice) else [key])
        return read(self, key)

    monkeypatch.setattr(ContiguousFrames, "__getitem__", count)
    return found


def test_a_movie_of_20_gb_opens_within_a_second(large, reads, viewer, tmp_path, frames):
    with mrcfile.new(tmp_path / "small.mrc", frames.astype(np.uint16)):
        pass
    ours.read_layers(tmp_path / "small.mrc")  # what is imported once is no matter of size
    reads.clear()
    begun = time.process_time()
    (entry,) = ours.get_reader(str(large))(str(large))
    assert time.process_time() - begun < SECONDS
    centre = (LARGE[0] - 1) // 2
    assert reads == [centre], "one frame: that to which napari moves the slider"
    viewer.add_layer(Layer.create(*entry))
    assert reads == [centre, 0], "napari itself shows frame 0 before it goes to the centre"


def test_the_workbench_opens_on_20_gb_without_reading(large, reads, viewer, qtbot):
    from napari_tcsdl.display._qt.workbench import Workbench

    first = Workbench(ViewerModel())  # what is imported once is no matter of size
    qtbot.addWidget(first)
    (entry,) = ours.read_layers(large)
    viewer.add_layer(Layer.create(*entry))
    reads.clear()
    begun = time.process_time()
    workbench = Workbench(viewer)
    qtbot.addWidget(workbench)
    assert time.process_time() - begun < SECONDS
    qtbot.wait(500)
    assert not reads
    for opened in (first, workbench):
        opened.shut_down()


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
