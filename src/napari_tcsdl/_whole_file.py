"""Files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ._validation import OutputError


@contextmanager
def whole_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what was written there takes the name at the end.

    Where the body raises, nothing of it is left, and a file that lay at ``path`` stays as it was.

    Parameters
    ----------
    path
        The file to be.
    replace
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        If ``path`` exists and ``replace`` is False, or cannot be written.
    """
    path = Path(path)
    _check_free(path, replace)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        _check_free(path, replace)
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}), expected a folder with free space "
            "that can be written; give another one"
        ) from error
    finally:
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)


def _check_free(path: Path, replace: bool) -> None:
    if path.exists() and not replace:
        raise OutputError(
            f"got output {path}, which exists already, expected a new name; choose another name"
        )
