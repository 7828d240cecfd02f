"""The compressed file: what is acknowledged survives, and what is damaged is named."""

import contextlib
import hashlib
import json
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_tcsdl._validation import CorruptFileError, InputError, OutputError
from napari_tcsdl.encoder import Measurement, encode
from napari_tcsdl.io import (
    CompressedWriter,
    Header,
    _durable,
    _layout,
    _replace,
    container_write,
    is_compressed,
    open_compressed,
    validate,
)
from napari_tcsdl.io._shards import open_measurements
from napari_tcsdl.masks import Masks
from napari_tcsdl.persistence import Persistence

RATIO = 4
SHAPE = (14, 40, 56)  # three whole blocks and one of two frames
HEADER = Header(
    shape=SHAPE,
    dtype="uint16",
    value_range=(1.0, 4000.0),
    pixel_size=2.5,
    frame_time=0.04,
    noise={"gain": 30.0, "offset_variance": 2.0},
    persistence=Persistence((8.0, 4.0, 2.0, -0.5, 0.25), (1.0, 0.5, 0.0, 0.0, 0.0), 0.125),
    source="movie.tif",
    settings={"compression_ratio": RATIO},
)


@pytest.fixture(scope="module")
def masks():
    return Masks.create(RATIO, tile=(16, 16), seed=3)


@pytest.fixture(scope="module")
def measurements(masks):
    frames = np.random.default_rng(1).integers(1, 4000, SHAPE, dtype=np.uint16)
    tail = masks.shortened(2)
    return [
        Measurement(
            encode(block := frames[k : k + RATIO], masks if len(block) == RATIO else tail)
            .astype(np.uint32),
            first_frame=k,
            n_frames=len(block),
        )
        for k in range(0, SHAPE[0], RATIO)
    ]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "movie.tcs.zarr"


def write(path, masks, measurements, header=HEADER, **options):
    with CompressedWriter(path, masks, header, **options) as writer:
        for y in measurements:
            writer.append(y, masks.shortened(y.n_frames))
    return path


@pytest.fixture
def written(path, masks, measurements):
    return write(path, masks, measurements)


def edit_json(file, change):
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))


def flip(file, position, bit):
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)


def shard(path, index):
    return path / "0" / "c" / str(index) / "0" / "0"


def fail_after(writer, measurement):
    with contextlib.suppress(RuntimeError), writer:
        writer.append(measurement)
        raise RuntimeError


def assert_same(compressed, measurements):
    assert compressed.n_measurements == len(measurements)
    for k, y in enumerate(measurements):
        got = compressed.measurement(k)
        assert (got.first_frame, got.n_frames) == (y.first_frame, y.n_frames)
        np.testing.assert_array_equal(got.values, y.values)


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


# --- whenever it stops, what was acknowledged is there ------------------------------------------


class Stop(BaseException):
    """Stands for a process that ends."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_stopped_between_any_two_writes(tmp_path, masks, measurements, monkeypatch, when):
    real = container_write.write_durably
    finished = False
    for stop_at in range(1, 40):
        path = tmp_path / f"{stop_at}.tcs.zarr"
        calls, acknowledged = 0, []

        def stopping(file, content, stop_at=stop_at):
            nonlocal calls
            calls += 1
            if calls == stop_at and when == "before":
                file.with_name(".cut.partial").write_bytes(content[: len(content) // 2])
                raise Stop
            real(file, content)
            if calls == stop_at:
                raise Stop

        monkeypatch.setattr(container_write, "write_durably", stopping)
        writer = None
        try:
            writer = CompressedWriter(path, masks, HEADER)
            for y in measurements:
                writer.append(y, masks.shortened(y.n_frames))
                acknowledged.append(y)
            finished = True
        except Stop:
            pass
        if writer is not None:
            compressed = open_compressed(path)
            assert compressed.n_measurements - len(acknowledged) in (0, 1)
            assert_same(compressed, measurements[: compressed.n_measurements])
            assert validate(path) == []
        else:
            assert not path.exists()
        if finished:
            break
    assert finished
    assert stop_at > 12


KILLED = """
import hashlib, sys, numpy as np
from napari_tcsdl.encoder import Measurement
from napari_tcsdl.io import CompressedWriter, Header
from napari_tcsdl.masks import Masks
header = Header(shape=(None, 40, 56), dtype="uint16", value_range=(0, 1))
rng = np.random.default_rng()
masks, overwrite = Masks.create(4, tile=(16, 16)), "overwrite" in sys.argv
with CompressedWriter(sys.argv[1], masks, header, overwrite=overwrite) as writer:
    print(writer.path, flush=True)
    for k in range(100_000):
        y = rng.integers(0, 9999, (40, 56), dtype=np.uint32)
        writer.append(Measurement(y, 4 * k, 4))
        print(hashlib.sha256(y.tobytes()).hexdigest(), flush=True)
