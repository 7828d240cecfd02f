"""The compressed file: metadata that are damaged, contradict the arrays, or are newer than we."""

import os
import re

import numpy as np
import pytest
from container_helpers import assert_same, edit_json, flip, write

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.io import _layout, open_compressed, validate


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
     ("deviation", [1.0]), ("deviation", {"factor": 0.9, "error": 0.1}),
     ("deviation", {"factor": -0.9, "error": 0.1, "weights": ""}),
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
