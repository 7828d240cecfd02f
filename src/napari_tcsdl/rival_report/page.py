"""The page itself: verdict first, then plots, tables, pictures, and how it was made."""

from __future__ import annotations

from html import escape

import numpy as np

from .._words import human_bytes
from ..rivals.points import OURS, PURPOSE_WORDS, Shown, Study
from . import tables
from .pictures import detail, grey_limits, overview, spectrum, spectrum_floor
from .plots import cost_quality, rate_distortion
from .style import STYLE
from .words import colours, decibels, ratio


def html_report(study: Study) -> str:
    """Return the study as one HTML page that needs nothing else, not even a network.

    Parameters
    ----------
    study
        With its ``shown`` frames; without, the page has no pictures.

    Returns
    -------
    str
        HTML5, to be written as UTF-8.
    """
    name, ratio_b = str(study.movie["name"]), study.compression_ratio
    title = f"{name}: rivals at real bytes, B = {ratio_b}"
    sections = [
        ("Verdict", _verdict(study)),
        ("Quality against real bytes", _curves(study)),
        ("All rivals", _scores(study)),
        ("Frames", _frames(study)),
        ("Beyond PSNR", _fidelity(study)),
        ("Judged by electrons it never saw", _held_out(study)),
        ("What encoding costs", _costs(study)),
        ("Bytes", _bytes(study)),
        ("How this was made", _making(study)),
    ]
    body = "\n".join(
        f"<section><h2>{escape(head)}</h2>\n{content}</section>"
        for head, content in sections
        if content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        f"<header><h1>{escape(name)}</h1><p>{escape(_headline(study))}</p></header>\n"
        f"<main>\n{body}\n</main>\n</body></html>\n"
    )


def _headline(study: Study) -> str:
    movie = study.movie
    height, width = movie["frame_shape"]
    pixel = movie.get("pixel_size_angstrom")
    size_words = "pixel size unknown" if pixel is None else f"{pixel:g} Å/px"
    return (
        f"{movie['frames']} frames of {height} × {width} px, {movie['dtype']}, {size_words}, "
        f"{human_bytes(study.raw_bytes)} raw; B = {study.compression_ratio} frames per "
        f"measurement, {human_bytes(study.file_bytes['total'])} on disk"
    )


def _verdict(study: Study) -> str:
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in study.verdict)
    return f'<ul class="verdict">{lines}</ul>' if lines else ""


def _curves(study: Study) -> str:
    shades = colours(study.rivals)
    drawn = [rival for rival in study.rivals if rival.points and rival.kind != "lossless"]
    legend = "".join(
        f'<span><i style="background:{shades[rival.name]}"></i>{escape(rival.label)}</span>'
        for rival in drawn
    )
    return (
        "<p>Bytes are those of the whole movie on disk, headers, masks and metadata counted. "
        "Large marks serve one of the byte rules below, small ones are steps of a curve; ours "
        "are diamonds. Point at a mark for its numbers.</p>"
        f'<p class="legend">{legend}</p>'
        f'<div class="pair"><figure>{rate_distortion(study)}</figure>'
        f"<figure>{rate_distortion(study, 'ssim')}</figure></div>"
    )


def _scores(study: Study) -> str:
    note = (
        f"<p>Against: {escape(study.reference)}; data range {study.data_range:.4g} detector units "
        "for every row. PSNR is the mean over frames ± the deviation from frame to frame. "
        "<b>Bold</b> is the best of its column. “At any size” picks the size at which "
        "a codec is closest to the reference: at high rates codecs spend bits on noise. Encoding "
        "is CPU time as a multiple of ours.</p>"
    )
    return note + tables.scores(study) + tables.absent(study)


def _frames(study: Study) -> str:
    shown = {(item.codec, item.purpose): item for item in study.shown}
    reference = next((item for item in study.shown if item.codec == "reference"), None)
    if reference is None:
        return ""
    limits, floor = grey_limits(reference.image), spectrum_floor(reference.image)
    cards = [_card(item, _caption(study, item), limits, floor) for item in _in_order(study, shown)]
    note = (
        f"<p>Frame {reference.frame_index}: whole, its middle magnified, and the power spectrum of "
        "its middle (logarithmic, four decades, one scale for all). All share one grey scale, "
        "that of the reference.</p>"
    )
    return note + f'<div class="cards">{"".join(cards)}</div>'


