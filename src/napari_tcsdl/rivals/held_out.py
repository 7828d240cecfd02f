"""Rivals judged without truth: each codes one half of the electrons, the other half judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._jobs import Failure, run_jobs
from .._validation import Cancelled, InputError, TcsdlError
from ..codecs import Codec, decode_movie, encode_movie
from ..decoding import Progress, part_of
from ..encoding import MovieStatistics, measure_statistics
from ..frc import HALVES_THRESHOLD, frc_halves
from ..held_out_frames import split
from ..io import CompressedMovie
from ..movie import Movie
from ..pipeline import compress, reconstruct
from ..settings import Settings
from .frames import FrameFile, FramePieces, Part
from .halves import Halves, Judged, SampledFrames
from .material import Material
from .options import StudyOptions
from .ours import stored_alike
from .points import OURS, Rival
from .ranking import judged_point
from .rival import FAILED, in_words
from .rival_facts import HeldOutFacts

MOST_EXCESS = 1.0
"""Variance of motion over that of the noise from which halves are not made. (Of the movies that it
was tried on, halves of those with 1.4 and 5.4 shared noise: FRC of 0.53 and −0.14.)"""

TOO_LARGE = "it stays above raw/B even at its smallest"


@dataclass(frozen=True)
class HeldOutJob:
    """Code one half at one quality and have it judged; a job for a process of its own."""

    codec: Codec
    quality: float | None
    halves: Halves

    @property
    def name(self) -> str:
        """Of the codec."""
        return self.codec.name

    def run(self, progress: Progress) -> Judged:
        """Do it; what goes wrong is part of the result."""
        return attempt(lambda: self._judge(progress))

    def _judge(self, progress: Progress) -> Judged:
        halves, n_pieces = self.halves, len(self.halves.segments)
        ticks = (count / (2 * n_pieces) for count in range(2 * n_pieces))

        def tick() -> None:
            progress(next(ticks))

        path = halves.kept.path.with_name(f"{self.codec.name}-half.encoded")
        try:
            pieces = FramePieces(halves.kept, halves.segments, tick)
            value_range = halves.statistics.value_range
            stored = encode_movie(self.codec, pieces, self.quality, value_range, path)
            sampled, first = SampledFrames(halves.kept.shape), 0
            lengths = [stop - start for start, stop in halves.segments]
            for decoded in decode_movie(self.codec, stored, lengths):
                tick()
                sampled.keep(first, decoded)
                first += len(decoded)
        finally:
            path.unlink(missing_ok=True)
        return halves.judged(sampled, self.quality, stored.n_bytes)


@dataclass(frozen=True)
class HeldOutStudy:
    """Scores of a finished study's rivals by electrons that they never saw.

    Attributes
    ----------
    decoders
        Settings of each of ours, that of the study first.
    movie, material, statistics
        Of the study.
    options
        Its seed of the split, and how many processes there may be.
    """

    decoders: Sequence[Settings]
    movie: Movie
    material: Material
    statistics: MovieStatistics
    options: StudyOptions

    def judge(
        self, rivals: Sequence[Rival], codecs: Mapping[str, Codec], progress: Progress
    ) -> tuple[tuple[Rival, ...], HeldOutFacts]:
        """Score what each rival makes of one half against the other.

        Returns
        -------
        tuple
            Rivals with their scores; why there are none, where there are none.

        Raises
        ------
        Cancelled
            Only what ``progress`` raises to stop.
        """
        facts = self._facts()
        if facts.refused:
            return tuple(rivals), facts
        try:
            halves = self._split(part_of(progress, range(0, 15), 100))
        except (TcsdlError, OSError) as error:  # the study proper is done, and must not be lost
            return tuple(rivals), replace(facts, refused=in_words(error))
        found = self._ours(halves, part_of(progress, range(15, 50), 100))
        found |= self._others(halves, rivals, codecs, part_of(progress, range(50, 100), 100))
        for file in (halves.kept, halves.target):
            file.path.unlink()
        noise = halves.noise
        known = (judged.dependence for judged in found.values() if judged.score)
        facts = replace(
            facts,
            noise_variance=float(noise.variance(noise.mean or 0.0)),
            dependence=next(known, None),
            failed={name: judged.reason for name, judged in found.items() if judged.reason},
        )
        scores = {name: judged.score for name, judged in found.items()}
        return tuple(replace(rival, held_out=scores.get(rival.name)) for rival in rivals), facts

    def _facts(self) -> HeldOutFacts:
        return HeldOutFacts(
            seed=self.options.split_seed,
            unit="px" if self.movie.pixel_size is None else "Å",
            data_range=self.material.data_range / 2,
            refused=cannot_split(self.movie, self.statistics),
            warning=self.statistics.spectrum.spoilt,
            raw_resolution=self._raw_resolution(),
        )

    def _raw_resolution(self) -> float | None:
        frames = self.material.raw.read(*self.material.fidelity_frames)
        try:
            curve = frc_halves(frames, pixel_size=self.movie.pixel_size)
        except InputError:
            return None
        return curve.resolution(HALVES_THRESHOLD)

    def _split(self, progress: Progress) -> Halves:
        noise, spectrum = self.statistics.noise, self.statistics.spectrum
        raw = self.material.raw
        movie = replace(self.movie, source=Part(raw, 0, raw.shape[0]))
        correlation = None if spectrum.white else spectrum.correlation
        made = split(movie, noise, self.options.split_seed, correlation=correlation)
        kept = self._written(made.kept, "kept", part_of(progress, range(0, 1), 2))
        target = self._written(made.target, "target", part_of(progress, range(1, 2), 2))
        return Halves(
            kept=kept,
            target=target,
            noise=made.noise,
            statistics=measure_statistics(made.kept),
            data_range=self.material.data_range / 2,
            pixel_size=self.movie.pixel_size,
            segments=self.material.segments,
        )

    def _written(self, half: Movie, name: str, progress: Progress) -> FrameFile:
        pieces = _pieces(half, self.decoders[0].compression_ratio, progress)
        return FrameFile.write(self.material.folder / name, half.shape, half.dtype, pieces)

    def _ours(self, halves: Halves, progress: Progress) -> dict[str, Judged]:
        """Compress the kept half into a real file, once, and decode it with each decoder."""
        path = self.material.folder / "kept.tcs.zarr"
        count = len(self.decoders) + 1
        found: dict[str, Judged] = {}
        try:
            share = part_of(progress, range(0, 1), count)
            file = compress(halves.movie(halves.kept), path, self.decoders[0], progress=share)
        except TcsdlError as error:
            return {settings.decoder: Judged(reason=str(error)) for settings in self.decoders}
        for number, settings in enumerate(self.decoders, 1):
            share = part_of(progress, range(number, number + 1), count)
            found[settings.decoder] = attempt(_decoding(file, settings, halves, share))
        return found

    def _others(
        self,
        halves: Halves,
        rivals: Sequence[Rival],
        codecs: Mapping[str, Codec],
        progress: Progress,
    ) -> dict[str, Judged]:
        noise = halves.statistics.noise
        lossy = [r for r in rivals if r.kind not in (OURS, "lossless") and r.points]
        found = {r.name: Judged(reason=TOO_LARGE) for r in lossy if judged_point(r) is None}
        jobs = [
            HeldOutJob(
                stored_alike(codecs[rival.name], noise, self.decoders[0]), point.quality, halves
            )
            for rival in lossy
            if (point := judged_point(rival)) is not None
        ]

        def on_done(index: int, result: Any) -> None:
            if isinstance(result, Failure):
                result = Judged(reason=f"{FAILED}: {result.reason}")
            found[jobs[index].name] = result

        run_jobs(jobs, on_done, progress, processes=self.options.processes)
        return found


def cannot_split(movie: Movie, statistics: MovieStatistics) -> str | None:
    """Say why a movie's noise cannot be split, in one sentence; None where it can."""
    noise, spectrum = statistics.noise, statistics.spectrum
    if spectrum.white and noise.counting and movie.dtype.kind == "u":
        return None  # electrons are dealt out one by one, whatever moves
    if not noise.variance(noise.mean or 0.0) > 0:
        return (
            "got a movie without noise, expected frames as a detector records them to split into "
            "two halves of the electrons; score against the movie itself"
        )
    if spectrum.excess > MOST_EXCESS:
        return (
            f"got a movie whose frames differ by motion or flicker more than by noise (its "
            f"variance is {spectrum.excess:.1f} times that of the noise), expected a noise level "
            "that is known to split by; give consecutive frames, or frames closer in time"
        )
    return None


def attempt(work: Callable[[], Judged]) -> Judged:
    """Do ``work``; one bad rival must not end the scores of the others."""
    try:
        return work()
    except Cancelled:
        raise
    except TcsdlError as error:
        return Judged(reason=str(error))
    except Exception as error:
        return Judged(reason=f"{FAILED}: {in_words(error)}")


def _decoding(
    file: CompressedMovie, settings: Settings, halves: Halves, progress: Progress
) -> Callable[[], Judged]:
    def work() -> Judged:
        sampled = SampledFrames(halves.kept.shape)
        for block in reconstruct(file, settings, progress=progress):
            sampled.keep(block.first_frame, block.frames)
        ratio = float(settings.compression_ratio)
        return halves.judged(sampled, ratio, file.bytes_on_disk()["total"])

    return work


def _pieces(half: Movie, length: int, progress: Progress) -> Iterator[Any]:
    for first, frames in half.blocks(length):
        progress(first / half.shape[0])
        yield frames
