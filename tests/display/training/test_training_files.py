"""Where weights go, and which can be trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_weights import ABOUT, counted_frames

import napari_tcsdl
from napari_tcsdl._validation import InputError, OutputError
from napari_tcsdl.display import training_files
from napari_tcsdl.display.training_files import (
    check_free,
    find_trainable,
    free_path,
    origin_of,
    proposed_path,
    start_of,
    with_suffix,
)
from napari_tcsdl.movie import Movie
from napari_tcsdl.settings import Settings


def test_weights_go_beside_the_movie_under_a_free_name(tmp_path):
    movie = Movie(counted_frames(), name="m", path=str(tmp_path / "my movie.tif"))
    path = proposed_path(movie, "unfolding", 10)
    assert path == tmp_path / "my_movie_unfolding_B10.safetensors"
    path.with_suffix(".json").touch()
    assert proposed_path(movie, "unfolding", 10).name == "my_movie_unfolding_B10_2.safetensors"


@pytest.mark.parametrize("path", [None, Path(napari_tcsdl.__file__).parent / "x" / "sample.tif"])
def test_weights_for_samples_and_arrays_go_with_the_users_data(path, tmp_path, monkeypatch):
    monkeypatch.setattr(training_files, "user_data_path", lambda *_, **__: tmp_path / "data")
    movie = Movie(counted_frames(), name="a/b: c", path=str(path) if path else None)
    found = proposed_path(movie, "unfolding", 4)
    assert found.parent == tmp_path / "data" / "weights"
    assert found.name == "b_c_unfolding_B4.safetensors"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="which cannot be written, expected a folder"):
        check_free(tmp_path / "file" / "w.safetensors")
    check_free(tmp_path / "new" / "deep" / "w.safetensors")


def test_names_are_whole_and_free(tmp_path):
    assert with_suffix("a/b.v2").name == "b.v2.safetensors"
    assert with_suffix("b.safetensors").name == "b.safetensors"
    assert free_path(tmp_path / "w.safetensors") == tmp_path / "w.safetensors"


def test_only_learned_decoders_can_be_trained(settings):
    assert list(find_trainable()) == ["unfolding", "bidirectional"]
    with pytest.raises(InputError, match="got decoder 'gap_tv' to train, expected one of unf"):
        start_of(Settings(decoder="gap_tv"))
    start, origin = start_of(settings)
    assert start.about == ABOUT
    assert origin == "the weights tiny"
    assert origin_of(Settings()) == "the weights that come with the package"


def test_a_ratio_that_the_weights_do_not_know_is_refused(settings):
    with pytest.raises(InputError, match=r"got compression ratio B = 9 .* expected B = 2 to 6"):
        start_of(replace(settings, compression_ratio=9))
