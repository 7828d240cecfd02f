"""Temporal compressive sensing for in situ TEM movies.

The data flow is the architecture; each stage is one module:

====================  ==========================================================
module                stage
====================  ==========================================================
``movie``             lazy frames X_b (T, H, W) with pixel size and frame time
``simulate``          movies with known truth, and the sample movie
``selection``         a part of a movie: frames, field, binning, calibration
``masks``             coded masks C_b, seeded, bit-packed, tileable
``encoder``           Y = Σ_b C_b ⊙ X_b as a detector would make it (numba)
``measurement``       the forward operator Φ in torch, adjoint, pseudo-inverse
``level``             how bright measurements are, one pair of numbers a movie
``noise``             noise model of the detector from the movie itself
``stabilise``         noise made alike everywhere, and the exact way back
``noise_spectrum``    how noise is correlated; whether motion spoils the estimate
``companding``        numbers rounded to a share of their noise
``thinning``          one count split into two independent ones
``consistency``       where an estimate contradicts its measurement
``io``                files: TIFF, MRC, and our own ``.tcs.zarr``
``reconstruction``    decoders: Y → frames
``storage``           storage ratios, against raw frames treated three ways
``codecs``            rivals at real bytes: images, videos, lossless, and as cheap as ours
``bm3d``              block matching and 3-D filtering, for one frame
``bm3d_part``         the same for a part of a frame
``denoise``           the denoised raw movie, a reference where no truth is known
``metrics``           PSNR and SSIM against a named reference
``frc``               Fourier ring correlation, and the resolution it tells
``fourier``           power spectrum and d-spacing
``bragg``             contrast of Bragg spots, reflection by reflection
``lattice``           rings of known substances: hkl and d-spacings
``spots``             Bragg spots found in a spectrum: d, angle, SNR
``edges``             width of edges against a reference
``tracking``          features followed through time: displacement, lag
``spot_fidelity``     what is left of each reflection of a lattice
``fidelity``          all scores beyond PSNR of one movie
``held_out_frames``   one half of the electrons judges the other
``radial``            mean power against spatial frequency
``settings``          what to do, as one object that is saved with every result
``training``          movies, masks and one loop that teach the learned decoders
``decoder_choice``    the decoder that settings name, checked before any work is done
``deviation``         a stated uncertainty, judged by raw pixels that no mask opened
``decoding``          the blocks of a compressed movie, decoded in any order
``encoding``          what of a raw movie is stored, block by block
``judging``           a sample of a movie, decoded to judge the uncertainty by
``pipeline``          the stages as code: compress, reconstruct
``reference_cache``   denoised frames kept from one run to the next
``reference``         what scores are taken against: truth, raw or denoised frames
``comparison``        a movie against its reconstruction and its rivals
``rivals``            every codec at every size on one movie, and who wins
``persistence``       how long structure lasts, told from raw frames for the decoder
``drift``             where the specimen lies in each frame, told for the decoder
``motion``            how fast the specimen moves and changes
``advice``            which B for this movie, with the reason
``cost``              time, memory and disk of a run before it starts
``presets``           settings as a file, and as a command line
``describe``          what a movie or a compressed file holds, for people and scripts
``figures``           a comparison as one picture
``export``            a reconstruction as TIFF, with its uncertainty and consistency
``report``            a comparison as table, summary and picture
``rival_report``      that as one HTML page
``view_figure``       what the window shows as a figure for paper
``movie_clip``        what it shows as a side-by-side movie
``cli_compare``       ``compare`` on the command line
``cli_info``          ``validate``, ``info`` and ``recommend`` on the command line
``cli_train``         ``train``, fine-tuning included, on the command line
``cli``, ``display``  the same on the command line and in napari
====================  ==========================================================

Names below are loaded on first use: ``import napari_tcsdl`` loads neither torch nor napari.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Movie": "movie",
    "Masks": "masks",
    "Encoder": "encoder",
    "Measurement": "encoder",
    "encode": "encoder",
    "Phi": "measurement",
    "NoiseModel": "noise",
    "estimate_noise": "noise",
    "RECONSTRUCTORS": "reconstruction",
    "psnr": "metrics",
    "ssim": "metrics",
    "power_spectrum": "fourier",
    "open_movie": "io",
    "open_compressed": "io",
    "validate": "io",
    "Settings": "settings",
    "Decoder": "decoding",
    "compress": "pipeline",
    "reconstruct": "pipeline",
    "consistency_map": "pipeline",
    "compare": "comparison",
    "TcsdlError": "_validation",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
