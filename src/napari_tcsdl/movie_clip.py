"""Rendered frames → one movie file: MP4 for slides, GIF where a video cannot play.

Frames are taken one by one and written at once: memory is bounded by one of them. MP4 goes
through PyAV, the optional extra ``[video]``, which is imported only when an MP4 is written.
PyAV itself is BSD-licensed, but its wheels hold FFmpeg with x264 and x265, which are under the
GPL: whoever passes on a bundle with that wheel in it passes on GPL software.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._validation import InputError, OutputError
from ._whole_file import whole_file

FRAME_RATE = 10.0
"""[frames/s]"""
SUFFIXES = (".mp4", ".gif")
FASTEST_GIF = 50.0
"""[frames/s] Browsers show a GIF that asks for more at 10."""
CRF = "20"
"""Quality of x264: no difference is seen from the frames as rendered."""
NO_VIDEO = (
    "got no PyAV, which writes MP4, expected it to be installed; run "
    'pip install "napari-tcsdl[video]", or choose GIF'
)

_BT709, _LIMITED = 1, 1  # as H.273 numbers them: what players take for granted


def write_clip(
    frames: Iterable[NDArray[np.uint8]],
    path: Path,
    *,
    frame_rate: float = FRAME_RATE,
    palette: NDArray[np.uint8] | None = None,
    replace: bool = False,
) -> int:
    """Write a movie, whole or not at all.

    Parameters
    ----------
    frames
        (H, W, 3) uint8 each, all of one shape, even for MP4; taken one by one.
    path
        ``NAME.mp4`` or ``NAME.gif``.
    frame_rate
        [frames/s]
    palette
        Up to 256 colours (n, 3) of a GIF; 256 greys where it is not given.
    replace
        Whether a file of that name may be replaced.

    Returns
    -------
    int
        Frames written.

    Raises
    ------
    InputError
        For no frames, frames of other shapes, or a frame rate that the format cannot keep.
    OutputError
        If the name is no movie's, PyAV is missing, the file exists and ``replace`` is False, or
        it cannot be written.
    """
    path = Path(path)
    check_clip(path, frame_rate)
    with whole_file(path, replace=replace) as partial:
        if path.suffix.lower() == ".gif":
            greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
            colours = greys if palette is None else palette
            return _write_gif(_checked(frames), partial, frame_rate, colours)
        return _write_mp4(_checked(frames), partial, frame_rate)


def check_clip(path: Path, frame_rate: float = FRAME_RATE) -> None:
    """Refuse a name or a frame rate before any frame is rendered; see :func:`write_clip`."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(
            f"got movie name {Path(path).name}, expected one that ends in .mp4 or .gif; add one "
            "of these"
        )
    fastest = FASTEST_GIF if suffix == ".gif" else 1000.0
    if not (math.isfinite(frame_rate) and 0 < frame_rate <= fastest):
        raise InputError(
            f"got {frame_rate:g} frames/s for a movie {suffix}, expected more than 0 and at most "
            f"{fastest:g}; choose for example {FRAME_RATE:g}"
        )
    if suffix == ".mp4":
        _pyav()


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise OutputError(NO_VIDEO) from error
    return av


def _checked(frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Pass frames on; refuse those that do not fit to the first, and none at all."""
    shape: tuple[int, ...] | None = None
    for index, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(
                f"got frame {index} of shape {frame.shape}, expected (H, W, 3) like the first, "
                f"{shape}; render all frames in one size"
            )
        yield frame
    if shape is None:
        raise InputError("got no frames for a movie, expected at least one; give it some frames")


# --- GIF --------------------------------------------------------------------------------------


def _write_gif(
    frames: Iterator[NDArray[np.uint8]], path: Path, rate: float, palette: NDArray[np.uint8]
) -> int:
    """Write block by block: Pillow's own writer of animations keeps all frames in memory."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    nearest = _Nearest(palette)
    count = 0
    with path.open("wb") as file:
        for count, frame in enumerate(frames, start=1):
            if count == 1:
                file.write(_gif_head(frame.shape[1], frame.shape[0], table))
            indexed = Image.fromarray(nearest(frame))
            indexed.putpalette(table.tobytes())
            # Hundredths of a second; their rounding does not add up.
            delay = round(100 * count / rate) - round(100 * (count - 1) / rate)
            file.write(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 0, delay, 0, 0))
            file.write(_gif_image(indexed))
        file.write(b"\x3b")
    return count


class _Nearest:
    """Colours → nearest entries of a palette: greys exactly, others in steps of 8.

    Pillow's own search is off by up to 4 grey levels, whatever the palette.
    """

    def __init__(self, palette: NDArray[np.uint8]) -> None:
        colours = palette.astype(np.float32)
        steps = np.arange(4, 256, 8, dtype=np.float32)
        grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
        greys = np.repeat(np.arange(256, dtype=np.float32)[:, None], 3, axis=1)
        self._coarse = _nearest(grid.reshape(-1, 3), colours)
        self._greys = _nearest(greys, colours)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) → (H, W) indices."""
        red, green, blue = frame[..., 0], frame[..., 1], frame[..., 2]
        found: NDArray[np.uint8] = self._greys[red]
        colour = (red != green) | (red != blue)
        if colour.any():
            r, g, b = (frame[colour].astype(np.intp) >> 3).T
            found[colour] = self._coarse[(r << 10) | (g << 5) | b]
        return found


def _nearest(colours: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.uint8]:
    # |c − p|² without the part that is the same for all p.
    costs = (palette**2).sum(axis=1) - 2 * colours @ palette.T
    found: NDArray[np.uint8] = costs.argmin(axis=1).astype(np.uint8)
    return found


def _gif_head(width: int, height: int, table: NDArray[np.uint8]) -> bytes:
    """Screen, 256 colours for all frames, and "repeat for ever"."""
    screen = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, 0, 0)
    forever = struct.pack("<BBB11sBBHB", 0x21, 0xFF, 11, b"NETSCAPE2.0", 3, 1, 0, 0)
    return screen + table.tobytes() + forever


def _gif_image(indexed: Image.Image) -> bytes:
    """Cut descriptor and LZW data out of the GIF that Pillow makes of one image."""
    buffer = io.BytesIO()
    indexed.save(buffer, "GIF", optimize=False)
    data = buffer.getvalue()
    at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[at] == 0x21:  # extensions: a label, then blocks up to an empty one
        at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    return data[at:-1]


# --- MP4 --------------------------------------------------------------------------------------


def _write_mp4(frames: Iterator[NDArray[np.uint8]], path: Path, rate: float) -> int:
    av = _pyav()
    count = 0
    # Its head goes in front at the end: a browser then plays before all has arrived.
    options = {"movflags": "+faststart"}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                stream = _video_stream(av, container, frame.shape, rate)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = picture.reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED
            )
            picture.pts = count
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode(None))
    return count


def _video_stream(av: Any, container: Any, shape: tuple[int, ...], rate: float) -> Any:
    height, width = shape[:2]
    if height % 2 or width % 2:
        raise InputError(
            f"got frames of {width} × {height} px, expected even sizes for MP4; add a row or a "
            "column"
        )
    x264 = "libx264" in av.codecs_available
    exact = Fraction(rate).limit_denominator(1000)
    stream = container.add_stream("libx264" if x264 else "mpeg4", rate=exact)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = 1 / exact
    stream.options = {"crf": CRF, "preset": "superfast"} if x264 else {"qscale": "3"}
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED
    return stream
