"""A run with made-up blocks, and the scorer over it: what its tests share."""

from __future__ import annotations

import numpy as np

from napari_tcsdl._validation import Cancelled, InputError
from napari_tcsdl.comparison import FrameScores
from napari_tcsdl.display.job import BlockReady, Prepared
from napari_tcsdl.display.region import Region
from napari_tcsdl.display.roles import JPEG, RECONSTRUCTION
from napari_tcsdl.display.scorer import Scorer
from napari_tcsdl.display.session import Session
from napari_tcsdl.display.store import ResultStore
from napari_tcsdl.settings import Settings

RATIO, SIDE = 4, 96
INSIDE = Region(24, 24, 72, 72)
SPAN = 100.0
"""Data range of the made-up scores."""


def nothing(*_):
    pass


def raw_frames() -> np.ndarray:
    """10 frames: two whole blocks of 4, and one of 2."""
    return np.random.default_rng(1).poisson(60, (10, SIDE, SIDE)).astype(np.uint16)


def rivals_of(raw: np.ndarray) -> dict[str, np.ndarray]:
    """A reconstruction that is better inside the region, and a JPEG that is better outside."""
    noise = np.random.default_rng(2).normal(0, 1, raw.shape)
    inside = np.zeros(raw.shape[1:], bool)
    inside[INSIDE.slices] = True
    return {
        RECONSTRUCTION: (raw + np.where(inside, 2, 20) * noise).astype(np.float32),
        JPEG: np.clip(raw + np.where(inside, 9, 6) * noise, 0, None).round().astype(np.uint16),
    }


class Bench:
    """A run whose blocks are made up, and a scorer whose jobs are run by hand."""

    def __init__(self, viewer, raw, rivals, reference="raw"):
        self.viewer, self.raw, self.rivals = viewer, raw, rivals
        self.session = Session.of(viewer)
        self.session.join(self)
        self.controller = self.session.controller
        self.layer = viewer.add_image(raw, name="movie", scale=(0.5, 1, 1), units=("s", "nm", "nm"))
        self.settings = Settings(compression_ratio=RATIO, reference=reference, decoder="gap_tv")
        self.jobs, self.failures = [], []
        self.scorer = Scorer(self.controller, self.session.roi, self.jobs.append)
        self.scorer.failed.connect(self.failures.append)

    def start(self, blocks=3):
        self.job = self.controller.start(self.layer, self.settings)
        dtypes = {name: stack.dtype for name, stack in self.rivals.items()}
        self.store = ResultStore(self.raw.shape, RATIO, dtypes)
        self.controller.apply(Prepared(self.job.generation, self.store, (0.0, 120.0)))
        for index in range(blocks):
            self.block(index)
        return self

    def block(self, index):
        first = index * RATIO
        count = min(RATIO, len(self.raw) - first)
        scores = []
        for role in (RECONSTRUCTION, JPEG):
            self.store.write(role, first, self.rivals[role][first : first + count])
        for codec in ("raw", "gap_tv", "binning", "jpeg_same_bytes"):
            scores += [FrameScores(codec, first + k, 1.0, 0.1, 50) for k in range(count)]
        self.controller.apply(
            BlockReady(
                self.job.generation, index, first, count, tuple(scores), {}, None, {JPEG: 7}, SPAN
            )
        )

    def draw(self, region=INSIDE):
        top, left, bottom, right = region.top, region.left, region.bottom, region.right
        self.session.roi.draw(self.layer)
        self.session.roi.move_to(((top + bottom - 1) / 2, (left + right - 1) / 2), bottom - top)

    def work(self):
        """Run the job that was begun last, as its thread would."""
        job, error = self.jobs[-1], None
        try:
            job.run(self.scorer.apply, nothing)
        except Cancelled:
            pass
        except InputError as raised:
            error = raised
        self.scorer.ended(job, error)

    @property
    def board(self):
        return self.controller.run.board

    def label(self, role):
        return self.controller.run.layers[role].name_overlay.text.split("\n")[1]
