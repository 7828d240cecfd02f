"""``python -m napari_tcsdl.simulate FOLDER [NAME …]`` makes the sample movies again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from .._validation import exit_code
from .sample import SAMPLES, write_sample


def main(arguments: list[str]) -> int:
    """Write sample movies and print their checksums; 0, or 2 with one sentence on stderr."""
    if not arguments:
        names = " ".join(SAMPLES)
        print(f"usage: python -m napari_tcsdl.simulate FOLDER [{names}]", file=sys.stderr)
        return 2
    return exit_code(lambda: _write(Path(arguments[0]), arguments[1:] or list(SAMPLES)))


def _write(folder: Path, names: list[str]) -> None:
    for name in names:
        path = write_sample(folder, name)
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
