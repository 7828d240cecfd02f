"""Runs that nobody computed: what their jobs would have told."""

from __future__ import annotations

import numpy as np
from panel_helpers import SPAN

from napari_tcsdl.comparison import FrameScores
from napari_tcsdl.display.job import BlockReady, Finished, Prepared
from napari_tcsdl.display.roles import JPEG, MEASUREMENT, RECONSTRUCTION
from napari_tcsdl.display.store import ResultStore

CODECS = ("raw", "unfolding", "binning", "jpeg_raw_over_B", "jpeg_same_bytes")
REAL_BYTES = {"measurements": 700, "masks": 200, "metadata": 100, "total": 1000}


class Tell:
    """Reports for a job: PSNR = 20 + frame + the codec's number; block b holds 1 + b."""

    @staticmethod
    def prepared(job) -> Prepared:
        real = np.dtype(np.float32)
        dtypes = {RECONSTRUCTION: real, JPEG: job.movie.dtype, MEASUREMENT: real}
        store = ResultStore(job.movie.shape, job.settings.compression_ratio, dtypes)
        return Prepared(job.generation, store, (0.0, 100.0))

    @staticmethod
    def block(job, store, index) -> BlockReady:
        ratio = job.settings.compression_ratio
        first = index * ratio
        count = min(ratio, job.n_frames - first)
        height, width = job.movie.shape[1:]
        store.write(RECONSTRUCTION, first, np.full((count, height, width), 1.0 + index))
        store.write(JPEG, first, np.full((count, height, width), 10.0 + index))
        store.write(MEASUREMENT, index, np.full((1, height, width), 50.0 + index))
        scores = tuple(
            FrameScores(codec, frame, psnr=20.0 + frame + number, ssim=0.1 * number, bytes=100)
            for number, codec in enumerate(CODECS)
            for frame in range(first, first + count)
        )
        descriptions = dict.fromkeys(CODECS, "made up")
        return BlockReady(
            job.generation, index, first, count, scores, descriptions, (5.0, 95.0), {JPEG: 42}, SPAN
        )

    @staticmethod
    def finished(job, store) -> Finished:
        return Finished(job.generation, 900, dict(REAL_BYTES), store.compressed_path)

    @staticmethod
    def everything(job, report) -> ResultStore:
        """Report a whole run."""
        first = Tell.prepared(job)
        report(first)
        for index in range(-(-job.n_frames // job.settings.compression_ratio)):
            report(Tell.block(job, first.store, index))
        report(Tell.finished(job, first.store))
        return first.store
