"""How measurements are stored: codes and their table, entropy codings, files of version 1."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import zarr

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.companding import companding_table
from napari_tcsdl.encoder import Measurement, encode
from napari_tcsdl.io import (
    CompressedWriter,
    Header,
    Storage,
    _entropy,
    _layout,
    open_compressed,
    stored_size,
    validate,
)
from napari_tcsdl.noise import NoiseModel

RATIO = 4
SHAPE = (10, 40, 56)  # the last block is short
NOISE = NoiseModel(30.0, 2.0)
TABLE = companding_table(NOISE, 2, 2 * 65_535, 0.5)
HEADER = Header(SHAPE, "uint16", (1.0, 4000.0), noise=NOISE.to_json())


@pytest.fixture(scope="module")
def measurements(masks):
    return made(masks, np.random.default_rng(1).integers(1, 4000, SHAPE, dtype=np.uint16))


def made(masks, frames):
    """Measurements of ``frames``, exact."""
    blocks = [frames[k : k + RATIO] for k in range(0, len(frames), RATIO)]
    return [
        Measurement(encode(block, masks), RATIO * k, len(block)) for k, block in enumerate(blocks)
    ]


def write(path, masks, measurements, header):
    with CompressedWriter(path, masks, header) as writer:
        for y in measurements:
            writer.append(y)
    return path


def expanded(y):
    return TABLE.expand(TABLE.compress(y.values))


@pytest.fixture
def companded(tmp_path, masks, measurements):
    header = replace(HEADER, storage=Storage(TABLE))
    return write(tmp_path / "movie.tcs.zarr", masks, measurements, header)


def edit(path, change, seal=True):
    """Change the attributes of the group; with ``seal``, as if they had been written so."""
    document = json.loads((path / "zarr.json").read_bytes())
    change(document["attributes"]["tcsdl"])
    if seal:
        digest = _layout.checksum(document["attributes"])
        document["attributes"]["tcsdl"]["sha256"] = digest
    (path / "zarr.json").write_text(json.dumps(document))


# --- codes and their table ----------------------------------------------------------------------


def test_measurements_come_back_as_the_table_has_them(companded, measurements):
    opened = open_compressed(companded)
    assert validate(companded) == []
    for index, y in enumerate(measurements):
        got = opened.measurement(index).values
        np.testing.assert_array_equal(got, expanded(y))
        assert got.dtype == opened.header.measurement_dtype(RATIO) == np.uint32
    storage = opened.header.storage
    assert (storage.entropy, storage.companding.fraction, storage.version) == ("zstd", 0.5, 2)
    np.testing.assert_array_equal(storage.companding.values, TABLE.values)


def test_a_stranger_reads_codes_and_their_values_with_zarr_alone(companded, measurements):
    program = (
        "import sys, zarr, numpy as np\n"
        "group = zarr.open_group(sys.argv[1], mode='r')\n"
        "values = group['companding'][:][group['0'][1]]\n"
        "assert 'napari_tcsdl' not in sys.modules\n"
        "np.save(sys.argv[2], values)\n"
    )
    out = companded.parent / "values.npy"
    subprocess.run([sys.executable, "-c", program, companded, out], check=True, timeout=60)
    np.testing.assert_array_equal(np.load(out), expanded(measurements[1]))


def test_codes_are_stored_in_the_narrowest_type(companded):
    group = zarr.open_group(companded, mode="r")
    assert len(TABLE.values) > 256
    assert group["0"].dtype == np.uint16  # of sums that are uint32
    assert group["companding"].metadata.dimension_names == ("code",)


def test_half_the_noise_saves_more_than_a_third(tmp_path, masks, measurements, companded):
    exact = write(tmp_path / "exact.tcs.zarr", masks, measurements, HEADER)
    sizes = [open_compressed(path).bytes_on_disk()["measurements"] for path in (exact, companded)]
    assert sizes[1] < 0.65 * sizes[0]


def test_a_measurement_beyond_the_table_is_refused_and_the_file_stays(companded, masks):
    path = companded.parent / "b.tcs.zarr"
    header = replace(HEADER, shape=(None, 40, 56), storage=Storage(TABLE))
    with CompressedWriter(path, masks, header) as writer:
        writer.append(Measurement(np.full((40, 56), 9, np.uint32), 0, RATIO))
        with pytest.raises(InputError, match=r"got uint32 values from 200000 to 200000 for a tab"):
            writer.append(Measurement(np.full((40, 56), 200_000, np.uint32), RATIO, RATIO))
    assert open_compressed(path).frames_valid == RATIO
    assert validate(path) == []


def test_every_flipped_bit_of_the_table_is_found(companded, measurements):
    rng = np.random.default_rng(0)
    for name in ("c/0", "zarr.json"):
        file = companded / "companding" / name
        good = file.read_bytes()
        for position in rng.choice(len(good), 40, replace=False).tolist():
            bad = bytearray(good)
            bad[position] ^= 1 << int(rng.integers(7))
            file.write_bytes(bad)
            if violations := validate(companded):
                assert "array 'companding'" in " ".join(violations)
                with pytest.raises(CorruptFileError, match="array 'companding'"):
                    open_compressed(companded)
            else:  # harmless, as an attribute of the document
                opened = open_compressed(companded)
                assert name == "zarr.json"
                np.testing.assert_array_equal(
                    opened.measurement(0).values, expanded(measurements[0])
                )
            file.write_bytes(good)


@pytest.mark.parametrize("name", ["c/0", "zarr.json"])
def test_a_missing_table_is_named(companded, name):
    (companded / "companding" / name).unlink()
    sentence = r"array 'companding' is missing or damaged .*expected the value of each code"
    with pytest.raises(CorruptFileError, match=sentence):
        open_compressed(companded)
    assert len(validate(companded)) == 1


def test_another_table_than_the_metadata_say_is_found(companded):
    def change(tcsdl):
        tcsdl["storage"]["companding"]["sha256"] = "0" * 64

    edit(companded, change)
    with pytest.raises(CorruptFileError, match="its values differ from their sha256"):
        open_compressed(companded)


@pytest.mark.parametrize("value", [None, [], {}, {"entropy": None, "companding": []}])
def test_a_damaged_description_of_the_storage_is_found(companded, value):
    edit(companded, lambda tcsdl: tcsdl.update(storage=value), seal=False)
    assert len(validate(companded)) >= 2
    with pytest.raises((CorruptFileError, InputError)):
        open_compressed(companded)


def test_a_code_without_a_value_is_found(companded):
    array = zarr.open_array(companded / "0", mode="r+")
    array[1] = np.full(SHAPE[1:], len(TABLE.values), np.uint16)
    sentence = (
        rf"measurement 1 \(frames 4–7\) does not fit the table .*got code {len(TABLE.values)}"
    )
    with pytest.raises(CorruptFileError, match=sentence):
        open_compressed(companded).measurement(1)
    assert len(validate(companded)) == 1


# --- entropy codings ----------------------------------------------------------------------------


@pytest.mark.parametrize("entropy", _entropy.ENTROPY_CODINGS)
@pytest.mark.parametrize("table", [None, TABLE], ids=["exact", "companded"])
def test_every_coding_gives_back_every_number(tmp_path, masks, measurements, entropy, table):
    header = replace(HEADER, storage=Storage(table, entropy))
    path = write(tmp_path / "movie.tcs.zarr", masks, measurements, header)
    opened = open_compressed(path)
    assert opened.header.storage.entropy == entropy
    for index, y in enumerate(measurements):
        expected = y.values if table is None else expanded(y)
        np.testing.assert_array_equal(opened.measurement(index).values, expected)
    assert validate(path) == []


@pytest.mark.parametrize("entropy", ["zstd", "jpegls", "best"])
@pytest.mark.parametrize("table", [None, TABLE], ids=["exact", "companded"])
def test_the_stored_size_is_that_of_the_file(tmp_path, masks, measurements, entropy, table):
    storage = Storage(table, entropy)
    path = write(tmp_path / "m.tcs.zarr", masks, measurements[:1], replace(HEADER, storage=storage))
    size = stored_size(measurements[0].values, storage)
    assert open_compressed(path).bytes_on_disk()["measurements"] == size
    assert (path / "0/c/0/0/0").stat().st_size == size


@pytest.mark.parametrize("entropy", ["jpegls", "jpegxl", "best"])
def test_flipped_bits_of_an_image_are_found(tmp_path, masks, measurements, entropy):
    header = replace(HEADER, storage=Storage(TABLE, entropy))
    path = write(tmp_path / "m.tcs.zarr", masks, measurements, header)
    file = path / "0/c/1/0/0"
    good, rng = file.read_bytes(), np.random.default_rng(0)
    opened = open_compressed(path)
    for position in rng.choice(len(good), 40, replace=False).tolist():
        bad = bytearray(good)
        bad[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(bad)
        with pytest.raises(CorruptFileError, match=r"measurement 1 \(frames 4–7\) is damaged"):
            opened.measurement(1)
    file.write_bytes(good)
    assert validate(path) == []


def test_a_reader_without_the_codec_is_told_what_it_lacks(
    tmp_path, masks, measurements, monkeypatch
):
    header = replace(HEADER, storage=Storage(TABLE, "jpegxl"))
    path = write(tmp_path / "m.tcs.zarr", masks, measurements, header)
    row = _entropy._CODINGS["jpegxl"]
    lacking = row._replace(codec=type("Absent", (), {"available": False}))
    monkeypatch.setitem(_entropy._CODINGS, "jpegxl", lacking)
    sentence = r"m\.tcs\.zarr: got measurements coded by JPEG XL, expected an imagecodecs that has"
    with pytest.raises(InputError, match=sentence):
        open_compressed(path)
    assert len(validate(path)) == 1
    with pytest.raises(InputError, match="pip install --force-reinstall imagecodecs"):
        CompressedWriter(tmp_path / "n.tcs.zarr", masks, header)


def test_a_coding_of_a_later_version_is_named(companded):
    edit(companded, lambda tcsdl: tcsdl["storage"].update(entropy="magic"))
    with pytest.raises(InputError, match=r"got measurements coded by 'magic', expected one of zst"):
        open_compressed(companded)


def test_standard_zarr_says_which_codec_it_misses(tmp_path, masks, measurements):
    header = replace(HEADER, storage=Storage(TABLE, "jpegls"))
    path = write(tmp_path / "m.tcs.zarr", masks, measurements, header)
    document = json.loads((path / "0/zarr.json").read_bytes())
    (sharding,) = document["codecs"]
    inner = sharding["configuration"]["codecs"]
    assert [codec["name"] for codec in inner] == ["napari_tcsdl.image", "crc32c"]
    assert inner[0]["configuration"] == {"codings": ["jpegls"]}


# --- files of version 1 -------------------------------------------------------------------------


@pytest.fixture
def first_version(tmp_path, masks, measurements):
    """A file as version 1 wrote it: exact sums, bits shuffled, zstd at level 5, no ``storage``."""
    header = replace(HEADER, storage=Storage(version=1))
    path = write(tmp_path / "old.tcs.zarr", masks, measurements, header)

    def as_then(tcsdl):
        tcsdl["format_version"] = 1
        del tcsdl["storage"], tcsdl["raw_coding"], tcsdl["persistence"], tcsdl["deviation"]
        del tcsdl["drift"]

    edit(path, as_then)
    document = json.loads((path / "0/zarr.json").read_bytes())
    blosc = document["codecs"][0]["configuration"]["codecs"][1]["configuration"]
    assert (blosc["shuffle"], blosc["clevel"], blosc["cname"]) == ("bitshuffle", 5, "zstd")
    return path


def test_files_of_version_1_open_and_are_valid(first_version, measurements):
    opened = open_compressed(first_version)
    assert opened.header.storage == Storage(version=1)
    assert opened.header.raw_coding is None
    assert (opened.header.persistence, opened.header.deviation) == (None, None)
    for index, y in enumerate(measurements):
        np.testing.assert_array_equal(opened.measurement(index).values, y.values)
    assert validate(first_version) == []


def test_codecs_of_version_2_do_not_pass_for_version_1(first_version):
    file = first_version / "0/zarr.json"
    file.write_text(file.read_text().replace("bitshuffle", "shuffle"))
    with pytest.raises(CorruptFileError, match=r'shuffle "shuffle" instead of "bitshuffle"'):
        open_compressed(first_version)
