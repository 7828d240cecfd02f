"""Molecular dynamics: starting positions, stored trajectories, what is missing without asap3."""

import sys

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from napari_tcsdl._validation import CorruptFileError, InputError, OutputError
from napari_tcsdl.simulate import bending, dynamics, library, rigid, sintering
from napari_tcsdl.simulate.dynamics import (
    TRAJECTORIES,
    SinterSettings,
    sinter,
    starting_positions,
)
from napari_tcsdl.simulate.library import write_library
from napari_tcsdl.simulate.sample_scenes import sinter_trajectory
from napari_tcsdl.simulate.trajectory import Trajectory


def test_without_asap3_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "asap3", None)
    with pytest.raises(
        InputError, match=r"got no asap3, .* pip install 'napari-tcsdl\[simulate\]'"
    ):
        sinter(SinterSettings(radii=(5.0,), snapshots=1))


@pytest.mark.filterwarnings("default")  # asap3's own
def test_a_small_crystal_stays_one_at_room_temperature():
    pytest.importorskip("asap3")
    settings = SinterSettings(
        radii=(6.0,), temperature=300, snapshots=2, interval=0.1, quench_steps=10, seed=3
    )
    seen = []
    trajectory = sinter(settings, lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    assert trajectory.positions.shape == (2, len(starting_positions(settings)), 3)
    moved = np.linalg.norm(trajectory.positions[1] - trajectory.positions[0], axis=1)
    assert np.median(moved) < 0.5
    np.testing.assert_allclose(trajectory.positions.mean(axis=1), 0, atol=1e-9)
    nearest = cKDTree(trajectory.positions[1]).query(trajectory.positions[1], k=2)[0][:, 1]
    assert 2.5 < nearest.min() < nearest.max() < 3.3


@pytest.mark.parametrize("name", ["au_three", "pt_pair", "au_sample"])
def test_crystals_start_side_by_side(name):
    settings = TRAJECTORIES[name]
    atoms = starting_positions(settings)
    assert 250 * len(settings.radii) < len(atoms) < 1500 * len(settings.radii)
    assert cKDTree(atoms).query(atoms, k=2)[0][:, 1].min() > 1.9
    np.testing.assert_array_equal(atoms, starting_positions(settings))


def test_a_trajectory_survives_its_file_to_a_hundredth_of_an_angstrom(tmp_path):
    rng = np.random.default_rng(1)
    positions = 60 * (rng.random((1, 200, 3)) - 0.5) + rng.normal(0, 0.2, (20, 200, 3)).cumsum(0)
    path = tmp_path / "walk.npz"
    Trajectory("Pt", positions, 5.0).save(path)
    loaded = Trajectory.load(path)
    assert (loaded.symbol, loaded.interval) == ("Pt", 5.0)
    assert np.abs(loaded.positions - positions).max() <= 0.0026  # steps do not add up their errors
    assert path.stat().st_size < 0.5 * positions.astype(np.float32).nbytes
    with pytest.raises(OutputError, match="exists already, expected a new name"):
        loaded.save(path)


@pytest.mark.parametrize("far", [164.0, np.nan])
def test_coordinates_that_do_not_fit_into_the_file_are_refused(tmp_path, far):
    """164 Å would come back as −163.7."""
    path = tmp_path / "far.npz"
    with pytest.raises(InputError, match=r"farther than 163\.8 Å from the origin, expected"):
        Trajectory("Au", np.array([[[0.0, 0.0, far]]]), 5.0).save(path)
    assert not path.exists()
    Trajectory("Au", np.array([[[-163.8, 163.8, 0.0]]]), 5.0).save(path)
    np.testing.assert_allclose(Trajectory.load(path).positions, [[[-163.8, 163.8, 0.0]]])


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    Trajectory("Au", np.random.default_rng(0).random((3, 50, 3)), 5.0).save(path)
    whole = path.read_bytes()
    damaged = whole[:200] + bytes(50) + whole[250:]
    np.savez(path, other=np.zeros(3))
    with pytest.raises(CorruptFileError, match="expected a trajectory; make it again"):
        Trajectory.load(path)
    for content in (b"nothing", b"", whole[: len(whole) // 2], damaged):
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match="expected a trajectory"):
            Trajectory.load(path)


def test_the_shipped_crystals_grow_together():
    """Bonds between the two crystals, a handful at first contact, become a neck."""
    positions = sinter_trajectory().positions
    _, crystal = kmeans2(positions[0], 2, seed=0, minit="++")
    assert 0.3 < crystal.mean() < 0.7
    across, bonds = [], []
    for moment in positions[[0, 30, 59]]:
        pairs = cKDTree(moment).query_pairs(3.3, output_type="ndarray")
        across.append((crystal[pairs[:, 0]] != crystal[pairs[:, 1]]).sum())
        bonds.append(len(pairs))
    assert across[0] < 20 < 100 < across[1] < across[2]
    assert bonds == sorted(bonds)  # surface is lost


def test_library_files_are_written_once_and_whole(tmp_path, capsys):
    calls = []

    def maker(seed, n_frames, side):
        calls.append((seed, n_frames, side))
        return np.full((2, 4, 4), seed, np.float32)

    write_library(tmp_path / "new", maker, "test", range(3))
    write_library(tmp_path / "new", maker, "test", range(4))
    assert calls == [(0, 48, 192), (1, 52, 256), (2, 56, 256), (3, 60, 192)]
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == [f"test_{seed:05d}.npy" for seed in range(4)]  # nothing unfinished is left
    stored = np.load(tmp_path / "new" / "test_00002.npy")
    assert stored.dtype == np.float16
    assert (stored == 2).all()
    assert "test_00003.npy: (2, 4, 4), mean 3.000" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["crystals", "fibre", "au_pair"])
def test_movies_of_a_library_are_made_on_the_device_that_is_named(kind, tmp_path, monkeypatch):
    asked = []

    def made(*scene_and_device):
        asked.append(scene_and_device[-1])
        return np.ones((3, 32, 32), np.float32)

    for module, name in ((rigid, "render"), (sintering, "render"), (bending, "fibre_movie")):
        monkeypatch.setattr(module, name, made)
    positions = np.random.default_rng(1).normal(size=(3, 9, 3))
    Trajectory("Au", positions, 1.0).save(tmp_path / "au_pair.npz")
    library.maker_of(kind, tmp_path, torch.device("cuda", 1))(1, 3, 32)
    library.maker_of(kind, tmp_path)(1, 3, 32)
    assert asked == [torch.device("cuda", 1), "cpu"]


def test_a_device_that_is_not_there_is_refused(tmp_path, capsys):
    assert library.main([str(tmp_path / "new"), "--device", "abacus"]) == 2
    assert "got device 'abacus', expected one that torch can use here" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_commands_say_what_they_want(tmp_path, capsys):
    assert dynamics.main([]) == 2
    assert "usage: python -m napari_tcsdl.simulate.dynamics FOLDER" in capsys.readouterr().err
    assert dynamics.main([str(tmp_path), "nothing"]) == 2
    assert library.main([str(tmp_path), "--kind", "au_pair"]) == 2
    assert "got no trajectory au_pair.npz, expected --trajectories" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"radii": ()}, "got 0 crystals, expected 1 … 6"),
        ({"temperature": 0.0}, "got 0.0 K and 60 snapshots 5.0 ps apart, expected 0 … 2000 K"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        SinterSettings(**settings)
