"""Codecs that behave as told, importable by other processes, too."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field

import numpy as np

from napari_tcsdl._validation import InputError
from napari_tcsdl.codecs import IMAGE, LOSSLESS, Encoded


@dataclass(frozen=True)
class Rounding:
    """Rounds to a step of 64 / quality grey levels and deflates: more bytes, less error."""

    name: str = "rounding"
    label: str = "Rounding"
    kind: str = IMAGE
    licence: str = "BSD-3-Clause"
    qualities: tuple[float, ...] = tuple(float(q) for q in range(1, 65))

    def missing(self):
        return None

    def version(self):
        return "rounding 1.0"

    def encode(self, frames, quality, value_range):
        step = 64 / quality
        codes = np.rint(frames / step).astype(np.int32)
        files = tuple(zlib.compress(frame.tobytes(), 9) for frame in codes)
        sizes = tuple(map(len, files))
        return Encoded(files, sizes, f"step {step:g}", quality, (step, frames.shape))

    def decode(self, encoded):
        step, shape = encoded.state
        codes = [np.frombuffer(zlib.decompress(file), np.int32) for file in encoded.files]
        return (np.array(codes).reshape(shape) * step).astype(np.float32)


@dataclass(frozen=True)
class Exact(Rounding):
    """Keeps every number."""

    name: str = "exact"
    label: str = "Exact"
    kind: str = LOSSLESS
    qualities: tuple[float, ...] = ()

    def encode(self, frames, quality, value_range):
        return super().encode(frames, 64.0, value_range)


@dataclass(frozen=True)
class Missing(Rounding):
    name: str = "missing"
    label: str = "Missing"

    def missing(self):
        return "libmissing is not installed: pip install libmissing"


@dataclass(frozen=True)
class Refusing(Rounding):
    name: str = "refusing"
    label: str = "Refusing"

    def encode(self, frames, quality, value_range):
        raise InputError("got frames, expected none; crop the movie")


@dataclass(frozen=True)
class Failing(Rounding):
    name: str = "failing"
    label: str = "Failing"

    def decode(self, encoded):
        raise ZeroDivisionError("a bug of its own")


@dataclass(frozen=True)
class Losing(Rounding):
    """Gives back one frame less."""

    name: str = "losing"
    label: str = "Losing"

    def decode(self, encoded):
        return super().decode(encoded)[:-1]


@dataclass(frozen=True)
class Crashing(Rounding):
    """Takes its whole process down, as a bug in a C library does."""

    name: str = "crashing"
    label: str = "Crashing"

    def encode(self, frames, quality, value_range):
        os._exit(7)


@dataclass
class Counting:
    """Remembers every encoding that is asked of another codec; for one process only."""

    inner: object = field(default_factory=Rounding)
    encoded: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def encode(self, frames, quality, value_range):
        self.encoded.append((quality, len(frames)))
        return self.inner.encode(frames, quality, value_range)
