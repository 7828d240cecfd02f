"""The study: a movie, our reconstruction of it, and every rival at real bytes."""

from __future__ import annotations

from .options import ALL, StudyOptions
from .points import (
    BEST_BELOW,
    BUDGETED,
    EXACT,
    LADDER,
    OURS,
    PURPOSE_WORDS,
    RAW_OVER_B,
    SAME_BYTES,
    EncoderCost,
    RatePoint,
    Rival,
    Shown,
    Study,
)
from .rival_facts import HeldOutFacts, HeldOutScore
from .study import study
from .verdict import verdict

__all__ = [
    "ALL",
    "BEST_BELOW",
    "BUDGETED",
    "EXACT",
    "LADDER",
    "OURS",
    "PURPOSE_WORDS",
    "RAW_OVER_B",
    "SAME_BYTES",
    "EncoderCost",
    "HeldOutFacts",
    "HeldOutScore",
    "RatePoint",
    "Rival",
    "Shown",
    "Study",
    "StudyOptions",
    "study",
    "verdict",
]