"""


def test_killed_at_random_moments(tmp_path):
    rng = np.random.default_rng()
    files = [tmp_path / f"{k}.tcs.zarr" for k in range(3)]
    runs = [
        subprocess.Popen([sys.executable, "-c", KILLED, file], stdout=subprocess.PIPE, text=True)
        for file in files
    ]
    acknowledged = 0
    for file, run in zip(files, runs, strict=True):
        assert run.stdout.readline() == f"{file}\n"
        time.sleep(rng.uniform(0, 0.3))
        run.kill()
        digests = run.stdout.read().split()
        run.stdout.close()
        run.wait()
        compressed = open_compressed(file)
        # The last may be on the disk without the process having come to say so.
        assert compressed.n_measurements - len(digests) in (0, 1)
        for k, digest in enumerate(digests):
            values = compressed.measurement(k).values
            assert hashlib.sha256(values.tobytes()).hexdigest() == digest
        assert validate(file) == []
        acknowledged += len(digests)
    assert acknowledged > 0


def test_a_failed_run_keeps_what_it_has(path, masks, measurements):
    fail_after(CompressedWriter(path, masks, HEADER), measurements[0])
    compressed = open_compressed(path)
    assert_same(compressed, measurements[:1])
    assert not compressed.complete
    assert validate(path) == []


def test_a_run_that_failed_before_its_first_measurement_leaves_nothing(path, masks):
    with pytest.raises(RuntimeError), CompressedWriter(path, masks, HEADER):
        raise RuntimeError
    assert list(path.parent.iterdir()) == []


def test_shards_that_were_never_acknowledged_are_no_violation(path, masks, measurements):
    write(path, masks, measurements[:2])
    extra = shard(path, 2)
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"half a sha")
    assert validate(path) == []
    assert_same(open_compressed(path), measurements[:2])


def test_full_disk_says_what_is_kept_and_may_be_tried_again(
    path, masks, measurements, file_size_limit
):
    large = measurements[1]
    small = replace(measurements[0], values=np.zeros(SHAPE[1:], np.uint32))
    with CompressedWriter(path, masks, HEADER) as writer:
        writer.append(small)
        with (
            file_size_limit(3000),
            pytest.raises(
                OutputError,
                match=r"disk is full .*\(4 frames are safely kept in .*movie\.tcs\.zarr\).*free",
            ),
        ):
            writer.append(large)
        assert_same(open_compressed(path), [small])
        assert validate(path) == []
        writer.append(large)
    assert_same(open_compressed(path), [small, large])
    assert [f for f in path.rglob("*") if f.name.endswith(".partial")] == []


def test_nothing_is_said_to_be_kept_where_nothing_is(path, masks, measurements, file_size_limit):
    with (
        file_size_limit(3000),
        pytest.raises(OutputError, match=r"size limit was reached, expected room"),
        CompressedWriter(path, masks, HEADER) as writer,
    ):
        writer.append(measurements[0])
    assert not path.exists()


def test_what_a_killed_process_left_incomplete_does_not_count(written):
    before = open_compressed(written).bytes_on_disk()
    for folder in ("", "0", "0/c/1/0", "masks"):
        (written / folder / ".0.partial").write_bytes(b"half a shard")
    assert open_compressed(written).bytes_on_disk() == before
    assert validate(written) == []


def test_half_made_files_of_killed_processes_are_removed(path, masks, measurements):
    stale = path.with_name(f".{path.name}.{'a' * 32}.new")
    (stale / "masks").mkdir(parents=True)
    (stale / "masks" / "zarr.json").write_text("{")
    precious = path.with_name(f".{path.name}.{'b' * 32}.new")
    precious.mkdir()
    (precious / "thesis.tex").write_text("precious")
    with _durable.new_folder(path, lambda folder: False) as in_use:
        write(path, masks, measurements)
        assert in_use.exists()
    assert sorted(path.parent.iterdir()) == sorted([path, precious])


def test_full_disk_from_the_start(path, masks, file_size_limit):
    with file_size_limit(100), pytest.raises(OutputError, match=r"disk is full .*free space"):
        CompressedWriter(path, masks, HEADER)
    assert list(path.parent.iterdir()) == []


# --- outputs that exist -------------------------------------------------------------------------


def test_existing_output_is_refused(written, masks, measurements):
    with pytest.raises(OutputError, match=r"movie\.tcs\.zarr, which exists already.*--overwrite"):
        CompressedWriter(written, masks, HEADER)
    assert_same(open_compressed(written), measurements)


def test_overwriting_swaps_on_closing(written, masks, measurements):
    other = [replace(measurements[0], values=measurements[0].values + 1)]
    with CompressedWriter(written, masks, HEADER, overwrite=True) as writer:
        writer.append(other[0])
        assert_same(open_compressed(written), measurements)
        assert_same(open_compressed(writer.path), other)
    assert writer.path == written
    assert_same(open_compressed(written), other)
    assert list(written.parent.iterdir()) == [written]


def test_old_file_survives_a_failed_overwrite_and_so_does_the_new_part(
    written, masks, measurements
):
    for _ in range(2):  # the second finds the first's remains
        writer = CompressedWriter(written, masks, HEADER, overwrite=True)
        fail_after(writer, measurements[0])
        assert_same(open_compressed(written), measurements)
        assert_same(open_compressed(writer.path), measurements[:1])
        assert is_compressed(writer.path)


def test_a_file_that_is_called_partial_is_not_touched(written, masks, measurements, tmp_path):
    other = write(tmp_path / "movie.partial.tcs.zarr", masks, measurements[:2])
    write(written, masks, measurements[:1], overwrite=True)
    assert_same(open_compressed(other), measurements[:2])
    assert_same(open_compressed(written), measurements[:1])


def test_what_a_killed_overwrite_leaves_opens_and_stays(written, masks, measurements):
    command = [sys.executable, "-c", KILLED, written, "overwrite"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    left = Path(run.stdout.readline().strip())
    run.stdout.readline()  # one measurement is acknowledged
    run.kill()
    run.stdout.read()
    run.stdout.close()
    run.wait()
    assert left.parent == written.parent
    assert_same(open_compressed(written), measurements)
    kept = open_compressed(left).n_measurements
    assert kept >= 1
    write(written, masks, measurements[:1], overwrite=True)
    assert open_compressed(left).n_measurements == kept
    assert validate(left) == []


def test_two_overwrites_at_once_lose_nothing(written, masks, measurements):
    first = CompressedWriter(written, masks, HEADER, overwrite=True)
    second = CompressedWriter(written, masks, HEADER, overwrite=True)
    assert first.path != second.path
    first.append(measurements[0])
    for y in measurements[:2]:
        second.append(y)
    first.close()
    assert_same(open_compressed(written), measurements[:1])
    with pytest.raises(OutputError, match=r"was changed while its replacement was written, exp"):
        second.close()
    assert_same(open_compressed(written), measurements[:1])
    assert_same(open_compressed(second.path), measurements[:2])


def test_an_empty_writer_removes_nothing_of_another(path, masks, measurements):
    with contextlib.suppress(RuntimeError), CompressedWriter(path, masks, HEADER):
        write(path, masks, measurements[:1], overwrite=True)
        raise RuntimeError
    assert_same(open_compressed(path), measurements[:1])


def test_an_overwritten_file_that_was_moved_away(written, masks, measurements, tmp_path):
    with CompressedWriter(written, masks, HEADER, overwrite=True) as writer:
        writer.append(measurements[0])
        moved = written.rename(tmp_path / "moved.tcs.zarr")
    assert_same(open_compressed(written), measurements[:1])
    assert_same(open_compressed(moved), measurements)


@pytest.fixture
def killed_renaming(monkeypatch):
    """Let the process seem to end right after the first rename of a replacement."""

    def stopping(path, target, real=Path.rename):
        if stopping.stopped:
            raise Stop
        stopping.stopped = True
        real(path, target)
        raise Stop

    def arm():
        stopping.stopped = False
        monkeypatch.setattr(Path, "rename", stopping)

    yield arm
    monkeypatch.undo()


def test_there_is_no_moment_without_a_file(written, masks, measurements, killed_renaming):
    for side in ("a", "b"):
        (written.parent / side).touch()
    if not _replace._exchange(written.parent / "a", written.parent / "b"):
        pytest.skip("this file system cannot exchange names")
    writer = CompressedWriter(written, masks, HEADER, overwrite=True)
    writer.append(measurements[0])
    killed_renaming()
    with pytest.raises(Stop):
        writer.close()
    assert_same(open_compressed(written), measurements[:1])


def test_where_names_cannot_be_exchanged(
    written, masks, measurements, killed_renaming, monkeypatch
):
    monkeypatch.setattr(_replace, "_exchange", lambda a, b: False)
    write(written, masks, measurements[:2], overwrite=True)
    assert_same(open_compressed(written), measurements[:2])
    assert list(written.parent.iterdir()) == [written]
    writer = CompressedWriter(written, masks, HEADER, overwrite=True)
    writer.append(measurements[0])
    killed_renaming()
    with pytest.raises(Stop):
        writer.close()
    (old,) = written.parent.glob(".movie.*.old.tcs.zarr")
    assert_same(open_compressed(old), measurements[:2])
    assert_same(open_compressed(writer.path), measurements[:1])


@pytest.mark.parametrize("what", ["folder", "file", "other zarr"])
def test_what_is_no_compressed_movie_is_never_replaced(masks, tmp_path, what):
    precious = tmp_path / "other.tcs.zarr"
    if what == "file":
        precious.write_text("precious")
    elif what == "other zarr":
        zarr.create_group(precious, zarr_format=3)
    else:
        precious.mkdir()
        (precious / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match=r"exists and is no compressed movie, expected a new"):
        CompressedWriter(precious, masks, HEADER, overwrite=True)
    assert precious.is_file() or list(precious.iterdir())


def test_name_must_end_as_the_format_does(tmp_path, masks):
    with pytest.raises(OutputError, match=r"got output x\.zarr, expected a name .*x\.tcs\.zarr"):
        CompressedWriter(tmp_path / "x.zarr", masks, HEADER)


def test_missing_folder(tmp_path, masks):
    with pytest.raises(OutputError, match=r"none is no folder, expected an existing folder"):
        CompressedWriter(tmp_path / "none" / "x.tcs.zarr", masks, HEADER)


def test_folder_without_write_permission(tmp_path, path, masks, unprivileged):
    tmp_path.chmod(0o500)
    try:
        with unprivileged(), pytest.raises(OutputError, match=r"cannot be written: Permission"):
            CompressedWriter(path, masks, HEADER)
    finally:
        tmp_path.chmod(0o700)


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


# --- damage is found and named ------------------------------------------------------------------


def test_every_flipped_bit_of_a_shard_is_found(written):
    rng = np.random.default_rng(0)
    file = shard(written, 1)
    good = file.read_bytes()
    compressed = open_compressed(written)
    index = range(len(good) - 20, len(good))
    positions = {*index, 0, 1, 15, 16, *rng.integers(0, len(good), 150).tolist()}
    for position in positions:
        flip(file, position, int(rng.integers(8)))
        with pytest.raises(CorruptFileError, match=r"measurement 1 \(frames 4–7\) is damaged at"):
            compressed.measurement(1)
        file.write_bytes(good)


def test_the_damaged_chunk_is_named(path):
    masks = Masks.create(2, tile=(16, 16))
    values = np.random.default_rng(0).integers(0, 999, (600, 300), dtype=np.uint16)
    header = replace(HEADER, shape=(2, 600, 300), dtype="uint8")
    write(path, masks, [Measurement(values, 0, 2)], header)
    file = shard(path, 0)
    index = np.frombuffer(file.read_bytes()[-(6 * 16 + 4) : -4], "<u8").reshape(3, 2, 2)
    offset, length = (int(n) for n in index[2, 0])
    flip(file, offset + length // 2, 3)
    with pytest.raises(
        CorruptFileError,
        match=r"movie\.tcs\.zarr: measurement 0 \(frames 0–1\) is damaged at rows 512–599, "
        r"columns 0–255, expected its crc32c.*restore 0/c/0/0/0",
    ):
        open_compressed(path).measurement(0)
    (violation,) = validate(path)
    assert "rows 512–599, columns 0–255, expected" in violation


@pytest.mark.parametrize("change", ["cut", "grown", "emptied"])
def test_a_shard_of_another_length_is_found(written, change):
    file = shard(written, 2)
    good = file.read_bytes()
    file.write_bytes({"cut": good[:-9], "grown": good + b"0" * 16, "emptied": b""}[change])
    with pytest.raises(
        CorruptFileError, match=r"measurement 2 \(frames 8–11\) is (damaged|missing or empty)"
    ):
        open_compressed(written).measurement(2)


def test_a_missing_shard_is_named_and_the_others_are_read(written, measurements):
    shard(written, 1).unlink()
    compressed = open_compressed(written)
    with pytest.raises(
        CorruptFileError,
        match=r"measurement 1 \(frames 4–7\) is missing or empty, expected 0/c/1/0/0; re",
    ):
        compressed.measurement(1)
    np.testing.assert_array_equal(compressed.measurement(0).values, measurements[0].values)


@pytest.mark.parametrize("name", ["masks", "tail_masks"])
def test_every_flipped_bit_of_the_masks_is_found(written, name):
    rng = np.random.default_rng(0)
    file = written / name / "c" / "0" / "0" / "0"
    good = file.read_bytes()
    for position in rng.integers(0, len(good), 25).tolist():
        flip(file, position, int(rng.integers(8)))
        with pytest.raises(CorruptFileError, match=rf"array '{name}' is missing or damaged"):
            open_compressed(written)
        file.write_bytes(good)


def test_masks_whose_sha256_differs(written):
    def change(document):
        document["attributes"]["tcsdl"]["masks"]["sha256"] = "0" * 64

    edit_json(written / "zarr.json", change)
    with pytest.raises(CorruptFileError, match=r"array 'masks': got masks .*with sha256 .*000000"):
        open_compressed(written)


def test_every_flipped_bit_of_the_metadata_is_found(written, measurements):
    rng = np.random.default_rng(0)
    good = {f: f.read_bytes() for f in (written / "zarr.json", written / "0" / "zarr.json")}
    for file, content in good.items():
        for position in rng.choice(len(content), 60, replace=False).tolist():
            flip(file, position, int(rng.integers(7)))
            try:
                assert_same(open_compressed(written), measurements)  # harmless
            except (CorruptFileError, InputError):
                pass
            else:
                assert file.parent.name == "0"
            file.write_bytes(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [("masks", None), ("dtype", "int64"), ("dtype", "complex64"), ("frame_shape", [10**9, 10**9]),
     ("frame_shape", [40]), ("frames", -1), ("compression_ratio", 0), ("tail_masks", [1]),
     ("masks", "drop"), ("settings", None)],
)  # fmt: skip
def test_validate_lists_any_damage_of_the_metadata(written, key, value):
    def change(document):
        tcsdl = document["attributes"]["tcsdl"]
        tcsdl[key] = value
        if value == "drop":
            del tcsdl[key]

    edit_json(written / "zarr.json", change)
    assert len(validate(written)) >= 2
    with pytest.raises((CorruptFileError, InputError)):
        open_compressed(written)


def test_a_changed_pixel_size_is_found(written):
    def change(document):
        document["attributes"]["tcsdl"]["pixel_size"] = 25.0

    edit_json(written / "zarr.json", change)
    with pytest.raises(CorruptFileError, match=r"metadata in zarr\.json differs from its sha256"):
        open_compressed(written)
    violations = validate(written)
    assert len(violations) == 2
    assert "OME metadata whose datasets disagrees" in violations[1]


def test_newer_version(written):
    def change(document):
        document["attributes"]["tcsdl"]["format_version"] = 3

    edit_json(written / "zarr.json", change)
    sentence = r"movie\.tcs\.zarr: got format version 3, expected at most 2; update napari-tcsdl"
    with pytest.raises(InputError, match=sentence):
        open_compressed(written)
    assert len(validate(written)) == 1


@pytest.mark.parametrize("size", [0, 10, 400])
@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("zarr.json", r"zarr\.json is cut short or damaged, expected a compressed movie"),
        ("0/zarr.json", r"array '0' cannot be opened .*expected measurements"),
        ("masks/zarr.json", r"array 'masks' is missing or damaged"),
    ],
)
def test_metadata_that_was_cut_short(written, file, sentence, size):
    os.truncate(written / file, size)
    with pytest.raises(CorruptFileError, match=sentence):
        open_compressed(written)
    assert any("expected" in violation for violation in validate(written))


def test_metadata_that_contradicts_the_array(written):
    edit_json(written / "0" / "zarr.json", lambda document: document.update(shape=[2, 40, 56]))
    with pytest.raises(CorruptFileError, match=r"got measurements \(2, 40, 56\) of type uint32"):
        open_compressed(written)


DAMAGED_DOCUMENTS = [
    ("0", '"endian": "little"', '"endian": "big"', r'codecs/0/endian "big" instead of "little"'),
    ("0", '"end"', '"start"', r'index_location "start" instead of "end"'),
    ("0", '"separator": "/"', '"separator": "."', r'separator "\." instead of "/"'),
    ("0", '": "shuffle"', '": "bitshuffle"', r'shuffle "bitshuffle" instead of "shuffle"'),
    ("0", '"fill_value": 0', '"fill_value": 7', r"fill_value 7 instead of 0"),
    ("0", '"shape": [4', '"shape": [9', r"shape \[9, 40, 56\] instead of \[4, 40, 56"),
    ("0", '"uint32"', '"float32"', r"got measurements .* of type float32, expected .*uint32"),
    ("masks", '"clevel": 5', '"clevel": 4', r"clevel 4 instead of 5"),
    ("tail_masks", '"plane"', '"z"', r'dimension_names/0 "z" instead of "plane"'),
]


@pytest.mark.parametrize(("name", "good", "bad", "sentence"), DAMAGED_DOCUMENTS)
def test_an_array_described_otherwise_is_found(written, name, good, bad, sentence):
    sentence = sentence.replace("codecs/0/endian", "codecs/0/configuration/endian")
    file = written / name / "zarr.json"
    text = file.read_text()
    assert good in text
    file.write_text(text.replace(good, bad, 1))
    with pytest.raises(CorruptFileError, match=rf"{sentence}.*restore {name}/zarr\.json from a"):
        open_compressed(written)
    (violation,) = validate(written)
    assert re.search(sentence, violation)


def test_how_an_array_document_is_laid_out_does_not_matter(written, measurements):
    for name in ("0", "masks", "tail_masks"):
        edit_json(
            written / name / "zarr.json",
            lambda document: (document.pop("storage_transformers"), document.update(attributes={})),
        )
    assert_same(open_compressed(written), measurements)
    assert validate(written) == []


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_file_that_grows_while_it_is_opened(path, masks, measurements, ahead):
    write(path, masks, measurements[:1])
    edit_json(path / "0" / "zarr.json", lambda document: document.update(shape=[1 + ahead, 40, 56]))
    assert_same(open_compressed(path), measurements[:1])


@pytest.mark.parametrize(
    ("key", "value"),
    [("noise", {"gain": "x"}), ("noise", {"gain": "3", "offset_variance": 1.0}), ("noise", [1]),
     ("noise", {"gain": 1.0}), ("noise", {"gain": None, "offset_variance": 1.0}),
     ("settings", []), ("settings", "B=4"), ("persistence", [1.0]), ("persistence", {}),
     ("persistence", {"whole": [1.0], "quiet": [1.0], "error": 0.1}),
     ("persistence", {"whole": [1] * 5, "quiet": [1] * 5, "error": 10**400}),
     ("pixel_size", 10**400), ("value_range", [0, 10**400])],
)  # fmt: skip
def test_entries_of_the_wrong_kind_are_found_on_opening(written, key, value):
    def change(document):
        attributes = document["attributes"]
        attributes["tcsdl"][key] = value
        attributes["tcsdl"]["sha256"] = _layout.checksum(attributes)

    edit_json(written / "zarr.json", change)
    with pytest.raises(CorruptFileError, match=r"metadata has a missing or damaged entry \("):
        open_compressed(written)


def test_what_may_not_be_read_is_not_called_damaged(open_folder, masks, measurements, unprivileged):
    path = write(open_folder / "movie.tcs.zarr", masks, measurements)
    locked = [shard(path, 0), shard(path, 1).parent, path / "0" / "zarr.json", path / "tail_masks"]
    flip(shard(path, 2), 40, 0)
    for place in locked:
        place.chmod(0)
    try:
        with unprivileged():
            violations = validate(path)
            with pytest.raises(InputError, match=r"0/zarr\.json, which may not be read, expected"):
                open_measurements(path, HEADER, RATIO, SHAPE[0])
    finally:
        for place in locked:
            place.chmod(0o755)
    refused = [sentence for sentence in violations if "which may not be read, exp" in sentence]
    assert len(refused) == 4
    assert all(any(str(place) in sentence for sentence in refused) for place in locked)
    assert len(violations) == 5
    assert "measurement 2 (frames 8–11) is damaged at" in violations[-1]


def test_a_missing_path_is_to_be_a_compressed_movie(path):
    (violation,) = validate(path)
    assert "which does not exist, expected a .tcs.zarr" in violation


def test_what_is_no_compressed_movie(tmp_path, path, unprivileged, written):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match=r"folder without zarr\.json, expected a compressed movie"):
        open_compressed(folder)
    zarr.create_group(tmp_path / "g.tcs.zarr", zarr_format=3)
    with pytest.raises(InputError, match=r"a zarr without our metadata, expected a compressed"):
        open_compressed(tmp_path / "g.tcs.zarr")
    with pytest.raises(InputError, match=r"none\.tcs\.zarr, which does not exist"):
        open_compressed(tmp_path / "none.tcs.zarr")
    written.chmod(0)
    with unprivileged(), pytest.raises(InputError, match=r"may not be read, expected read perm"):
        open_compressed(written)
    written.chmod(0o700)


def test_a_measurement_that_does_not_exist(written):
    with pytest.raises(InputError, match=r"got measurement 4, expected 0 to 3; choose"):
        open_compressed(written).measurement(4)


def test_validate_goes_on_after_the_first(written):
    shard(written, 0).unlink()
    flip(shard(written, 2), 40, 0)
    flip(written / "masks" / "c" / "0" / "0" / "0", 20, 5)

    def drop_checksum(document):
        codecs = document["codecs"][0]["configuration"]
        codecs["index_codecs"] = codecs["index_codecs"][:1]
        document["dimension_names"] = ["z", "y", "x"]

    violations = validate(written)
    assert len(violations) == 3
    for violation, sentence in zip(
        violations, ("array 'masks'", "measurement 0 (frames 0–3)", "measurement 2"), strict=True
    ):
        assert sentence in violation
        assert "\n" not in violation
    edit_json(written / "0" / "zarr.json", drop_checksum)
    violations = validate(written)
    assert len(violations) == 4
    (violation,) = [sentence for sentence in violations if "got array '0' with" in sentence]
    assert 'index_codecs ["bytes"] instead of ["bytes", "crc32c"]' in violation
    assert 'dimension_names/0 "z" instead of "t"' in violation


def test_reading_needs_no_torch(written):
    code = (
        "import sys; from napari_tcsdl.io import open_compressed, validate; "
        f"open_compressed({str(written)!r}).measurement(0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_storage_is_worth_it(written):
    real = open_compressed(written).bytes_on_disk()
    assert real["measurements"] < math.prod(SHAPE) * 2
