"""What the tests of TIFF files share."""

from __future__ import annotations

COMPRESSIONS = [None, "lzw", "zlib", "zstd"]


def overwrite_bytes(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
