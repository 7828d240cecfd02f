"""The page of a study: whole, honest, self-contained."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from napari_tcsdl.rival_report import html_report
from napari_tcsdl.rival_report.plots import cost_quality, rate_distortion
from napari_tcsdl.rival_report.svg import Axis
from napari_tcsdl.rivals.points import (
    BEST_BELOW,
    EXACT,
    LADDER,
    OURS,
    RAW_OVER_B,
    SAME_BYTES,
    EncoderCost,
    RatePoint,
    Rival,
    Shown,
    Study,
)
from napari_tcsdl.rivals.rival_facts import HeldOutFacts, HeldOutScore

RAW_BYTES = 4_000_000


def point(codec, n_bytes, psnr, purposes, quality=10):
    settings = f"{codec} 1.0, quality {quality}"
    return RatePoint(codec, quality, settings, n_bytes, psnr, 0.25, psnr / 50, 1.0, 0.5, purposes)


def rival(name, kind, *points, cost=2.0, **facts):
    price = EncoderCost(0.001 * cost, 60 / cost, 10**6, cost)
    return Rival(name, f"The {name}", kind, "BSD-3-Clause", "1.0", None, None, points, cost=price,
                 **facts)  # fmt: skip


EVERY = (RAW_OVER_B, SAME_BYTES, BEST_BELOW)


def picture(codec, purpose=BEST_BELOW, shape=(70, 50), seed=0):
    image = np.random.default_rng(seed).normal(10, 2, shape).astype(np.float32)
    return Shown(codec, purpose, 3, image)


@pytest.fixture
def study():
    ours = rival("unfolding", OURS, point("unfolding", 250_000, 20.5, EVERY), cost=1.0)
    jpeg = rival(
        "jpeg",
        "image",
        point("jpeg", 60_000, 12.25, (BEST_BELOW,), 3),
        point("jpeg", 390_000, 11.5, (RAW_OVER_B, LADDER), 30),
        point("jpeg", 249_000, 11.75, (SAME_BYTES,), 20),
    )
    av1 = rival("av1", "video", point("av1", 9_000, 21.75, EVERY), cost=800.0)
    absent = Rival("vp9", "VP9", "video", missing="PyAV is missing; install <napari-tcsdl[video]>")
    exact = rival("jpegls", "lossless", point("jpegls", 2_000_000, math.inf, (EXACT,), None))
    return Study(
        movie={"name": "gold & <carbon>.tif", "frames": 61, "frame_shape": [70, 50],
               "dtype": "uint8", "pixel_size_angstrom": 0.25},
        settings={"compression_ratio": 10, "weights": None},
        reference="truth: known",
        data_range=9.0,
        raw_bytes=RAW_BYTES,
        file_bytes={"measurements": 200_000, "masks": 45_000, "metadata": 5_000, "total": 250_000},
        budgets={RAW_OVER_B: 400_000, SAME_BYTES: 250_000, BEST_BELOW: 400_000},
        storage_ratios={"as_stored": 16.0, "losslessly_coded": 8.0, "companded_alike": None},
        rivals=(ours, jpeg, av1, absent, exact),
        verdict=("The av1 beats us by 1.25 dB.",),
        software={"python": "3.11"},
        seconds=12.0,
        shown=(picture("raw", ""), picture("reference", ""), picture("unfolding"), picture("jpeg")),
    )  # fmt: skip


class Reader(HTMLParser):
    """Tags, texts and whether every tag is closed."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_every_tag_is_closed_and_every_name_escaped(study):
    reader = read(html_report(study))
    assert "gold & <carbon>.tif" in reader.texts
    assert not any(tag in ("carbon", "napari-tcsdl[video]") for tag, _ in reader.tags)


def test_nothing_is_loaded_from_elsewhere(study):
    reader = read(html_report(study))
    sources = [a[k] for _, a in reader.tags for k in ("src", "href") if k in a]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not any(tag in ("script", "link", "iframe") for tag, _ in reader.tags)
    assert not re.search(r"url\(|@import", html_report(study))


def test_the_verdict_comes_first(study):
    texts = read(html_report(study)).texts
    heads = [text for text in texts if text in ("Verdict", "All rivals", "Frames", "Bytes")]
    assert heads == ["Verdict", "All rivals", "Frames", "Bytes"]
    assert texts.index("The av1 beats us by 1.25 dB.") < texts.index("All rivals")


def test_the_best_of_each_column_is_bold_even_where_it_is_not_ours(study):
    bold = re.findall(r'<td class="best">([^<]*)</td>', html_report(study))
    assert bold == ["21.75 ± 0.25", "0.435"] * 3
    worse = replace(study, rivals=study.rivals[:2])
    assert re.findall(r'<td class="best">([^<]*)</td>', html_report(worse))[0] == "20.50 ± 0.25"


def test_who_is_absent_says_why_and_who_is_over_budget_says_by_how_much(study):
    jpeg = replace(study.rivals[1], points=(), over_budget={RAW_OVER_B: 512_000})
    texts = read(
        html_report(replace(study, rivals=(study.rivals[0], jpeg, *study.rivals[2:])))
    ).texts
    assert "PyAV is missing; install <napari-tcsdl[video]>" in texts
    assert "over budget: at least 512 kB" in texts


def test_our_file_larger_than_the_budget_gets_no_score_there(study):
    page = html_report(
        replace(
            study,
            rivals=(
                rival(
                    "unfolding",
                    OURS,
                    point("unfolding", 450_000, 20.5, (SAME_BYTES,)),
                    over_budget={RAW_OVER_B: 450_000},
                ),
            ),
        )
    )
    assert "over budget: at least 450 kB" in page
    assert page.count("20.50 ± 0.25") == 1


