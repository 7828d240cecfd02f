"""The compressed file: whenever writing stops, what was acknowledged is there."""

import hashlib
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from container_helpers import HEADER, KILLED, SHAPE, Stop, assert_same, fail_after, shard, write

from napari_tcsdl._validation import OutputError
from napari_tcsdl.io import CompressedWriter, _durable, container_write, open_compressed, validate


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
