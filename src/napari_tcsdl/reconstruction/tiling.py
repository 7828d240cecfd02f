"""Large frames in tiles that overlap, and what to do when memory does not suffice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from .._validation import Cancelled, DeviceError
from ..masks import Masks
from ..measurement import Phi
from .base import BlockContext, Progress, Reconstructor

MIN_TILE = 64
"""Side [px], without halo, of the smallest tile that is tried when memory is short."""

_TELL_EVERY = 0.1  # [s] between calls of the progress callback while threads work


class _Area(NamedTuple):
    """A rectangle of the frame [px]."""

    top: int
    left: int
    height: int
    width: int

    @property
    def side(self) -> int:
        return max(self.height, self.width)

    def split(self, side: int) -> Iterator[_Area]:
        """Cut into tiles of about equal size, none longer than ``side``."""
        for y0, y1 in _cuts(self.height, side):
            for x0, x1 in _cuts(self.width, side):
                yield _Area(self.top + y0, self.left + x0, y1 - y0, x1 - x0)


def _cuts(length: int, side: int) -> list[tuple[int, int]]:
    """Cut 0 … length into the fewest parts of about equal length ≤ side."""
    edges = np.linspace(0, length, -(-length // side) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def reconstruct_tiled(
    reconstructor: Reconstructor,
    values: NDArray[Any],
    masks: Masks,
    n_frames: int,
    context: BlockContext,
    *,
    device: torch.device | str,
    tile: int,
    progress: Progress,
) -> NDArray[np.float32]:
    """Reconstruct one measurement tile by tile.

    Each tile is decoded with ``reconstructor.halo`` more pixels on every side, which are cut off
    afterwards; a frame no larger than a tile is decoded whole. When the device runs out of memory
    the tile is halved and the work goes on, and tiles that are done are kept.

    Parameters
    ----------
    reconstructor
        The decoder.
    values
        Y (H, W), detector units.
    masks
        Masks of the block; the first ``n_frames`` of them were used.
    n_frames
        Frames in the block, ≤ B.
    context
        Value range and noise of the movie.
    device
        Where to decode.
    tile
        Longest side of a tile [px], without halo.
    progress
        Called with the fraction done; what it raises stops the work.

    Returns
    -------
    NDArray
        (n_frames, H, W) float32, detector units. ``GapTV`` differs from an untiled result by less
        than 1 % of the value range at every pixel (0.1 % rms).

    Raises
    ------
    DeviceError
        If not even a tile of ``MIN_TILE`` pixels fits into the memory of the device.
    """
    frames = np.empty((n_frames, *values.shape), np.float32)
    decoder = _TileDecoder(reconstructor, values, masks, context, torch.device(device))
    areas = [_Area(0, 0, *values.shape)]
    share = _Share(progress, values.size)
    side = tile
    while areas:
        areas = [part for area in areas for part in area.split(side)]
        areas = _decode_all(decoder, areas, frames, share)
        if areas:
            side = _halved(areas[0], decoder.device)
    return frames


class _Share:
    """Progress of tiles as progress of the frame; tiles report from several threads."""

    def __init__(self, progress: Progress, n_pixels: int) -> None:
        self.progress = progress
        self.n_pixels = n_pixels
        self.done: dict[_Area, float] = {}
        self.stop = threading.Event()

    def note(self, area: _Area, fraction: float) -> None:
        """Take down the progress of ``area``; end its thread where the work was stopped."""
        self.done[area] = fraction * area.height * area.width / self.n_pixels
        if self.stop.is_set():
            raise Cancelled

    def tell(self) -> None:
        """Call the progress callback, always from the thread that asked for the work."""
        self.progress(min(sum(list(self.done.values())), 1.0))


def _decode_all(
    decoder: _TileDecoder, areas: list[_Area], frames: NDArray[np.float32], share: _Share
) -> list[_Area]:
    """Decode ``areas`` into ``frames``; return those for which memory did not suffice."""
    if decoder.device.type != "cpu":
        return [area for area in areas if not decoder.decode(area, frames, share, told=True)]
    # A tile's operations are too short to be worth splitting among threads: where other programs
    # use the cores each would wait for the slowest (measured: 80 times slower). One thread a tile.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if min(threads, len(areas)) > 1:
            return _decode_threaded(decoder, areas, frames, share, threads)
        return [area for area in areas if not decoder.decode(area, frames, share, told=True)]
    finally:
        torch.set_num_threads(threads)


def _decode_threaded(
    decoder: _TileDecoder,
    areas: list[_Area],
    frames: NDArray[np.float32],
    share: _Share,
    threads: int,
) -> list[_Area]:
    """Do the same in so many threads at once."""
    with ThreadPoolExecutor(threads) as pool:
        tasks = {pool.submit(decoder.decode, area, frames, share): area for area in areas}
        try:
            while wait(tasks, timeout=_TELL_EVERY).not_done:
                share.tell()
            share.tell()
        except BaseException:
            share.stop.set()
            for task in tasks:
                task.cancel()
            raise
        return [area for task, area in tasks.items() if not task.result()]


def _halved(area: _Area, device: torch.device) -> int:
    """Return the next tile side after ``area`` did not fit, with the memory given back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    if area.side <= MIN_TILE:
        raise DeviceError(
            f"got out of memory on {device} with a tile of {area.height} × {area.width} pixels"
            f"{_memory(device)}, expected at least a tile of {MIN_TILE} pixels to fit; close other "
            "programs that use this device, or choose the device 'cpu'"
        )
    return max(-(-area.side // 2), MIN_TILE)


def _memory(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    return f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB free)"


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Tell a full memory from a bug: CUDA has a class for it, CPU and MPS only a message."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error)
    return "out of memory" in text or "can't allocate memory" in text


class _TileDecoder:
    """Decodes areas of one measurement."""

    def __init__(
        self,
        reconstructor: Reconstructor,
        values: NDArray[Any],
        masks: Masks,
        context: BlockContext,
        device: torch.device,
    ) -> None:
        self.reconstructor = reconstructor
        self.values = values
        self.masks = masks
        self.context = context
        self.device = device

    def decode(
        self, area: _Area, frames: NDArray[np.float32], share: _Share, told: bool = False
    ) -> bool:
        """Decode ``area`` into ``frames``; False where the device's memory does not suffice.

        ``told``: this thread may call the progress callback itself.
        """

        def report(fraction: float) -> None:
            share.note(area, fraction)
            if told:
                share.tell()

        try:
            self._decode(area, frames, report)
        except (RuntimeError, MemoryError) as error:
            # Returning drops the traceback, and with it the tensors it keeps alive.
            if not _is_out_of_memory(error):
                raise
            share.done.pop(area, None)
            return False
        report(1.0)
        return True

    @torch.inference_mode()
    def _decode(self, area: _Area, frames: NDArray[np.float32], progress: Progress) -> None:
        halo = self.reconstructor.halo
        top, left = max(area.top - halo, 0), max(area.left - halo, 0)
        bottom, right = area.top + area.height, area.left + area.width
        window = self.values[top : bottom + halo, left : right + halo]
        unpacked = self.masks.unpack(window.shape, (top, left))[: len(frames)]
        phi = Phi(torch.from_numpy(unpacked).to(self.device, torch.float32))
        y = torch.from_numpy(window.astype(np.float32)).to(self.device)
        decoded = self.reconstructor(y, phi, self.context, progress)
        decoded = decoded[:, area.top - top : bottom - top, area.left - left : right - left]
        frames[:, area.top : bottom, area.left : right] = decoded.cpu().numpy()
