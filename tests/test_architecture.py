"""Rules of the house that a tool can check."""

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import napari_tcsdl

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "napari", "qtpy", "numba", "matplotlib", "zarr", "scipy", "skimage"}


def modules_loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return {name.partition(".")[0] for name in json.loads(out.splitlines()[-1])}


def test_importing_the_package_loads_nothing_heavy():
    assert not HEAVY & modules_loaded_by("import napari_tcsdl")


def test_importing_the_command_line_loads_nothing_heavy():
    assert not HEAVY & modules_loaded_by("import napari_tcsdl.cli")


def test_files_are_read_and_written_without_torch():
    assert "torch" not in modules_loaded_by("import napari_tcsdl.pipeline")


def test_every_public_name_loads_from_its_module():
    for name in napari_tcsdl.__all__:
        assert getattr(napari_tcsdl, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(napari_tcsdl, "no_such_name")


def test_import_contracts_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_every_module_of_the_core_is_under_the_contracts():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    layers = set(re.findall(r"\w+", contracts["importlinter:contract:flow"]["layers"]))
    no_gui = contracts["importlinter:contract:gui"]["source_modules"].split()
    modules = {
        path.stem
        for path in (ROOT / "src" / "napari_tcsdl").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__", "__main__"}
    assert modules <= layers
    assert modules - {"display"} <= {name.removeprefix("napari_tcsdl.") for name in no_gui}


def test_the_data_flow_table_names_every_module():
    modules = {
        path.stem
        for path in (ROOT / "src" / "napari_tcsdl").iterdir()
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or path.is_dir())
    } - {"sample_data", "weights"}
    table = set(re.findall(r"``(\w+)``", napari_tcsdl.__doc__))
    assert modules <= table


def test_top_level_links_reach_the_packaged_files():
    package = ROOT / "src" / "napari_tcsdl"
    assert (ROOT / "napari.yaml").samefile(package / "napari.yaml")
    assert (ROOT / "sample_data").samefile(package / "sample_data")
