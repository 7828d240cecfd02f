"""The compressed file: what is written comes back, and what does not continue it is refused."""

import hashlib
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import zarr
from container_helpers import HEADER, RATIO, SHAPE, assert_same, shard, write

from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.encoder import Measurement, encode
from napari_tcsdl.io import CompressedWriter, open_compressed, validate
from napari_tcsdl.masks import Masks

# --- what is written comes back -----------------------------------------------------------------


def test_everything_comes_back(written, masks, measurements):
    compressed = open_compressed(written)
    assert_same(compressed, measurements)
    assert compressed.header.shape == SHAPE
    assert vars(compressed.header) == vars(HEADER)
    assert compressed.masks.sha256 == masks.sha256
    assert compressed.tail_masks.sha256 == masks.shortened(2).sha256
    assert [compressed.masks_of(k).compression_ratio for k in range(4)] == [4, 4, 4, 2]
    assert (compressed.frames_valid, compressed.frame_shape) == (14, SHAPE[1:])
    assert compressed.complete
    assert validate(written) == []


@pytest.mark.parametrize(("dtype", "stored"), [("uint8", "uint16"), ("float32", "float32")])
@pytest.mark.parametrize("shape", [(40, 56), (300, 280), (512, 257), (1, 9)])
def test_any_frame_size_and_type(path, dtype, stored, shape):
    masks = Masks.create(2, tile=shape)
    frames = np.random.default_rng(0).integers(1, 255, (2, *shape)).astype(dtype)
    y = Measurement(encode(frames, masks), 0, 2)
    write(path, masks, [y], replace(HEADER, shape=(2, *shape), dtype=dtype))
    assert open_compressed(path).measurement(0).values.dtype == stored
    assert_same(open_compressed(path), [y])
    array = zarr.open_group(path, mode="r")["0"]
    assert array.chunks == (1, min(256, shape[0]), min(256, shape[1]))
    assert array.shards[0] == 1
    assert all(a >= b for a, b in zip(array.shards[1:], shape, strict=True))


def test_last_block_with_the_first_of_the_masks(path, masks, measurements):
    with CompressedWriter(path, masks, HEADER) as writer:
        for y in measurements:
            writer.append(y)
    compressed = open_compressed(path)
    assert compressed.tail_masks is None
    assert compressed.masks_of(3) is compressed.masks
    assert not (path / "tail_masks").exists()


def test_all_zero_values_are_stored_not_left_out(path, masks):
    y = Measurement(np.zeros(SHAPE[1:], np.uint32), 0, RATIO)
    write(path, masks, [y])
    assert_same(open_compressed(path), [y])


def test_unknown_length_is_settled_on_closing(path, masks, measurements):
    header = replace(HEADER, shape=(None, *SHAPE[1:]))
    with CompressedWriter(path, masks, header) as writer:
        for k, y in enumerate(measurements):
            writer.append(y)
            running = open_compressed(path)
            assert_same(running, measurements[: k + 1])
            assert running.header.shape[0] is None
            assert not running.complete
    assert open_compressed(path).header.shape == SHAPE
    assert open_compressed(path).complete


def test_masks_are_digested_once_a_file_not_once_a_measurement(path, measurements, monkeypatch):
    masks = Masks.create(RATIO, tile=(16, 16), seed=5)
    digested = []
    real = hashlib.sha256
    monkeypatch.setattr(
        "napari_tcsdl.masks.hashlib.sha256", lambda data: digested.append(data) or real(data)
    )
    with CompressedWriter(path, masks, HEADER) as writer:
        for y in measurements:
            writer.append(y)
    bits = masks.packed.tobytes()
    assert len([data for data in digested if data.endswith(bits)]) == 1


def test_bytes_are_those_on_the_disk(path, masks, measurements):
    with CompressedWriter(path, masks, HEADER) as writer:
        sizes = [writer.append(y, masks.shortened(y.n_frames)) for y in measurements]
    assert sizes == [shard(path, k).stat().st_size for k in range(4)]
    real = open_compressed(path).bytes_on_disk()
    total = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    assert real["measurements"] == sum(sizes)
    assert real["total"] == total == sum(sizes) + real["masks"] + real["metadata"]