def test_a_study_without_pictures_or_costs_still_is_a_page(study):
    bare = replace(
        study, shown=(), rivals=tuple(replace(r, cost=None) for r in study.rivals), verdict=()
    )
    texts = read(html_report(bare)).texts
    assert "Frames" not in texts
    assert "What encoding costs" not in texts
    assert "All rivals" in texts


FACTS = HeldOutFacts(
    7, "Å", 4.5, noise_variance=3.0, dependence=0.0123, raw_resolution=2.46,
    failed={"jpeg": "broke <badly>"},
)  # fmt: skip


def unseen(psnr, mse, resolution=1.234):
    return HeldOutScore(10.0, 123_000, mse, 0.1, psnr, 0.25, resolution, 61)


def judged(study, facts=FACTS):
    ours = replace(study.rivals[0], held_out=unseen(18.25, 2.0))
    av1 = replace(study.rivals[2], held_out=unseen(math.inf, -0.05, math.inf))
    rivals = (ours, study.rivals[1], av1, *study.rivals[3:])
    return read(html_report(replace(study, rivals=rivals, held_out=facts))).texts


UNSEEN = "Judged by electrons it never saw"


def test_held_out_scores_have_a_table_with_errors_failures_and_facts(study):
    texts = judged(study)
    part = texts[texts.index(UNSEEN) : texts.index("What encoding costs")]
    assert "18.25 ± 0.25" in part
    assert "1.23" in part
    assert "> 21.3" in part  # 4.5² over −0.05 + 2 · 0.1: not told from none
    assert "FRC ½ [Å]" in part
    assert "broke <badly>" in part
    assert part[part.index("seed of the split") + 1] == "7"
    assert part[part.index("dependence of the halves") + 1] == "0.012"
    off = part[part.index("mean squared errors may be off by") + 1]
    assert off == "0.0369 (the best has -0.05), squared detector units"
    assert part[part.index("raw frames, even against odd (FRC 1/7)") + 1] == "2.46 Å"
    assert not any("Warning" in text for text in part)
    bold = re.findall(r'<td class="best">([^<]*)</td>', html_report(study))
    assert "> 21.3" not in bold  # of a study without them


def test_the_page_says_why_noise_is_not_split_or_unsure(study):
    texts = judged(study, replace(FACTS, warning="motion adds 28% to the variance"))
    assert "Warning: motion adds 28% to the variance." in texts
    bare = replace(study, held_out=replace(FACTS, refused="got no noise, expected some", failed={}))
    texts = read(html_report(bare)).texts
    assert "got no noise, expected some" in texts
    assert texts.index("got no noise, expected some") > texts.index(UNSEEN)
    assert "FRC ½ [Å]" not in texts
    assert UNSEEN not in read(html_report(study)).texts


def test_plots_are_whole_svg_with_a_word_for_each_point(study):
    for svg in (rate_distortion(study), rate_distortion(study, "ssim"), cost_quality(study)):
        root = ElementTree.fromstring(svg)
        words = [title.text for mark in root if "point" in mark.get("class", "") for title in mark]
        assert any("The av1" in word for word in words)
        assert not any("jpegls" in word for word in words)  # lossless: no point on a curve
    assert "390 kB (10.3 ×), jpeg 1.0, quality 30" in rate_distortion(study)


def test_points_lie_inside_the_axes_and_more_is_higher(study):
    root = ElementTree.fromstring(rate_distortion(study))
    diamonds = [m for m in root if m.tag == "path" and m.get("class") == "point"]
    circles = [m for m in root if m.tag == "circle"]
    assert len(diamonds) == 1
    assert len(circles) == 3
    ours = float(diamonds[0].get("d").split()[1].split("L")[0])
    assert all(ours < float(circle.get("cy")) for circle in circles)  # up is small
    across = [float(circle.get("cx")) for circle in circles]
    assert across == sorted(across)  # a curve goes by rising bytes
    assert all(0 < float(c.get("cx")) < 760 and 0 < float(c.get("cy")) < 430 for c in circles)


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "expected"),
    [
        (0.0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (11.2, 21.9, False, [12, 14, 16, 18, 20]),
        (-3.0, 3.0, False, [-3, -2, -1, 0, 1, 2, 3]),
        (20_000, 90_000, True, [20_000, 30_000, 50_000, 70_000]),
        (1.0, 1000.0, True, [1, 3, 10, 30, 100, 300, 1000]),
    ],
)
def test_ticks_are_round(low, high, logarithmic, expected):
    assert Axis("", low, high, logarithmic).ticks() == pytest.approx(expected)


def test_pictures_share_one_grey_scale(study):
    dark = Shown("unfolding", BEST_BELOW, 3, np.zeros((70, 50), np.float32))
    bright = replace(study, shown=(*study.shown[:2], dark))
    first, second = html_report(study), html_report(bright)
    assert first.count("<img") == 12
    assert second.count("<img") == 9
    # the reference looks the same whatever stands beside it
    reference = re.search(r'<img src="([^"]*)" alt="reference, whole frame"', first)[1]
    assert reference in second


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_a_real_browser_shows_it_without_an_error(study, tmp_path):
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(html_report(study), encoding="utf-8")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        f"--screenshot={shot}", page.as_uri(),
    ]  # fmt: skip
    said = tmp_path / "said.txt"
    with said.open("wb") as log:
        browser = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            assert browser.wait(timeout=300) == 0
        finally:  # a browser is many processes, and the first does not end the others
            with contextlib.suppress(ProcessLookupError):
                os.killpg(browser.pid, signal.SIGKILL)
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in said.read_text(errors="replace")  # where pages complain
