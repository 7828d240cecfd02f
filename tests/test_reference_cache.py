"""Kept references survive kills and are found again; damaged ones are never believed."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from napari_tcsdl import reference as reference_module
from napari_tcsdl._validation import InputError
from napari_tcsdl.comparison import compare
from napari_tcsdl.encoding import MovieStatistics
from napari_tcsdl.movie import Movie
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.noise_spectrum import NoiseSpectrum
from napari_tcsdl.reference import make_reference
from napari_tcsdl.reference_cache import ReferenceStore
from napari_tcsdl.settings import Settings

WHITE = NoiseSpectrum(np.ones((8, 8)))
STATISTICS = MovieStatistics((0.0, 150.0), NoiseModel(1.0, 0.0), WHITE)
METHOD = {"denoiser": "test"}


@pytest.fixture
def store(tmp_path):
    return ReferenceStore(tmp_path / "cache")


@pytest.fixture
def denoised(monkeypatch):
    """Counts the frames that are denoised; the fixture's list grows by one number a call."""
    calls = []
    real = reference_module.denoise_reference

    def counted(frames, *arguments, **options):
        calls.append(len(frames))
        return real(frames, *arguments, **options)

    monkeypatch.setattr(reference_module, "denoise_reference", counted)
    return calls


def entries(store):
    return sorted(store.folder.glob("*.tcsref"))


def made(movie, store):
    return make_reference(movie, "denoised", STATISTICS, None, store=store)


def test_each_frame_is_denoised_once(movie, frames, store, denoised):
    told = []
    first = made(movie, store)
    shown = first.frames(frames[2:7], 2)
    first.fill(told.append)
    assert sum(denoised) == len(frames)  # of a small movie the data range takes all of them
    assert told == [len(frames)]
    again = made(Movie(frames.copy(), name=movie.name), store)
    np.testing.assert_array_equal(again.frames(frames[2:7], 2), shown)
    assert again.data_range == first.data_range
    assert sum(denoised) == len(frames)
    without = made(movie, None)
    np.testing.assert_array_equal(without.frames(frames[2:7], 2), shown)
    assert sum(denoised) > len(frames)


def test_second_comparison_does_not_denoise(movie, store, tmp_path, denoised, monkeypatch):
    monkeypatch.setattr("napari_tcsdl.reference_cache.user_cache_path", lambda *_, **__: tmp_path)
    settings = Settings(compression_ratio=4, mask_tile=16, device="cpu", decoder="gap_tv")
    scores = []
    for name in ("a.tcs.zarr", "b.tcs.zarr"):
        comparison = compare(movie, tmp_path / name, settings)
        scores.append([row for block in comparison for row in block.scores])
        if len(scores) == 1:
            once = sum(denoised)
    assert once == movie.shape[0]
    assert sum(denoised) == once
    assert scores[0] == scores[1]


def test_truth_and_raw_need_no_cache(movie, frames, truth_frames, store, denoised):
    truth = Movie(truth_frames.astype(np.float32))
    for kind in ("truth", "raw"):
        reference = make_reference(movie, kind, STATISTICS, truth, store=store)
        reference.fill(lambda kept: pytest.fail("there is nothing to keep"))
        assert len(reference.frames(frames[:2], 0)) == 2
    assert not denoised
    assert not store.folder.exists()


def test_parts_of_frames_are_denoised_but_not_kept(movie, frames, store, denoised):
    reference = made(movie, store)
    once = sum(denoised)
    part = reference.frames(frames[:1, 8:40, 8:30], 0)
    assert part.shape == (1, 32, 22)
    assert sum(denoised) == once + 1
    assert reference.frames(frames[:1], 0).shape == (1, 48, 40)
    assert sum(denoised) == once + 1


@pytest.mark.parametrize("change", ["pixel", "name", "noise", "method"])
def test_what_differs_is_not_mixed_up(frames, store, change):
    movie, method = Movie(frames, name="a"), METHOD
    kept = store.open(movie, method)
    assert kept.keep(0, frames[0], frames[0].astype(np.float32))
    assert store.open(movie, method).load(0, frames[0]) is not None
    other = frames.copy()
    if change == "pixel":
        other[0, 3, 3] += 1
    if change == "method":
        method = {"denoiser": "another"}
    if change == "noise":
        method = {"denoiser": "test", "noise": [1.0, 0.0]}
    movie = Movie(other, name="b" if change == "name" else "a")
    assert store.open(movie, method).load(0, other[0]) is None


def test_another_file_of_that_name_is_another_movie(frames, store, tmp_path):
    path = tmp_path / "movie.tif"
    path.write_bytes(b"one")
    movie = Movie(frames, name="a", path=str(path))
    first = store.open(movie, METHOD)
    assert store.open(movie, METHOD).path == first.path
    path.write_bytes(b"another")
    assert store.open(movie, METHOD).path != first.path


def test_a_reference_of_another_raw_frame_is_not_given(movie, frames, store):
    """Frames between the sampled ones may differ: each has a checksum of its own."""
    kept = store.open(movie, METHOD)
    kept.keep(4, frames[4], np.ones(frames[4].shape, np.float32))
    assert kept.load(4, frames[4]) is not None
    changed = frames[4].copy()
    changed[0, 0] += 1
    assert kept.load(4, changed) is None


