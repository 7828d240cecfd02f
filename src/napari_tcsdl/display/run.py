"""State of the run that is shown, and what its boxes say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari.layers import Layer

from ..settings import Settings
from .job import ComparisonJob, Finished, Job
from .layers import KEY, Geometry, LayerTuple, result_layer, title_of
from .roles import (
    CONSISTENCY,
    DEFAULT_ROLES,
    MEASUREMENT,
    RAW,
    RECONSTRUCTION,
    REFERENCE,
    ROLES,
    UNCERTAINTY,
    in_order,
)
from .scoreboard import Basis, ScoreBoard
from .store import ResultStore

REFERENCES = {"denoised": "denoised raw frames", "raw": "raw frames", "truth": "the truth"}
"""What scores are taken against, in words."""

CONSISTENCY_LIMITS = (-5.0, 5.0)
"""Contrast of the consistency map [standard deviations]; beyond ±5 noise alone does not go."""


@dataclass(eq=False)
class Run:
    """One run: its job, its layers, and what was reported so far.

    Attributes
    ----------
    source
        The layer that was compressed, or whose file was reconstructed.
    geometry
        Of the frames.
    store
        Results on the disk; None until the job has prepared it.
    layers
        What the boxes show, by role.
    added
        Layers that the run has added, and takes away again.
    board
        The scores, in whatever region and against whatever reference the user has chosen.
    qualities
        JPEG's quality in each block that is done, by role.
    data_range
        With which the run takes its scores [detector units]; None before its first block.
    """

    job: Job
    settings: Settings
    source: Layer
    geometry: Geometry
    store: ResultStore | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    added: list[Layer] = field(default_factory=list)
    qualities: dict[int, dict[str, float | None]] = field(default_factory=dict)
    frames_done: int = 0
    data_range: float | None = None
    finished: Finished | None = None
    board: ScoreBoard = field(init=False)

    def __post_init__(self) -> None:
        self.board = ScoreBoard(Basis(self.reference_words))

    @property
    def compression_ratio(self) -> int:
        """B: the file's, where a file is reconstructed."""
        file = compressed_file(self.source)
        return int(file["compression_ratio"]) if file else self.settings.compression_ratio

    @property
    def compares(self) -> bool:
        """Whether raw frames are there to compare with."""
        return compressed_file(self.source) is None

    @property
    def reference_words(self) -> str:
        """What the run takes its scores against, in words."""
        words = REFERENCES[self.settings.reference]
        truth = self.job.truth if isinstance(self.job, ComparisonJob) else None
        return words if truth is None else f"{words} (layer {truth.name})"

    def scored_stacks(self) -> dict[str, Any]:
        """Frames (T, H, W) of each codec of the table, as far as they are kept."""
        kept = self.store.stacks if self.store is not None else {}
        roles = [role for role in ROLES if role == RAW or role in kept]
        return {codec: self.stack(role) for role in roles if (codec := self.codec(role))}

    # --- boxes --------------------------------------------------------------------------------

    def shows(self, layer: Layer) -> bool:
        """Whether ``layer`` is the input or one of the results."""
        return layer is self.source or any(layer is own for own in self.layers.values())

    def stack(self, role: str) -> Any:
        """Return what the layer of ``role`` shows: (T, H, W), or one picture a measurement."""
        if role in self.layers:
            return self.layers[role].data
        if role == RAW and self.compares:
            return self.source.data[0] if self.source.multiscale else self.source.data
        return self.store.stacks[role] if self.store is not None else None

    def roles(self) -> list[str]:
        """List the roles that there is something to show of, in the order of their boxes."""
        if self.store is None:
            return []
        first = (RAW,) if self.compares else (MEASUREMENT,)
        begun = [role for role in DEFAULT_ROLES if role in self.store.stacks]
        return in_order([*first, *begun, *self.store.filled])

    def first_layers(self, wanted: Sequence[str], limits: tuple[float, float]) -> list[LayerTuple]:
        """Layers to begin with, still dark: those of ``wanted`` and, always, the reconstruction."""
        if not self.compares:
            self.layers[MEASUREMENT] = self.source
        roles = [role for role in self.roles() if role in wanted or role == RECONSTRUCTION]
        return [self.layer(role, limits) for role in roles if role not in self.layers]

    def layer(self, role: str, limits: tuple[float, float]) -> LayerTuple:
        """Return a layer of ``role``, where ``limits`` are the contrast of frames."""
        geometry = self.geometry
        if ROLES[role].per_block:
            geometry = geometry.measurement(self.compression_ratio)
        facts: dict[str, Any] = {"codec": self.codec(role), "scores": []}
        facts["settings"] = self.settings.to_json()
        return result_layer(role, self.stack(role), geometry, self._limits(role, limits), facts)

    def codec(self, role: str) -> str | None:
        """Name of ``role`` in the table of scores."""
        return self.settings.decoder if role == RECONSTRUCTION else ROLES[role].codec

    def _limits(self, role: str, limits: tuple[float, float]) -> tuple[float, float]:
        if role == CONSISTENCY:
            return CONSISTENCY_LIMITS
        if role == UNCERTAINTY:
            return (0.0, (limits[1] - limits[0]) / 4)
        return limits

    # --- what is said -------------------------------------------------------------------------

    def title(self, role: str) -> str:
        """Name the box of ``role``."""
        if role == RECONSTRUCTION:
            return f"reconstruction ({title_of(self.settings.decoder)})"
        if role == REFERENCE:
            return f"reference: {REFERENCES[self.settings.reference]}"
        codec = self.codec(role)
        return title_of(codec) if codec is not None else role

    def label(self, role: str, frame: int) -> tuple[str, ...]:
        """Lines in the box of ``role`` while ``frame`` is shown."""
        ratio = self.compression_ratio
        block = frame // ratio
        if role == MEASUREMENT:
            first, last = block * ratio, min((block + 1) * ratio, self.job.n_frames) - 1
            frames = f"frames {first} to {last} in one" if last > first else f"frame {first}"
            return f"measurement {block + 1} of {-(-self.job.n_frames // ratio)}", frames
        title = self.title(role)
        if block not in self.qualities:
            waiting = role != RAW and not self.job.stop.is_set()
            return (title, "computing…") if waiting else (title,)
        if role in _MEANINGS:
            return title, _MEANINGS[role]
        quality = self.qualities[block].get(role)
        if quality is not None:
            title += f", q {quality:g}"
        score = self.board.score(self.codec(role), frame)
        if score is None:
            waits = self.board.waits_for(self.codec(role), frame)
            return (title, "computing…") if waits else (title,)
        where = "   in ROI" if self.board.basis.region is not None else ""
        psnr = f"{score.psnr:.2f}" if math.isfinite(score.psnr) else "∞"
        return title, f"{psnr} dB   SSIM {score.ssim:.3f}{where}"


_MEANINGS = {
    UNCERTAINTY: "1 σ, detector units",
    CONSISTENCY: "(Y − ΦX) / σ, from −5 to 5",
}


def compressed_file(layer: Layer | None) -> dict[str, Any] | None:
    """Return what ``layer`` says of the ``.tcs.zarr`` that it shows; None for a movie."""
    entry = layer.metadata.get(KEY, {}) if layer is not None else {}
    return entry if entry.get("role") == MEASUREMENT and entry.get("path") else None
