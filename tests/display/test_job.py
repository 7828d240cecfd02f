from __future__ import annotations

import errno
import threading

import numpy as np
import pytest

from napari_tcsdl._validation import Cancelled, DeviceError, InputError, OutputError, TcsdlError
from napari_tcsdl.display.choices import find_choices
from napari_tcsdl.display.job import (
    BlockReady,
    ComparisonJob,
    Finished,
    Prepared,
    ReconstructionJob,
)
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.pipeline import compress
from napari_tcsdl.reconstruction import RECONSTRUCTORS
from napari_tcsdl.settings import Settings


class Reports(list):
    """Keeps reports, and says at once that the layers are shown."""

    def __call__(self, report):
        self.append(report)
        if isinstance(report, Prepared):
            report.shown.set()


def run(job, progress=lambda _: None):
    reports = Reports()
    job.run(reports, progress)
    return reports


def test_a_comparison_reports_each_block_and_real_bytes(movie):
    fractions = []
    settings = Settings(compression_ratio=4, reference="raw", device="cpu", companding=0)
    prepared, *blocks, finished = run(ComparisonJob(3, movie, settings), fractions.append)
    assert isinstance(prepared, Prepared)
    assert isinstance(finished, Finished)
    assert {report.generation for report in (prepared, *blocks, finished)} == {3}
    assert [(b.first_frame, b.n_frames) for b in blocks] == [(0, 4), (4, 4), (8, 1)]
    assert {score.codec for score in blocks[0].scores} == {
        "raw",
        "unfolding",
        "binning",
        "jpeg_raw_over_B",
        "jpeg_same_bytes",
    }
    stacks = prepared.store.stacks
    assert stacks[JPEG].dtype == np.uint8
    assert all(stacks[RECONSTRUCTION].reshape(9, -1).any(axis=1))
    # Ȳ of a last block of one frame is that frame.
    np.testing.assert_allclose(stacks[MEASUREMENT][2], movie.read(8, 9)[0])
    files = [p for p in finished.path.rglob("*") if p.is_file()]
    assert finished.real_bytes["total"] == sum(p.stat().st_size for p in files)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_contrast_is_that_of_the_reference_with_room_for_noise(movie):
    settings = Settings(compression_ratio=9, reference="raw", device="cpu")
    _, block, _ = run(ComparisonJob(0, movie, settings))
    low, high = np.percentile(movie.read(0, 9), [0.2, 99.8])
    assert block.limits == pytest.approx((low - (high - low) / 4, high + (high - low) / 4))


def test_stop_ends_a_run_at_the_next_step(movie):
    job = ComparisonJob(0, movie, Settings(compression_ratio=3, reference="raw", device="cpu"))
    reports = Reports()

    def report(told):
        reports(told)
        if isinstance(told, BlockReady):
            job.stop.set()

    with pytest.raises(Cancelled):
        job.run(report, lambda _: None)
    assert [type(told) for told in reports] == [Prepared, BlockReady]


def test_a_window_that_never_shows_the_layers_does_not_hold_a_stopped_run(movie):
    job = ComparisonJob(0, movie, Settings(compression_ratio=3, reference="raw", device="cpu"))
    reports = []

    def report(told):
        reports.append(told)
        job.stop.set()

    with pytest.raises(Cancelled):
        job.run(report, lambda _: None)
    assert [type(told) for told in reports] == [Prepared]


def test_a_bad_frame_is_named(movie):
    frames = movie.read(0, 9).astype(np.float32)
    frames[4, 3, 2] = np.nan
    bad = type(movie)(frames, name="bad.tif")
    with pytest.raises(InputError, match=r"bad\.tif: frame 4 holds NaN values"):
        run(ComparisonJob(0, bad, Settings(compression_ratio=3, reference="raw")))


class OutOfMemoryError(RuntimeError):
    """Named as torch's, which needs a GPU to be raised."""


class AcceleratorError(RuntimeError):
    """Named as torch's, which is raised where a device has failed."""


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (OutOfMemoryError("CUDA"), DeviceError, "^got out of memory while decoding, expected room"),
        (MemoryError(), DeviceError, "choose the device 'cpu', a smaller B, or close other"),
        (OSError(errno.ENOSPC, "full"), OutputError, "^got a full disk while writing results"),
        (RuntimeError("MPS backend out of memory"), DeviceError, "^got out of memory while"),
        (AcceleratorError("CUDA error: out of memory"), DeviceError, "^got out of memory while"),
        (
            AcceleratorError("CUDA error: gone\nmore"),
            DeviceError,
            r"error of the device .*\(CUDA error: gone\), ",
        ),
        (
            RuntimeError("CUDA error: unknown"),
            DeviceError,
            "^got an error of the device while it",
        ),
        (RuntimeError("lost\nthread"), TcsdlError, r"^got RuntimeError \(lost\), expected the run"),
        (KeyError(), TcsdlError, r"^got KeyError \(no message\), expected the run to end well"),
    ],
)
def test_every_error_becomes_one_sentence(movie, monkeypatch, error, kind, sentence):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("napari_tcsdl.comparison.compare", fail)
    with pytest.raises(kind, match=sentence) as caught:
        run(ComparisonJob(0, movie, Settings(compression_ratio=3)))
    assert "\n" not in str(caught.value)


def test_jobs_run_in_any_thread(movie):
    reports = Reports()
    job = ComparisonJob(0, movie, Settings(compression_ratio=9, reference="raw", device="cpu"))
    thread = threading.Thread(target=job.run, args=(reports, lambda _: None))
    thread.start()
    thread.join(60)
    assert isinstance(reports[-1], Finished)


def test_a_file_is_decoded_with_context_block_by_block(movie, learned, tmp_path):
    settings = Settings(compression_ratio=4, mask_tile=16, device="cpu", decoder="learned")
    path = compress(movie, tmp_path / "m.tcs.zarr", settings).path
    prepared, *blocks, _ = run(ReconstructionJob(0, path, 9, settings))
    assert [(b.first_frame, b.n_frames) for b in blocks] == [(0, 4), (4, 4), (8, 1)]
    assert all(prepared.store.stacks[RECONSTRUCTION].reshape(9, -1).any(axis=1))
    assert len(learned[0].groups) == 2


def test_an_unknown_decoder_is_told_before_anything_is_shown(movie, tmp_path):
    path = compress(movie, tmp_path / "m.tcs.zarr", Settings(compression_ratio=4)).path
    reports = Reports()
    with pytest.raises(InputError, match="got decoder 'magic', expected one of unfolding, gap_tv"):
        ReconstructionJob(0, path, 9, Settings(decoder="magic")).run(reports, lambda _: None)
    assert reports == []


def test_choices_are_what_this_machine_can_run():
    choices = find_choices()
    assert choices.decoders["gap_tv"] == "GAP-TV"
    assert choices.decoder_lines == {name: row.line for name, row in RECONSTRUCTORS.items()}
    assert next(iter(choices.devices)) == "auto"
    assert choices.devices["cpu"].startswith("cpu: ")
