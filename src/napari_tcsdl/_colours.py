"""One colour for each codec, in figures, curves and spectra.

Colours of Okabe and Ito, which most colour-blind eyes tell apart, for a dark ground.
"""

RECONSTRUCTION = "#ff9f43"
REFERENCE, RAW, MEASUREMENT = "#e6e9ee", "#a7b0bd", "#8fce6a"
JPEG, JPEG_RAW_OVER_B, BINNING = "#56b4e9", "#2f86c1", "#3fc79a"
