"""How the numbers of a chunk become few bytes: standard codecs, or images without loss.

``zstd`` is blosc with zstd, which every zarr 3 reader has. The others are a zarr 3 codec of our
own, ``napari_tcsdl.image``, an array-to-bytes codec: one byte that says which coding follows, then
the chunk as a JPEG-LS or a JPEG XL image, or as zstd where it is no image of integers up to
65,535. A reader without this package finds that name in the metadata and can say what it lacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec
from zarr.registry import register_codec

from .._validation import InputError
from ..companding import ENTROPY_CODINGS

LEVEL = 7
"""Of zstd within blosc, with bytes shuffled. On measurements of eval and real movies: 7 % smaller
than level 5 in three times its time; 9 is no smaller in eleven times (benchmarks/storage.py)."""

_FIRST_LEVEL = 5  # of format version 1, which shuffled bits


class _Coding(NamedTuple):
    """One coding of an image (H, W) uint8 or uint16, or of anything."""

    tag: int
    name: str
    codec: Any  # of imagecodecs, with ``available``
    encode: Callable[[NDArray[Any]], bytes]
    decode: Callable[[bytes], Any]


def _zstd(values: NDArray[Any]) -> bytes:
    """Return the smaller of shuffled and not: floats with few different values do without."""
    plain = np.ascontiguousarray(values)  # of bytes, imagecodecs ignores the size of the type
    coded = (
        imagecodecs.blosc_encode(
            plain,  # type: ignore[arg-type] # it takes arrays, too
            level=LEVEL,
            compressor="zstd",
            shuffle=shuffle,
            typesize=values.itemsize,
            numthreads=1,
        )
        for shuffle in (1, 0)
    )
    return min((bytes(content) for content in coded), key=len)


_CODINGS = {
    "zstd": _Coding(
        0,
        "zstd",
        imagecodecs.BLOSC,
        _zstd,
        lambda content: imagecodecs.blosc_decode(content, numthreads=1),
    ),
    "jpegls": _Coding(
        1,
        "JPEG-LS",
        imagecodecs.JPEGLS,
        # Its own estimate of the room it needs is too small for noise.
        lambda values: bytes(imagecodecs.jpegls_encode(values, out=2 * values.nbytes + 4096)),
        imagecodecs.jpegls_decode,
    ),
    "jpegxl": _Coding(
        2,
        "JPEG XL",
        imagecodecs.JPEGXL,
        lambda values: bytes(
            imagecodecs.jpegxl_encode(values, lossless=True, effort=5, numthreads=1)
        ),
        lambda content: imagecodecs.jpegxl_decode(content, numthreads=1),
    ),
}


@dataclass(frozen=True)
class ImageCodec(ArrayBytesCodec):
    """Code each chunk (1, h, w) by the smallest of ``codings``; see the module."""

    codings: tuple[str, ...]
    codec_name: ClassVar[str] = "napari_tcsdl.image"
    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Make it from the metadata of an array."""
        return cls(tuple(str(name) for name in data["configuration"]["codings"]))

    def to_dict(self) -> Any:
        """As it stands in the metadata of an array."""
        return {"name": self.codec_name, "configuration": {"codings": list(self.codings)}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """No size is known beforehand."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        content = await asyncio.to_thread(encode_chunk, chunk_data.as_numpy_array(), self.codings)
        return chunk_spec.prototype.buffer.from_bytes(content)

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        dtype = chunk_spec.dtype
        native = dtype if isinstance(dtype, np.dtype) else dtype.to_native_dtype()
        values = await asyncio.to_thread(
            decode_chunk, chunk_data.to_bytes(), chunk_spec.shape, native
        )
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values)


register_codec(ImageCodec.codec_name, ImageCodec)


def encode_chunk(values: NDArray[Any], codings: tuple[str, ...]) -> bytes:
    """Code a chunk by the smallest of ``codings`` that there are; by zstd if none of them can."""
    image = _as_image(values)
    plain = values.astype(values.dtype.newbyteorder("<"), copy=False)
    found = []
    for name in codings:
        coding = _CODINGS[name]
        if coding.codec.available and (name == "zstd" or image is not None):
            content = coding.encode(plain if image is None or name == "zstd" else image)
            found.append(bytes([coding.tag]) + content)
    if not found:
        found.append(bytes([0]) + _CODINGS["zstd"].encode(plain))
    return min(found, key=len)


def decode_chunk(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Undo :func:`encode_chunk`.

    Raises
    ------
    ValueError
        If the content is nothing that :func:`encode_chunk` makes.
    """
    coding = next((row for row in _CODINGS.values() if content[:1] == bytes([row.tag])), None)
    if coding is None:
        raise ValueError(f"unknown coding {content[:1]!r}")
    decoded = coding.decode(content[1:])
    if coding.tag == 0:
        decoded = np.frombuffer(decoded, dtype.newbyteorder("<"))
    values: NDArray[Any] = np.asarray(decoded).reshape(shape).astype(dtype, copy=False)
    return values


def _as_image(values: NDArray[Any]) -> NDArray[Any] | None:
    """(H, W) of the narrowest type that image codecs take, or None."""
    if values.dtype.kind != "u" or values.size == 0 or values.max() > 65_535:
        return None
    narrow = np.uint8 if values.max() <= 255 else np.uint16
    return np.ascontiguousarray(values.reshape(values.shape[-2:]).astype(narrow))


def measurement_codecs(entropy: str, dtype: np.dtype[Any], version: int) -> dict[str, Any]:
    """Codecs of array ``0`` as ``zarr.create_array`` takes them; each chunk ends in its crc32c."""
    if entropy == "zstd":
        first = version == 1
        blosc = BloscCodec(
            typesize=dtype.itemsize,
            cname="zstd",
            clevel=_FIRST_LEVEL if first else LEVEL,
            shuffle=BloscShuffle.bitshuffle if first else BloscShuffle.shuffle,
        )
        return {"compressors": [blosc, Crc32cCodec()]}
    codings = ("jpegls", "jpegxl", "zstd") if entropy == "best" else (entropy,)
    return {"serializer": ImageCodec(codings), "compressors": [Crc32cCodec()]}


def check_entropy(entropy: str, name: str) -> None:
    """Refuse a coding that is unknown, or that is not installed here; ``name`` is of the file.

    Raises
    ------
    InputError
        Saying what to install.
    """
    if entropy not in ENTROPY_CODINGS:
        raise InputError(
            f"{name}: got measurements coded by {entropy!r}, expected one of "
            f"{', '.join(ENTROPY_CODINGS)}; update napari-tcsdl"
        )
    wanted = {"zstd": (), "best": ("zstd", "jpegls", "jpegxl")}.get(entropy, ("zstd", entropy))
    for coding in (_CODINGS[key] for key in wanted):
        if not coding.codec.available:
            raise InputError(
                f"{name}: got measurements coded by {coding.name}, expected an imagecodecs that "
                "has it; pip install --force-reinstall imagecodecs"
            )
