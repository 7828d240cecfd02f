"""Write ``.tcs.zarr`` files, measurement by measurement, each durable once acknowledged."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._validation import InputError, OutputError
from ..encoder import Measurement
from ..masks import Masks
from ._arrays import AXES, ArrayEncoder, masks_files, table_files
from ._durable import PARTIAL, cannot_write, new_folder, sync_folder, write_durably
from ._entropy import check_entropy
from ._layout import (
    DOCUMENT,
    MASKS,
    MEASUREMENTS,
    TABLE,
    TAIL_MASKS,
    Header,
    Ledger,
    Storage,
    root_document,
    shard_key,
)
from ._replace import Place


def check_place(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuse, before any work is done, a name that a compressed movie cannot be given.

    Raises
    ------
    OutputError
        As :class:`CompressedWriter`.
    """
    try:
        Place(path, overwrite)
    except OSError as error:
        raise cannot_write(Path(path), error) from error


class CompressedWriter:
    """Write a movie's measurements as they come; whenever it stops, the file opens.

    After :meth:`append` returns, its measurement survives a killed process and a power cut: the
    shard is on the disk before the counter ``frames_valid`` takes it in, and each file is replaced
    atomically. A replaced file (``overwrite``) stays as it is until :meth:`close`; the new one
    grows beside it as ``.NAME.<32 digits>.partial.tcs.zarr``, where it stays and opens if the
    process is killed.

    Parameters
    ----------
    path
        ``NAME.tcs.zarr``, in an existing folder.
    masks
        C_b of all blocks of B frames.
    header
        Of the movie; T may be None while it is unknown.
    overwrite
        Replace an existing compressed file; anything else is never replaced.

    Attributes
    ----------
    path
        Where the measurements are now.
    frames_valid
        Frames that are safely kept.

    Raises
    ------
    OutputError
        If ``path`` exists and ``overwrite`` is False, is something else than a compressed file,
        or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        masks: Masks,
        header: Header,
        *,
        overwrite: bool = False,
    ) -> None:
        try:
            self._place = Place(path, overwrite)
        except OSError as error:
            raise cannot_write(Path(path), error) from error
        self._final = self._place.final
        self._masks, self._header = masks, header
        self._ledger = Ledger(n_frames=header.shape[0])
        self._closed = False
        check_entropy(header.storage.entropy, self._final.name)
        self._dtype = header.measurement_dtype(masks.compression_ratio)
        stored = header.storage.stored_dtype(self._dtype)
        self._encoder = ArrayEncoder((1, *header.shape[1:]), stored, AXES, header.storage)
        try:
            self._create()
        except OSError as error:
            raise cannot_write(self._final, error) from error

    @property
    def path(self) -> Path:
        """Where the measurements are now."""
        return self._place.now

    @property
    def storage(self) -> Storage:
        """How measurements are stored: what they are rounded to, and coded by."""
        return self._header.storage

    @property
    def frames_valid(self) -> int:
        """Frames that are safely kept."""
        return self._ledger.frames_valid

    def _create(self) -> None:
        """Make the file without measurements elsewhere and move it into place in one step."""
        with new_folder(self._final, _is_debris) as hidden:
            (hidden / MEASUREMENTS / "c").mkdir(parents=True)
            _write_array(hidden / MASKS, masks_files(self._masks))
            if self.storage.companding is not None:
                _write_array(hidden / TABLE, table_files(self.storage.companding))
            write_durably(hidden / MEASUREMENTS / DOCUMENT, self._encoder.document(0))
            write_durably(hidden / DOCUMENT, root_document(self._header, self._masks, self._ledger))
            self._place.occupy(hidden)
        sync_folder(self.path.parent)

    def append(self, measurement: Measurement, masks: Masks | None = None) -> int:
        """Add the next measurement; it is on the disk when this returns.

        Parameters
        ----------
        measurement
            Values (H, W), first frame and number of frames; only the last may hold < B frames.
        masks
            With which it was encoded, if not with the first ``n_frames`` of the file's masks:
            :meth:`Masks.shortened`, for a last block.

        Returns
        -------
        int
            Bytes of the measurement on the disk.

        Raises
        ------
        InputError
            If the measurement does not continue the file, or lies beyond its table of values.
        OutputError
            If the disk is full or fails; says how many frames are safely kept. It may be tried
            again.
        """
        tail = self._check(measurement, masks)
        index = self._ledger.n_measurements(self._masks.compression_ratio)
        frames_valid = self.frames_valid + measurement.n_frames
        ledger = replace(
            self._ledger,
            frames_valid=frames_valid,
            tail_masks=tail,
            positions=self._positions(measurement),
        )
        table = self.storage.companding
        values = measurement.values
        content = self._encoder.shard(values if table is None else table.compress(values))
        try:
            if tail is not None:
                _write_array(self.path / TAIL_MASKS, masks_files(tail))
            _write_shard(self.path / shard_key(index), content)
            write_durably(self.path / MEASUREMENTS / DOCUMENT, self._encoder.document(index + 1))
            self._write_ledger(ledger)
        except OSError as error:
            raise cannot_write(self._final, error, self._kept()) from error
        return len(content)

    def close(self) -> None:
        """Finish the file; with ``overwrite``, it takes the place of the old one now.

        Raises
        ------
        OutputError
            If the disk is full or fails, or the old file was changed meanwhile.
        """
        if self._closed:
            return
        try:
            if self._ledger.n_frames is None:
                self._write_ledger(replace(self._ledger, n_frames=self.frames_valid))
            aside = self._place.settle()
            sync_folder(self._final.parent)
        except OSError as error:
            raise cannot_write(self._final, error, self._kept()) from error
        self._closed = True
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close, or after an error keep what is acknowledged; an empty file is removed."""
        if kind is None:
            self.close()
        elif not self._closed:
            self._closed = True
            if self.frames_valid == 0 and self._place.is_own():
                shutil.rmtree(self.path, ignore_errors=True)

    def _kept(self) -> str:
        # An empty file is removed on leaving: it keeps nothing.
        kept = f"{self.frames_valid} frames are safely kept in {self.path}"
        return kept if self.frames_valid else ""

    def _write_ledger(self, ledger: Ledger) -> None:
        write_durably(self.path / DOCUMENT, root_document(self._header, self._masks, ledger))
        self._ledger = ledger

    def _positions(self, measurement: Measurement) -> NDArray[np.float64] | None:
        """Positions in all frames up to those of ``measurement``; None once some are unknown."""
        before = np.empty((0, 2)) if self.frames_valid == 0 else self._ledger.positions
        if before is None or measurement.positions is None:
            return None
        return np.concatenate([before, measurement.positions])

    def _check(self, measurement: Measurement, masks: Masks | None) -> Masks | None:
        """Refuse what does not continue the file; return the masks of a shortened last block."""
        ratio = self._masks.compression_ratio
        n_frames, values = measurement.n_frames, measurement.values
        name = self._final.name
        if self._closed:
            raise OutputError(
                f"{name}: got a measurement after closing, expected an open file; start a new one"
            )
        if (
            measurement.first_frame != self.frames_valid
            or self.frames_valid % ratio
            or not 1 <= n_frames <= ratio
        ):
            raise InputError(
                f"{name}: got {n_frames} frames from frame {measurement.first_frame} on after "
                f"{self.frames_valid} frames, expected 1 to {ratio} that continue a file of whole "
                "blocks; append measurements in order, a short one last"
            )
        height, width = self._header.shape[1:]
        if values.shape != (height, width) or not np.can_cast(values.dtype, self._dtype):
            raise InputError(
                f"{name}: got measurement values {values.shape} of type {values.dtype}, expected "
                f"({height}, {width}) of type {self._dtype}; encode with the movie's masks and type"
            )
        if masks is None or masks is self._masks or masks.sha256 == self._masks.sha256:
            return None
        if masks.compression_ratio != n_frames or n_frames == ratio:
            raise InputError(
                f"{name}: got {masks.compression_ratio} masks of their own for {n_frames} frames, "
                f"expected the file's masks, or masks shortened to a last block of fewer than "
                f"{ratio} frames; encode the block with those"
            )
        return masks


def _is_debris(folder: Path) -> bool:
    """Whether a file that was never finished holds nothing but masks and metadata."""
    ours = {DOCUMENT, f"{MASKS}/c/0/0/0", f"{TABLE}/c/0"}
    ours |= {f"{name}/{DOCUMENT}" for name in (MEASUREMENTS, MASKS, TABLE)}
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    return all(
        file.relative_to(folder).as_posix() in ours or file.name.endswith(PARTIAL) for file in files
    )


def _write_array(folder: Path, files: dict[str, bytes]) -> None:
    for key, content in files.items():
        _write_shard(folder / key, content)
    sync_folder(folder.parent)


def _write_shard(path: Path, content: bytes) -> None:
    """Write durably in folders that are made for it."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content)
    for folder in missing:
        sync_folder(folder.parent)
