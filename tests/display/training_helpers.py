"""What the tests of fine-tuning share: reports of a job, and a made-up result."""

from __future__ import annotations

from pathlib import Path

from napari_tcsdl.display import training_files
from napari_tcsdl.display.training_reports import Learned

MINUTES = 1e9


def reports_of(job, heard=lambda report: None):
    reports, fractions = [], []

    def report(one):
        reports.append(one)
        heard(one)

    job.run(report, fractions.append)
    return reports, fractions


def one(reports, kind):
    (found,) = [report for report in reports if isinstance(report, kind)]
    return found


def learned(**changes) -> Learned:
    values = {
        "improved": True, "errors": (0.1, 0.05), "decibels": 3.01, "steps": 40, "kept_step": 30,
        "held_out": range(50, 60), "path": Path("w.safetensors"),
        "start": training_files.SHIPPED, "ended": "the time is up",
    }  # fmt: skip
    return Learned(1, **(values | changes))
