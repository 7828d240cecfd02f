"""What cannot be decoded: told once, tried again later, and no other block is the worse for it."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest
from decoding_helpers import threads, wait_until

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.display import background as background_module
from napari_tcsdl.display.background import Background
from napari_tcsdl.display.block_files import BlockFiles
from napari_tcsdl.display.contributions import read_layers
from napari_tcsdl.io import open_compressed
from napari_tcsdl.settings import Settings


@pytest.fixture
def shard(compressed_path):
    """Where the bytes of the second measurement are."""
    return next(path for path in sorted(compressed_path.rglob("c/1/*/*")) if path.is_file())


@pytest.fixture
def damaged(shard, compressed_path):
    """The file without the bytes of its second measurement."""
    shard.write_bytes(b"damaged")
    return open_compressed(compressed_path)


def test_a_damaged_block_is_told_once_and_the_others_are_decoded(make_stack, damaged):
    stack, told = make_stack(file=damaged), []
    stack.failed.connect(told.append)
    for index in (4, 5, 6):
        np.testing.assert_array_equal(stack.frame(index), -2.0)
        wait_until(lambda: stack._background.error(1) is not None)
    (sentence,) = told
    assert "frames 4–7" in sentence
    assert "expected" in sentence
    assert stack.stand_in_text() == "cannot be decoded\nmeasurement of frames 4 to 7"
    with pytest.raises(CorruptFileError, match="frames 4–7"):
        stack.decoded(4)
    assert np.isfinite(stack.decoded(8)).all()
    assert np.isfinite(stack.decoded(0)).all()


def test_a_damaged_block_parts_its_group(make_stack, damaged, learned):
    stack, told = make_stack(Settings(compression_ratio=4, decoder="learned"), damaged), []
    stack.ready.connect(lambda first, last: told.append((first, last)))
    assert np.isfinite(stack.decoded(0)).all()
    assert told == [(0, 3)]


def test_missing_weights_are_one_sentence_for_all_blocks(make_stack, tmp_path):
    settings = Settings(compression_ratio=4, weights=str(tmp_path / "none.safetensors"))
    stack, told = make_stack(settings), []
    stack.failed.connect(told.append)
    for index in (0, 4, 8):
        stack.frame(index)
        wait_until(lambda: not threads())
    (sentence,) = told
    assert "none.json" in sentence
    with pytest.raises(InputError, match=r"none\.json"):
        stack.decoded(0)


def test_an_unknown_error_becomes_a_sentence(make_stack, monkeypatch):
    def fail(self, decoder, block):
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(Background, "_decode", fail)
    stack, told = make_stack(), []
    stack.failed.connect(told.append)
    stack.frame(0)
    wait_until(lambda: told)
    assert told[0].startswith("got RuntimeError (the moon is full), expected")


def test_a_full_disk_is_a_sentence(make_stack, monkeypatch):
    def full(self, blocks):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BlockFiles, "write", full)
    stack, told = make_stack(), []
    stack.failed.connect(told.append)
    stack.frame(0)
    wait_until(lambda: told)
    assert told[0].startswith("got a full disk while writing results, expected free space")


# --- once more ----------------------------------------------------------------------------------


@pytest.fixture
def tries(monkeypatch):
    """Blocks in the order in which they were tried, whether that went well or not."""
    order, decode = [], Background._decode

    def count(self, decoder, block):
        order.append(block)
        decode(self, decoder, block)

    monkeypatch.setattr(Background, "_decode", count)
    return order


@pytest.fixture
def clock(monkeypatch):
    """What time it is for what is decoded in the background [s]."""
    now = [100.0]
    monkeypatch.setattr(background_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_block_that_can_be_read_again_is_decoded_after_some_seconds(
    make_stack, compressed_path, shard, tries, clock
):
    good = shard.read_bytes()
    shard.write_bytes(b"damaged")
    stack, told = make_stack(file=open_compressed(compressed_path)), []
    stack.failed.connect(told.append)
    stack.frame(4)
    wait_until(lambda: stack._background.error(1) is not None)
    shard.write_bytes(good)
    clock[0] += background_module.RETRY_SECONDS - 0.01
    for index in (4, 5, 6, 7) * 20:
        stack.frame(index)
    wait_until(lambda: not threads())
    assert tries == [1], "no storm of retries while the slider is moved"
    assert stack.stand_in_text().startswith("cannot be decoded")
    clock[0] += 0.02
    stack.frame(5)
    assert stack.stand_in_text().startswith("decoding…")
    wait_until(lambda: stack.is_decoded(5))
    assert tries == [1, 1]
    assert len(told) == 1
    assert np.isfinite(stack.frame(5)).all()
    assert stack.shows_decoded


def test_what_fails_again_is_tried_once_each_time_and_told_once(make_stack, damaged, tries, clock):
    stack, told = make_stack(file=damaged), []
    stack.failed.connect(told.append)
    for number in range(1, 4):
        for index in (4, 5, 6, 7):
            stack.frame(index)
            wait_until(lambda: not threads())
        assert tries == [1] * number
        clock[0] += background_module.RETRY_SECONDS
    assert len(told) == 1


def test_weights_that_are_in_their_place_meanwhile_serve(make_stack, clock, monkeypatch):
    missing = [True]
    make = Background._make_decoder

    def make_decoder(self):
        if missing[0]:
            raise InputError("got no weights, expected some; download them")
        return make(self)

    monkeypatch.setattr(Background, "_make_decoder", make_decoder)
    stack = make_stack()
    for index in (0, 4, 8):
        stack.frame(index)
        wait_until(lambda: not threads())
    missing[0] = False
    with pytest.raises(InputError, match="got no weights, expected some; download them"):
        stack.decoded(8)
    clock[0] += background_module.RETRY_SECONDS
    assert np.isfinite(stack.decoded(8)).all()
    assert stack._background.error(0) is None


def test_a_measurement_that_could_not_be_read_is_read_at_the_next_look(compressed_path, shard):
    good = shard.read_bytes()
    shard.write_bytes(b"damaged")
    ((stack, _, _),) = read_layers(compressed_path)
    assert np.isnan(stack[1]).all()
    assert np.isfinite(stack[0]).all()
    shard.write_bytes(good)
    assert np.isfinite(stack[1]).all()
