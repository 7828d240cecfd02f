"""What the controls of a step are called, and what their tooltips say."""

from __future__ import annotations

from ..._exposures import USUAL_WORDS

MASKS = {"balanced": "balanced", "bernoulli": "Bernoulli, p = 0.5"}
ENTROPIES = {
    "zstd": "standard (zstd)",
    "jpegls": "JPEG-LS",
    "jpegxl": "JPEG XL",
    "best": "the smallest of them",
}
DEVIATIONS = {"stated": "as the decoder states it", "judged": "judged by raw pixels"}
REFERENCES = {
    "denoised": "denoised raw frames",
    "raw": "raw frames",
    "truth": "known truth (a layer)",
}
TIPS = {
    "layer": "Movie to work on: an image layer (T, H, W). A measurement that was opened from a "
    ".tcs.zarr file is reconstructed instead.",
    "ratio": "B: frames that are summed into one measurement, each under a mask of its own. "
    "This is not the ratio of bytes, which is shown below once it is known.",
    "recommend": "Measure motion and dose of this movie, and propose a B with the reason.",
    "masks": "Balanced: every pixel is exposed equally often in a block. "
    "Bernoulli: each pixel of each mask is open with p = 0.5, as in the paper.",
    "seed": "Seed of the masks: the same seed and exposures give the same masks for ever.",
    "exposures": "How often each pixel is exposed in a block of balanced masks. Automatic: "
    f"{USUAL_WORDS}.",
    "mask_tile": "Side of the mask that is repeated over the frame [px]; 0 for masks as large as "
    "the frame, which cost more bytes.",
    "companding": "Step to which measurements are rounded, in standard deviations of their noise. "
    "Half of one halves the bytes and adds 2 % to the variance of the noise.",
    "entropy": "How the numbers are coded. Every zarr reader knows the standard one; the others "
    "take a few per cent less.",
    "deviation": "The uncertainty of the frames. Judged: a sample is decoded while raw frames are "
    "there, and pixels that no mask opened tell how far the decoder's own statement is right for "
    "this movie. Up to four parts of 256 × 256 px and some 60 frames are decoded for it.",
    "decoder": "How frames are recovered from a measurement.",
    "weights": "Weights of a learned decoder, such as those that were fine-tuned on your movie. "
    "Empty for those that come with the package.",
    "device": "Where frames are decoded.",
    "decode_tile": "Side of the tiles in which frames are decoded [px]. Smaller ones need less "
    "memory and a little more time; the frames are the same.",
    "reference": "What PSNR and SSIM are taken against. Raw frames hold noise, which no "
    "reconstruction should match.",
    "truth": "Layer with the noise-free frames of the same shape.",
    "more": "Settings that seldom need a change.",
}
LABELS = {
    "layer": "movie",
    "ratio": "B",
    "mask_tile": "mask tile",
    "companding": "rounding",
    "entropy": "coding",
    "deviation": "uncertainty",
    "decode_tile": "decode in",
}
JUDGED = ("decoder", "weights", "device")
"""Rows that say whose uncertainty is judged, where nothing else is decoded."""
OF_MOVIE = (
    *("ratio", "masks", "seed", "exposures", "mask_tile", "companding", "entropy"),
    *("deviation", "reference", "truth"),
)
"""Rows that a compressed file has settled."""
EVERYTHING = (
    ("layer", "ratio", "masks", "decoder", "device", "reference", "truth"),
    (
        *("seed", "exposures", "mask_tile", "companding", "entropy", "deviation"),
        *("weights", "decode_tile"),
    ),
)
