"""What measurements weigh: companding and entropy coding, and what they cost in the picture.

    python benchmarks/storage.py MOVIE.tif --truth TRUTH.tif --ratios 10 20 30

prints one table: bytes of the measurements, of the masks (paid once a file) and of the metadata,
the ratio of the raw frames to the measurements alone and to the whole file, the ratios against raw
frames that are losslessly coded and companded alike, CPU time of writing, and the PSNR of the
decoded frames against the truth. The decoder sees what the file gives.

``--fill 8`` turns counts into grey levels that fill 8 bits, with Gaussian read noise, as a camera
with gain makes them; ``--chains`` compares standard codecs on the numbers of one measurement.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BloscShuffle, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.storage import MemoryStore

from napari_tcsdl.encoding import encode_block, make_masks, make_storage, measure_statistics
from napari_tcsdl.io import open_movie
from napari_tcsdl.metrics import psnr
from napari_tcsdl.movie import Movie
from napari_tcsdl.pipeline import compress, reconstruct
from napari_tcsdl.settings import ENTROPY_CODINGS, Settings
from napari_tcsdl.storage import storage_ratios

READ_NOISE = 2.0  # [grey levels] of the camera that --fill imitates
COLUMNS = (
    "B  n  companding entropy   measurements      masks  metadata   raw/Y  raw/file  "
    "lossless/Y  companded/Y  CPU ms/frame  PSNR [dB]"
)


def filled(movie: Movie, bits: int, seed: int) -> tuple[Movie, float]:
    """Grey levels that fill ``bits`` from counts, and the gain they were made with."""
    counts = movie.read(0, movie.shape[0]).astype(np.float64)
    top = 2**bits - 1
    gain = top / (np.percentile(counts, 99.99) + 1)
    noise = np.random.default_rng(seed).normal(scale=READ_NOISE, size=counts.shape)
    grey = np.clip(np.rint(gain * counts + noise + 3 * READ_NOISE), 0, top)
    return Movie(grey.astype(np.uint8 if bits == 8 else np.uint16), name=movie.name), gain


def rows(
    movie: Movie, truth: np.ndarray | None, settings: Settings, folder: Path, n_decoded: int
) -> Iterator[str]:
    """One line for each entropy coding; the picture depends on none of them."""
    quality = None
    for entropy in ENTROPY_CODINGS:
        start = time.process_time()
        path = folder / "movie.tcs.zarr"
        compressed = compress(movie, path, replace(settings, entropy=entropy), overwrite=True)
        seconds = time.process_time() - start
        if quality is None:
            quality = decoded_psnr(compressed, truth, settings, n_decoded)
        size, ratios = compressed.bytes_on_disk(), storage_ratios(compressed)
        alone = ratios.file_bytes / size["measurements"]
        yield (
            f"{settings.compression_ratio:<3}{compressed.masks.exposures or 0:<3}"
            f"{settings.companding:<11g}{entropy:<8}{size['measurements']:>14,}"
            f"{size['masks']:>11,}{size['metadata']:>10,}{ratios.as_stored * alone:>8.1f}"
            f"{ratios.as_stored:>10.1f}{ratios.losslessly_coded * alone:>12.1f}"
            f"{ratios.companded_alike * alone:>13.1f}{1e3 * seconds / movie.shape[0]:>14.1f}"
            f"{quality:>11.3f}"
        )


def decoded_psnr(compressed, truth, settings, n_frames: int) -> float:
    """Mean PSNR [dB] of the first ``n_frames`` decoded frames, over the truth's own range."""
    if truth is None:
        return float("nan")
    data_range, found = float(truth.max() - truth.min()), []
    for block in reconstruct(compressed, settings):
        for offset, frame in enumerate(block.frames):
            if block.first_frame + offset < n_frames:
                target = truth[block.first_frame + offset]
                found.append(psnr(frame, target, data_range=data_range))
        if len(found) >= n_frames:
            break
    return float(np.mean(found))


def chains(movie: Movie, settings: Settings) -> Iterator[str]:
    """Bytes of one measurement, and speed, for standard codecs in chunks of 256²."""
    storage = make_storage(movie, settings, measure_statistics(movie))
    measurement, _ = encode_block(movie, 0, make_masks(settings, movie.shape[1:]))
    table = storage.companding
    codes = measurement.values if table is None else table.compress(measurement.values)
    kinds = {f"zstd {level}": ZstdCodec(level=level) for level in (5, 12, 19)}
    kinds["gzip 9"] = GzipCodec(level=9)
    for shuffle in (BloscShuffle.noshuffle, BloscShuffle.shuffle, BloscShuffle.bitshuffle):
        for level in (5, 6, 7, 8, 9):
            kinds[f"blosc zstd {level} {shuffle.value}"] = BloscCodec(
                cname="zstd", clevel=level, shuffle=shuffle, typesize=codes.dtype.itemsize
            )
    for name, codec in kinds.items():
        files: dict = {}
        array = zarr.create_array(
            MemoryStore(files),
            shape=codes.shape,
            chunks=tuple(min(256, side) for side in codes.shape),
            dtype=codes.dtype,
            compressors=[codec, Crc32cCodec()],
            config={"write_empty_chunks": True},
        )
        start = time.process_time()
        array[...] = codes
        seconds = time.process_time() - start
        total = sum(len(file.to_bytes()) for key, file in files.items() if key.startswith("c/"))
        yield (
            f"{settings.companding:<11g}{settings.compression_ratio:<4}{name:<26}{total:>10,} B"
            f"{codes.size / seconds / 1e6:>8.1f} Mpx/s"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("movie", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--ratios", type=int, nargs="+", default=[10, 20, 30])
    parser.add_argument("--mask-tile", type=int, default=Settings.mask_tile)
    parser.add_argument("--decoder", default=Settings.decoder)
    parser.add_argument("--frames", type=int, default=20, help="frames that are decoded and scored")
    parser.add_argument("--fill", type=int, choices=(8, 12), help="turn counts into grey levels")
    parser.add_argument("--seed", type=int, default=0, help="of the noise of --fill")
    parser.add_argument("--chains", action="store_true")
    given = parser.parse_args()
    movie = open_movie(given.movie)
    truth = None
    if given.truth:
        truth = open_movie(given.truth).read(0, movie.shape[0]).astype(np.float32)
    if given.fill:
        movie, gain = filled(movie, given.fill, given.seed)
        truth = None if truth is None else np.float32(gain) * truth + np.float32(3 * READ_NOISE)
    n_frames, height, width = movie.shape
    print(f"{given.movie.name}: {n_frames} × {height} × {width} {movie.dtype}, {movie.nbytes:,} B")
    if not given.chains:
        print(COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        for ratio in given.ratios:
            for fraction in (0.0, 0.5):
                settings = Settings(
                    compression_ratio=ratio,
                    companding=fraction,
                    decoder=given.decoder,
                    mask_tile=given.mask_tile,
                )
                lines = (
                    chains(movie, settings)
                    if given.chains
                    else rows(movie, truth, settings, Path(folder), given.frames)
                )
                for line in lines:
                    print(line, flush=True)


if __name__ == "__main__":
    main()
