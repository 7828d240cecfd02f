"""Results on disk while a run fills them: movies may be larger than memory."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import Cancelled, OutputError
from .leftovers import clean_up, partial_name
from .roles import ROLES

logger = logging.getLogger(__name__)


class TemporaryFolder:
    """A folder that goes when its last user does, and at the latest when Python exits."""

    def __init__(self, parent: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="napari-tcsdl-", dir=parent))
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class FolderArray(np.memmap):
    """A memory map that keeps its folder: layers over it need nobody to look after them."""

    folder: TemporaryFolder | None = None


class ResultStore:
    """Memory-mapped stacks in a temporary folder that lives as long as they do.

    ``stacks`` are there from the beginning, dark; ``filled`` names those that hold something.

    Parameters
    ----------
    shape
        (T, H, W) of the movie.
    compression_ratio
        B: there is one measurement for every B frames.
    dtypes
        Pixel type of each stack that is wanted, by its role.
    parent
        Folder in which the temporary folder is made; the system's by default.
    extras
        More stacks, kept as far as the disk has twice the room for them.

    Raises
    ------
    OutputError
        If the disk has no room for the stacks that are wanted.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        compression_ratio: int,
        dtypes: dict[str, np.dtype[Any]],
        parent: Path | None = None,
        *,
        extras: dict[str, np.dtype[Any]] | None = None,
    ) -> None:
        wanted = {**dtypes, **(extras or {})}
        shapes = {name: stack_shape(name, shape, compression_ratio) for name in wanted}
        sizes = {n: math.prod(shapes[n]) * np.dtype(wanted[n]).itemsize for n in wanted}
        parent = Path(parent or tempfile.gettempdir())
        needed = sum(sizes[name] for name in dtypes)
        free = shutil.disk_usage(parent).free
        if needed > free:
            raise OutputError(
                f"got {free / 1e9:.1f} GB free in {parent}, expected at least "
                f"{needed / 1e9:.1f} GB for the results of this movie; free some space there, "
                "or set TMPDIR to a larger disk"
            )
        for name in extras or {}:
            if 2 * (needed + sizes[name]) > free:
                del wanted[name]
            else:
                needed += sizes[name]
        self.folder = TemporaryFolder(parent)
        self.filled: set[str] = set()
        self.stacks: dict[str, NDArray[Any]] = {}
        for name, dtype in wanted.items():
            stack = FolderArray(
                self.folder.path / f"{name.replace('/', '_')}.raw",
                dtype=dtype,
                mode="w+",
                shape=shapes[name],
            )
            stack.folder = self.folder
            self.stacks[name] = stack

    @property
    def compressed_path(self) -> Path:
        """Where the compressed file of this run goes."""
        return self.folder.path / "movie.tcs.zarr"

    def write(self, name: str, first: int, values: NDArray[Any]) -> None:
        """Put ``values`` (n, H, W) at index ``first`` of stack ``name``.

        Integer stacks are rounded and clipped: they are what a detector of that type would show.
        A stack that is not kept is passed over.

        Raises
        ------
        Cancelled
            If the store was closed meanwhile.
        """
        if not self.stacks:
            raise Cancelled
        stack = self.stacks.get(name)
        if stack is None:
            return
        if stack.dtype.kind in "iu":
            limits = np.iinfo(stack.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        stack[first : first + len(values)] = values
        self.filled.add(name)

    def close(self) -> None:
        """Remove the folder now."""
        self.stacks = {}
        self.folder.remove()


def stack_shape(
    role: str, shape: tuple[int, int, int], compression_ratio: int
) -> tuple[int, int, int]:
    """Shape of the stack of ``role`` for a movie of ``shape`` (T, H, W)."""
    n_blocks = -(-shape[0] // compression_ratio)
    return (n_blocks if ROLES[role].per_block else shape[0], *shape[1:])


def stack_bytes(
    dtypes: dict[str, np.dtype[Any]], shape: tuple[int, int, int], compression_ratio: int
) -> int:
    """Bytes of all stacks of ``dtypes``, by role, for a movie of ``shape`` (T, H, W)."""
    return sum(
        math.prod(stack_shape(role, shape, compression_ratio)) * np.dtype(dtype).itemsize
        for role, dtype in dtypes.items()
    )


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden name beside ``path``; the folder made there takes the name at the end.

    Where the body raises, nothing of it is left; whatever lies at ``path`` stays as it is. What a
    process that was killed has left beside it is cleaned up.

    Raises
    ------
    OutputError
        If ``path`` exists, lies in no folder, or cannot be written.
    """
    _check_free(path)
    for name in clean_up(path.parent):
        logger.info("removed %s, which a process that was killed has left", name)
    # A name that nobody else has: a run that was stopped may still be at work on its own.
    partial = path.with_name(partial_name(path.name))
    try:
        yield partial
        _check_free(path)
        _rename(partial, path)
    except OutputError as error:
        raise OutputError(str(error).replace(str(partial), str(path))) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)
    except OSError as error:
        raise _cannot_write(path, error) from error


def copy_compressed(source: Path, target: Path) -> Path:
    """Copy a ``.tcs.zarr`` folder to a new place, whole or not at all.

    Raises
    ------
    OutputError
        If ``target`` exists, or cannot be written; nothing is ever replaced.
    """
    with whole_folder(target) as partial:
        try:
            shutil.copytree(source, partial)
        except (OSError, shutil.Error) as error:
            raise _cannot_write(target, error) from error
    return target


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise OutputError(
            f"got output {path}, which exists already, expected a new name; choose another name"
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"got output {path}, but {path.parent} is no folder, expected an existing folder; "
            "create it first"
        )


def _cannot_write(path: Path, error: Exception) -> OutputError:
    return OutputError(
        f"got {getattr(error, 'strerror', None) or error} while writing {path}, expected a "
        "folder with free space that can be written; choose another place"
    )
