"""The study: a movie, our real file, and every rival that a lab could use instead."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import metrics
from .._jobs import Failure, run_jobs
from .._validation import InputError, OutputError, check_compression_ratio
from ..decoder_choice import check_decoder
from ..decoding import Progress, no_progress, part_of
from ..describe import movie_facts, software_versions
from ..encoding import MovieStatistics, measure_statistics
from ..io import Storage
from ..movie import Movie
from ..reference import Reference, make_reference
from ..settings import Settings
from ..storage import storage_ratios
from .beyond import yardstick_of
from .encoder_cost import SUM, WHOLE, measure_costs, typical_quality
from .frames import copy_frames
from .held_out import HeldOutStudy
from .material import Material, sampled, segments_of, window_around
from .options import StudyOptions
from .ours import OurFile, compress_ours, measure_ours, plain_pictures, stored_alike
from .points import BEST_BELOW, OURS, RAW_OVER_B, SAME_BYTES, EncoderCost, Rival, Shown, Study
from .rival import FAILED, Measured, RivalJob
from .verdict import verdict


def study(
    movie: Movie,
    path: str | Path,
    settings: Settings,
    options: StudyOptions | None = None,
    *,
    truth: Movie | None = None,
    progress: Progress = no_progress,
    on_rival: Callable[[Rival], None] | None = None,
) -> Study:
    """Compare a movie with its reconstruction and with rival codecs, at real bytes.

    Every codec runs in a process of its own, over the whole movie, of which a segment is in memory
    at a time; video codecs make one stream of it. There is a curve of qualities, the best within
    1/B of the raw bytes, the best within the bytes of our real file, and the best at any smaller
    size. A codec that is missing, or fails, is listed as such.

    Parameters
    ----------
    movie
        The raw movie.
    path
        Where our compressed file goes; its real bytes are a budget.
    settings
        What to do.
    options
        Which rivals, and how.
    truth
        Noise-free frames (T, H, W), if they are known.
    progress
        Called with a fraction 0 … 1; what it raises stops the work.
    on_rival
        Called in this thread with each rival as soon as it is measured, ours first; its cost
        comes with the study.

    Returns
    -------
    Study
        With the verdict.

    Raises
    ------
    InputError
        For a bad movie, B larger than the movie, a reference or codec that does not exist.
    OutputError
        If ``path`` exists and is not to be replaced.
    """
    chosen = options or StudyOptions()
    run = _Run(movie, Path(path), settings, chosen, on_rival or (lambda rival: None))
    run.check(truth)
    with tempfile.TemporaryDirectory(prefix="tcsdl-study-") as folder:
        return run.do(Path(folder), truth, progress)


class _Run:
    """One study on its way."""

    def __init__(
        self,
        movie: Movie,
        path: Path,
        settings: Settings,
        options: StudyOptions,
        on_rival: Callable[[Rival], None],
    ) -> None:
        # A study is about frames and bytes, and times the encoder alone.
        self.movie, self.path = movie, path
        self.settings = replace(settings, deviation="stated")
        self.options, self.on_rival = options, on_rival
        self.codecs, self.lattice = options.codecs(), options.substance()
        self.start = time.perf_counter()

    def check(self, truth: Movie | None) -> None:
        """Refuse before any work what cannot be done."""
        n_frames = self.movie.shape[0]
        for settings in (*self._our_settings(), *self._decoders()):
            check_compression_ratio(settings.compression_ratio, n_frames)
            check_decoder(settings)
        metrics.check_frame_size(self.movie.shape[1:])
        shown = self.shown_frame
        if not 0 <= shown < n_frames:
            raise InputError(
                f"got frame {shown} to show of a movie of {n_frames} frames, expected 0 to "
                f"{n_frames - 1}; choose one of these"
            )
        if self.path.exists() and not self.options.overwrite:
            raise OutputError(
                f"got output {self.path}, which exists already, expected a new name; choose "
                "another name, or overwrite it"
            )

    @property
    def shown_frame(self) -> int:
        shown = self.options.shown_frame
        return self.movie.shape[0] // 2 if shown is None else shown

    def _our_settings(self) -> list[Settings]:
        """One for each B, that of the study first."""
        further = [b for b in self.options.ratios if b != self.settings.compression_ratio]
        unique = dict.fromkeys((self.settings.compression_ratio, *further))
        return [replace(self.settings, compression_ratio=ratio) for ratio in unique]

    def _decoders(self) -> list[Settings]:
        """One for each decoder, that of the study first; weights go with it alone."""
        further = [name for name in self.options.decoders if name != self.settings.decoder]
        others = [replace(self.settings, decoder=name, weights=None) for name in further]
        return [self.settings, *others]

    def do(self, folder: Path, truth: Movie | None, progress: Progress) -> Study:
        """Run it; steps take about these hundredths of the time, held-out scores some more."""
        parts = 130 if self.options.held_out else 100

        def share(start: int, stop: int) -> Progress:
            return part_of(progress, range(start, stop), parts)

        files = self._compress(folder, share(0, 3))
        statistics = measure_statistics(self.movie)
        reference = make_reference(
            self.movie, self.settings.reference, statistics, truth, lambda _: share(3, 4)(0.0)
        )
        material = self._material(folder, files[0], reference, statistics, share(3, 15))
        results = self._ours(files, material, share(15, 30))
        noise = statistics.noise
        self.codecs = tuple(stored_alike(codec, noise, self.settings) for codec in self.codecs)
        results += self._rivals(material, share(30, 90))
        storage = files[0].compressed.header.storage
        rivals = self._costs(results, storage, material, share(90, 100))
        pictures = plain_pictures(material, files[0])
        shown = (*pictures, *(picture for result in results for picture in result.shown))
        found = self._collect(files[0], reference, material, rivals, shown)
        if self.options.held_out:
            found = self._judged(found, material, statistics, share(100, parts))
        found = replace(found, seconds=time.perf_counter() - self.start)
        return replace(found, verdict=verdict(found))

    def _judged(
        self, found: Study, material: Material, statistics: MovieStatistics, progress: Progress
    ) -> Study:
        """Add scores by electrons that nobody saw."""
        parts = HeldOutStudy(self._decoders(), self.movie, material, statistics, self.options)
        codecs = {codec.name: codec for codec in self.codecs}
        rivals, facts = parts.judge(found.rivals, codecs, progress)
        return replace(found, rivals=rivals, held_out=facts)

    def _compress(self, folder: Path, progress: Progress) -> list[OurFile]:
        wanted = self._our_settings()
        files = []
        for number, settings in enumerate(wanted):
            home = self.path if number == 0 else folder / f"B{settings.compression_ratio}.tcs.zarr"
            share = part_of(progress, range(number, number + 1), len(wanted))
            overwrite = self.options.overwrite and number == 0
            files.append(compress_ours(self.movie, home, settings, overwrite, share))
        return files

    def _material(
        self,
        folder: Path,
        file: OurFile,
        reference: Reference,
        statistics: MovieStatistics,
        progress: Progress,
    ) -> Material:
        movie, ratio, shown = self.movie, self.settings.compression_ratio, self.shown_frame
        raw, truth = copy_frames(movie, reference, ratio, folder, progress)
        budget = movie.nbytes // ratio
        window = window_around(shown, movie.shape)
        material = Material(
            raw=raw,
            reference=truth,
            value_range=statistics.value_range,
            data_range=reference.data_range,
            budgets={RAW_OVER_B: budget, SAME_BYTES: file.n_bytes, BEST_BELOW: budget},
            segments=segments_of(movie.shape, ratio),
            shown_frame=shown,
            fidelity_frames=window,
            yardstick=yardstick_of(truth, window, movie.pixel_size, self.lattice),
            folder=folder,
        )
        return sampled(material, ratio)

    def _ours(self, files: list[OurFile], material: Material, progress: Progress) -> list[Measured]:
        decoders = self._decoders()
        done = []
        for number, settings in enumerate(decoders):
            share = part_of(progress, range(number, number + 1), len(decoders))
            done.append(measure_ours(files, settings, material, share))
            self.on_rival(done[-1].rival)
        return done

    def _rivals(self, material: Material, progress: Progress) -> list[Measured]:
        jobs = [RivalJob(codec, material) for codec in self.codecs]
        results: dict[int, Measured] = {}

        def on_done(index: int, result: Any) -> None:
            if isinstance(result, Failure):
                codec = self.codecs[index]
                bare = Rival(codec.name, codec.label, codec.kind, licence=codec.licence)
                result = Measured(replace(bare, refused=f"{FAILED}: {result.reason}"))
            results[index] = result
            self.on_rival(result.rival)

        run_jobs(jobs, on_done, progress, processes=self.options.processes)
        return [results[index] for index in range(len(jobs))]

    def _costs(
        self, results: list[Measured], storage: Storage, material: Material, progress: Progress
    ) -> tuple[tuple[Rival, ...], EncoderCost | None]:
        """Return the rivals with their costs, and that of our sum alone."""
        rivals = tuple(result.rival for result in results)
        if not self.options.cost:
            return rivals, None
        by_name = {codec.name: codec for codec in self.codecs}
        encoders = [(by_name[rival.name], rival) for rival in rivals if rival.name in by_name]
        costs = measure_costs(
            [(codec, typical_quality(rival)) for codec, rival in encoders if rival.points],
            self.settings,
            storage,
            material,
            progress,
            processes=min(1, self.options.processes),
        )
        ours = costs.get(WHOLE)
        return (
            tuple(
                replace(rival, cost=ours if rival.kind == OURS else costs.get(rival.name))
                for rival in rivals
            ),
            costs.get(SUM),
        )

    def _collect(
        self,
        file: OurFile,
        reference: Reference,
        material: Material,
        rivals: tuple[tuple[Rival, ...], EncoderCost | None],
        shown: tuple[Shown, ...],
    ) -> Study:
        movie = self.movie
        return Study(
            movie=movie_facts(movie),
            settings=self.settings.to_json(),
            reference=reference.description,
            data_range=reference.data_range,
            raw_bytes=movie.nbytes,
            file_bytes=file.compressed.bytes_on_disk(),
            budgets=dict(material.budgets),
            storage_ratios=_ratios(file),
            rivals=rivals[0],
            camera_cost=rivals[1],
            fidelity_frames=material.fidelity_frames,
            software=software_versions(),
            shown=shown,
        )


def _ratios(file: OurFile) -> dict[str, float | None]:
    ratios = storage_ratios(file.compressed)
    return {
        "as_stored": ratios.as_stored,
        "losslessly_coded": ratios.losslessly_coded,
        "companded_alike": ratios.companded_alike,
    }
