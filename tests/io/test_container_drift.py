"""A compressed file says where the specimen lies in each frame, and never says it wrongly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from container_helpers import RATIO, SHAPE, edit_json, write

from napari_tcsdl._validation import CorruptFileError
from napari_tcsdl.io import open_compressed, validate
from napari_tcsdl.io._layout import checksum


def followed(measurements, seed=0):
    """The same measurements of a specimen that drifts, and where it lies in all frames."""
    steps = np.random.default_rng(seed).normal(0.5, 2, (SHAPE[0], 2))
    positions = steps.cumsum(0) - steps[0]
    return [
        replace(one, positions=positions[one.first_frame : one.first_frame + one.n_frames])
        for one in measurements
    ], positions


def damaged(path, entry):
    """Give the file another entry, and the checksum that goes with it."""

    def change(document):
        document["attributes"]["tcsdl"]["drift"] = entry
        document["attributes"]["tcsdl"]["sha256"] = checksum(document["attributes"])

    edit_json(path / "zarr.json", change)


def test_positions_come_back_to_an_eighth_of_a_pixel(path, masks, measurements):
    moving, positions = followed(measurements)
    opened = open_compressed(write(path, masks, moving))
    assert opened.positions.shape == (SHAPE[0], 2)
    assert np.abs(opened.positions - positions).max() <= 0.125
    last = opened.measurement(opened.n_measurements - 1)
    np.testing.assert_array_equal(last.positions, opened.positions[-2:])
    assert last.n_frames == 2


def test_positions_take_a_few_bytes_a_frame(path, tmp_path, masks, measurements):
    moving, _ = followed(measurements)
    sizes = [
        open_compressed(write(file, masks, blocks)).bytes_on_disk()["total"]
        for file, blocks in ((path, moving), (tmp_path / "still.tcs.zarr", measurements))
    ]
    assert sizes[0] - sizes[1] < 40 + 8 * SHAPE[0]


def test_a_file_that_was_not_followed_says_nothing(written):
    opened = open_compressed(written)
    assert opened.positions is None
    assert opened.measurement(0).positions is None


@pytest.mark.parametrize("unknown", [0, 1])
def test_what_was_followed_in_part_says_nothing(path, masks, measurements, unknown):
    moving, _ = followed(measurements)
    moving[unknown] = replace(moving[unknown], positions=None)
    assert open_compressed(write(path, masks, moving)).positions is None


def test_an_interrupted_file_knows_the_frames_that_it_holds(path, masks, measurements):
    moving, positions = followed(measurements)
    opened = open_compressed(write(path, masks, moving[:2]))
    assert opened.frames_valid == 2 * RATIO
    assert np.abs(opened.positions - positions[: 2 * RATIO]).max() <= 0.125


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"step": 0.25},
        {"step": "0.25", "steps": ""},
        {"step": 0.25, "steps": "not base64!"},
        {"step": 0.25, "steps": "AAAA"},
        {"step": None, "steps": "eJwDAAAAAAE="},
        {"step": 0.25, "steps": "eJwDAAAAAAE="},  # of no frame
        [1, 2],
    ],
)
def test_damage_is_named(path, masks, measurements, entry):
    moving, _ = followed(measurements)
    write(path, masks, moving)
    damaged(path, entry)
    with pytest.raises(CorruptFileError, match=r"damaged entry 'drift' .*, expected where the spe"):
        open_compressed(path)
    (found,) = validate(path)
    assert "'drift'" in found


def test_a_changed_entry_is_found_by_the_checksum(path, masks, measurements):
    moving, _ = followed(measurements)
    write(path, masks, moving)

    def change(document):
        document["attributes"]["tcsdl"]["drift"]["step"] = 0.5

    edit_json(path / "zarr.json", change)
    with pytest.raises(CorruptFileError, match="sha256"):
        open_compressed(path)
    assert json.loads((path / "zarr.json").read_text())  # it is still JSON
