"""A reconstruction as files: ImageJ TIFFs, with the settings that made them beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ._validation import CorruptFileError, InputError, OutputError
from .decoder_choice import check_states_uncertainty
from .decoding import Decoder, Progress, no_progress, part_of
from .describe import software_versions
from .io import CompressedMovie, TiffStack, check_free, new_files, told_of
from .pipeline import consistency_map
from .settings import Settings

FRAMES, UNCERTAINTY, CONSISTENCY = "frames", "uncertainty", "consistency"


@dataclass(frozen=True)
class TiffOutputs:
    """Where a reconstruction goes.

    Attributes
    ----------
    frames
        ``NAME.tif`` of the frames (T, H, W); the settings go beside it as ``NAME.tif.json``.
    uncertainty
        TIFF of the standard deviation of each value (T, H, W) [detector units]; None for none.
    consistency
        TIFF of (Y − ΦX̂) / σ_Y, (M, H, W), one picture for each measurement; None for none.
    overwrite
        Replace existing files.
    """

    frames: Path
    uncertainty: Path | None = None
    consistency: Path | None = None
    overwrite: bool = False

    @property
    def sidecar(self) -> Path:
        """Where the settings go."""
        return self.frames.with_name(self.frames.name + ".json")

    @property
    def stacks(self) -> dict[str, Path]:
        """The TIFFs that are wanted, by what they hold."""
        found = {
            CONSISTENCY: self.consistency,
            UNCERTAINTY: self.uncertainty,
            FRAMES: self.frames,
        }
        return {what: path for what, path in found.items() if path is not None}

    def check(self) -> None:
        """Refuse names that cannot be written.

        Raises
        ------
        OutputError
            If one is no name of a TIFF, is given twice, exists and ``overwrite`` is False, or is
            in no folder.
        """
        taken: dict[Path, str] = {}
        for what, path in self.stacks.items():
            if path.suffix.lower() not in (".tif", ".tiff"):
                raise OutputError(
                    f"got output {path.name}, expected a name that ends in .tif; the {what} "
                    f"{'are' if what == FRAMES else 'is'} written as ImageJ TIFF"
                )
            other = taken.setdefault(path.resolve(), what)
            if other != what:
                raise OutputError(
                    f"got output {path} for both {other} and {what}, expected a file for each; "
                    "choose another name for one"
                )
        for path in (self.sidecar, *self.stacks.values()):
            check_free(path, self.overwrite)


def reconstruct_to_tiff(
    compressed: CompressedMovie,
    outputs: TiffOutputs,
    settings: Settings,
    *,
    skip_damaged: bool = False,
    progress: Progress = no_progress,
) -> list[str]:
    """Write the reconstruction as ImageJ float32 TIFFs, settings beside it as ``NAME.tif.json``.

    Frames and uncertainty are in the movie's own detector units; pixel size and frame time are
    kept, the latter B times as long for the consistency map. Block by block goes to all files,
    which appear together once all are complete, or not at all.

    Parameters
    ----------
    compressed
        The file to decode.
    outputs
        Which files, and where.
    settings
        Decoder, device and tile.
    skip_damaged
        Write NaN where a measurement is damaged, instead of stopping there.
    progress
        Called with the fraction done.

    Returns
    -------
    list of str
        One sentence for each damaged measurement that was passed over.

    Raises
    ------
    OutputError
        If an output is no TIFF name, exists and may not be replaced, or cannot be written.
    CorruptFileError
        If a measurement is damaged and ``skip_damaged`` is False.
    InputError
        If no frame of the file was ever acknowledged, the decoder is unknown, unsuited or states
        no uncertainty where it is wanted, or a consistency map is wanted without a noise model.
    """
    decoder = Decoder(compressed, settings)
    _check_wanted(compressed, outputs, settings)
    damaged: list[str] = []
    stacks = outputs.stacks
    with new_files([outputs.sidecar, *stacks.values()]) as (sidecar, *files):
        tiffs = _begin(compressed, stacks, files)
        for parts in _blocks(
            compressed, decoder, list(stacks), damaged if skip_damaged else None, progress
        ):
            for what, part in parts.items():
                tiffs[what].write(part)
        for tiff in tiffs.values():
            tiff.check_complete()
        facts = {
            "source": compressed.header.source,
            "settings": settings.to_json(),
            "deviation_factor": decoder.deviation_factor,
            "files": {what: path.name for what, path in stacks.items()},
            "damaged": damaged,
            "software": software_versions(),
        }
        with told_of(outputs.sidecar):
            sidecar.write(json.dumps(facts, indent=2).encode())
    return damaged


def _check_wanted(compressed: CompressedMovie, outputs: TiffOutputs, settings: Settings) -> None:
    """Refuse, before any work is done, what would fail after hours."""
    outputs.check()
    if compressed.frames_valid == 0:
        raise InputError(
            f"got {compressed.path.name} with no measurement in it, expected at least one; its run "
            "was stopped before the first, so compress the movie again"
        )
    if outputs.uncertainty is not None:
        check_states_uncertainty(settings.decoder)
    if outputs.consistency is not None and compressed.header.noise is None:
        raise InputError(
            f"got {compressed.path.name} without the noise of its movie, expected a noise model to "
            "compare with for a consistency map; leave that out, or compress the movie again"
        )


def _begin(
    compressed: CompressedMovie, stacks: dict[str, Path], files: Sequence[IO[bytes]]
) -> dict[str, TiffStack]:
    """Begin the TIFFs, with their calibration."""
    header, ratio = compressed.header, compressed.compression_ratio
    tiffs = {}
    for (what, path), file in zip(stacks.items(), files, strict=True):
        once = what == CONSISTENCY  # a measurement, not a frame
        count = compressed.n_measurements if once else compressed.frames_valid
        time = header.frame_time
        tiffs[what] = TiffStack(
            file,
            path,
            (count, *compressed.frame_shape),
            pixel_size=header.pixel_size,
            frame_time=time * ratio if time is not None and once else time,
        )
    return tiffs


def _blocks(
    compressed: CompressedMovie,
    decoder: Decoder,
    wanted: Sequence[str],
    damaged: list[str] | None,
    progress: Progress,
) -> Iterator[dict[str, NDArray[Any]]]:
    """Decode block by block; a list ``damaged`` takes the sentences of what cannot be read."""
    count, ratio = compressed.n_measurements, compressed.compression_ratio
    for index in range(count):
        group = decoder.group(index)
        try:
            yield _parts(compressed, decoder, index, wanted, part_of(progress, group, count))
        except CorruptFileError as error:
            if damaged is None:
                raise
            damaged.append(str(error))
            n_frames = min(ratio, compressed.frames_valid - index * ratio)
            lost = np.full((n_frames, *compressed.frame_shape), np.nan, np.float32)
            yield {what: lost[:1] if what == CONSISTENCY else lost for what in wanted}
        progress(group.stop / count)


def _parts(
    compressed: CompressedMovie,
    decoder: Decoder,
    index: int,
    wanted: Sequence[str],
    progress: Progress,
) -> dict[str, NDArray[Any]]:
    """Return what is wanted of one block: (n, H, W), or (1, H, W) of its measurement."""
    block = decoder.block(index, progress)
    found: dict[str, NDArray[Any]] = {FRAMES: block.frames}
    if UNCERTAINTY in wanted:
        assert block.uncertainty is not None, "its row in RECONSTRUCTORS says that it states one"
        found[UNCERTAINTY] = block.uncertainty
    if CONSISTENCY in wanted:
        found[CONSISTENCY] = consistency_map(compressed, index, block.frames)[None]
    return found
