"""``python -m napari_tcsdl.simulate FOLDER`` makes the sample movie again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from .._validation import TcsdlError
from .sample import write_sample


def main(arguments: list[str]) -> int:
    """Write the sample movie and print its checksum; 0, or 2 with one sentence on stderr."""
    if len(arguments) != 1:
        print("usage: python -m napari_tcsdl.simulate FOLDER", file=sys.stderr)
        return 2
    try:
        path = write_sample(Path(arguments[0]))
    except TcsdlError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
