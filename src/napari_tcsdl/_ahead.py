"""Blocks of a movie, written ahead of the decoder as far as it looks ahead."""

from __future__ import annotations

from dataclasses import dataclass

from .encoder import Measurement
from .encoding import encode_block, follower_of
from .io import CompressedMovie, CompressedWriter, open_compressed
from .masks import Masks
from .movie import Movie


@dataclass(frozen=True, eq=False)
class CodedBlock:
    """A block on its way to be decoded and scored: stored, and weighed on the disk."""

    index: int
    measurement: Measurement
    masks: Masks
    real_bytes: int


class WriteAhead:
    """Writes blocks ahead of the decoder, as far as it looks ahead, and weighs them."""

    def __init__(self, movie: Movie, ratio: int, writer: CompressedWriter, masks: Masks) -> None:
        self.movie, self.ratio, self.writer, self.masks = movie, ratio, writer, masks
        self.count = -(-movie.shape[0] // ratio)
        self.compressed: CompressedMovie = open_compressed(writer.path)
        # Masks and metadata are paid once a file: each frame carries an equal share.
        self._once = self.compressed.bytes_on_disk()["total"]
        self._spent = 0
        self._written = 0
        self._follower = follower_of(movie)
        self._waiting: dict[int, CodedBlock] = {}

    def write_to(self, reach: int) -> CompressedMovie:
        """Have the first ``reach`` measurements on the disk; returns the file as it is then."""
        while self._written < reach:
            index = self._written
            # Y as the file gives it, not the exact one.
            measurement, masks = encode_block(
                self.movie,
                index * self.ratio,
                self.masks,
                self.writer.storage,
                self._follower,
            )
            real_bytes = self.writer.append(measurement, masks)
            real_bytes += self._once * measurement.n_frames // self.movie.shape[0]
            self._written += 1
            last = self._written == self.count
            if last:
                self.writer.close()
            self.compressed = open_compressed(self.writer.path)
            if last:
                real_bytes = self.compressed.bytes_on_disk()["total"] - self._spent
            self._spent += real_bytes
            self._waiting[index] = CodedBlock(index, measurement, masks, real_bytes)
        return self.compressed

    def take(self, index: int) -> CodedBlock:
        """Hand out block ``index``, which was written."""
        return self._waiting.pop(index)
