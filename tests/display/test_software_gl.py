"""Software OpenGL: a second run must not end the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from vispy.gloo import gl, glir

from napari_tcsdl.display._qt.software_gl import spare_programs

REMOVE = """
import napari, numpy as np
from qtpy.QtTest import QTest
from napari_tcsdl.display._qt.software_gl import spare_programs
viewer = napari.Viewer()
assert spare_programs()
layers = [viewer.add_image(np.random.rand(64, 64).astype(np.float32)) for _ in range(4)]
QTest.qWait(200)
for layer in layers[1:]:
    layer.visible = False
QTest.qWait(200)
for layer in layers[1:]:
    viewer.layers.remove(layer)
    QTest.qWait(200)
viewer.close()
print("drawn to the end")
"""


def test_hidden_layers_can_be_removed_one_after_the_other(window):
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(REMOVE)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "drawn to the end" in run.stdout, run.stderr[-2000:]


@pytest.mark.parametrize(
    ("renderer", "deleted"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", []),
        ("softpipe", []),
        ("NVIDIA RTX A4000/PCIe/SSE2", ["program"]),
        (None, ["program"]),
    ],
)
def test_programs_are_spared_in_software_only(monkeypatch, renderer, deleted):
    found = []
    monkeypatch.setattr(glir.GlirProgram, "delete", found.append)
    assert spare_programs()
    assert spare_programs(), "once is enough"
    monkeypatch.setattr(gl, "glGetParameter", lambda name: renderer)
    glir.GlirProgram.delete("program")
    assert found == deleted


def test_another_vispy_is_left_as_it_is(monkeypatch):
    monkeypatch.delattr(glir, "GlirProgram")
    assert not spare_programs()
