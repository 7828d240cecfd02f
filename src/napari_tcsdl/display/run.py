"""State of the run that is shown, and what its boxes say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari.layers import Layer

from ..settings import Settings
from .job import Finished, Job
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
    scores
        All rows of the table so far; ``by_frame`` finds one by codec and frame.
    qualities
        JPEG's quality in each block that is done, by role.
    """

    job: Job
    settings: Settings
    source: Layer
    geometry: Geometry
    store: ResultStore | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    added: list[Layer] = field(default_factory=list)
    scores: list[Any] = field(default_factory=list)
    by_frame: dict[tuple[str, int], Any] = field(default_factory=dict)
    qualities: dict[int, dict[str, int | None]] = field(default_factory=dict)
    frames_done: int = 0
    finished: Finished | None = None

    @property
    def compression_ratio(self) -> int:
        """B: the file's, where a file is reconstructed."""
        file = compressed_file(self.source)
        return int(file["compression_ratio"]) if file else self.settings.compression_ratio

    @property
    def compares(self) -> bool:
        """Whether raw frames are there to compare with."""
        return compressed_file(self.source) is None

    # --- boxes --------------------------------------------------------------------------------

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

    def means(self) -> dict[str, tuple[float, float, int]]:
        """Mean (PSNR [dB], SSIM) and summed real bytes of each codec over the frames done."""
        if not self.scores:
            return {}
        from ..comparison import mean_scores

        spent: dict[str, int] = {}
        for score in self.scores:
            spent[score.codec] = spent.get(score.codec, 0) + score.bytes
        means = mean_scores(self.scores)
        return {codec: (*values, spent[codec]) for codec, values in means.items()}

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
            title += f", q {quality}"
        score = self.by_frame.get((self.codec(role) or "", frame))
        if score is None:
            return (title,)
        return title, f"{score.psnr:.2f} dB   SSIM {score.ssim:.3f}"


_MEANINGS = {
    UNCERTAINTY: "1 σ, detector units",
    CONSISTENCY: "(Y − ΦX) / σ, from −5 to 5",
}


def compressed_file(layer: Layer | None) -> dict[str, Any] | None:
    """Return what ``layer`` says of the ``.tcs.zarr`` that it shows; None for a movie."""
    entry = layer.metadata.get(KEY, {}) if layer is not None else {}
    return entry if entry.get("role") == MEASUREMENT and entry.get("path") else None
