"""State of the run that is shown, and what its boxes say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari.layers import Layer

from ..settings import Settings
from .job import Finished, Job, Prepared
from .layers import KEY, RAW, Geometry, LayerTuple, comparison_layers, result_layer, title_of
from .store import JPEG, MEASUREMENT, RECONSTRUCTION


@dataclass(eq=False)
class Run:
    """One run: its job, its layers, and what was reported so far.

    Attributes
    ----------
    source
        The layer that was compressed, or whose file was reconstructed.
    geometry
        Of the frames.
    layers
        What the boxes show, by role.
    added
        Layers that the run has added, and takes away again.
    scores
        All rows of the table so far; ``by_frame`` finds one by codec and frame.
    qualities
        JPEG's quality in each block that is done.
    """

    job: Job
    settings: Settings
    source: Layer
    geometry: Geometry
    layers: dict[str, Layer] = field(default_factory=dict)
    added: list[Layer] = field(default_factory=list)
    scores: list[Any] = field(default_factory=list)
    by_frame: dict[tuple[str, int], Any] = field(default_factory=dict)
    qualities: dict[int, int | None] = field(default_factory=dict)
    frames_done: int = 0
    finished: Finished | None = None

    @property
    def compression_ratio(self) -> int:
        """B: the file's, where a file is reconstructed."""
        file = compressed_file(self.source)
        return int(file["compression_ratio"]) if file else self.settings.compression_ratio

    def results(self, prepared: Prepared) -> list[LayerTuple]:
        """Layers over the stacks that the job has prepared, in the order of their boxes."""
        settings = self.settings.to_json()
        limits = prepared.limits or tuple(self.source.contrast_limits)
        if compressed_file(self.source) is None:
            raw = self.source.data[0] if self.source.multiscale else self.source.data
            return comparison_layers(raw, prepared.store, self.geometry, limits, settings)
        self.layers[MEASUREMENT] = self.source
        stack = prepared.store.stacks[RECONSTRUCTION]
        facts = {"codec": settings["decoder"], "settings": settings, "scores": []}
        return [result_layer(RECONSTRUCTION, stack, self.geometry, limits, facts)]

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

    def label(self, role: str, frame: int) -> tuple[str, ...]:
        """Lines in the box of ``role`` while ``frame`` is shown."""
        ratio = self.compression_ratio
        block = frame // ratio
        if role == MEASUREMENT:
            first, last = block * ratio, min((block + 1) * ratio, self.job.n_frames) - 1
            frames = f"frames {first} to {last} in one" if last > first else f"frame {first}"
            return f"measurement {block + 1} of {-(-self.job.n_frames // ratio)}", frames
        codec = {RAW: "raw", RECONSTRUCTION: self.settings.decoder, JPEG: "jpeg_same_bytes"}[role]
        title = title_of(codec)
        if role == RECONSTRUCTION:
            title = f"reconstruction ({title})"
        if block not in self.qualities:
            waiting = role != RAW and not self.job.stop.is_set()
            return (title, "computing…") if waiting else (title,)
        if role == JPEG and self.qualities[block] is not None:
            title += f", q {self.qualities[block]}"
        score = self.by_frame.get((codec, frame))
        if score is None:
            return (title,)
        return title, f"{score.psnr:.2f} dB   SSIM {score.ssim:.3f}"


def compressed_file(layer: Layer | None) -> dict[str, Any] | None:
    """Return what ``layer`` says of the ``.tcs.zarr`` that it shows; None for a movie."""
    entry = layer.metadata.get(KEY, {}) if layer is not None else {}
    return entry if entry.get("role") == MEASUREMENT and entry.get("path") else None
