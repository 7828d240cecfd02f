"""A study of rivals as one self-contained HTML page: it opens anywhere, offline, for years."""

from __future__ import annotations

from .page import html_report

__all__ = ["html_report"]