def test_opening_reads_no_measurement(written, measurements):
    shard(written, 1).write_bytes(b"damaged")
    compressed = open_compressed(written)
    np.testing.assert_array_equal(compressed.measurement(2).values, measurements[2].values)


def test_plain_zarr_reads_it(written, measurements):
    group = zarr.open_group(written, mode="r")
    assert group["0"].metadata.dimension_names == ("t", "y", "x")
    np.testing.assert_array_equal(group["0"][2], measurements[2].values)
    assert group.attrs["tcsdl"]["frames_valid"] == 14
    assert group.attrs["tcsdl"]["masks"]["philox_key"]


@pytest.mark.parametrize("calibrated", [True, False])
def test_napari_ome_zarr_reads_scale_and_units(path, masks, measurements, calibrated):
    reader = pytest.importorskip("napari_ome_zarr._reader")
    header = HEADER if calibrated else replace(HEADER, pixel_size=None, frame_time=None)
    write(path, masks, measurements, header)
    ((data, metadata, kind),) = reader.napari_get_reader(str(path))(str(path))
    assert kind == "image"
    np.testing.assert_array_equal(np.asarray(data[0])[1], measurements[1].values)
    assert metadata["axis_labels"] == ("t", "y", "x")
    if calibrated:
        assert metadata["units"] == ("second", "nanometer", "nanometer")
        np.testing.assert_allclose(metadata["scale"], (RATIO * 0.04, 0.25, 0.25))
    else:
        assert "units" not in metadata
        np.testing.assert_allclose(metadata["scale"], (RATIO, 1, 1))


def test_a_measurement_lies_in_the_middle_of_its_frames(written):
    (image,) = zarr.open_group(written, mode="r").attrs["ome"]["multiscales"]
    scale, translation = image["datasets"][0]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [0.16, 0.25, 0.25]}
    assert translation["translation"] == pytest.approx([1.5 * 0.04, 0, 0])


def test_reading_needs_no_torch(written):
    code = (
        "import sys; from napari_tcsdl.io import open_compressed, validate; "
        f"open_compressed({str(written)!r}).measurement(0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_storage_is_worth_it(written):
    real = open_compressed(written).bytes_on_disk()
    assert real["measurements"] < math.prod(SHAPE) * 2


# --- measurements that do not continue the file -------------------------------------------------


def test_measurements_must_come_in_order(path, masks, measurements):
    with CompressedWriter(path, masks, HEADER) as writer:
        with pytest.raises(InputError, match=r"got 4 frames from frame 4 on after 0 frames, exp"):
            writer.append(measurements[1])
        writer.append(replace(measurements[0], n_frames=2))
        with pytest.raises(InputError, match=r"append measurements in order, a short one last"):
            writer.append(replace(measurements[0], first_frame=2))


@pytest.mark.parametrize("values", [np.zeros((40, 57), np.uint32), np.zeros((40, 56), np.float64)])
def test_values_must_fit(path, masks, values):
    with (
        CompressedWriter(path, masks, HEADER) as writer,
        pytest.raises(InputError, match=r"got measurement values .*expected \(40, 56\) of type"),
    ):
        writer.append(Measurement(values, 0, RATIO))


def test_masks_must_fit(path, masks, measurements):
    with (
        CompressedWriter(path, masks, HEADER) as writer,
        pytest.raises(InputError, match=r"got 3 masks of their own for 4 frames, expected"),
    ):
        writer.append(measurements[0], masks.shortened(3))


def test_nothing_is_added_to_a_closed_file(written, masks, measurements, tmp_path):
    writer = CompressedWriter(tmp_path / "b.tcs.zarr", masks, HEADER)
    writer.close()
    with pytest.raises(OutputError, match=r"got a measurement after closing, expected an open"):
        writer.append(measurements[0])