def _in_order(study: Study, shown: dict[tuple[str, str], Shown]) -> list[Shown]:
    """Put reference, raw and ours first, then rivals from the best to the worst, each once."""
    first = [item for item in shown.values() if item.codec in ("reference", "raw")]
    rows: list[tuple[bool, float, Shown]] = []
    for rival in study.rivals:
        own = [item for item in shown.values() if item.codec == rival.name]
        if not own or rival.kind == "lossless":
            continue
        item = own[-1]  # the last purpose is the best size
        point = rival.point(item.purpose) or (rival.points[0] if rival.points else None)
        rows.append((rival.kind != OURS, -point.psnr if point else np.inf, item))
    return first + [item for *_, item in sorted(rows, key=lambda row: row[:2])]


def _caption(study: Study, item: Shown) -> tuple[str, str]:
    if item.codec in ("reference", "raw", "measurement"):
        words = {"reference": study.reference, "raw": "as recorded", "measurement": ""}
        return item.codec, words[item.codec]
    rival = study.rival(item.codec)
    point = rival.point(item.purpose)
    if point is None:
        return rival.label, PURPOSE_WORDS.get(item.purpose, item.purpose)
    raw = ratio(study.raw_bytes / point.n_bytes)
    return rival.label, (
        f"{PURPOSE_WORDS.get(item.purpose, item.purpose)}: {decibels(point.psnr)} dB, SSIM "
        f"{point.ssim:.3f}, {human_bytes(point.n_bytes)} ({raw})"
    )


def _card(item: Shown, caption: tuple[str, str], limits: tuple[float, float], floor: float) -> str:
    name, words = (escape(text) for text in caption)
    pictures = (
        (overview(item.image, limits), "whole frame"),
        (detail(item.image, limits), "detail"),
        (spectrum(item.image, floor), "power spectrum"),
    )
    images = "".join(f'<img src="{uri}" alt="{name}, {what}">' for uri, what in pictures)
    return f"<figure><figcaption><b>{name}</b><br>{words}</figcaption>{images}</figure>"


def _fidelity(study: Study) -> str:
    table = tables.fidelity(study)
    if not table:
        return ""
    frames = study.fidelity_frames
    span = "" if frames is None else f" Taken on frames {frames[0]} to {frames[1] - 1}."
    note = (
        f"Each rival at its best size up to raw/B, against the reference.{span} FRC: distance that "
        "is resolved. Edge width: 10 to 90 %. Tracking: how far moving features lie from where "
        "they are; a speed correlation of 1 follows the motion, low ones stand still and jump. "
        "Spots: share of the reference’s power above its ring that is there."
    )
    return f"<p>{escape(note)}</p>{table}"


def _held_out(study: Study) -> str:
    facts = study.held_out
    if facts is None:
        return ""
    if facts.refused:
        return f"<p>{escape(facts.refused)}</p>" + tables.held_out_facts(study)
    note = (
        "No reference is needed here: the electrons of each frame are split by chance into two "
        "halves, each rival codes one of them at the quality that was best for the whole movie (it "
        "is not searched again), and the other, which it never saw, judges what comes back; the "
        "noise of the judge is taken off. Everybody gets half the dose, so numbers "
        "are lower than above, and only comparisons within this table count; where the dependence "
        "of the halves is not near 0 they share noise (or the finest detail), and mean squared "
        "errors may be off by what is told below."
    )
    warning = "" if facts.warning is None else f"<p>Warning: {escape(facts.warning)}.</p>"
    scores = tables.held_out(study) + tables.held_out_facts(study)
    return f"<p>{escape(note)}</p>{warning}{scores}"


def _costs(study: Study) -> str:
    plot = cost_quality(study)
    figure = f"<figure>{plot}</figure>" if plot else ""
    return figure + tables.costs(study) if plot or study.camera_cost else ""


def _bytes(study: Study) -> str:
    return f'<div class="pair">{tables.storage(study)}{tables.lossless(study)}</div>'


def _making(study: Study) -> str:
    return (
        f"<p>It took {study.seconds:.0f} s. Video codecs make one stream of the whole movie with "
        "one keyframe, the first (Motion-JPEG has nothing but keyframes); frame binning and frame "
        "dropping go through it from end to end, too. Encoders are timed at their best size, ours "
        "at the B of the study.</p>"
        + tables.encoders(study)
        + f'<div class="pair">{tables.facts(study.settings)}{tables.facts(study.software)}</div>'
    )
