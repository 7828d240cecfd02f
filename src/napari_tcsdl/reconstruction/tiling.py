"""Large frames in tiles that overlap, and what to do when memory does not suffice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray

from .._validation import Cancelled, DeviceError
from .base import BlockContext, Progress, Reconstructor
from .group import Area, DecodedGroup, GroupBlock, drift_range

MIN_TILE = 64
"""Side [px], without halo, of the smallest tile that is tried when memory is short."""

_TELL_EVERY = 0.1  # [s] between calls of the progress callback while threads work


def reconstruct_tiled(
    reconstructor: Reconstructor,
    group: Sequence[GroupBlock],
    context: BlockContext,
    *,
    device: torch.device | str,
    tile: int,
    progress: Progress,
) -> DecodedGroup:
    """Reconstruct consecutive measurements together, tile by tile.

    Each tile is decoded with at least ``reconstructor.halo`` more pixels on every side, which are
    cut off afterwards; a frame no larger than a tile is decoded whole. When the device runs out
    of memory the tile is halved and the work goes on, and tiles that are done are kept.

    Parameters
    ----------
    reconstructor
        The decoder.
    group
        Consecutive measurements, at least one of them wanted; of neighbours that are used in
        part, the frames next to the others.
    context
        What is known of the movie.
    device
        Where to decode.
    tile
        Longest side of a tile [px], without halo.
    progress
        Called with the fraction done; what it raises stops the work.

    Returns
    -------
    DecodedGroup
        Frames of the wanted blocks only. ``GapTV`` differs from an untiled result by less than
        1 % of the value range at every pixel (0.1 % rms).

    Raises
    ------
    DeviceError
        If not even a tile of ``MIN_TILE`` pixels fits into the memory of the device.
    """
    height, width = group[0].values.shape
    decoder = _TileDecoder(reconstructor, group, context, torch.device(device))
    areas = [Area(0, 0, height, width)]
    share = _Share(progress, height * width)
    side = tile
    while areas:
        areas = [part for area in areas for part in area.split(side)]
        areas = _decode_all(decoder, areas, share)
        if areas:
            side = _halved(areas[0], decoder.device)
    return DecodedGroup(decoder.frames, decoder.uncertainty)


class _Share:
    """Progress of tiles as progress of the frame; tiles report from several threads."""

    def __init__(self, progress: Progress, n_pixels: int) -> None:
        self.progress = progress
        self.n_pixels = n_pixels
        self.done: dict[Area, float] = {}
        self.stop = threading.Event()

    def note(self, area: Area, fraction: float) -> None:
        """Take down the progress of ``area``; end its thread where the work was stopped."""
        self.done[area] = fraction * area.height * area.width / self.n_pixels
        if self.stop.is_set():
            raise Cancelled

    def tell(self) -> None:
        """Call the progress callback, always from the thread that asked for the work."""
        self.progress(min(sum(list(self.done.values())), 1.0))


def _decode_all(decoder: _TileDecoder, areas: list[Area], share: _Share) -> list[Area]:
    """Decode ``areas``; return those for which memory did not suffice."""
    if decoder.device.type != "cpu" or decoder.reconstructor.splits_work:
        return [area for area in areas if not decoder.decode(area, share, told=True)]
    # Operations too short to be worth splitting among threads: where other programs use the cores
    # each would wait for the slowest (measured for GAP-TV: 80 times slower). One thread a tile.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if min(threads, len(areas)) > 1:
            return _decode_threaded(decoder, areas, share, threads)
        return [area for area in areas if not decoder.decode(area, share, told=True)]
    finally:
        torch.set_num_threads(threads)


def _decode_threaded(
    decoder: _TileDecoder, areas: list[Area], share: _Share, threads: int
) -> list[Area]:
    """Do the same in so many threads at once."""
    with ThreadPoolExecutor(threads) as pool:
        tasks = {pool.submit(decoder.decode, area, share): area for area in areas}
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


def _halved(area: Area, device: torch.device) -> int:
    """Return the next tile side after ``area`` did not fit, with the memory given back."""
    with suppress(RuntimeError):  # of a device that is lost by now: the next tile tells
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
    with suppress(RuntimeError):  # a lost device tells nothing
        free, total = torch.cuda.mem_get_info(device)
        return f" ({free / 2**30:.1f} of {total / 2**30:.1f} GiB free)"
    return ""


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Tell a full memory from a bug: CUDA has a class for it, CPU and MPS only a message."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error)
    return "out of memory" in text or "can't allocate memory" in text


class _TileDecoder:
    """Decodes areas of one group into ``frames`` and ``uncertainty``."""

    def __init__(
        self,
        reconstructor: Reconstructor,
        group: Sequence[GroupBlock],
        context: BlockContext,
        device: torch.device,
    ) -> None:
        self.reconstructor = reconstructor
        self.group = group
        self.context = context
        self.device = device
        lengths = [(len(block.frames), block.wanted) for block in group]
        first = next(index for index, block in enumerate(group) if block.wanted)
        self.lead = sum(n for n, _ in lengths[:first])
        n_frames = sum(n for n, wanted in lengths if wanted)
        self.halo = reconstructor.halo + (drift_range(group) if reconstructor.follows else 0)
        self.frames = np.empty((n_frames, *group[0].values.shape), np.float32)
        self.uncertainty: NDArray[np.float32] | None = None
        self._lock = threading.Lock()

    def decode(self, area: Area, share: _Share, told: bool = False) -> bool:
        """Decode ``area``; False where the device's memory does not suffice.

        ``told``: this thread may call the progress callback itself.
        """

        def report(fraction: float) -> None:
            share.note(area, fraction)
            if told:
                share.tell()

        try:
            self._decode(area, report)
        except (RuntimeError, MemoryError) as error:
            # Returning drops the traceback, and with it the tensors it keeps alive.
            if not _is_out_of_memory(error):
                raise
            share.done.pop(area, None)
            return False
        report(1.0)
        return True

    @torch.inference_mode()
    def _decode(self, area: Area, progress: Progress) -> None:
        window = self._window(area)
        segments = [block.segment(window, self.device) for block in self.group]
        estimate = self.reconstructor.decode(segments, self.context, progress)
        wanted = slice(self.lead, self.lead + len(self.frames))
        top, left = area.top - window.top, area.left - window.left
        inner = (wanted, slice(top, top + area.height), slice(left, left + area.width))
        self.frames[:, area.rows, area.columns] = estimate.frames[inner].cpu().numpy()
        if estimate.uncertainty is not None:
            uncertainty = estimate.uncertainty[inner].cpu().numpy()
            self._uncertainty()[:, area.rows, area.columns] = uncertainty

    def _window(self, area: Area) -> Area:
        """Return ``area`` with its halo, from the next aligned pixel on, within the frame."""
        halo, align = self.halo, self.reconstructor.align
        height, width = self.frames.shape[1:]
        top = max(area.top - halo, 0) // align * align
        left = max(area.left - halo, 0) // align * align
        bottom = min(area.top + area.height + halo, height)
        right = min(area.left + area.width + halo, width)
        return Area(top, left, bottom - top, right - left)

    def _uncertainty(self) -> NDArray[np.float32]:
        """Make room for it when the first tile brings some; tiles come from several threads."""
        with self._lock:
            if self.uncertainty is None:
                self.uncertainty = np.full(self.frames.shape, np.nan, np.float32)
            return self.uncertainty
