"""Before and after fine-tuning, as one picture: a held-out block, its estimates, and the curve."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .._whole_file import whole_file
from ..reconstruction.unfolding import normalise, persistence_inputs
from .batches import SIDE_STEP, Batch, join
from .coding import Layout, draw_masks, measure
from .finetune import Tuned
from .following import followed
from .objective import OBJECTIVES

_SIDE = 256  # [px] more cannot be seen
_RATIO = 10
_DIFFERENCE = "#56b4e9"


def preview(tuned: Tuned) -> dict[str, NDArray[np.float32]]:
    """Decode one held-out block at full dose with the weights before and after.

    Returns
    -------
    dict
        Raw, mean of the block, before, after: (H, W) [detector units], of the middle frame.
    """
    movie = tuned.raw.movie
    _, height, width = movie.shape
    rows, columns = (min(_SIDE, length) // SIDE_STEP * SIDE_STEP for length in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    ratio = min(_RATIO, len(tuned.held_out), tuned.checkpoint.about["compression_ratios"][1])
    first = tuned.held_out.start
    frames = movie.read(first, first + ratio)[:, top : top + rows, left : left + columns]
    values = torch.from_numpy(frames.astype(np.float32))
    side = max(rows, columns)
    masks = draw_masks(1, Layout(ratio, 1, 0, 0), side, 0.0, torch.Generator().manual_seed(0))[0]
    batch, (level, spread) = _coded(tuned, values, masks[:, :rows, :columns])
    middle = ratio // 2
    shown = {"raw": values[middle], "mean of the block": values.mean(0)}
    for name, net in (("before", tuned.before), ("after", tuned.after)):
        shown[name] = _decoded(tuned, net, batch)[middle] * spread + level
    return {name: image.numpy().astype(np.float32) for name, image in shown.items()}


def write_before_after(tuned: Tuned, path: Path) -> None:
    """Write :func:`preview`, the difference it made, and the held-out error over the steps (PNG).

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_file(path, replace=True) as partial:
        partial.write_bytes(_png(preview(tuned), tuned))


def _coded(
    tuned: Tuned, values: torch.Tensor, masks: torch.Tensor
) -> tuple[Batch, tuple[float, float]]:
    """Encode whole frames (B, H, W); returns level and spread, too."""
    layout = Layout(len(values), 1, 0, 0)
    measured = measure(values, masks, layout)
    seen = measured.mean[measured.exposures > 0]
    level, spread = float(seen.mean()), float(seen.std()) or 1.0
    mean, sigma = normalise(measured.mean, measured.exposures, tuned.raw.noise, (level, spread))
    told = mean.new_tensor(persistence_inputs(tuned.raw.persistence, spread))
    row = (mean, sigma, masks, (values - level) / spread, told, followed(values))
    return join([row], layout), (level, spread)


@torch.inference_mode()
def _decoded(tuned: Tuned, net: nn.Module, batch: Batch) -> torch.Tensor:
    objective = OBJECTIVES[tuned.checkpoint.about["decoder"]]
    device = next(net.parameters()).device
    return objective.answer(net, batch.to(device)).frames[0].cpu()


def _png(images: dict[str, NDArray[np.float32]], tuned: Tuned) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from .._figure_layout import DPI, GROUND, MUTED, TEXT

    figure = Figure(figsize=(14, 5.6), facecolor=GROUND)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 5, height_ratios=(2.2, 1))
    panels: dict[str, dict[str, Any]] = {}
    for name, image in images.items():
        # Noise has a scale of its own; the estimates share theirs.
        ruler = images["before"] if name == "after" else image
        low, high = (float(np.percentile(ruler, p)) for p in (0.5, 99.5))
        panels[name] = {"X": image, "cmap": "gray", "vmin": low, "vmax": max(high, low + 1e-6)}
    change = images["after"] - images["before"]
    most = float(np.abs(change).max()) or 1.0
    panels[f"after − before (± {most:.3g})"] = {
        "X": change, "cmap": "RdBu_r", "vmin": -most, "vmax": most
    }  # fmt: skip
    for place, (name, options) in enumerate(panels.items()):
        axes = figure.add_subplot(grid[0, place])
        axes.imshow(interpolation="nearest", **options)
        axes.set_title(name, color=TEXT, fontsize=10)
        axes.set_axis_off()
    axes = figure.add_subplot(grid[1, :])
    _curve(axes, tuned)
    figure.suptitle(tuned.sentence(), color=TEXT, fontsize=10, wrap=True, y=0.985)
    figure.text(0.01, 0.01, f"one held-out frame of {tuned.raw.movie.name}, full dose", color=MUTED)
    figure.tight_layout(rect=(0, 0.03, 1, 0.99))
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, format="png")
    return content.getvalue()


def _curve(axes: Any, tuned: Tuned) -> None:
    from .._figure_layout import GROUND, LINE, MUTED, TEXT

    steps = [row["step"] for row in tuned.history]
    axes.plot(steps, [row["held_out_error"] for row in tuned.history], ".-", color=_DIFFERENCE)
    axes.axhline(tuned.errors[0], color=MUTED, lw=0.8, ls="--")
    axes.set_facecolor(GROUND)
    axes.set_xlabel("step", color=TEXT)
    axes.set_ylabel("held-out error", color=TEXT)
    axes.tick_params(colors=MUTED)
    axes.grid(color=LINE, lw=0.6)
    for spine in axes.spines.values():
        spine.set_color(LINE)
