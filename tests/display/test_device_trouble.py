"""A GPU that is full, or is lost, while a network decodes: from its forward pass to the window.

No GPU is needed: a second name of the CPU stands in the list of devices for one, and the forward
pass of the network raises what torch raises there. All between that and the sentence is real.
"""

from __future__ import annotations

import pytest
import torch
from tiny_weights import counted_frames, write_tiny_weights

from napari_tcsdl import _device
from napari_tcsdl._device import DeviceChoice
from napari_tcsdl.display._qt.docks import LEAST_WINDOW
from napari_tcsdl.display._qt.workbench import Workbench
from napari_tcsdl.display.session import Session
from napari_tcsdl.reconstruction._unfolding_net import UnfoldingNet
from napari_tcsdl.settings import Settings

WAIT = 120_000
GPU = "cpu:0"
FRAMES, SIDE, RATIO = 2, 192, 2
FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …")
LOST = getattr(torch, "AcceleratorError", RuntimeError)(
    "CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later."
)


@pytest.fixture
def gpu(monkeypatch):
    """A device beside the CPU; torch computes on the CPU for it."""
    made_up = DeviceChoice(torch.device(GPU), "GPU: in its place", "for this test")
    there = _device.available_devices
    monkeypatch.setattr(_device, "available_devices", lambda: [made_up, *there()])
    return made_up


@pytest.fixture
def panel(window, gpu, qtbot, tmp_path):
    """The step "Compare" in a real window, over a movie of one block."""
    viewer = window(show=True)
    viewer.window._qt_window.resize(1000, LEAST_WINDOW - 100)  # no docks: they are not at stake
    viewer.add_image(counted_frames(FRAMES, SIDE, SIDE), name="movie")
    session = Session.of(viewer)
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    bench = Workbench(viewer)
    viewer.window.add_dock_widget(bench, name="Workbench", area="right")
    panel = bench.compare
    session.settings = Settings(
        compression_ratio=RATIO, mask_tile=16, reference="raw", weights=str(weights), device="auto"
    )
    qtbot.waitUntil(lambda: panel.form.device.findData(GPU) >= 0, timeout=WAIT)
    yield panel
    bench.shut_down()


@pytest.fixture
def forward(panel, monkeypatch):
    """``forward(error, largest)``: off the CPU, windows wider than ``largest`` raise ``error``."""
    original, seen = UnfoldingNet.forward, []

    def fail(error, largest=0):
        def patched(self, coded, *args, **kwargs):
            side = max(coded.masks.shape[-2:])
            if panel.session.settings.device != "cpu" and side > largest:
                seen.append((side, False))
                raise error
            seen.append((side, True))
            return original(self, coded, *args, **kwargs)

        monkeypatch.setattr(UnfoldingNet, "forward", patched)
        return seen

    return fail


def run(panel, qtbot) -> None:
    panel.start()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)


def look_at_the_offer(panel) -> None:
    """One sentence, and a button below it."""
    assert panel.status.text() == f"failed: 0 of {FRAMES} frames are done"
    assert panel.error.isVisible()
    assert "\n" not in panel.error.text()
    assert panel.box.remedy.isVisible()
    assert panel.box.remedy.text() == "Run on the CPU"


def take_the_offer(panel, qtbot) -> None:
    """A click runs on the CPU, to the end."""
    panel.box.remedy.click()
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text() == f"finished: {FRAMES} of {FRAMES} frames are done"
    assert panel.form.device.currentData() == "cpu"


def test_a_full_gpu_decodes_in_smaller_tiles(panel, forward, qtbot):
    seen = forward(FULL, SIDE - 1)
    run(panel, qtbot)
    assert panel.error.isHidden(), panel.error.text()
    assert panel.status.text() == f"finished: {FRAMES} of {FRAMES} frames are done"
    assert (SIDE, False) in seen
    assert any(done and side < SIDE for side, done in seen)
    assert panel.session.settings.device == "auto"


def test_where_no_tile_fits_the_cpu_is_offered(panel, forward, qtbot):
    seen = forward(FULL)
    run(panel, qtbot)
    assert min(side for side, _ in seen) < SIDE, "smaller tiles were tried"
    assert panel.error.text().startswith(f"got out of memory on {GPU} with a tile of ")
    look_at_the_offer(panel)
    take_the_offer(panel, qtbot)


def test_where_the_gpu_is_lost_the_cpu_is_offered(panel, forward, qtbot):
    forward(LOST)
    run(panel, qtbot)
    assert panel.error.text().startswith(
        "got an error of the device while it computed (CUDA error: device-side assert triggered), "
    )
    look_at_the_offer(panel)
    take_the_offer(panel, qtbot)
