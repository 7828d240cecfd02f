"""Studies that nobody made, a real one of a small movie, and what is done to the panel."""

from __future__ import annotations

from panel_helpers import WAIT
from qtpy.QtCore import QPointF, Qt

from napari_tcsdl.display.rivals_job import (
    Look,
    Offer,
    Wish,
)
from napari_tcsdl.rivals import (
    BEST_BELOW,
    LADDER,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    RatePoint,
    Rival,
    Study,
)
from napari_tcsdl.settings import Settings

LEFT = Qt.MouseButton.LeftButton
MINE = Settings(compression_ratio=4, mask_tile=16, reference="raw", decoder="gap_tv", device="cpu")
OFFERS = (
    Offer("jpeg", "JPEG", "frame by frame", None),
    Offer(
        "av1_mp4", "AV1 MP4", "video", "PyAV is not installed: pip install 'napari-tcsdl[video]'"
    ),
    Offer("h264_mp4", "H.264 MP4", "video", None),
    Offer("frame_binning", "Frame binning", "as cheap as ours", None),
)


def made_up_point(codec, quality, n_bytes, psnr, *purposes):
    return RatePoint(codec, quality, "made up", n_bytes, psnr, 0.1, psnr / 50, 0.5, 0.1, purposes)


OWN = Rival(
    "gap_tv", "coded exposure, gap_tv", OURS,
    points=(
        made_up_point("gap_tv", 8.0, 1000, 21.0, LADDER),
        made_up_point("gap_tv", 4.0, 2000, 25.0, LADDER, RAW_OVER_B, SAME_BYTES, BEST_BELOW),
    ),
)  # fmt: skip
JPEG = Rival(
    "jpeg", "JPEG", "image",
    points=(
        made_up_point("jpeg", 10.0, 900, 20.0, LADDER),
        made_up_point("jpeg", 40.0, 3000, 27.0, LADDER, RAW_OVER_B, BEST_BELOW),
    ),
)  # fmt: skip
LOST = Rival("av1_mp4", "AV1 MP4", "video", missing="PyAV is not installed")
LOOKS = (
    Look("gap_tv", "gap_tv", "#ff7f0e", "diamond", (), True),
    Look("jpeg", "JPEG", "#1f77b4", "circle", (), False),
    Look("av1_mp4", "AV1 MP4", "#843c39", "square", (6.0, 3.0), False),
)


def made_up_study(job) -> Study:
    return Study(
        movie={"name": "lattice"},
        settings=job.settings.to_json(),
        reference="raw",
        data_range=100.0,
        raw_bytes=job.movie.nbytes,
        file_bytes={"total": 2000},
        budgets={RAW_OVER_B: 4320, SAME_BYTES: 2000, BEST_BELOW: 4320},
        storage_ratios={},
        rivals=(OWN, JPEG, LOST),
        verdict=("At raw/B JPEG beats us.", "Our encoder is cheap."),
        seconds=61.0,
    )


CHEAP = Wish(("jpeg", "zstd_bitshuffle", "frame_binning", "spatial_binning"), (3,), cost=False)


def finish(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.running, timeout=WAIT)


def place_of(plot, point) -> QPointF:
    spot = next(spot for spot in plot.spots if spot.point == point)
    return plot.getViewBox().mapViewToScene(QPointF(spot.x, spot.y))


def bought(codec, quality, n_bytes, psnr=30.0, *purposes):
    return RatePoint(codec, quality, "made up", n_bytes, psnr, 0.1, 0.9, 0.5, 0.1, purposes)
