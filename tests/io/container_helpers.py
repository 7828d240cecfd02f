"""What the tests of the compressed file share."""

from __future__ import annotations

import contextlib
import json

import numpy as np

from napari_tcsdl.deviation import JudgedDeviation
from napari_tcsdl.io import CompressedWriter, Header
from napari_tcsdl.persistence import Persistence

RATIO = 4
SHAPE = (14, 40, 56)  # three whole blocks and one of two frames
HEADER = Header(
    shape=SHAPE,
    dtype="uint16",
    value_range=(1.0, 4000.0),
    pixel_size=2.5,
    frame_time=0.04,
    noise={"gain": 30.0, "offset_variance": 2.0},
    persistence=Persistence((8.0, 4.0, 2.0, -0.5, 0.25), (1.0, 0.5, 0.0, 0.0, 0.0), 0.125),
    deviation=JudgedDeviation(0.9, 0.03, "0f" * 32),
    source="movie.tif",
    settings={"compression_ratio": RATIO},
)
KILLED = """
import hashlib, sys, numpy as np
from napari_tcsdl.encoder import Measurement
from napari_tcsdl.io import CompressedWriter, Header
from napari_tcsdl.masks import Masks
header = Header(shape=(None, 40, 56), dtype="uint16", value_range=(0, 1))
rng = np.random.default_rng()
masks, overwrite = Masks.create(4, tile=(16, 16)), "overwrite" in sys.argv
with CompressedWriter(sys.argv[1], masks, header, overwrite=overwrite) as writer:
    print(writer.path, flush=True)
    for k in range(100_000):
        y = rng.integers(0, 9999, (40, 56), dtype=np.uint32)
        writer.append(Measurement(y, 4 * k, 4))
        print(hashlib.sha256(y.tobytes()).hexdigest(), flush=True)
"""


class Stop(BaseException):
    """Stands for a process that ends."""


def write(path, masks, measurements, header=HEADER, **options):
    with CompressedWriter(path, masks, header, **options) as writer:
        for y in measurements:
            writer.append(y, masks.shortened(y.n_frames))
    return path


def edit_json(file, change):
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))


def flip(file, position, bit):
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)


def shard(path, index):
    return path / "0" / "c" / str(index) / "0" / "0"


def fail_after(writer, measurement):
    with contextlib.suppress(RuntimeError), writer:
        writer.append(measurement)
        raise RuntimeError


def assert_same(compressed, measurements):
    assert compressed.n_measurements == len(measurements)
    for k, y in enumerate(measurements):
        got = compressed.measurement(k)
        assert (got.first_frame, got.n_frames) == (y.first_frame, y.n_frames)
        np.testing.assert_array_equal(got.values, y.values)
