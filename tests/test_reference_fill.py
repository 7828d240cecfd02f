"""A reference is filled in the background: what is looked at first, stopped and gone on with."""

import numpy as np
import pytest

from napari_tcsdl import reference as reference_module
from napari_tcsdl._validation import Cancelled
from napari_tcsdl.encoding import MovieStatistics
from napari_tcsdl.noise import NoiseModel
from napari_tcsdl.noise_spectrum import NoiseSpectrum
from napari_tcsdl.reference import make_reference
from napari_tcsdl.reference_cache import ReferenceStore

WHITE = NoiseSpectrum(np.ones((8, 8)))
STATISTICS = MovieStatistics((0.0, 150.0), NoiseModel(1.0, 0.0), WHITE)


def made(movie, store):
    return make_reference(movie, "denoised", STATISTICS, None, store=store)


@pytest.fixture
def store(tmp_path):
    return ReferenceStore(tmp_path / "cache")


@pytest.fixture
def begun(movie, frames, store, monkeypatch):
    """Only the two frames that tell the data range are kept: 0 and 8."""
    monkeypatch.setattr(reference_module, "_SAMPLED", 2 * frames[0].size)
    reference = made(movie, store)
    assert kept(reference) == [0, 8]
    return reference


def kept(reference):
    return [index for index in range(9) if reference.cache.has(index)]


def test_what_is_shown_comes_first_and_it_stops_within_a_frame_and_goes_on(
    begun, movie, frames, store
):
    told, looks = [], iter([5, 5, 2, 2])

    def step(count):
        told.append(count)
        if told.count(5) == 3:  # after a frame was begun
            raise Cancelled

    with pytest.raises(Cancelled):
        begun.fill(step, lambda: next(looks))
    assert kept(begun) == [0, 2, 4, 5, 8]
    assert told == sorted(told)
    made(movie, store).fill(told.append)
    assert kept(begun) == list(range(9))
    assert told[-1] == 9
    np.testing.assert_array_equal(
        begun.frames(frames[3:4], 3), made(movie, None).frames(frames[3:4], 3)
    )


def test_what_a_run_has_kept_meanwhile_is_passed_over(begun, frames, monkeypatch):
    denoise, done = reference_module.denoise_reference, []

    def counted(frames, *arguments, **options):
        done.append(len(frames))
        return denoise(frames, *arguments, **options)

    monkeypatch.setattr(reference_module, "denoise_reference", counted)

    def step(count):
        if count == 2:
            begun.frames(frames[3:6], 3)

    begun.fill(step)
    assert kept(begun) == list(range(9))
    assert sum(done) == 7


def test_it_ends_where_the_file_has_gone(begun):
    told = []

    def step(count):
        told.append(count)
        begun.cache.path.unlink(missing_ok=True)

    begun.fill(step)
    assert set(told) == {2}