def test_every_flipped_bit_is_noticed(movie, frames, store):
    kept = store.open(movie, METHOD)
    reference = frames.astype(np.float32)
    for index in range(2):
        kept.keep(index, frames[index], reference[index])
    whole = kept.path.read_bytes()
    generator = np.random.default_rng(0)
    records = 1024 + 16 + np.arange(24)
    payload = 1024 + 16 + 12 * len(frames) + generator.integers(0, 2 * 4 * 48 * 40, 40)
    for position in [*records, *payload]:
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(generator.integers(8))
        kept.path.write_bytes(damaged)
        found = [kept.load(index, frames[index]) for index in range(2)]
        assert sum(frame is None for frame in found) == 1
        for index, frame in enumerate(found):
            if frame is not None:
                np.testing.assert_array_equal(frame, reference[index])


def test_damaged_frames_are_computed_again(movie, frames, store, denoised):
    reference = made(movie, store)
    expected = reference.frames(frames, 0)
    once = sum(denoised)
    (path,) = entries(store)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4  # the last frame
    content[1024 + 3] ^= 1  # the data range
    path.write_bytes(content)
    again = made(movie, store)
    assert again.data_range == reference.data_range
    np.testing.assert_array_equal(again.frames(frames, 0), expected)
    assert sum(denoised) == once + 1


@pytest.mark.parametrize("damage", [b"", b"tcsdl reference\n", None])
def test_a_file_that_is_none_is_thrown_away(movie, frames, store, damage):
    kept = store.open(movie, METHOD)
    kept.keep(0, frames[0], frames[0].astype(np.float32))
    content = kept.path.read_bytes()
    kept.path.write_bytes(content[:-1] if damage is None else damage)
    assert not kept.intact
    assert kept.load(len(frames) - 1, frames[-1]) is None
    again = store.open(movie, METHOD)
    assert again.intact
    assert not again.has(0)


def test_the_oldest_are_deleted_first(frames, store):
    probe = store.open(Movie(frames, name="probe"), METHOD)
    sizes = probe.nbytes
    probe.path.unlink()
    limited = ReferenceStore(store.folder, limit=3 * sizes)
    opened = {}
    for age, name in enumerate("abc"):
        opened[name] = limited.open(Movie(frames, name=name), METHOD)
        os.utime(opened[name].path, (1000 + age, 1000 + age))
    limited.open(Movie(frames, name="a"), METHOD)  # used again: now b is the oldest
    opened["d"] = limited.open(Movie(frames, name="d"), METHOD)
    kept = {name for name, cached in opened.items() if cached.path.exists()}
    assert kept == {"a", "c", "d"}
    assert sum(path.stat().st_size for path in entries(store)) <= limited.limit
    assert not opened["b"].keep(0, frames[0], frames[0].astype(np.float32))
    assert opened["b"].load(0, frames[0]) is None


def test_what_is_larger_than_the_limit_is_not_kept(movie, frames, store, denoised):
    small = ReferenceStore(store.folder, limit=1000)
    reference = made(movie, small)
    reference.fill(lambda kept: pytest.fail("there is nowhere to keep it"))
    assert reference.cache is None
    assert reference.frames(frames[:1], 0).shape == (1, 48, 40)
    assert not store.folder.exists()
    with pytest.raises(InputError, match="limit of -1 bytes for cached references, expected 0"):
        ReferenceStore(store.folder, limit=-1)


def test_a_folder_that_cannot_be_made_costs_only_time(movie, frames, tmp_path):
    (tmp_path / "file").write_text("in the way")
    reference = made(movie, ReferenceStore(tmp_path / "file" / "cache"))
    assert reference.cache is None
    assert np.isfinite(reference.frames(frames[:1], 0)).all()


def test_leftovers_of_killed_processes_go(movie, store):
    store.folder.mkdir(parents=True)
    old, new = store.folder / ".x.partial", store.folder / ".y.partial"
    for path in (old, new):
        path.write_bytes(b"")
    os.utime(old, (1000, 1000))
    store.open(movie, METHOD)
    assert not old.exists()
    assert new.exists()


def test_several_writers_do_not_disturb_each_other(movie, frames, store):
    reference = np.sqrt(frames).astype(np.float32)

    def write():
        kept = store.open(movie, METHOD)
        for index in range(len(frames)):
            kept.keep(index, frames[index], reference[index])

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = store.open(movie, METHOD)
    for index in range(len(frames)):
        np.testing.assert_array_equal(kept.load(index, frames[index]), reference[index])
    assert len(entries(store)) == 1


WRITER = """
import sys
from pathlib import Path
import numpy as np
from napari_tcsdl.reference_cache import CachedFrames
kept = CachedFrames(Path(sys.argv[1]), (9, 48, 40))
index = 0
while True:
    raw = np.full((48, 40), index % 9, np.uint8)
    kept.keep(index % 9, raw, np.sqrt(raw + 0.5 + index // 9 % 2).astype(np.float32))
    index += 1
    if index == 9:
        print("written", flush=True)
"""


def test_a_kill_leaves_only_whole_frames(movie, store):
    """The writer goes on changing frames until it is killed: never is a mixture believed."""
    kept = store.open(movie, METHOD)
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(kept.path)], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            process.kill()
        assert kept.intact
        found = 0
        for index in range(9):
            raw = np.full((48, 40), index, np.uint8)
            frame = kept.load(index, raw)
            if frame is not None:
                assert len(np.unique(frame)) == 1
                found += 1
        assert found >= 8  # at most the one that was being written is lost
