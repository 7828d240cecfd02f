"""Frames of one point of a study, encoded and decoded again as the slider comes to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codecs import CODECS, StoredMovie, StreamCodec
from ..decoding import ReconstructedBlock
from ..io import CompressedMovie, Header, open_compressed
from ..noise import NoiseModel
from ..pipeline import compress
from ..rivals import RatePoint
from ..rivals.frames import FramePieces
from ..rivals.material import segments_of
from ..rivals.ours import stored_alike
from ..settings import Settings
from .background import Background
from .decoded import DecodedStack
from .file_layers import layers_of_file
from .lazy import LazyStack
from .rivals_job import RivalsJob
from .store import TemporaryFolder, whole_folder


class StudyStack(DecodedStack):
    """Frames that keep the folder in which the compressed files of their study lie."""

    folder: TemporaryFolder | None = None


@dataclass(eq=False)
class CodecDecoder:
    """Does to the movie what the study did to it: as one stream, or segment by segment.

    It has what :class:`~napari_tcsdl.display.background.Background` uses of a decoder: a block is
    B frames, and those of a segment, which are in memory together, form a group.

    Parameters
    ----------
    job
        Of the study.
    header
        Of its compressed file.
    point
        Of a codec, not of ours.
    """

    job: RivalsJob
    header: Header
    point: RatePoint

    def __post_init__(self) -> None:
        known = self.header.noise
        assert known is not None  # each file that we write says it
        noise = NoiseModel.from_json(known)
        self.codec = stored_alike(CODECS[self.point.codec], noise, self.job.settings)
        self.ratio = self.job.settings.compression_ratio
        self.segments = segments_of(self.job.movie.shape, self.ratio)
        self.sizes: dict[int, int] = {}
        self._decoded: tuple[int, NDArray[Any]] | None = None
        self._stored: StoredMovie | None = None
        self._stream: Iterator[NDArray[np.float32]] = iter(())
        self._at = math.inf  # the frame that the stream gives next

    def segment(self, block: int) -> tuple[int, int]:
        """Return (first frame, last + 1) of what is decoded together with ``block``."""
        first = block * self.ratio
        return next(segment for segment in self.segments if segment[0] <= first < segment[1])

    def group(self, block: int) -> range:
        """Blocks that are decoded together with ``block``."""
        start, stop = self.segment(block)
        return range(start // self.ratio, -(-stop // self.ratio))

    def block(self, block: int, progress: Callable[[float], None]) -> ReconstructedBlock:
        """Return the frames of ``block``; ``progress`` may raise to stop."""
        start, stop = self.segment(block)
        progress(0.0)
        if self._decoded is None or self._decoded[0] != start:
            streams = isinstance(self.codec, StreamCodec)
            decode = self._from_stream if streams else self._from_segment
            self._decoded = start, decode(start, stop, progress)
        first = block * self.ratio - start
        frames = self._decoded[1][first : first + self.ratio]
        return ReconstructedBlock(block * self.ratio, np.asarray(frames, np.float32))

    def _from_segment(
        self, start: int, stop: int, progress: Callable[[float], None]
    ) -> NDArray[Any]:
        frames = self.job.movie.read(start, stop)
        encoded = self.codec.encode(frames, self.point.quality, self.header.value_range)
        progress(0.5)
        self.sizes[start] = encoded.n_bytes
        return self.codec.decode(encoded)

    def _from_stream(
        self, start: int, stop: int, progress: Callable[[float], None]
    ) -> NDArray[Any]:
        """Go on in the stream, or begin it again for frames that it has left behind."""
        codec = self.codec
        assert isinstance(codec, StreamCodec)  # else there is no stream
        if self._stored is None:
            name = f"{self.point.codec}-{self.point.quality or 0:g}-{id(self)}.stream"
            path, value_range = self.job.folder.path / name, self.header.value_range
            pieces = FramePieces(self.job.movie, self.segments, lambda: progress(0.0))
            self._stored = codec.encode_stream(pieces, self.point.quality, value_range, path)
            self.sizes[0] = self._stored.n_bytes
        if self._at > start:
            self._stream, self._at = codec.decode_stream(self._stored), 0
        frames = np.empty((stop - start, *self.job.movie.shape[1:]), np.float32)
        for index in range(int(self._at), stop):
            progress(0.5)
            self._at = math.inf  # unless the next frame comes
            frame = next(self._stream)
            self._at = index + 1
            if index >= start:
                frames[index - start] = frame
        return frames


class _RivalBackground(Background):
    """Encodes and decodes with a codec instead of one of our decoders."""

    def __init__(self, compressed: CompressedMovie, job: RivalsJob, point: RatePoint) -> None:
        super().__init__(compressed, job.settings)
        # Kept, though threads come and go: a movie is encoded once, into the folder of the study.
        self._codec = CodecDecoder(job, compressed.header, point)

    def _make_decoder(self) -> CodecDecoder:  # type: ignore[override] # all that is used of one
        return self._codec


def frames_of(job: RivalsJob, point: RatePoint) -> StudyStack:
    """Return the frames of a point of ``job``'s study; nothing is decoded yet.

    Parameters
    ----------
    job
        Has run to its end.
    point
        Of a codec, or ours at any B; one at another B than the study's is compressed again.

    Returns
    -------
    StudyStack
        (T, H, W) float32, in detector units.
    """
    if point.codec in CODECS:
        compressed = open_compressed(job.path)
        background = _RivalBackground(compressed, job, point)
        stack = StudyStack(compressed, job.settings, _measurements(compressed), background)
    else:
        ratio = int(point.quality or job.settings.compression_ratio)
        settings = replace(
            job.settings, compression_ratio=ratio, decoder=point.codec, deviation="stated"
        )
        compressed = _our_file(job, settings)
        stack = StudyStack(compressed, settings, _measurements(compressed))
    stack.folder = job.folder
    return stack


def _our_file(job: RivalsJob, settings: Settings) -> CompressedMovie:
    ratio = settings.compression_ratio
    if ratio == job.settings.compression_ratio:
        return open_compressed(job.path)
    path = job.folder.path / f"B{ratio}.tcs.zarr"
    if path.exists():
        return open_compressed(path)
    with whole_folder(path) as partial:
        compress(job.movie, partial, settings)
    return open_compressed(path)


def _measurements(compressed: CompressedMovie) -> LazyStack:
    """Measurements, which stand in for frames that are not decoded yet."""
    ((stack, _, _),) = layers_of_file(compressed, decoded=False)
    assert isinstance(stack, LazyStack)
    return stack
