"""The compressed file: damage is found and named, and the rest is read."""

from dataclasses import replace

import numpy as np
import pytest
import zarr
from container_helpers import HEADER, RATIO, SHAPE, edit_json, flip, shard, write

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.encoder import Measurement
from napari_tcsdl.io import open_compressed, validate
from napari_tcsdl.io._shards import open_measurements
from napari_tcsdl.masks import Masks


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
