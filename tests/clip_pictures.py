"""Boxes of a view that tests draw movies of."""

import numpy as np

from napari_tcsdl._box_picture import GREYS, BoxPicture


def picture(title="raw", shape=(64, 64), seed=0, **changes):
    image = np.random.default_rng(seed).uniform(0, 100, shape).astype(np.float32)
    settings = {
        "lines": ("20.00 dB   SSIM 0.500",),
        "image": image,
        "limits": (0.0, 100.0),
        "colormap": GREYS,
        "pixel_size": 0.5,
    }
    return BoxPicture(title, **(settings | changes))
