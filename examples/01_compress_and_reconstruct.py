"""Compress a movie, reconstruct it, and see what was saved.

Run it from anywhere: ``python examples/01_compress_and_reconstruct.py``. Every step is also a
command: ``napari-tcsdl compress``, ``napari-tcsdl reconstruct``.
"""

import tempfile
from pathlib import Path

import numpy as np

import napari_tcsdl as tcs
from napari_tcsdl.simulate import sample_movie_path

# A movie is lazy: frames are read when they are asked for. It knows its pixel size and frame time.
movie = tcs.open_movie(sample_movie_path())
print(movie.name, movie.shape, f"{movie.pixel_size:.3f} Å/px", f"{movie.frame_time} s/frame")

# B = 8 frames go into each measurement. B is not the byte ratio: that is measured on disk.
settings = tcs.Settings(compression_ratio=8, device="cpu")
with tempfile.TemporaryDirectory() as folder:
    compressed = tcs.compress(movie, Path(folder) / "movie.tcs.zarr", settings)
    real = compressed.bytes_on_disk()
    print(f"B = 8, storage ratio {movie.nbytes / real['total']:.2f}, bytes {real}")

    # The reconstruction comes block by block, so that a long movie fits into memory.
    block = next(tcs.reconstruct(compressed, settings))
    print("frames", block.first_frame, "to", block.first_frame + len(block.frames) - 1)

assert block.frames.shape == (8, *movie.shape[1:])
assert np.isfinite(block.frames).all()
