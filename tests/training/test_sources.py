"""Scenes to train on: crops of a library, procedural movies, and both mixed."""

from functools import partial

import numpy as np
import pytest
import torch
from tiny_training import still_scenes

from napari_tcsdl._validation import CorruptFileError, InputError
from napari_tcsdl.training import sources
from napari_tcsdl.training.lasting import whole_products
from napari_tcsdl.training.library import Library, census
from napari_tcsdl.training.scenes import Scenes
from napari_tcsdl.training.sources import (
    MixedScenes,
    held_out_names,
    held_out_scenes,
    procedural,
    training_scenes,
)

SHAPE = (5, 16, 16)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def nines(count, shape, generator):
    return Scenes.alone(torch.full((count, *shape), 9.0))


def write_movies(folder, numbers, shape=(6, 24, 20)):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        movie = 0.5 + np.random.default_rng(number).random(shape)
        np.save(folder / f"scene_{number:03d}.npy", movie.astype(np.float16))
    return folder


def both_parts(folder):
    return [Library(folder, held_out=held_out) for held_out in (False, True)]


@pytest.fixture
def folder(tmp_path):
    return write_movies(tmp_path / "library", range(40))


def test_every_movie_is_trained_on_or_held_out(folder):
    train, held_out = Library(folder), Library(folder, held_out=True)
    assert not set(train.movies) & set(held_out.movies)
    assert set(train.movies) | set(held_out.movies) == {path.name for path in folder.iterdir()}
    assert 0 < len(held_out.movies) < 12
    assert census(folder) == (len(train.movies), len(held_out.movies))


@pytest.mark.parametrize("shape", [SHAPE, (1, 8, 8), (30, 16, 16), (3, 32, 32)])
def test_crops_have_the_shape_and_are_intensities(folder, shape):
    """Also of movies that are shorter or smaller than what is asked for."""
    crops = Library(folder).crops(12, shape, seeded()).frames
    assert crops.shape == (12, *shape)
    assert crops.dtype == torch.float32
    assert torch.isfinite(crops).all()
    assert float(crops.min()) >= 0.019
    assert 0.5 < float(crops.mean()) < 1.5


def test_crops_follow_the_generator(folder):
    library = Library(folder)
    first, second, other = (library.crops(3, SHAPE, seeded(seed)).frames for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_crops_tell_of_their_movie_unless_their_window_moves(tmp_path):
    folder = write_movies(tmp_path, range(6), (12, 64, 64))
    library = Library(folder)
    scenes = library.crops(60, (8, 32, 32), seeded())
    still = [whole for whole in scenes.wholes if whole is not None]
    assert 0.55 < len(still) / 60 < 0.85
    known = [whole_products(movie) for movie in library.movies.values()]
    for whole in still:
        assert any(np.array_equal(whole.products, products) for products in known)
        assert whole.power == pytest.approx(1 / 12, rel=0.1)  # of white noise from 0 to 1


def test_a_movie_of_one_frame_tells_nothing_of_itself(tmp_path):
    library = Library(write_movies(tmp_path, range(4), (1, 24, 24)))
    assert library.crops(8, SHAPE, seeded()).wholes == (None,) * 8


def test_a_movie_too_short_swings_back_at_its_ends(tmp_path):
    ramp = np.linspace(0.5, 1.5, 4)[:, None, None] * np.ones((4, 16, 16))
    (tmp_path / "a").mkdir()
    for number in range(9):
        np.save(tmp_path / "a" / f"{number}.npy", ramp.astype(np.float16))
    for seed in range(5):
        crops = Library(tmp_path / "a").crops(1, (12, 16, 16), seeded(seed)).frames
        brightness = crops.mean((0, 2, 3))
        steps = brightness.diff().abs()
        torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=0.02, atol=1e-3)


def test_new_files_are_found_and_broken_ones_named(folder):
    library = Library(folder)
    before = len(library.movies)
    write_movies(folder, range(40, 60))
    library.refresh()
    assert len(library.movies) > before
    (folder / "scene_999.npy").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match=r"scene_999.npy, which cannot be read"):
        both_parts(folder)


def test_a_file_of_another_shape_is_named(tmp_path):
    np.save(tmp_path / "flat.npy", np.ones((4, 4)))
    with pytest.raises(InputError, match=r"flat.npy of shape \(4, 4\), expected \(T, H, W\)"):
        both_parts(tmp_path)


def test_an_empty_library_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"got no movie in .*; render some first"):
        Library(tmp_path).crops(1, SHAPE, seeded())


def test_the_share_of_the_library_is_kept(folder):
    marked = []

    def others(count, shape, generator):
        marked.append(count)
        return nines(count, shape, generator)

    mixed = MixedScenes(Library(folder), 0.25, others)
    scenes = mixed(400, (1, 8, 8), seeded())
    movies = scenes.frames
    assert len(movies) == len(scenes.wholes) == 400
    assert sum(marked) == int((movies.flatten(1) == 9).all(1).sum())
    assert sum(marked) / 400 == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize(("share", "count"), [(0.0, 3), (1.0, 0)])
def test_a_share_of_none_or_all(folder, share, count):
    mixed = MixedScenes(Library(folder), share, nines)
    assert int((mixed(3, SHAPE, seeded()).frames == 9).flatten(1).all(1).sum()) == count


def test_a_library_that_fills_later_is_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "REFRESH_EVERY", 3)
    mixed = MixedScenes(Library(tmp_path), 1.0, nines)
    assert (mixed(1, SHAPE, seeded()).frames == 9).all()
    write_movies(tmp_path, range(5))
    assert (mixed(1, SHAPE, seeded()).frames == 9).all()
    assert (mixed(1, SHAPE, seeded()).frames != 9).any()


def test_procedural_movies_come_without_a_library():
    assert training_scenes(None, 0.5) is procedural
    movies = procedural(1, (2, 16, 16), seeded())
    assert movies.frames.shape == (1, 2, 16, 16)
    assert movies.wholes == (None,)
    assert torch.equal(movies.frames, procedural(1, (2, 16, 16), seeded()).frames)
    assert list(held_out_scenes(None, [])) == ["procedural"]
    assert held_out_names(None) == []


def test_validation_uses_movies_held_out(folder):
    names = held_out_names(str(folder))
    scenes = held_out_scenes(str(folder), names)
    assert list(scenes) == ["procedural", "library"]
    assert scenes["library"].__self__.held_out
    write_movies(folder, range(40, 80))
    assert len(held_out_names(str(folder))) > len(names)
    same = held_out_scenes(str(folder), names)["library"]
    first, second = (source(4, SHAPE, seeded()) for source in (same, scenes["library"]))
    assert torch.equal(first.frames, second.frames)
    with pytest.raises(InputError, match=r"without gone.npy, expected the 1 movies that this run"):
        held_out_scenes(str(folder), ["gone.npy"])
    assert isinstance(training_scenes(str(folder), 0.5), MixedScenes)
    assert training_scenes(str(folder), 0.5).library.held_out is False


def test_a_library_that_is_not_there(tmp_path):
    absent = str(tmp_path / "absent")
    for scenes in (partial(training_scenes, share=0.5), partial(held_out_scenes, names=[])):
        with pytest.raises(InputError, match=r"which is no folder, expected one of NAME.npy files"):
            scenes(absent)


def test_scenes_lie_where_the_generator_does(folder):
    assert Library(folder).crops(1, SHAPE, seeded()).frames.device == seeded().device
    assert still_scenes(1, SHAPE, seeded()).frames.device == seeded().device
