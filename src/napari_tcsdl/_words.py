"""How numbers are written for people."""

from __future__ import annotations


def human_bytes(count: float) -> str:
    """``count`` bytes in the unit that reads best (decimal units), for example ``3.9 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:  # what is rounded to 1000 reads better in the next unit
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
