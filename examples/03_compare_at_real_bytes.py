"""Compare the reconstruction with JPEG and frame binning at real bytes, against a known truth."""

import tempfile
from pathlib import Path

import napari_tcsdl as tcs
from napari_tcsdl.comparison import mean_scores
from napari_tcsdl.simulate import sample_movie_path, sample_truth

movie = tcs.open_movie(sample_movie_path())
truth = tcs.Movie(sample_truth(), name="noise-free simulation")
settings = tcs.Settings(compression_ratio=16, reference="truth", device="cpu")

scores, sizes = [], {}
with tempfile.TemporaryDirectory() as folder:
    for block in tcs.compare(movie, Path(folder) / "movie.tcs.zarr", settings, truth=truth):
        scores += block.scores  # ready block by block: a long movie never sits in memory
        for codec in block.codecs:
            sizes[codec.codec] = sizes.get(codec.codec, 0) + sum(codec.frame_bytes)

for codec, (psnr, ssim) in mean_scores(scores).items():
    print(f"{codec:<18} {psnr:6.2f} dB  SSIM {ssim:.3f}  {movie.nbytes / sizes[codec]:6.2f} : 1")
