"""Encode frames one by one, as a detector delivers them.

The encoder never holds more than one measurement and eight frames. Y = Σ C_b ⊙ X_b is an exact
integer sum: the same whether frames come singly or in groups.
"""

import numpy as np

import napari_tcsdl as tcs

masks = tcs.Masks.create(10, kind="balanced", seed=1)
encoder = tcs.Encoder(masks, frame_shape=(128, 160), frame_dtype=np.uint16)

rng = np.random.default_rng(0)
frames = rng.poisson(40, (25, 128, 160)).astype(np.uint16)
measurements = []
for frame in frames:
    measurements += encoder.add(frame[np.newaxis])
measurements.append(encoder.finish())  # the last 5 frames

for measurement in measurements:
    print(f"frames {measurement.first_frame} … +{measurement.n_frames}", measurement.values.dtype)

# The forward operator in torch agrees with the detector's integers to the bit.
phi = tcs.Phi.from_masks(masks, (128, 160), device="cpu")
import torch  # noqa: E402 - after the numpy-only part, which needs no torch

y = phi(torch.from_numpy(frames[:10].astype(np.float32)))
assert np.array_equal(y.numpy(), measurements[0].values)
