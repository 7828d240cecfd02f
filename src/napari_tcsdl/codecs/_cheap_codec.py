"""What codecs share that keep fewer numbers: stored exactly as a measurement, frame after frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .._validation import InputError
from ._stored_sums import Sums, SumStorage
from .base import CHEAP, Encoded, check_block
from .movies import Pieces, StoredMovie, read_records, write_record


class State(NamedTuple):
    """What decoding needs besides the files."""

    sums: Sums
    factor: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CheapCodec:
    """What cheap codecs share; a row gives its fields, and a class what is below ``_shares``.

    A quality is the factor by which numbers become fewer, from many to few. Any whole factor
    from 1 on can be encoded; ``qualities`` are those that are worth a search.

    Attributes
    ----------
    name, label, licence, qualities, kind
        As :class:`Codec`.
    words
        What is stored, with the factor put in for ``{}``.
    storage
        How sums are stored; by default exactly.
    """

    name: str
    label: str
    words: str
    qualities: tuple[float, ...]
    licence: str = "BSD-3-Clause"
    kind: str = CHEAP
    storage: SumStorage = field(default=SumStorage())

    def missing(self) -> str | None:
        """Never: it is ours."""
        return None

    def version(self) -> str:
        """Of this package."""
        return f"napari-tcsdl {__version__}"

    def encode(
        self, frames: NDArray[Any], quality: float | None, value_range: tuple[float, float]
    ) -> Encoded:
        """Reduce and store the frames; see :meth:`Codec.encode`."""
        check_block(frames)
        state = self._state(frames, quality, value_range)
        files = tuple(self._files(frames, state))
        return Encoded(files, self._shares(files, state), self._settings(state), quality, state)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """See :meth:`Codec.decode`."""
        return np.stack(list(self._frames(encoded.files, encoded.state)))

    def encode_stream(
        self, pieces: Pieces, quality: float | None, value_range: tuple[float, float], path: Path
    ) -> StoredMovie:
        """Reduce and store a whole movie; see :meth:`StreamCodec.encode_stream`."""
        state, n_bytes = self._state(pieces, quality, value_range), 0
        with path.open("wb") as records:
            for file in self._files(chain.from_iterable(pieces), state):
                n_bytes += len(file)
                write_record(records, file)
        return StoredMovie(path, n_bytes, self._settings(state), state)

    def decode_stream(self, stored: StoredMovie) -> Iterator[NDArray[np.float32]]:
        """See :meth:`StreamCodec.decode_stream`."""
        return self._frames(read_records(stored.path), stored.state)

    def _state(
        self,
        frames: NDArray[Any] | Pieces,
        quality: float | None,
        value_range: tuple[float, float],
    ) -> State:
        if quality is None or quality < 1 or quality != int(quality):
            raise InputError(
                f"got quality {quality} for {self.label}, expected a whole factor of at least 1; "
                f"give for example {self.qualities[-1]:g}"
            )
        n_frames, height, width = frames.shape
        dtype, shape = self._reduced(frames.dtype, (height, width), int(quality))
        highest = float(value_range[1])
        sums = Sums(self.storage, dtype.str, frames.dtype.str, shape, highest)
        return State(sums, int(quality), (n_frames, height, width))

    def _settings(self, state: State) -> str:
        count, dtype = len(self._exposures(state)), np.dtype(state.sums.dtype)
        kind = dtype if count == 1 else f"{count} × {dtype}"
        return f"{self.version()}, {self._words(state)} as {kind}, {self.storage.words}"

    def _files(self, frames: Iterable[NDArray[Any]], state: State) -> Iterator[bytes]:
        return state.sums.write(self._reduce(iter(frames), state), self._exposures(state))

    def _frames(self, files: Iterable[bytes], state: State) -> Iterator[NDArray[np.float32]]:
        return self._expand(state.sums.read(files, self._exposures(state)), state)

    def _words(self, state: State) -> str:
        return self.words.format(state.factor)

    def _shares(self, files: tuple[bytes, ...], state: State) -> tuple[int, ...]:
        """Spread each file over the frames that it stands for."""
        return tuple(len(file) for file in files)

    def _reduced(
        self, dtype: np.dtype[Any], shape: tuple[int, int], factor: int
    ) -> tuple[np.dtype[Any], tuple[int, int]]:
        """Pixel type and (h, w) of what is stored of frames (H, W)."""
        raise NotImplementedError

    def _exposures(self, state: State) -> list[int]:
        """How many pixels of frames are in a pixel of each file."""
        raise NotImplementedError

    def _reduce(self, frames: Iterator[NDArray[Any]], state: State) -> Iterator[NDArray[Any]]:
        """Yield what is stored (h, w), one file after the other."""
        raise NotImplementedError

    def _expand(
        self, reduced: Iterator[NDArray[Any]], state: State
    ) -> Iterator[NDArray[np.float32]]:
        """Yield all frames (H, W) of what was stored."""
        raise NotImplementedError
