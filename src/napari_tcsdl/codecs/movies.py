"""Whole movies through a codec, piece by piece, into a file of a work folder.

A codec whose frames hang together (video, sums over frames) makes one stream of them, as a user
would; the others encode piece by piece, since each of their frames is a file of its own anyway.
Either way memory holds a piece, however long the movie is.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .base import Codec


class Pieces(Protocol):
    """A movie that is read piece by piece."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W) of the whole movie."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type."""
        ...

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Consecutive frames (n, H, W), n ≥ 1, in detector units."""
        ...


@dataclass(frozen=True)
class StoredMovie:
    """A movie as a codec stores it, in a file.

    Attributes
    ----------
    path
        The file: a video that players open, or files one after the other, pickled.
    n_bytes
        What a disk would hold of the codec's own files, headers counted.
    settings
        As :attr:`~napari_tcsdl.codecs.base.Encoded.settings`.
    state
        What the codec needs to decode, besides the file; its own business.
    """

    path: Path
    n_bytes: int
    settings: str
    state: Any = field(repr=False, default=None)


@runtime_checkable
class StreamCodec(Codec, Protocol):
    """A codec that makes one stream of a whole movie, frame after frame."""

    def encode_stream(
        self,
        pieces: Pieces,
        quality: float | None,
        value_range: tuple[float, float],
        path: Path,
    ) -> StoredMovie:
        """Encode a movie into a new file at ``path``; otherwise as :meth:`Codec.encode`."""
        ...

    def decode_stream(self, stored: StoredMovie) -> Iterator[NDArray[np.float32]]:
        """Yield the frames (H, W) in their order, in detector units."""
        ...


def encode_movie(
    codec: Codec,
    pieces: Pieces,
    quality: float | None,
    value_range: tuple[float, float],
    path: Path,
) -> StoredMovie:
    """Encode a movie as its codec does it: to one stream, or piece by piece.

    Parameters
    ----------
    codec
        Not missing.
    pieces
        The movie; memory holds few of them at a time.
    quality, value_range
        As :meth:`Codec.encode`.
    path
        Of the file that is made.

    Raises
    ------
    InputError
        As :meth:`Codec.encode`.
    """
    if isinstance(codec, StreamCodec):
        return codec.encode_stream(pieces, quality, value_range, path)
    n_bytes, settings = 0, ""
    with path.open("wb") as file:
        for piece in pieces:
            encoded = codec.encode(piece, quality, value_range)
            n_bytes, settings = n_bytes + encoded.n_bytes, encoded.settings
            write_record(file, encoded)
    return StoredMovie(path, n_bytes, settings)


def decode_movie(
    codec: Codec, stored: StoredMovie, lengths: Sequence[int]
) -> Iterator[NDArray[Any]]:
    """Yield the frames (n, H, W) of each piece of what :func:`encode_movie` stored.

    Parameters
    ----------
    codec
        That encoded it.
    stored
        The movie.
    lengths
        Frames of each piece that was encoded.

    Raises
    ------
    CorruptFileError
        If a video file is damaged.
    RuntimeError
        If the codec gives other numbers of frames back.
    """
    if isinstance(codec, StreamCodec):
        frames = codec.decode_stream(stored)
        take = partial(_together, frames)
    else:
        frames = (codec.decode(encoded) for encoded in read_records(stored.path))
        take = partial(_next_piece, frames)
    for length in lengths:
        decoded = take(length)
        if len(decoded) != length:
            raise RuntimeError(f"{len(decoded)} frames came back of {length}")
        yield decoded
        del decoded  # before the next are made
    if next(frames, None) is not None:
        raise RuntimeError("more frames came back than were encoded")


def _together(frames: Iterator[NDArray[Any]], length: int) -> NDArray[Any]:
    """Take ``length`` frames as one array, or as many as there are."""
    block = np.empty(0, np.float32)
    count = 0
    for count, frame in zip(range(1, length + 1), frames, strict=False):
        if count == 1:
            block = np.empty((length, *frame.shape), np.float32)
        block[count - 1] = frame
    return block[:count]


def _next_piece(pieces: Iterator[NDArray[Any]], length: int) -> NDArray[Any]:
    """Take a piece, which should be of ``length`` frames; none where there is none."""
    return next(pieces, np.empty(0))


def write_record(file: IO[bytes], record: Any) -> None:
    """Append what :func:`read_records` gives back."""
    pickle.dump(record, file, protocol=pickle.HIGHEST_PROTOCOL)


def read_records(path: Path) -> Iterator[Any]:
    """Yield what was written into ``path``, one record at a time."""
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)
